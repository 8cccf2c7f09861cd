//! How fast a peer may send.
//!
//! Nobody is disconnected for being fast: whoever reads asks here after each read from when on the next may be, and TCP makes the
//! sender wait as well.

use std::time::{Duration, Instant};

use crate::config::values::Bitrate;

/// A bucket that fills at the allowed rate and may be emptied at once: a keyframe is large, and a camera may catch up.
#[derive(Debug)]
pub struct RateLimit {
    bytes_per_second: f64,
    /// What may still be sent without waiting; below zero, what was sent too early.
    available: f64,
    at: Instant,
}

/// So long a silence may be made up for at once.
const BURST: Duration = Duration::from_secs(2);
/// Whoever is silent for ten seconds is taken to be gone, and must not be so for our waiting.
const LONGEST: Duration = Duration::from_secs(5);

impl RateLimit {
    /// Starts with a full bucket.
    pub fn new(rate: Bitrate, now: Instant) -> Self {
        let bytes_per_second = f64::from(rate.0) / 8.0;
        Self { bytes_per_second, available: bytes_per_second * BURST.as_secs_f64(), at: now }
    }

    /// Counts what was sent, and says how long to wait before more is read: no longer than a sender is taken to be alive.
    pub fn take(&mut self, bytes: usize, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        let full = self.bytes_per_second * BURST.as_secs_f64();
        self.available = (self.available + passed * self.bytes_per_second).min(full) - bytes as f64;
        let wait = (-self.available / self.bytes_per_second).max(0.0);
        Duration::try_from_secs_f64(wait).map_or(LONGEST, |wait| wait.min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_mean_is_kept() {
        let start = Instant::now();
        let mut rate = RateLimit::new(Bitrate(8_000), start); // 1,000 bytes a second
        assert_eq!(rate.take(2_000, start), Duration::ZERO);
        assert_eq!(rate.take(500, start), Duration::from_millis(500));
        assert_eq!(rate.take(0, start + Duration::from_millis(500)), Duration::ZERO);
        assert_eq!(rate.take(1_000, start + Duration::from_millis(1_000)), Duration::from_millis(500));
    }

    #[test]
    fn a_long_silence_is_made_up_for_only_in_part() {
        let start = Instant::now();
        let mut rate = RateLimit::new(Bitrate(8_000), start);
        assert_eq!(rate.take(3_000, start + Duration::from_secs(3_600)), Duration::from_secs(1));
    }
}
