//! One medium of one viewer: its numbers and times, what is kept to be sent again, and each packet's header.
//!
//! A payload is shared by all viewers; what is kept of it here is where it is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::MediaKind;
use peer::agreed::Packet;
use rtp::packet::Header;
use rtp::rtcp::{NtpTime, SenderReport};
use srtp::{Sealer, SrtpError};
use str0m::media::Mid;

use super::exit::Exit;

/// What was agreed on for a medium.
#[derive(Debug, Clone)]
pub(super) struct Agreed {
    /// Its name in the description.
    pub(super) mid: Mid,
    pub(super) payload_type: u8,
    pub(super) ssrc: u32,
    /// Payload type and source of what is sent again (RFC 4588); without, a packet is repeated as it was.
    pub(super) again: Option<(u8, u32)>,
    /// Ticks a second.
    pub(super) clock: u32,
    /// The sender's name in reports.
    pub(super) name: Arc<str>,
    /// Number of the header extension that says `mid` (RFC 9143 §15.2).
    pub(super) mid_extension: Option<u8>,
    /// Number of the one that numbers a connection's packets.
    pub(super) numbering_extension: Option<u8>,
}

/// One medium that is sent.
#[derive(Debug)]
pub(super) struct Flow {
    agreed: Agreed,
    /// Number of the next packet, and of the next that is sent again.
    number: u64,
    number_again: u64,
    /// Timestamp of the last packet.
    timestamp: Option<u32>,
    /// A timestamp, and when that was.
    clock: Option<(u32, Instant)>,
    packets: u32,
    octets: u32,
    kept: VecDeque<Kept>,
    /// The peer reports on it: it knows which medium this is.
    is_known: bool,
}

/// A packet that was sent, and may be asked for again. Times are milliseconds of the session.
#[derive(Debug)]
struct Kept {
    payload: Arc<[u8]>,
    timestamp: u32,
    left: u32,
    again: u32,
    look: Look,
}

/// What of a header is not the medium's or the stream's.
#[derive(Debug, Clone, Copy)]
struct Look {
    marker: bool,
    says_mid: bool,
    number: Option<u16>,
}

impl Flow {
    /// Begins with numbers of chance, low enough to stay far from where they start over (RFC 3711 §3.3.1).
    pub(super) fn new(agreed: Agreed, chance: u32) -> Self {
        let number = |chance: u32| u64::from(chance & 0x3fff);
        Self {
            agreed,
            number: number(chance),
            number_again: number(chance >> 16),
            timestamp: None,
            clock: None,
            packets: 0,
            octets: 0,
            kept: VecDeque::new(),
            is_known: false,
        }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.agreed.ssrc
    }

    /// The timestamp of the last packet.
    pub(super) fn timestamp(&self) -> Option<u32> {
        self.timestamp
    }

    /// Whether its packets can be numbered for the connection.
    pub(super) fn can_be_numbered(&self) -> bool {
        self.agreed.numbering_extension.is_some()
    }

    /// The peer reports on it.
    pub(super) fn is_heard_of(&mut self) {
        self.is_known = true;
    }

    /// A timestamp, and when it was.
    pub(super) fn has_clock(&self) -> bool {
        self.clock.is_some()
    }

    /// Sends a packet; `at` is when its media was, if that is known. Its length.
    pub(super) fn send(
        &mut self,
        packet: &Packet,
        at: Option<Instant>,
        number: Option<u16>,
        millis: u32,
        sealer: &Sealer,
        exit: &mut Exit<'_>,
    ) -> Result<usize, SrtpError> {
        let Packet { kind, marker, timestamp, payload } = packet;
        let look = Look { marker: *marker, says_mid: !self.is_known, number };
        let bytes = write(&self.agreed, self.number, *timestamp, look, None, payload, sealer, exit)?;
        self.number += 1;
        self.timestamp = Some(*timestamp);
        self.clock = at.map(|at| (*timestamp, at)).or(self.clock);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        if *kind == MediaKind::Video {
            self.keep(payload, *timestamp, look, millis);
        }
        Ok(bytes)
    }

    fn keep(&mut self, payload: &Arc<[u8]>, timestamp: u32, look: Look, millis: u32) {
        let over = |kept: &Kept| millis.saturating_sub(kept.left) > KEPT_MS;
        while self.kept.len() >= MOST_KEPT || self.kept.front().is_some_and(over) {
            self.kept.pop_front();
        }
        // A large beginning is over some time.
        if self.kept.capacity() > 4 * self.kept.len().max(64) {
            self.kept.shrink_to(2 * self.kept.len());
        }
        let payload = Arc::clone(payload);
        self.kept.push_back(Kept { payload, timestamp, left: millis, again: 0, look });
    }

    /// Sends a packet again, if it is there and was not sent again within `apart`. Its length.
    pub(super) fn send_again(
        &mut self,
        sequence: u16,
        apart: Duration,
        millis: u32,
        number: impl FnOnce() -> Option<u16>,
        sealer: &Sealer,
        exit: &mut Exit<'_>,
    ) -> Result<usize, SrtpError> {
        let Some((original, at)) = self.find(sequence) else { return Ok(0) };
        let Some(kept) = self.kept.get_mut(at) else { return Ok(0) };
        let since = u128::from(millis.saturating_sub(kept.again));
        if kept.again != 0 && since < apart.as_millis() {
            return Ok(0);
        }
        kept.again = millis.max(1);
        let Kept { payload, timestamp, look, .. } = &*kept;
        if self.agreed.again.is_none() {
            // As it was to the last byte: what is sealed twice with one number must not differ.
            return write(&self.agreed, original, *timestamp, *look, None, payload, sealer, exit);
        }
        let look = Look { number: number(), says_mid: !self.is_known, ..*look };
        let had = Some(original as u16);
        let bytes = write(&self.agreed, self.number_again, *timestamp, look, had, payload, sealer, exit)?;
        self.number_again += 1;
        Ok(bytes)
    }

    /// The whole number of the latest packet with this sequence number, and where it is kept.
    fn find(&self, sequence: u16) -> Option<(u64, usize)> {
        let latest = self.number.checked_sub(1)?;
        let number = latest.checked_sub(u64::from((latest as u16).wrapping_sub(sequence)))?;
        let at = number.checked_sub(self.number - self.kept.len() as u64)?;
        Some((number, usize::try_from(at).ok()?))
    }

    /// What it says of itself (RFC 3550 §6.4.1), if it has something to say.
    pub(super) fn report(&self, ntp: NtpTime, now: Instant, out: &mut Vec<u8>) {
        let Some((timestamp, at)) = self.clock else { return };
        let ticks = |span: Duration| (span.as_secs_f64() * f64::from(self.agreed.clock)).round() as u32;
        let rtp_timestamp = match now.checked_duration_since(at) {
            Some(since) => timestamp.wrapping_add(ticks(since)),
            None => timestamp.wrapping_sub(ticks(at.saturating_duration_since(now))),
        };
        let ssrc = self.agreed.ssrc;
        let report = SenderReport { ssrc, ntp, rtp_timestamp, packets: self.packets, octets: self.octets };
        report.write(&self.agreed.name, out);
    }
}

/// Writes a packet where it leaves from, and seals it. What is sent again is named by the number it `had`, under one of its own.
#[allow(clippy::too_many_arguments)] // each stands for itself
fn write(
    agreed: &Agreed,
    number: u64,
    timestamp: u32,
    look: Look,
    had: Option<u16>,
    payload: &[u8],
    sealer: &Sealer,
    exit: &mut Exit<'_>,
) -> Result<usize, SrtpError> {
    let (payload_type, ssrc) =
        agreed.again.filter(|_| had.is_some()).unwrap_or((agreed.payload_type, agreed.ssrc));
    let head = Header { marker: look.marker, payload_type, sequence: number as u16, timestamp, ssrc };
    let mut header = [0; MOST_HEADER];
    let length = write_header(head, agreed, look, &mut header);
    let had = had.map(u16::to_be_bytes);
    let first = had.as_ref().map_or(&[][..], |bytes| &bytes[..]);
    let whole = length + first.len() + payload.len() + sealer.tag();
    exit.send(whole, |packet| {
        let (start, rest) = packet.split_at_mut(length);
        start.copy_from_slice(&header[..length]);
        let (start, rest) = rest.split_at_mut(first.len());
        start.copy_from_slice(first);
        rest[..payload.len()].copy_from_slice(payload);
        sealer.seal(packet, length, ssrc, number)
    })?;
    Ok(whole)
}

/// A header with its extensions, in the form of one byte each (RFC 8285 §4.2); its length.
fn write_header(head: Header, agreed: &Agreed, look: Look, out: &mut [u8; MOST_HEADER]) -> usize {
    out[..Header::LENGTH].copy_from_slice(&head.to_bytes());
    let start = Header::LENGTH + 4;
    let mut at = start;
    let mut put = |id: Option<u8>, value: &[u8]| {
        let Some(id) = id.filter(|id| (1..=14).contains(id)) else { return };
        if let Some(place) = out.get_mut(at..at + 1 + value.len()) {
            place[0] = id << 4 | (value.len() as u8 - 1);
            place[1..].copy_from_slice(value);
            at += 1 + value.len();
        }
    };
    if look.says_mid {
        put(agreed.mid_extension, agreed.mid.as_bytes());
    }
    if let Some(number) = look.number {
        put(agreed.numbering_extension, &number.to_be_bytes());
    }
    if at == start {
        return Header::LENGTH;
    }
    let end = at.next_multiple_of(4);
    out[0] |= EXTENDED;
    out[Header::LENGTH..start].copy_from_slice(&[0xbe, 0xde, 0, ((end - start) / 4) as u8]);
    end
}

/// The bit that says there are extensions.
const EXTENDED: u8 = 0x10;
/// With a name of sixteen letters and a number.
const MOST_HEADER: usize = Header::LENGTH + 4 + 1 + 16 + 3;
/// What is asked for later than this has been shown or given up.
const KEPT_MS: u32 = 1_000;
/// A second of a fast stream, or a large keyframe.
const MOST_KEPT: usize = 1_024;
