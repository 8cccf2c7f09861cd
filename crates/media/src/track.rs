//! One elementary stream of a presentation.

use crate::{CodecParameters, MediaKind, Timescale};

/// Which track of its stream; small, and stable while a publisher lives.
///
/// By convention 1 is the first video track and 2 the first audio track, which is also how they are numbered in fMP4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u32);

impl TrackId {
    /// The first video track.
    pub const VIDEO: Self = Self(1);
    /// The first audio track.
    pub const AUDIO: Self = Self(2);
}

/// One elementary stream: what it is and how its time is counted.
///
/// A track never changes. When a source changes its parameters it makes a new `Track` (same [`TrackId`]) and the units
/// from then on point to that, so data and parameters that do not belong together cannot meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Which track of the stream.
    pub id: TrackId,
    /// The unit of the track's timestamps.
    pub timescale: Timescale,
    /// Everything a decoder needs before the first unit.
    pub parameters: CodecParameters,
}

impl Track {
    /// Picture or sound.
    pub fn kind(&self) -> MediaKind {
        self.parameters.kind()
    }
}
