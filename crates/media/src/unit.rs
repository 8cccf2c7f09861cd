//! The access unit: the smallest thing with a timestamp.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::{MediaTime, Track, Wallclock};

/// One coded picture, or one packet of coded sound, with everything needed to place it.
///
/// Payload rules: H.264 and H.265 are 4-byte length-prefixed NAL units without parameter sets and access unit delimiters; AV1
/// is a temporal unit without delimiter; VP8, VP9, JPEG and MPEG-1 are one coded picture, the last with the headers before it; AAC is one raw
/// data block without ADTS header; Opus is one packet; MPEG audio is one frame; G.711 is any number of samples.
#[derive(Debug, Clone)]
pub struct AccessUnit {
    /// Its track; a new pointer means new parameters.
    pub track: Arc<Track>,
    /// Decoding time, in the track's timescale; never decreases within a track of one publisher.
    pub dts: MediaTime,
    /// Presentation time, in the track's timescale; differs from `dts` only where pictures are reordered.
    pub pts: MediaTime,
    /// Decodable alone, and nothing after it looks back past it. Always true for sound.
    pub random_access: bool,
    /// Nothing refers to it, so it may be left out.
    pub disposable: bool,
    /// Packets known to be lost just before it.
    pub lost_before: u16,
    /// The payload.
    pub data: Bytes,
    /// When the camera saw it, if the source knows.
    pub captured: Option<Wallclock>,
    /// When its last byte reached us.
    pub arrival: Instant,
}

impl AccessUnit {
    /// PTS minus DTS, in the track's timescale (*composition time offset* in BMFF and FLV).
    pub fn composition_offset(&self) -> MediaTime {
        self.pts.saturating_sub(self.dts)
    }
}
