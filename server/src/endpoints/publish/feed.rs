//! What a publisher sends, into the stream, with a watch on the time.
//!
//! Silence is counted in units, not in bytes: somebody who sends a byte now and then, or bytes that nothing can be made of, holds
//! the seat no longer than somebody who sends nothing.

use std::time::{Duration, Instant};

use container::demux::InputFormat;
use hub::Publisher;

use crate::error::SourceError;
use crate::ingest::{Ingest, SILENCE};

/// One publisher's byte stream.
#[derive(Debug)]
pub(super) struct Feed {
    ingest: Ingest,
    /// What the bytes are, once that is known.
    format: Option<InputFormat>,
    /// Bytes came that may end a unit which nothing has ended yet.
    pending: bool,
    /// When units last came.
    heard: Instant,
    units: u64,
    began: Instant,
}

impl Feed {
    /// For bytes of a stated format, or of one to be found by looking.
    pub(super) fn new(publisher: Publisher, format: Option<InputFormat>) -> Self {
        let now = Instant::now();
        Self {
            ingest: Ingest::new(publisher, format),
            format,
            pending: false,
            heard: now,
            units: 0,
            began: now,
        }
    }

    /// Takes bytes in and publishes what they complete.
    ///
    /// # Errors
    /// As [`Ingest::push`].
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        self.ingest.push(bytes, None)?;
        self.pending = true;
        self.count();
        Ok(())
    }

    /// The end: what has come is all there is.
    ///
    /// # Errors
    /// As [`Ingest::push`], and if there was nothing to publish in all of it.
    pub(super) fn finish(&mut self) -> Result<(), SourceError> {
        self.ingest.finish()?;
        self.count();
        match self.units {
            0 => Err(SourceError::Media(format!("nothing playable in {} bytes", self.ingest.stats().bytes))),
            _ => Ok(()),
        }
    }

    /// To be awaited while nothing comes: ends only with an error, when that takes too long. Cancel-safe.
    ///
    /// # Errors
    /// [`SourceError::Ended`], or as [`Ingest::push`].
    pub(super) async fn silence(&mut self) -> SourceError {
        if self.pending {
            tokio::time::sleep(self.ingest.patience()).await;
            self.pending = false;
            if let Err(error) = self.ingest.idle() {
                return error;
            }
            self.count();
        }
        tokio::time::sleep(SILENCE.saturating_sub(self.heard.elapsed())).await;
        SourceError::Ended(format!("nothing playable came for {} s", SILENCE.as_secs()))
    }

    /// Units so far.
    pub(super) const fn units(&self) -> u64 {
        self.units
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.ingest.stats().bytes
    }

    /// What the bytes are, once that is known.
    pub(super) const fn format(&self) -> Option<InputFormat> {
        self.format
    }

    /// How long it has lasted.
    pub(super) fn lasted(&self) -> Duration {
        self.began.elapsed()
    }

    fn count(&mut self) {
        self.format = self.format.or(self.ingest.format());
        let units = self.ingest.stats().units;
        if units != self.units {
            self.units = units;
            self.heard = Instant::now();
        }
    }
}
