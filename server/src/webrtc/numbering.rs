//! Packets numbered for a whole connection, so that the peer can say of each whether it came
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! Done only while something seems wrong with the link: what comes back costs more than what is sent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The numbers of one connection.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// Of the next packet.
    next: u64,
    /// When those before it left that nothing was heard of yet, the latest last.
    left: VecDeque<Instant>,
    /// What was heard of since this was asked last: packets, those of them that are lost, and how long there and back took.
    heard: Option<(u32, u32, Duration)>,
}

impl Numbering {
    /// The first of so many numbers; their packets leave now.
    pub(super) fn take(&mut self, count: usize, now: Instant) -> u16 {
        let number = self.next as u16;
        self.next += count as u64;
        self.left.extend(std::iter::repeat_n(now, count));
        let over = self.left.len().saturating_sub(MOST);
        self.left.drain(..over);
        number
    }

    /// Hears from this number on what came.
    pub(super) fn hear(&mut self, first: u16, came: &[bool], now: Instant) {
        // The latest one that may be meant; before it as far as numbers tell.
        let Some(latest) = self.next.checked_sub(1) else { return };
        let Some(first) = latest.checked_sub(u64::from((latest as u16).wrapping_sub(first))) else { return };
        for (number, came) in (first..self.next).zip(came) {
            let oldest = self.next - self.left.len() as u64;
            // Heard of before.
            let Some(at) = number.checked_sub(oldest).and_then(|at| usize::try_from(at).ok()) else {
                continue;
            };
            let Some(left) = self.left.drain(..=at).next_back() else { return };
            let (packets, lost, round_trip) = self.heard.unwrap_or_default();
            let round_trip = if *came { now.saturating_duration_since(left) } else { round_trip };
            self.heard = Some((packets + 1, lost + u32::from(!came), round_trip));
        }
    }

    /// What was heard since this was asked last: there and back, and the part that is lost.
    pub(super) fn news(&mut self) -> Option<(Duration, f32)> {
        let (packets, lost, round_trip) = self.heard.take()?;
        // Of which nothing came says nothing of the time.
        (!round_trip.is_zero()).then(|| (round_trip, lost as f32 / packets as f32))
    }

    /// Gives the room back.
    pub(super) fn rest(&mut self) {
        (self.left, self.heard) = (VecDeque::new(), None);
    }
}

/// Some seconds of packets.
const MOST: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_counted_once() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut numbering = Numbering { next: 65_533, ..Numbering::default() };
        let numbers: Vec<u16> = (0..6).map(|at| numbering.take(1, after(at))).collect();
        assert_eq!(numbers, [65_533, 65_534, 65_535, 0, 1, 2]);
        numbering.hear(65_533, &[true, false, true], after(50));
        numbering.hear(65_535, &[true, false], after(60));
        assert_eq!(numbering.news(), Some((Duration::from_millis(48), 0.5)));
        assert_eq!(numbering.news(), None);
        numbering.hear(1, &[true, true, true, true], after(90));
        assert_eq!(numbering.news(), Some((Duration::from_millis(85), 0.0)), "more than was sent");
    }

    #[test]
    fn nonsense_is_passed_over_and_nothing_grows() {
        let now = Instant::now();
        let mut numbering = Numbering::default();
        numbering.hear(7, &[true; 9], now);
        numbering.take(1, now);
        numbering.hear(7, &[true; 9], now);
        assert_eq!(numbering.news(), None);
        for _ in 0..3 * MOST {
            numbering.take(1, now);
        }
        assert_eq!(numbering.left.len(), MOST);
        // Long ago, and never.
        numbering.hear(0, &[true; 9], now);
        numbering.hear(65_000, &[true; 9], now);
        assert_eq!(numbering.left.len(), MOST);
        numbering.rest();
        assert_eq!(numbering.left.capacity(), 0);
    }
}
