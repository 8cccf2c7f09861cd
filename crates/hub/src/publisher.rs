//! The exclusive right to push into a stream.

use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use media::{AccessUnit, Track};
use thiserror::Error;

use crate::{Stream, StreamName};

/// Pushes units into its stream; dropping it unpublishes.
#[derive(Debug)]
pub struct Publisher {
    stream: Arc<Stream>,
    number: u64,
    /// Kept between pushes so that waking a thousand readers allocates nothing.
    woken: Vec<Waker>,
}

/// Why a unit or a publisher is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PublishError {
    /// The stream has a publisher.
    #[error("stream {0} already has a publisher")]
    Taken(StreamName),
    /// The stream was closed.
    #[error("stream {0} is closed")]
    Closed(StreamName),
    /// Another publisher took over.
    #[error("another publisher took over stream {0}")]
    Replaced(StreamName),
}

impl Publisher {
    pub(crate) fn new(stream: Arc<Stream>, number: u64) -> Self {
        Self { stream, number, woken: Vec::new() }
    }

    /// The stream it pushes into.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Says which tracks there will be, so that the first init segment has them all. A unit of a track not named
    /// here, or with newer parameters, still changes the set by itself.
    pub fn set_tracks(&mut self, tracks: Vec<Arc<Track>>) {
        self.stream.set_tracks(self.number, tracks);
    }

    /// Pushes one unit: into the ring, through each live packaging, to every waiting reader.
    ///
    /// Units before the first random access point are left out, nobody could use them.
    ///
    /// # Errors
    /// [`PublishError::Closed`] once the stream is closed, [`PublishError::Replaced`] once another publisher took over.
    pub fn publish(&mut self, unit: AccessUnit) -> Result<(), PublishError> {
        self.stream.push(self.number, unit, &mut self.woken)
    }

    /// Promises to make a random access point whenever [`Publisher::take_keyframe_request`] is true.
    pub fn answer_keyframe_requests(&mut self) {
        self.stream.set_answers(self.number);
    }

    /// Whether the readers asked for a keyframe since the last time this was true, at most once in 300 ms of `now`.
    pub fn take_keyframe_request(&mut self, now: Instant) -> bool {
        self.stream.take_keyframe_request(self.number, now)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stream.unpublish(self.number);
    }
}
