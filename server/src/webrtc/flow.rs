//! One medium of one viewer: its numbers and times, what is kept to be sent again, and each packet's header.
//!
//! A payload is shared by all viewers; what is kept of it here is where it is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peer::agreed::Packet;
use rtp::packet::Header;
use rtp::rtcp::{NtpTime, SenderReport};
use srtp::{Sealer, SrtpError};
use str0m::media::Mid;

use super::exit::Exit;
use super::sender::Run;

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

/// Packets of a picture that were sent in a row, and may be asked for again. Times are milliseconds of the session.
#[derive(Debug)]
struct Kept {
    run: Run,
    /// Number of the first.
    number: u64,
    left: u32,
    /// When some were last sent again, and which: a bit for each, of the first 64.
    again: u32,
    which: u64,
    look: Look,
}

/// What of a header is not the medium's or the stream's.
#[derive(Debug, Clone, Copy)]
struct Look {
    says_mid: bool,
    /// Of the first packet, among all of the connection.
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

    /// Sends packets of one moment, numbered for the connection from `number` on; `at` is when their media was, if that is known. Their length.
    pub(super) fn send(
        &mut self,
        packets: &[Packet],
        timestamp: u32,
        at: Option<Instant>,
        number: Option<u16>,
        sealer: &Sealer,
        exit: &mut Exit<'_>,
    ) -> Result<usize, SrtpError> {
        let (mut bytes, mut octets) = (0, 0);
        let mut look = self.look(number);
        for packet in packets {
            bytes += write(&self.agreed, self.number, timestamp, look, None, packet, sealer, exit)?;
            self.number += 1;
            octets += packet.payload.len();
            look.number = look.number.map(|number| number.wrapping_add(1));
        }
        self.timestamp = Some(timestamp);
        self.clock = at.map(|at| (timestamp, at)).or(self.clock);
        self.packets = self.packets.wrapping_add(packets.len() as u32);
        self.octets = self.octets.wrapping_add(octets as u32);
        Ok(bytes)
    }

    fn look(&self, number: Option<u16>) -> Look {
        Look { says_mid: !self.is_known, number }
    }

    /// Remembers what was just sent, in case it is asked for again.
    pub(super) fn keep(&mut self, run: Run, number: Option<u16>, millis: u32) {
        let over = |kept: &Kept| millis.saturating_sub(kept.left) > KEPT_MS;
        while self.kept.len() >= MOST_KEPT || self.kept.front().is_some_and(over) {
            self.kept.pop_front();
        }
        // A large beginning is over some time.
        if self.kept.capacity() > 4 * self.kept.len().max(16) {
            self.kept.shrink_to(2 * self.kept.len());
        }
        let first = self.number - run.packets().len() as u64;
        let look = self.look(number);
        self.kept.push_back(Kept { run, number: first, left: millis, again: 0, which: 0, look });
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
        let has_again = self.agreed.again.is_some();
        let now = self.look(None);
        let Some((original, kept, at)) = self.find(sequence) else { return Ok(0) };
        if u128::from(millis.saturating_sub(kept.again)) >= apart.as_millis() {
            (kept.again, kept.which) = (millis, 0);
        }
        let bit = 1_u64.checked_shl(at as u32).unwrap_or(0);
        if kept.which & bit != 0 {
            return Ok(0);
        }
        kept.which |= bit;
        let Some(packet) = kept.run.packets().get(at).cloned() else { return Ok(0) };
        let (timestamp, before) = (kept.run.timestamp, kept.look);
        if !has_again {
            // As it was to the last byte: what is sealed twice with one number must not differ.
            let look = Look { number: before.number.map(|first| first.wrapping_add(at as u16)), ..before };
            return write(&self.agreed, original, timestamp, look, None, &packet, sealer, exit);
        }
        let (look, had) = (Look { number: number(), ..now }, Some(original as u16));
        let bytes = write(&self.agreed, self.number_again, timestamp, look, had, &packet, sealer, exit)?;
        self.number_again += 1;
        Ok(bytes)
    }

    /// The latest packet with this sequence number: its whole number, and its place in what is kept.
    fn find(&mut self, sequence: u16) -> Option<(u64, &mut Kept, usize)> {
        let latest = self.number.checked_sub(1)?;
        let number = latest.checked_sub(u64::from((latest as u16).wrapping_sub(sequence)))?;
        let place = self.kept.partition_point(|kept| kept.number <= number).checked_sub(1)?;
        let kept = self.kept.get_mut(place)?;
        let at = usize::try_from(number - kept.number).ok()?;
        (at < kept.run.packets().len()).then_some((number, kept, at))
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
    packet: &Packet,
    sealer: &Sealer,
    exit: &mut Exit<'_>,
) -> Result<usize, SrtpError> {
    let (payload_type, ssrc) =
        agreed.again.filter(|_| had.is_some()).unwrap_or((agreed.payload_type, agreed.ssrc));
    let (marker, payload) = (packet.marker, &packet.payload);
    let head = Header { marker, payload_type, sequence: number as u16, timestamp, ssrc };
    let mut header = [0; MOST_HEADER];
    let length = write_header(head, agreed, look, &mut header);
    let had = had.map(u16::to_be_bytes);
    let first = had.as_ref().map_or(&[][..], |bytes| &bytes[..]);
    let whole = length + first.len() + payload.len() + sealer.tag();
    exit.send(whole, |bytes| {
        let start = bytes.len();
        bytes.extend_from_slice(&header[..length]);
        bytes.extend_from_slice(first);
        bytes.extend_from_slice(payload);
        bytes.resize(start + whole, 0);
        sealer.seal(&mut bytes[start..], length, ssrc, number)
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
/// Pictures, or packets of large ones.
const MOST_KEPT: usize = 1_024;
