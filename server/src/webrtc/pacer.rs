//! Packets that wait for their turn, so that a large picture does not push others off the road.
//!
//! What fits into a burst leaves at once, and that is nearly every picture: nobody waits for a timer. The rest of a larger one follows in
//! some bursts, a few milliseconds apart.
//!
//! Not here: what is left out (see [`super::link`]); so what waits is bounded by what was let in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets on their way out, each with its size.
#[derive(Debug)]
pub(super) struct Pacer<T> {
    waiting: VecDeque<(usize, T)>,
    /// Bytes that left and are not paid for by time yet.
    debt: f64,
    reckoned: Instant,
}

impl<T> Pacer<T> {
    pub(super) fn new(now: Instant) -> Self {
        Self { waiting: VecDeque::new(), debt: 0.0, reckoned: now }
    }

    /// Whether so many bytes may leave at once, at this many bytes a second; else they are to be [held](Self::hold).
    pub(super) fn passes(&mut self, bytes: usize, rate: f64, now: Instant) -> bool {
        self.waiting.is_empty() && self.spends(bytes, rate, now)
    }

    /// Keeps one back.
    pub(super) fn hold(&mut self, bytes: usize, item: T) {
        self.waiting.push_back((bytes, item));
    }

    /// The next one whose time has come.
    pub(super) fn next(&mut self, rate: f64, now: Instant) -> Option<T> {
        let (bytes, _) = self.waiting.front()?;
        if !self.spends(*bytes, rate, now) {
            return None;
        }
        let next = self.waiting.pop_front().map(|(_, item)| item);
        if self.waiting.is_empty() && self.waiting.capacity() > FEW {
            self.waiting = VecDeque::new();
        }
        next
    }

    /// When to ask for the next one.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then(|| self.reckoned + BETWEEN)
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.waiting = VecDeque::new();
    }

    fn spends(&mut self, bytes: usize, rate: f64, now: Instant) -> bool {
        let spends = self.has_room(rate, now);
        if spends {
            self.debt += bytes as f64;
        }
        spends
    }

    fn has_room(&mut self, rate: f64, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.reckoned).as_secs_f64();
        self.debt = (self.debt - rate * passed).max(0.0);
        self.reckoned = now;
        let burst = (rate * BETWEEN.as_secs_f64()).max(LEAST);
        self.debt < burst
    }
}

/// Time between bursts.
const BETWEEN: Duration = Duration::from_millis(5);
/// Room for so many stays.
const FEW: usize = 16;
/// Bytes that leave at once in any case.
const LEAST: f64 = 10_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_into_a_burst_leaves_at_once_and_the_rest_in_order_and_time() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start);
        let rate = 1_000_000.0;
        let mut left: Vec<(u32, Duration)> = Vec::new();
        for packet in 0..100 {
            if pacer.passes(1_000, rate, start) {
                left.push((packet, Duration::ZERO));
            } else {
                pacer.hold(1_000, packet);
            }
        }
        assert_eq!(left.len(), 10);
        let mut now = start;
        while let Some(at) = pacer.deadline() {
            now = at;
            while let Some(packet) = pacer.next(rate, now) {
                left.push((packet, now - start));
            }
        }
        assert!(left.iter().map(|(packet, _)| *packet).eq(0..100));
        assert_eq!(pacer.waiting.capacity(), 0, "the room is given back");
        // 90 kB at 1 MB/s.
        let took = left[99].1;
        assert!((80..=100).contains(&took.as_millis()), "{took:?}");
        assert!(pacer.passes(1_000, rate, now + Duration::from_secs(1)));
    }
}
