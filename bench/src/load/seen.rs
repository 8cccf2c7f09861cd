//! What a group of viewers has seen: plain sums, and samples in microseconds.
//!
//! Invariant: samples are kept, not binned, so percentiles are exact. A run is minutes long and has few probes, so
//! they stay small; `MAX_SAMPLES` caps them all the same.

use std::time::Instant;

use serde::Serialize;

/// One reading of both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) instant: Instant,
    /// Unix time in microseconds.
    pub(crate) unix_us: i64,
}

impl Moment {
    /// Now.
    pub(crate) fn now() -> Self {
        let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self { instant: Instant::now(), unix_us: i64::try_from(unix.as_micros()).unwrap_or(i64::MAX) }
    }
}

/// A picture that was whole, in microseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    /// Its last packet came.
    pub(crate) came_us: i64,
    /// It was there at the server, as that says in its reports.
    pub(crate) captured_us: i64,
}

/// Sums over all viewers of a group.
#[derive(Debug, Default, Clone)]
pub(crate) struct Seen {
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
    /// Messages that the format shows to be missing.
    pub(crate) missing: u64,
    /// Pictures that came in part, of those that are looked at.
    pub(crate) damaged: u64,
    /// Viewers turned away while joining.
    pub(crate) failed: u64,
    /// Viewers whose connection ended before they left.
    pub(crate) closed: u64,
    /// Why the last of them ended.
    pub(crate) last_reason: String,
    /// Capture to receipt of each picture, microseconds.
    pub(crate) delays: Vec<u32>,
    /// Connect to first decodable picture, microseconds.
    pub(crate) joins: Vec<u32>,
    /// Pictures by WebRTC, whose delay is told by comparison.
    pub(crate) shown: Vec<Shown>,
    /// Set by a format when the viewer at hand has got its first decodable picture.
    pub(crate) decodable: bool,
}

impl Seen {
    /// Adds the delay of one picture.
    pub(crate) fn delay(&mut self, us: i64) {
        if self.delays.len() < MAX_SAMPLES {
            self.delays.push(u32::try_from(us.max(0)).unwrap_or(u32::MAX));
        }
    }

    /// Adds a picture.
    pub(crate) fn show(&mut self, shown: Shown) {
        if self.shown.len() < MAX_SAMPLES {
            self.shown.push(shown);
        }
    }

    /// Adds the join time of one viewer.
    pub(crate) fn join(&mut self, since: Instant, now: Instant) {
        if self.joins.len() < MAX_SAMPLES {
            let us = now.saturating_duration_since(since).as_micros();
            self.joins.push(u32::try_from(us).unwrap_or(u32::MAX));
        }
    }
}

/// A distribution in milliseconds.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Percentiles {
    /// Of samples in microseconds.
    pub(crate) fn of(mut samples: Vec<u32>) -> Self {
        samples.sort_unstable();
        let at = |part: f64| {
            let rank = (part * samples.len() as f64).ceil() as usize;
            samples.get(rank.max(1) - 1).map_or(0.0, |us| f64::from(*us) / 1000.0)
        };
        Self { count: samples.len(), p50: at(0.50), p95: at(0.95), p99: at(0.99), max: at(1.0) }
    }
}

const MAX_SAMPLES: usize = 8_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let p = Percentiles::of((1..=200).rev().map(|n| n * 1000).collect());
        assert_eq!((p.count, p.p50, p.p95, p.p99, p.max), (200, 100.0, 190.0, 198.0, 200.0));
    }

    #[test]
    fn no_samples_give_zeroes() {
        let p = Percentiles::of(Vec::new());
        assert_eq!((p.count, p.p50, p.max), (0, 0.0, 0.0));
    }
}
