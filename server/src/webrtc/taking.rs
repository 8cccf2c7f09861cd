//! What somebody publishes: their packets into access units.

use std::time::Instant;

use bytes::{BufMut, BytesMut};
use media::TrackId;
use rtp::packet::Header;
use rtp::sdp::SessionDescription;
use rtp::{Delivery, Receiver};
use str0m::Rtc;
use str0m::format::Codec;
use str0m::media::{KeyframeRequestKind, Mid};
use str0m::rtp::{RtpPacket, Ssrc};

use crate::config::values::Bitrate;
use crate::error::SourceError;
use crate::ingest::SILENCE;
use crate::ingest::packets::Intake;
use crate::net::rate_limit::RateLimit;
use crate::supervise::seat::Occupation;

/// Somebody who publishes.
#[derive(Debug)]
pub(super) struct Taking {
    intake: Intake,
    pub(super) seat: Occupation,
    tracks: Vec<Input>,
    rate: RateLimit,
}

/// One medium that is received.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) mid: Mid,
    pub(super) id: TrackId,
    /// The formats it may come in: the sender chooses.
    pub(super) formats: Vec<(u8, Codec)>,
    /// The one that is received.
    pub(super) payload_type: u8,
    pub(super) sender: Option<Ssrc>,
}

/// A receiver of a format; `None` for one that nothing here reads.
pub(super) fn receiver(codec: Codec, payload_type: u8, id: TrackId, now: Instant) -> Option<Receiver> {
    let description = description(codec, payload_type)?;
    let session = SessionDescription::parse(&description).ok()?;
    let format = session.media.first()?.format(id).ok()?;
    Some(Receiver::new(format, Delivery::AnyOrder, now))
}

/// As RTSP would describe it. What the parameters are comes in band.
fn description(codec: Codec, payload_type: u8) -> Option<String> {
    let (kind, mapping) = match codec {
        Codec::H264 => ("video", "H264/90000"),
        Codec::H265 => ("video", "H265/90000"),
        Codec::Vp8 => ("video", "VP8/90000"),
        Codec::Vp9 => ("video", "VP9/90000"),
        Codec::Av1 => ("video", "AV1/90000"),
        Codec::Opus => ("audio", "opus/48000/2"),
        Codec::PCMU => ("audio", "PCMU/8000"),
        Codec::PCMA => ("audio", "PCMA/8000"),
        _ => return None,
    };
    Some(format!("v=0\r\nm={kind} 0 RTP/AVP {payload_type}\r\na=rtpmap:{payload_type} {mapping}\r\n"))
}

impl Taking {
    pub(super) fn new(
        publisher: hub::Publisher,
        seat: Occupation,
        tracks: Vec<Input>,
        rate: Bitrate,
        now: Instant,
    ) -> Self {
        let mut publisher = publisher;
        publisher.answer_keyframe_requests();
        let receivers = tracks.iter().filter_map(|track| {
            let (_, codec) =
                track.formats.iter().find(|(payload_type, _)| *payload_type == track.payload_type)?;
            receiver(*codec, track.payload_type, track.id, now)
        });
        let intake = Intake::new(publisher, receivers.collect());
        Self { intake, seat, tracks, rate: RateLimit::new(rate, now) }
    }

    /// Takes a packet.
    pub(super) fn take(
        &mut self,
        rtc: &mut Rtc,
        packet: &RtpPacket,
        now: Instant,
    ) -> Result<(), SourceError> {
        let header = &packet.header;
        // Faster than anybody may: lost, as on a network that is too slow.
        if !self.rate.take(packet.payload.len(), now).is_zero() {
            return Ok(());
        }
        let mid = header.ext_vals.mid.or_else(|| Some(rtc.direct_api().stream_rx(&header.ssrc)?.mid()));
        let Some(at) = mid.and_then(|mid| self.tracks.iter().position(|track| track.mid == mid)) else {
            return Ok(());
        };
        let track = &mut self.tracks[at];
        track.sender = Some(header.ssrc);
        let payload_type = *header.payload_type;
        if payload_type != track.payload_type {
            let format = track.formats.iter().find(|(known, _)| *known == payload_type);
            let Some(other) = format.and_then(|(_, codec)| receiver(*codec, payload_type, track.id, now))
            else {
                return Ok(());
            };
            track.payload_type = payload_type;
            self.intake.replace(at, other);
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
        self.intake.take(at, false, bytes.freeze(), now)?;
        if self.intake.is_keyframe_wanted(now) {
            self.request_keyframe(rtc);
        }
        Ok(())
    }

    /// Asks the sender for a random access point.
    fn request_keyframe(&self, rtc: &mut Rtc) {
        for sender in
            self.tracks.iter().filter(|track| track.id == TrackId::VIDEO).filter_map(|track| track.sender)
        {
            if let Some(stream) = rtc.direct_api().stream_rx(&sender) {
                stream.request_keyframe(KeyframeRequestKind::Pli);
            }
        }
    }

    /// Gives up on packets that are missing for too long.
    pub(super) fn advance(&mut self, now: Instant) -> Result<(), SourceError> {
        self.intake.advance(now)
    }

    /// When that is to be done next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.intake.deadline()
    }

    /// Whether nothing came for too long.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.intake.heard()) >= SILENCE
    }

    /// Ends it, saying why in the log.
    pub(super) fn end(self, reason: &str) {
        drop(self.intake); // the stream is free before the seat is
        self.seat.end(reason);
    }
}
