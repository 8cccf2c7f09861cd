//! A reader's place in a stream.
//!
//! Publishing never waits for readers, so a reader can be too slow. It then loses items, and it must lose them in a way a
//! decoder survives: it is moved to the latest random access point and told how many items it missed. This file is
//! the only place where that is decided; endpoints choose a [`LagPolicy`] and react to [`Next::Skipped`].
//!
//! Invariant: between two `Skipped`, items are consecutive. `next` is cancel-safe.
//!
//! Not here: retention (see `ring`), muxing (see `packaging`), timeouts on sockets (each endpoint's session).

use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use media::{AccessUnit, Chunk};

use crate::Stream;
use crate::fanout::Fanout;
use crate::ring::RingItem;
use crate::stream::State;

/// When a reader counts as too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LagPolicy {
    /// Further behind than this, and with a newer random access point to go to, it is moved there.
    pub max_lag: Duration,
}

impl Default for LagPolicy {
    /// One second: a player that catches up gently wins that back in ten, one that cannot would never.
    fn default() -> Self {
        Self { max_lag: Duration::from_secs(1) }
    }
}

/// Why a subscription ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The stream was taken out of the configuration.
    Removed,
    /// The server ends.
    Shutdown,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<T> {
    /// The next item.
    Item(T),
    /// The reader was too slow: this many items are gone, the next one is a random access point.
    Skipped {
        /// How many items it missed.
        items: u64,
    },
    /// Nothing will come any more.
    Closed(Reason),
}

/// A cursor into a stream's units or into one of its packagings; dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription<T: Readable> {
    stream: Arc<Stream>,
    place: Place<T>,
    policy: LagPolicy,
    cursor: Cursor,
    /// Counts as demand; an observer does not.
    counted: bool,
}

#[derive(Debug, Clone, Copy)]
enum Cursor {
    /// Reads the item of this number next.
    At(u64),
    /// Waits for a random access point that comes at or after this number; `lost` tells whether items it was entitled to are gone.
    Awaiting { from: u64, lost: bool },
}

/// Items a subscription can read; sealed: [`AccessUnit`] and [`Chunk`].
#[allow(private_bounds)]
pub trait Readable: ReadableIn {}
impl Readable for AccessUnit {}
impl Readable for Chunk {}

pub(crate) trait ReadableIn: RingItem {
    fn fanout(state: &mut State, packaging: usize) -> Option<&mut Fanout<Self>>;
}

impl ReadableIn for AccessUnit {
    fn fanout(state: &mut State, _: usize) -> Option<&mut Fanout<Self>> {
        Some(&mut state.units)
    }
}

impl ReadableIn for Chunk {
    fn fanout(state: &mut State, packaging: usize) -> Option<&mut Fanout<Self>> {
        state.packagings.get_mut(packaging).map(|p| &mut p.fanout)
    }
}

/// Which fan-out, and which waiter's slot in it.
#[derive(Debug)]
pub(crate) struct Place<T> {
    packaging: Option<usize>,
    slot: usize,
    item: PhantomData<fn() -> T>,
}

impl Place<AccessUnit> {
    pub(crate) fn units(slot: usize) -> Self {
        Self { packaging: None, slot, item: PhantomData }
    }
}

impl Place<Chunk> {
    pub(crate) fn packaged(packaging: usize, slot: usize) -> Self {
        Self { packaging: Some(packaging), slot, item: PhantomData }
    }
}

impl<T: Readable> Place<T> {
    pub(crate) fn fanout<'a>(&self, state: &'a mut State) -> Option<&'a mut Fanout<T>> {
        T::fanout(state, self.packaging.unwrap_or(0))
    }
}

impl<T> Place<T> {
    pub(crate) fn slot(&self) -> usize {
        self.slot
    }

    pub(crate) fn packaging(&self) -> Option<usize> {
        self.packaging
    }

    pub(crate) fn with_slot(&self, slot: usize) -> Self {
        Self { packaging: self.packaging, slot, item: PhantomData }
    }
}

impl<T: Readable> Subscription<T> {
    pub(crate) fn new(
        stream: Arc<Stream>,
        place: Place<T>,
        policy: LagPolicy,
        cursor: Option<u64>,
        end: u64,
    ) -> Self {
        let cursor = cursor.map_or(Cursor::Awaiting { from: end, lost: false }, Cursor::At);
        Self { stream, place, policy, cursor, counted: true }
    }

    /// A second cursor at the same place that counts as nobody: it keeps no source running and is in no list.
    ///
    /// For one task that reads on behalf of many subscriptions, which stay behind as the proof that somebody watches.
    pub fn observe(&self) -> Self {
        let slot = self.stream.add_observer(&self.place);
        Self {
            stream: Arc::clone(&self.stream),
            place: self.place.with_slot(slot),
            policy: self.policy,
            cursor: self.cursor,
            counted: false,
        }
    }

    /// The number of the item it reads next; `None` while it waits for a random access point.
    pub fn position(&self) -> Option<u64> {
        match self.cursor {
            Cursor::At(number) => Some(number),
            Cursor::Awaiting { .. } => None,
        }
    }

    /// Goes on at the item of this number, as if all before it had been read.
    pub fn seek(&mut self, number: u64) {
        self.cursor = Cursor::At(number);
    }

    /// Leaves out everything there is and starts at the random access point to come.
    pub fn start_fresh(&mut self) {
        let mut state = self.stream.lock();
        if let Some(fanout) = self.place.fanout(&mut state) {
            self.cursor = Cursor::Awaiting { from: fanout.ring.end(), lost: false };
        }
    }

    /// The item of this number, if it is still there; the cursor stays.
    pub fn peek(&self, number: u64) -> Option<T> {
        let mut state = self.stream.lock();
        self.place.fanout(&mut state)?.ring.get(number).cloned()
    }

    /// The stream it reads.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Waits for what comes next. Cancel-safe.
    pub async fn next(&mut self) -> Next<T> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// What comes next, if it is there.
    pub fn try_next(&mut self) -> Option<Next<T>> {
        let stream = Arc::clone(&self.stream);
        self.advance(&mut stream.lock())
    }

    /// How far the next item is behind the newest one, by arrival; zero when there is nothing to read.
    pub fn lag(&self) -> Duration {
        let Cursor::At(number) = self.cursor else { return Duration::ZERO };
        let mut state = self.stream.lock();
        let Some(fanout) = self.place.fanout(&mut state) else { return Duration::ZERO };
        match (fanout.ring.get(number), fanout.ring.newest()) {
            (Some(item), Some(newest)) => newest.arrival().saturating_duration_since(item.arrival()),
            _ => Duration::ZERO,
        }
    }

    /// [`Subscription::next`] for those who poll.
    pub fn poll_next(&mut self, context: &Context<'_>) -> Poll<Next<T>> {
        let stream = Arc::clone(&self.stream);
        let mut state = stream.lock();
        if let Some(next) = self.advance(&mut state) {
            return Poll::Ready(next);
        }
        if let Some(fanout) = self.place.fanout(&mut state) {
            fanout.wait(self.place.slot(), context.waker());
        }
        Poll::Pending
    }

    fn advance(&mut self, state: &mut State) -> Option<Next<T>> {
        if let Some(reason) = state.closed {
            return Some(Next::Closed(reason));
        }
        let fanout = self.place.fanout(state)?;
        let (next, cursor) = decide(&fanout.ring, self.cursor, self.policy);
        if matches!((self.cursor, cursor), (Cursor::At(_), Cursor::Awaiting { .. })) {
            state.keyframe_wanted = true; // nothing is left to go on at
        }
        self.cursor = cursor;
        if let Some(Next::Skipped { items }) = next.as_ref().filter(|_| self.counted) {
            state.counters.skipped += items;
        }
        next
    }
}

/// The one decision about slow readers: what comes next, and where the cursor stands after it.
fn decide<T: RingItem>(
    ring: &crate::ring::Ring<T>,
    cursor: Cursor,
    policy: LagPolicy,
) -> (Option<Next<T>>, Cursor) {
    match cursor {
        // Who waits for the first one gets the first one, even if it looks late; who lost its place goes to the newest.
        Cursor::Awaiting { from, lost: false } => match ring.first_join_from(from) {
            None => (None, cursor),
            Some(join) => decide(ring, Cursor::At(join), policy),
        },
        Cursor::Awaiting { from, lost: true } => match ring.last_join().filter(|join| *join >= from) {
            None => (None, cursor),
            Some(join) => (Some(Next::Skipped { items: join - from }), Cursor::At(join)),
        },
        Cursor::At(number) if number < ring.first() => {
            // Fell off the tail. Where no join point is left, the one to come is waited for.
            decide(ring, Cursor::Awaiting { from: number, lost: true }, policy)
        }
        Cursor::At(number) => {
            let Some(item) = ring.get(number) else { return (None, cursor) };
            let lag = ring
                .newest()
                .map_or(Duration::ZERO, |n| n.arrival().saturating_duration_since(item.arrival()));
            match ring.last_join() {
                Some(join) if join > number && lag > policy.max_lag => {
                    (Some(Next::Skipped { items: join - number }), Cursor::At(join))
                }
                _ => (Some(Next::Item(item.clone())), Cursor::At(number + 1)),
            }
        }
    }
}

impl<T: Readable> Drop for Subscription<T> {
    fn drop(&mut self) {
        self.stream.left(&self.place, self.counted);
    }
}
