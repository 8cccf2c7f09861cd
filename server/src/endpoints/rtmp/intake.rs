//! Tags into a publisher, whether somebody publishes them here or we play them elsewhere.
//!
//! Silence is counted in units, not in bytes: somebody who sends what nothing can be made of holds the stream no longer than somebody who
//! sends nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use container::demux::TagsDemuxer;
use container::flv::TagKind;
use hub::Publisher;
use media::AccessUnit;
use tracing::warn;

use crate::error::SourceError;
use crate::ingest::SILENCE;
use crate::telemetry::Throttle;

/// Tags on their way into a stream.
pub(super) struct Intake {
    demuxer: TagsDemuxer,
    publisher: Publisher,
    units: VecDeque<AccessUnit>,
    /// When units last came.
    heard: Instant,
    errors: u64,
    damage: Throttle,
}

impl Intake {
    pub(super) fn new(publisher: Publisher) -> Self {
        let now = Instant::now();
        Self {
            demuxer: TagsDemuxer::new(now),
            publisher,
            units: VecDeque::new(),
            heard: now,
            errors: 0,
            damage: Throttle::new(Duration::from_secs(10)),
        }
    }

    pub(super) fn push(&mut self, kind: TagKind, timestamp: u32, body: &[u8]) -> Result<(), SourceError> {
        let now = Instant::now();
        self.demuxer.push(kind, timestamp, body, now, &mut self.units);
        let stream = self.publisher.stream().name().clone();
        for note in self.demuxer.notes() {
            warn!(%stream, "{note}");
        }
        let errors = self.demuxer.stats().errors;
        if errors > self.errors
            && let Some(held) = self.damage.allow()
        {
            warn!(%stream, errors = errors - self.errors, held, "damaged tags were left out");
            self.errors = errors;
        }
        if self.units.is_empty() {
            return Ok(());
        }
        self.heard = now;
        self.publisher.set_tracks(self.demuxer.tracks().to_vec());
        Ok(self.units.drain(..).try_for_each(|unit| self.publisher.publish(unit))?)
    }

    /// To be awaited while nothing comes: ends, in words, when that takes too long. Cancel-safe.
    pub(super) async fn silence(&self) -> String {
        tokio::time::sleep(SILENCE.saturating_sub(self.heard.elapsed())).await;
        format!("nothing playable came for {} s", SILENCE.as_secs())
    }
}
