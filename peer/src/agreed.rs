//! What an offer and its answer agreed on: which media there are, in which formats they may come, and in which they go.

use std::sync::Arc;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use media::{MediaKind, TrackId};
use rtp::Receiver;
use rtp::packet::Header;
use str0m::Rtc;
use str0m::format::{Codec, PayloadParams};
use str0m::media::{Direction, KeyframeRequestKind, Mid, Pt};
use str0m::rtp::{RtpPacket, RtpWrite, Ssrc};

use crate::formats::{id_of, receiver};

/// One medium of a session.
#[derive(Debug, Clone, Copy)]
pub struct Medium {
    /// Its name.
    pub mid: Mid,
    /// Pictures, or sound.
    pub kind: MediaKind,
    /// Which way it goes, seen from here.
    pub direction: Direction,
}

/// The media of a description, in their order, as they were agreed on.
pub fn media(rtc: &Rtc, description: &str) -> Vec<Medium> {
    let mids = description.lines().filter_map(|line| line.trim_end().strip_prefix("a=mid:")).map(Mid::from);
    let medium = |mid| {
        let media = rtc.media(mid)?;
        let kind = if media.kind().is_audio() { MediaKind::Audio } else { MediaKind::Video };
        Some(Medium { mid, kind, direction: media.direction() })
    };
    mids.filter_map(medium).collect()
}

/// What of a medium's formats both sides have.
fn common(rtc: &Rtc, mid: Mid) -> impl Iterator<Item = &PayloadParams> {
    let types = rtc.media(mid).map(|media| media.remote_pts()).unwrap_or_default();
    types.iter().filter_map(|one| rtc.codec_config().params().iter().find(|known| known.pt() == *one))
}

/// Where a kind of media goes, and as which payload type, if it goes in this codec.
pub fn output(rtc: &Rtc, media: &[Medium], kind: MediaKind, codec: Codec) -> Option<(Mid, Pt)> {
    let medium = media.iter().find(|medium| medium.kind == kind)?;
    if !medium.direction.is_sending() {
        return None;
    }
    let fits = |known: &&PayloadParams| {
        let mode = known.spec().format.packetization_mode;
        // Fragments need mode 1 (RFC 6184 §6.3).
        known.spec().codec == codec && (codec != Codec::H264 || mode == Some(1))
    };
    Some((medium.mid, common(rtc, medium.mid).find(fits)?.pt()))
}

/// One medium that is sent.
#[derive(Debug)]
pub struct Output {
    mid: Mid,
    payload_type: Pt,
    /// Number of the next packet.
    number: u64,
    /// Timestamp of the last one.
    timestamp: Option<u32>,
}

/// A packet that is sent, the same for whoever is sent it: number, name and key are each one's own, and not in it.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Of pictures, or of sound.
    pub kind: MediaKind,
    /// The last one of a picture.
    pub marker: bool,
    /// On the format's clock.
    pub timestamp: u32,
    /// What is in it.
    pub payload: Arc<[u8]>,
}

impl Packet {
    /// Its length with all headers.
    pub fn bytes(&self) -> usize {
        self.payload.len() + HEADERS
    }
}

impl Output {
    /// Begins with a number of chance, low enough to stay far from where it starts over (RFC 3711 §3.3.1).
    pub fn new(mid: Mid, payload_type: Pt, chance: u32) -> Self {
        Self { mid, payload_type, number: u64::from(chance & 0x3fff), timestamp: None }
    }

    /// The medium's name.
    pub fn mid(&self) -> Mid {
        self.mid
    }

    /// The timestamp of the last packet.
    pub fn timestamp(&self) -> Option<u32> {
        self.timestamp
    }

    /// Hands a packet over; `wallclock` is when its media was. One of pictures can be asked for again.
    pub fn write(&mut self, rtc: &mut Rtc, packet: &Packet, wallclock: Instant) {
        let mut direct = rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(self.mid, None) else { return };
        let Packet { kind, marker, timestamp, payload } = packet;
        let (number, payload) = (self.number.into(), Arc::clone(payload));
        let write = RtpWrite::new(self.payload_type, number, *timestamp, wallclock, payload);
        stream.write_rtp(write.marker(*marker).nackable(*kind == MediaKind::Video));
        self.number += 1;
        self.timestamp = Some(*timestamp);
    }
}

/// The media that are received.
#[derive(Debug, Default)]
pub struct Inputs {
    all: Vec<Input>,
}

/// One medium that is received.
#[derive(Debug, Clone)]
struct Input {
    mid: Mid,
    id: TrackId,
    /// The formats it may come in: the sender chooses.
    formats: Vec<(u8, Codec)>,
    /// The one that is received.
    payload_type: u8,
    sender: Option<Ssrc>,
}

/// A packet that came, as `rtp` takes it.
#[derive(Debug)]
pub struct Taken {
    /// Which medium's, as [`Inputs::receivers`] counts them.
    pub at: usize,
    /// Receives it from now on: the sender chose another format.
    pub replacement: Option<Box<Receiver>>,
    /// The packet.
    pub packet: Bytes,
}

impl Inputs {
    /// Those of a session that may come in one of these codecs.
    pub fn of(rtc: &Rtc, media: &[Medium], codecs: &[Codec]) -> Self {
        let input = |kind: MediaKind| {
            let medium = media.iter().find(|medium| medium.kind == kind)?;
            if !medium.direction.is_receiving() {
                return None;
            }
            let id = id_of(kind);
            let formats: Vec<(u8, Codec)> = common(rtc, medium.mid)
                .map(|known| (*known.pt(), known.spec().codec))
                .filter(|(_, codec)| codecs.contains(codec))
                .collect();
            let (payload_type, _) = *formats.first()?;
            Some(Input { mid: medium.mid, id, formats, payload_type, sender: None })
        };
        Self { all: [MediaKind::Video, MediaKind::Audio].into_iter().filter_map(input).collect() }
    }

    /// Whether a kind of media is received.
    pub fn has(&self, kind: MediaKind) -> bool {
        self.all.iter().any(|input| input.id == id_of(kind))
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A receiver for each.
    pub fn receivers(&self, now: Instant) -> Vec<Receiver> {
        let receivers = self.all.iter().filter_map(|input| {
            let (_, codec) =
                input.formats.iter().find(|(payload_type, _)| *payload_type == input.payload_type)?;
            receiver(*codec, input.payload_type, input.id, now)
        });
        receivers.collect()
    }

    /// Finds out whose a packet is; `None` if it is nothing that was agreed on.
    pub fn take(&mut self, rtc: &mut Rtc, packet: &RtpPacket, now: Instant) -> Option<Taken> {
        let header = &packet.header;
        let mid = header.ext_vals.mid.or_else(|| Some(rtc.direct_api().stream_rx(&header.ssrc)?.mid()))?;
        let at = self.all.iter().position(|input| input.mid == mid)?;
        let input = &mut self.all[at];
        input.sender = Some(header.ssrc);
        let payload_type = *header.payload_type;
        let mut replacement = None;
        if payload_type != input.payload_type {
            let (_, codec) = input.formats.iter().find(|(known, _)| *known == payload_type)?;
            replacement = Some(Box::new(receiver(*codec, payload_type, input.id, now)?));
            input.payload_type = payload_type;
        }
        let mut bytes = BytesMut::with_capacity(Header::LENGTH + packet.payload.len());
        let rtp = Header {
            marker: header.marker,
            payload_type,
            sequence: header.sequence_number,
            timestamp: header.timestamp,
            ssrc: *header.ssrc,
        };
        bytes.put_slice(&rtp.to_bytes());
        bytes.put_slice(&packet.payload);
        Some(Taken { at, replacement, packet: bytes.freeze() })
    }

    /// Asks the sender of pictures for a random access point.
    pub fn request_keyframe(&self, rtc: &mut Rtc) {
        let senders =
            self.all.iter().filter(|input| input.id == TrackId::VIDEO).filter_map(|input| input.sender);
        for sender in senders {
            if let Some(stream) = rtc.direct_api().stream_rx(&sender) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
        }
    }
}

/// Bytes of a packet at most: with what SRTP and a tunnel put around it, it still fits everywhere.
pub const PACKET: usize = 1_200;
/// Of RTP with SRTP's tag, UDP and IP.
pub const HEADERS: usize = 60;
/// Packets of pictures that are kept of each session's to be sent again: a second, or a large keyframe.
pub const RESENT: usize = 512;
