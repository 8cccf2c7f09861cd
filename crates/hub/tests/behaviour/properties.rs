//! Whatever readers and publishers do, in whatever order: between two `Skipped`, items are consecutive.

use std::time::Duration;

use hub::{LagPolicy, Next, PackagingKey, RingLimits, Subscription};
use media::{AccessUnit, Chunk};
use proptest::prelude::*;

use crate::lab::{Factory, Lab, Numbered};

#[derive(Debug, Clone)]
enum Step {
    Publish { random_access: bool },
    Pass(u16),
    Join { packaged: bool, max_lag: u16 },
    Read { reader: usize, items: u8 },
    Leave { reader: usize },
    Restart,
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0u8..6).prop_map(|n| Step::Publish { random_access: n == 0 }),
        2 => (0u16..800).prop_map(Step::Pass),
        3 => (any::<bool>(), 0u16..2_000).prop_map(|(packaged, max_lag)| Step::Join { packaged, max_lag }),
        8 => (any::<usize>(), 1u8..20).prop_map(|(reader, items)| Step::Read { reader, items }),
        1 => any::<usize>().prop_map(|reader| Step::Leave { reader }),
        1 => Just(Step::Restart),
        1 => Just(Step::Stop),
    ]
}

/// What one reader may see next.
struct Witness {
    subscription: Kind,
    /// The item that has to come, once it has begun.
    expected: Option<u64>,
    /// Just told of a gap, or just joined: the next item has to be a random access point.
    fresh: bool,
}

enum Kind {
    Units(Subscription<AccessUnit>),
    Chunks(Subscription<Chunk>),
}

impl Witness {
    fn new(subscription: Kind) -> Self {
        Self { subscription, expected: None, fresh: true }
    }

    /// Reads one; `false` where there is nothing.
    fn read(&mut self) -> bool {
        let seen = match &mut self.subscription {
            Kind::Units(subscription) => subscription.try_next().map(|next| seen(&next)),
            Kind::Chunks(subscription) => subscription.try_next().map(|next| seen(&next)),
        };
        match seen {
            None => return false,
            Some(Next::Closed(reason)) => panic!("closed: {reason:?}"),
            Some(Next::Skipped { items }) => {
                assert!(items > 0, "a gap of nothing");
                self.expected = self.expected.map(|expected| expected + items);
                self.fresh = true;
            }
            Some(Next::Item((number, random_access))) => {
                assert!(random_access || !self.fresh, "{number} is no random access point");
                assert_eq!(number, self.expected.unwrap_or(number));
                self.expected = Some(number + 1);
                self.fresh = false;
            }
        }
        true
    }
}

fn seen<T: Numbered>(next: &Next<T>) -> Next<(u64, bool)> {
    match next {
        Next::Item(item) => Next::Item((item.number(), item.random_access())),
        Next::Skipped { items } => Next::Skipped { items: *items },
        Next::Closed(reason) => Next::Closed(*reason),
    }
}

const MAX_ITEMS: usize = 24;
const MAX_BYTES: usize = 8 * 20;

proptest! {
    #[test]
    fn between_two_gaps_items_are_consecutive(steps in proptest::collection::vec(step(), 1..250)) {
        let limits =
            RingLimits { max_bytes: MAX_BYTES, max_items: MAX_ITEMS, history: Duration::from_millis(600) };
        let mut lab = Lab::with(limits);
        let factory = Factory::default();
        let mut readers: Vec<Witness> = Vec::new();
        for step in steps {
            match step {
                Step::Publish { random_access } if lab.publisher.is_some() => {
                    lab.picture(random_access);
                }
                Step::Pass(millis) => lab.pass(Duration::from_millis(millis.into())),
                Step::Join { packaged, max_lag } => {
                    let policy = LagPolicy { max_lag: Duration::from_millis(max_lag.into()) };
                    readers.push(Witness::new(if packaged {
                        let key = PackagingKey::new("plain");
                        Kind::Chunks(lab.stream.subscribe_packaged(&key, policy, || factory.make()))
                    } else {
                        Kind::Units(lab.stream.subscribe(policy))
                    }));
                }
                Step::Read { reader, items } if !readers.is_empty() => {
                    let at = reader % readers.len();
                    for _ in 0..items {
                        if !readers[at].read() {
                            break;
                        }
                    }
                }
                Step::Leave { reader } if !readers.is_empty() => {
                    readers.swap_remove(reader % readers.len());
                }
                Step::Publish { .. } | Step::Read { .. } | Step::Leave { .. } => {}
                Step::Restart => lab.restart(),
                Step::Stop => lab.stop(),
            }
            let snapshot = lab.stream.snapshot();
            prop_assert_eq!(snapshot.subscriptions, readers.len());
            prop_assert_eq!(factory.made() - factory.dropped(), snapshot.packagings.len());
            prop_assert!(snapshot.held_bytes <= MAX_BYTES * (1 + snapshot.packagings.len()));
        }
        // In the end every reader that stays can be brought to the newest picture.
        lab.restart();
        let newest = lab.picture(true);
        for reader in &mut readers {
            while reader.read() {}
            prop_assert_eq!(reader.expected, Some(newest + 1));
        }
        lab.stop();
        readers.clear();
        prop_assert_eq!(lab.stream.snapshot().held_bytes, 0);
    }
}
