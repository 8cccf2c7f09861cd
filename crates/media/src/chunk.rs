//! A muxer's output, ready to send as it is.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use thiserror::Error;

use crate::{AccessUnit, MediaTime, Track, TrackId, Wallclock};

/// What a reader of a packaged format needs before the first chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitSegment {
    /// MIME type with RFC 6381 codecs, for example `video/mp4; codecs="avc1.42c01f,mp4a.40.2"`.
    pub mime: String,
    /// The bytes to send, once, before the chunks that point here. May be empty.
    pub bytes: Bytes,
}

/// One immutable piece of a packaged format, made once and sent to every viewer.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The track that leads it.
    pub track: TrackId,
    /// Its init segment. A reader sends it when the pointer differs from the last one it sent.
    pub init: Option<Arc<InitSegment>>,
    /// Decoding time of its first unit.
    pub dts: MediaTime,
    /// A reader may start here: it begins with a random access point of the stream's leading track.
    pub random_access: bool,
    /// The bytes, exactly as they go on the wire.
    pub bytes: Bytes,
    /// When the camera saw its newest unit, if the source knows.
    pub captured: Option<Wallclock>,
    /// When the unit that completed it reached us.
    pub arrival: Instant,
}

/// Why a unit could not be packaged. The muxer stays usable; the unit is left out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MuxError {
    /// The format has no place for this codec.
    #[error("{format} cannot carry {codec}")]
    UnsupportedCodec {
        /// The format's name as users write it.
        format: &'static str,
        /// The codec's name.
        codec: &'static str,
    },
    /// The format has no composition time and the unit needs one.
    #[error("{format} cannot carry reordered pictures (B-frames)")]
    Reordered {
        /// The format's name as users write it.
        format: &'static str,
    },
    /// The payload breaks the rules of [`AccessUnit`].
    #[error("malformed access unit: {0}")]
    Malformed(String),
}

/// Turns access units into one delivery format. Runs inline in the publisher: a header and a copy, never a wait.
///
/// The unit's time is continuous and its tracks may be replaced at any unit (compare the `Arc` pointer); a muxer then
/// makes a new [`InitSegment`] and goes on.
pub trait Muxer: Send {
    /// Whether the format can carry this track at all.
    fn accepts(&self, track: &Track) -> bool;

    /// The stream's tracks, all of them, before the first `push` and again whenever the set changes.
    ///
    /// A format that announces all tracks in one init segment makes it from this.
    fn tracks(&mut self, tracks: &[Arc<Track>]);

    /// Takes one unit in and puts the chunks that are complete by it at the end of `out`.
    ///
    /// # Errors
    /// [`MuxError`] when this unit cannot be carried; nothing of it reaches `out` and the muxer stays usable.
    fn push(&mut self, unit: &AccessUnit, out: &mut VecDeque<Chunk>) -> Result<(), MuxError>;
}
