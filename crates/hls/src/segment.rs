//! Media Segments and their parts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::Wallclock;

/// A Media Initialization Section, told apart by its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// Counts up with each change of parameters.
    pub number: u64,
    /// MIME type with the codecs.
    pub mime: String,
    /// The section.
    pub bytes: Bytes,
}

/// A Partial Segment.
#[derive(Debug, Clone)]
pub struct Part {
    /// How long its media lasts.
    pub duration: Duration,
    /// It begins with a picture that is decodable alone.
    pub independent: bool,
    /// Whole movie fragments.
    pub bytes: Bytes,
}

/// A Media Segment, whole or still growing.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its Media Sequence Number.
    pub number: u64,
    /// What its media needs before it.
    pub init: Arc<Init>,
    /// What comes before it is of another encoding, or of another time.
    pub discontinuity: bool,
    /// When its first unit was captured, or came.
    pub wallclock: Wallclock,
    /// Its parts, in order.
    pub parts: Vec<Part>,
    /// Units of the leading track.
    pub units: u32,
    /// Nothing more will come.
    pub complete: bool,
    /// Its media in one piece, once it is complete; the parts are slices of it.
    pub bytes: Bytes,
}

impl Segment {
    /// The sum of its parts.
    pub fn duration(&self) -> Duration {
        self.parts.iter().map(|part| part.duration).sum()
    }

    /// Bytes of media.
    pub fn size(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.len()).sum()
    }

    /// The mean bit rate.
    pub fn bit_rate(&self) -> f64 {
        self.size() as f64 * 8.0 / self.duration().as_secs_f64().max(1e-3)
    }

    /// Ends it: its media goes into one piece.
    pub(crate) fn finish(mut self) -> Self {
        let mut whole = Vec::with_capacity(self.size());
        self.parts.iter().for_each(|part| whole.extend_from_slice(&part.bytes));
        self.bytes = whole.into();
        let mut at = 0;
        for part in &mut self.parts {
            let end = at + part.bytes.len();
            part.bytes = self.bytes.slice(at..end);
            at = end;
        }
        self.complete = true;
        self
    }
}
