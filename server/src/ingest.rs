//! Bytes from a camera into a publisher, the same for every source that is a byte stream.
//!
//! A raw H.264 pipe does not say where a picture ends before the next one begins; so when the pipe falls silent for
//! [`Ingest::patience`] what has come is taken as a whole picture, which takes a frame's length off the latency. The demuxer notices
//! where that guess is wrong for a camera and stops guessing.
//!
//! Not here: where the bytes come from, retry. What comes as RTP packets is [`packets`]'s.

pub mod packets;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use container::demux::{DemuxStats, Demuxer, InputFormat};
use hub::{PublishError, Publisher};
use media::{AccessUnit, Wallclock};
use tokio::io::{AsyncRead, AsyncReadExt};
use tracing::warn;

use crate::error::SourceError;
use crate::telemetry::Throttle;

/// A camera silent this long is gone, or stuck.
pub const SILENCE: Duration = Duration::from_secs(10);
/// As much as one read takes; a pipe holds 64 KiB.
const READ: usize = 64 * 1_024;

/// Feeds one publisher from one byte stream.
#[derive(Debug)]
pub struct Ingest {
    demuxer: Demuxer,
    publisher: Publisher,
    units: VecDeque<AccessUnit>,
    errors: u64,
    notes: Throttle,
}

impl Ingest {
    /// For bytes of a stated format, or of one to be found by looking.
    pub fn new(publisher: Publisher, format: Option<InputFormat>) -> Self {
        Self {
            demuxer: Demuxer::new(format),
            publisher,
            units: VecDeque::new(),
            errors: 0,
            notes: Throttle::new(Duration::from_secs(10)),
        }
    }

    /// Takes bytes in and publishes what they complete.
    ///
    /// # Errors
    /// [`SourceError::Media`] if nothing can follow, [`SourceError::Publish`] if the stream is closed.
    pub fn push(&mut self, bytes: &[u8], captured: Option<Wallclock>) -> Result<(), SourceError> {
        let fed = self.demuxer.push(bytes, Instant::now(), captured, &mut self.units);
        self.publish()?;
        fed.map_err(|e| SourceError::Media(e.to_string()))
    }

    /// An input silent this long has delivered the picture: encoders write a picture in one go, and the next one is at
    /// least 8 ms away at 120 pictures a second.
    pub const fn patience(&self) -> Duration {
        self.demuxer.patience()
    }

    /// The input has been silent for [`patience`](Self::patience): what has come is probably whole.
    ///
    /// # Errors
    /// As [`Ingest::push`].
    pub fn idle(&mut self) -> Result<(), SourceError> {
        let fed = self.demuxer.flush_idle(&mut self.units);
        self.publish()?;
        fed.map_err(|e| SourceError::Media(e.to_string()))
    }

    /// The input ended: what has come is all there is.
    ///
    /// # Errors
    /// As [`Ingest::push`].
    pub fn finish(&mut self) -> Result<(), SourceError> {
        let fed = self.demuxer.finish(&mut self.units);
        self.publish()?;
        fed.map_err(|e| SourceError::Media(e.to_string()))
    }

    /// Reads until the end of the input; `Ok` means it ended in an orderly way.
    ///
    /// # Errors
    /// As [`Ingest::push`], and [`SourceError::Io`] when reading fails or nothing comes for [`SILENCE`].
    pub async fn pump(&mut self, mut reader: impl AsyncRead + Unpin, what: &str) -> Result<(), SourceError> {
        let mut buffer = vec![0; READ];
        let mut pending = false;
        loop {
            let patience = if pending { self.patience() } else { SILENCE };
            match tokio::time::timeout(patience, reader.read(&mut buffer)).await {
                Ok(Ok(0)) => return self.finish(),
                Ok(Ok(len)) => {
                    self.push(&buffer[..len], None)?;
                    pending = true;
                }
                Ok(Err(error)) => return Err(SourceError::io(what, error)),
                Err(_) if pending => {
                    self.idle()?;
                    pending = false;
                }
                Err(_) => {
                    return Err(SourceError::Ended(format!(
                        "{what}: nothing came for {} s",
                        SILENCE.as_secs()
                    )));
                }
            }
        }
    }

    /// What has come so far.
    pub fn stats(&self) -> DemuxStats {
        self.demuxer.stats()
    }

    /// What the bytes are, once that is known.
    pub const fn format(&self) -> Option<InputFormat> {
        self.demuxer.format()
    }

    fn publish(&mut self) -> Result<(), SourceError> {
        let name = self.publisher.stream().name().clone();
        for note in self.demuxer.notes() {
            warn!(stream = %name, "{note}");
        }
        let errors = self.demuxer.stats().errors;
        if errors > self.errors
            && let Some(held) = self.notes.allow()
        {
            warn!(stream = %name, errors = errors - self.errors, held, "damaged data in the input was left out");
            self.errors = errors;
        }
        if self.units.is_empty() {
            return Ok(());
        }
        self.publisher.set_tracks(self.demuxer.tracks().to_vec());
        self.units
            .drain(..)
            .try_for_each(|unit| self.publisher.publish(unit))
            .map_err(|e: PublishError| e.into())
    }
}
