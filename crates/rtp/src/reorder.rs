//! Packets back into the order in which they were sent.
//!
//! A packet that is missing is waited for as long as [`Reorder::PATIENCE`], and while fewer than [`Reorder::MOST`] came after it; then it is
//! lost. Packets that come twice or too late are dropped. Over TCP nothing is ever out of order, and a gap is a loss at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Whether packets may overtake each other on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As sent: TCP.
    InOrder,
    /// As they come: UDP.
    AnyOrder,
}

/// Holds the packets that came before their turn.
#[derive(Debug)]
pub(crate) struct Reorder {
    delivery: Delivery,
    /// Extended number of the packet whose turn it is; none before the first.
    next: Option<i64>,
    held: BTreeMap<i64, (Instant, Bytes)>,
    /// What comes next does not follow what came last.
    anew: bool,
}

/// A packet whose turn has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InTurn {
    pub(crate) arrival: Instant,
    pub(crate) packet: Bytes,
    /// Packets before it that never came.
    pub(crate) lost: u16,
}

impl Reorder {
    /// So long a missing packet is waited for.
    pub(crate) const PATIENCE: Duration = Duration::from_millis(100);
    /// So many packets are held at most: 20 ms of 100 Mbit/s.
    pub(crate) const MOST: usize = 256;

    pub(crate) const fn new(delivery: Delivery) -> Self {
        Self { delivery, next: None, held: BTreeMap::new(), anew: false }
    }

    /// Takes a packet in.
    pub(crate) fn push(&mut self, sequence: u16, arrival: Instant, packet: Bytes) {
        let next = self.next.unwrap_or_else(|| i64::from(sequence));
        // The nearest number that ends so.
        let ahead = i64::from(sequence.wrapping_sub(next as u16) as i16);
        if ahead.unsigned_abs() > JUMP {
            // A sender that began anew: a number that is above all others and ends so.
            let number = next + (1 << 16) + i64::from(sequence.wrapping_sub(next as u16));
            self.held.clear();
            self.held.insert(number, (arrival, packet));
            (self.next, self.anew) = (Some(number), true);
            return;
        }
        self.next = Some(next);
        if ahead >= 0 {
            self.held.entry(next + ahead).or_insert((arrival, packet));
        }
    }

    /// The next packet whose turn has come by `now`.
    pub(crate) fn pull(&mut self, now: Instant) -> Option<InTurn> {
        let next = self.next?;
        let first = self.held.first_entry()?;
        let number = *first.key();
        let waited = match self.delivery {
            Delivery::InOrder => true,
            Delivery::AnyOrder => now.saturating_duration_since(first.get().0) >= Self::PATIENCE,
        };
        if number != next && !waited && self.held.len() < Self::MOST {
            return None;
        }
        let (arrival, packet) = self.held.pop_first()?.1;
        self.next = Some(number + 1);
        let lost = u16::try_from(number - next).unwrap_or(u16::MAX);
        Some(InTurn { arrival, packet, lost: lost.max(u16::from(std::mem::take(&mut self.anew))) })
    }

    /// When the next packet's turn comes even if what is missing does not.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.held.first_key_value().map(|(_, (arrival, _))| *arrival + Self::PATIENCE)
    }

    /// The sender is another one now.
    pub(crate) fn restart(&mut self) {
        self.next = None;
        self.held.clear();
    }
}

/// Numbers further apart are no reordering.
const JUMP: u64 = 3_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[allow(clippy::disallowed_methods)] // an `Instant` comes from nowhere else
    fn moment(millis: u64) -> Instant {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        *START.get_or_init(Instant::now) + Duration::from_millis(millis)
    }

    fn packet(number: u16) -> Bytes {
        Bytes::copy_from_slice(&number.to_be_bytes())
    }

    fn pulled(reorder: &mut Reorder, millis: u64) -> Vec<(u16, u16)> {
        let in_turn = std::iter::from_fn(|| reorder.pull(moment(millis)));
        in_turn.map(|one| (u16::from_be_bytes([one.packet[0], one.packet[1]]), one.lost)).collect()
    }

    #[test]
    fn a_late_packet_is_waited_for_and_a_lost_one_only_so_long() {
        let mut reorder = Reorder::new(Delivery::AnyOrder);
        for number in [65_534, 65_535, 1, 0, 3] {
            reorder.push(number, moment(0), packet(number));
        }
        assert_eq!(pulled(&mut reorder, 10), [(65_534, 0), (65_535, 0), (0, 0), (1, 0)]);
        assert_eq!(reorder.deadline(), Some(moment(100)));
        assert_eq!(pulled(&mut reorder, 100), [(3, 1)]);
        reorder.push(2, moment(101), packet(2));
        reorder.push(3, moment(101), packet(3));
        assert_eq!(pulled(&mut reorder, 500), []);
    }

    #[test]
    fn over_tcp_a_gap_is_a_loss_at_once() {
        let mut reorder = Reorder::new(Delivery::InOrder);
        reorder.push(5, moment(0), packet(5));
        reorder.push(8, moment(0), packet(8));
        assert_eq!(pulled(&mut reorder, 0), [(5, 0), (8, 2)]);
    }

    #[test]
    fn a_sender_that_begins_anew_is_followed() {
        let mut reorder = Reorder::new(Delivery::AnyOrder);
        reorder.push(5, moment(0), packet(5));
        assert_eq!(pulled(&mut reorder, 0).len(), 1);
        reorder.push(40_000, moment(0), packet(40_000));
        reorder.push(40_001, moment(0), packet(40_001));
        assert_eq!(pulled(&mut reorder, 0), [(40_000, 1), (40_001, 0)]);
    }

    proptest! {
        #[test]
        fn whatever_comes_no_more_is_held_than_the_bound(numbers in proptest::collection::vec(any::<u16>(), 0..600)) {
            let mut reorder = Reorder::new(Delivery::AnyOrder);
            for number in numbers {
                reorder.push(number, moment(0), packet(number));
                while reorder.pull(moment(0)).is_some() {}
                prop_assert!(reorder.held.len() < Reorder::MOST);
            }
        }

        #[test]
        fn packets_that_overtake_each_other_come_out_in_order(
            start: u16, order in proptest::sample::subsequence((0u16..60).collect::<Vec<_>>(), 60).prop_shuffle(),
        ) {
            // The first is first: what came before it is not known to be missing.
            let mut reorder = Reorder::new(Delivery::AnyOrder);
            reorder.push(start.wrapping_sub(1), moment(0), packet(start.wrapping_sub(1)));
            for number in &order {
                reorder.push(start.wrapping_add(*number), moment(0), packet(start.wrapping_add(*number)));
            }
            let numbers: Vec<u16> = pulled(&mut reorder, 0).iter().skip(1).map(|(number, _)| *number).collect();
            prop_assert_eq!(numbers, (0..60).map(|n| start.wrapping_add(n)).collect::<Vec<_>>());
        }
    }
}
