//! What a stream remembers: a bounded run of numbered items.
//!
//! Numbers start at 0 and never repeat, so a cursor is a number and losing one's place is a comparison. The ring keeps
//! everything since the last join point, and a little history before it so that a reader who is a few items late is
//! not thrown forward at each keyframe; both are capped in bytes and in items even if no join point ever comes.
//!
//! Not here: who reads (see `subscription`), when to wake them (see `fanout`).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use media::{AccessUnit, Chunk};

/// Something a ring can hold.
pub(crate) trait RingItem: Clone {
    fn size(&self) -> usize;
    fn arrival(&self) -> Instant;
}

impl RingItem for AccessUnit {
    fn size(&self) -> usize {
        self.data.len()
    }
    fn arrival(&self) -> Instant {
        self.arrival
    }
}

impl RingItem for Chunk {
    fn size(&self) -> usize {
        self.bytes.len()
    }
    fn arrival(&self) -> Instant {
        self.arrival
    }
}

/// How much a ring may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingLimits {
    /// Payload bytes in all; the newest item always stays.
    pub max_bytes: usize,
    /// Items in all.
    pub max_items: usize,
    /// How long items before the last join point stay, by arrival.
    pub history: Duration,
}

impl Default for RingLimits {
    /// 16 MiB holds an 8 s GOP at 16 Mbit/s; 4,096 items hold 40 s of 30 pictures and 47 AAC units a second.
    fn default() -> Self {
        Self { max_bytes: 16 << 20, max_items: 4_096, history: Duration::from_millis(1_500) }
    }
}

#[derive(Debug)]
pub(crate) struct Ring<T> {
    items: VecDeque<T>,
    /// Number of `items[0]`.
    first: u64,
    /// Numbers of the join points that are still here, oldest first.
    joins: VecDeque<u64>,
    bytes: usize,
    limits: RingLimits,
}

impl<T: RingItem> Ring<T> {
    pub(crate) fn new(limits: RingLimits) -> Self {
        Self { items: VecDeque::new(), first: 0, joins: VecDeque::new(), bytes: 0, limits }
    }

    pub(crate) fn push(&mut self, item: T, join_point: bool) {
        if join_point {
            self.joins.push_back(self.end());
        }
        self.bytes += item.size();
        let now = item.arrival();
        self.items.push_back(item);
        while self.items.len() > 1 && (self.over_caps() || self.front_is_old(now)) {
            self.pop();
        }
    }

    /// Forgets every item; numbers go on.
    pub(crate) fn clear(&mut self) {
        self.first = self.end();
        self.items = VecDeque::new();
        self.joins = VecDeque::new();
        self.bytes = 0;
    }

    /// Nobody new may start at what there is; those who read it go on.
    pub(crate) fn forget_joins(&mut self) {
        self.joins.clear();
    }

    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        self.items.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Number of the oldest item kept.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Number the next item will get.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    /// Number of the newest item a decoder can start at, if it is still here.
    pub(crate) fn last_join(&self) -> Option<u64> {
        self.joins.back().copied()
    }

    /// Number of the first item at or after `number` that a decoder can start at.
    pub(crate) fn first_join_from(&self, number: u64) -> Option<u64> {
        self.joins.get(self.joins.partition_point(|join| *join < number)).copied()
    }

    pub(crate) fn newest(&self) -> Option<&T> {
        self.items.back()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn iter_from(&self, number: u64) -> impl Iterator<Item = &T> {
        let skip = usize::try_from(number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.items.iter().skip(skip)
    }

    fn over_caps(&self) -> bool {
        self.bytes > self.limits.max_bytes || self.items.len() > self.limits.max_items
    }

    fn front_is_old(&self, now: Instant) -> bool {
        self.last_join().is_some_and(|join| self.first < join)
            && self
                .items
                .front()
                .is_some_and(|front| now.saturating_duration_since(front.arrival()) > self.limits.history)
    }

    fn pop(&mut self) {
        if let Some(item) = self.items.pop_front() {
            self.bytes -= item.size();
            if self.joins.front() == Some(&self.first) {
                self.joins.pop_front();
            }
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone)]
    struct Item(usize, Instant);
    impl RingItem for Item {
        fn size(&self) -> usize {
            self.0
        }
        fn arrival(&self) -> Instant {
            self.1
        }
    }

    fn limits(max_bytes: usize, max_items: usize) -> RingLimits {
        RingLimits { max_bytes, max_items, history: Duration::from_secs(1) }
    }

    #[test]
    fn everything_since_the_last_join_point_stays() {
        let start = Instant::now();
        let mut ring = Ring::new(limits(1_000, 1_000));
        for n in 0..100u64 {
            ring.push(Item(1, start + Duration::from_millis(n * 100)), n == 0 || n == 50);
        }
        assert_eq!(ring.last_join(), Some(50));
        assert_eq!(ring.first(), 50);
        assert_eq!(ring.end(), 100);
    }

    #[test]
    fn history_before_the_join_point_stays_for_a_while() {
        let start = Instant::now();
        let mut ring = Ring::new(limits(1_000, 1_000));
        for n in 0..10u64 {
            ring.push(Item(1, start + Duration::from_millis(n * 100)), n % 5 == 0);
        }
        assert_eq!((ring.first(), ring.last_join()), (0, Some(5)));
    }

    #[test]
    fn a_gop_beyond_the_cap_loses_its_join_point_rather_than_growing() {
        let start = Instant::now();
        let mut ring = Ring::new(limits(10, 1_000));
        for n in 0..100 {
            ring.push(Item(1, start), n == 0);
        }
        assert_eq!((ring.first(), ring.last_join(), ring.bytes()), (90, None, 10));
    }

    #[test]
    fn numbers_go_on_after_clearing() {
        let start = Instant::now();
        let mut ring = Ring::new(limits(10, 10));
        ring.push(Item(1, start), true);
        ring.clear();
        assert_eq!((ring.first(), ring.end(), ring.last_join()), (1, 1, None));
        assert!(ring.get(0).is_none());
    }

    proptest! {
        #[test]
        fn no_sequence_of_pushes_exceeds_the_caps(sizes in proptest::collection::vec((0usize..50, any::<bool>()), 1..300)) {
            let start = Instant::now();
            let mut ring = Ring::new(limits(200, 20));
            for (size, join) in sizes {
                ring.push(Item(size, start), join);
                prop_assert!(ring.bytes() <= 200 || ring.end() - ring.first() == 1);
                prop_assert!(ring.end() - ring.first() <= 20);
                if let Some(join) = ring.last_join() {
                    prop_assert!(ring.get(join).is_some());
                }
            }
        }
    }
}
