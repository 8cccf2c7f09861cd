//! One delivery format of one stream, made once for all who watch it.
//!
//! A packaging exists exactly as long as it has readers: the first reader's arrival makes it and feeds it what the
//! stream remembers, the last one's leaving drops it. Muxing runs inline in the publisher.
//!
//! Invariant: a packaging's chunks start at a random access point.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use media::{AccessUnit, Chunk, Muxer, Track};

use crate::fanout::Fanout;
use crate::ring::RingLimits;

/// Tells packagings of one stream apart: the format and its options, as the endpoint writes them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PackagingKey(String);

impl PackagingKey {
    /// Two subscriptions share a packaging if their keys are equal.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(crate) struct Packaging {
    pub(crate) key: PackagingKey,
    pub(crate) fanout: Fanout<Chunk>,
    /// Units this format could not carry.
    pub(crate) refused: u64,
    muxer: Box<dyn Muxer>,
    made: VecDeque<Chunk>,
}

impl fmt::Debug for Packaging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packaging")
            .field("key", &self.key)
            .field("fanout", &self.fanout)
            .finish_non_exhaustive()
    }
}

impl Packaging {
    pub(crate) fn new(key: PackagingKey, muxer: Box<dyn Muxer>, limits: RingLimits) -> Self {
        Self { key, fanout: Fanout::new(limits), refused: 0, muxer, made: VecDeque::new() }
    }

    pub(crate) fn set_tracks(&mut self, tracks: &[Arc<Track>]) {
        self.muxer.tracks(tracks);
    }

    pub(crate) fn push(&mut self, unit: &AccessUnit, woken: &mut Vec<Waker>) {
        if !self.muxer.accepts(&unit.track) {
            return;
        }
        if self.muxer.push(unit, &mut self.made).is_err() {
            self.refused += 1;
        }
        if self.made.is_empty() {
            return;
        }
        for chunk in self.made.drain(..) {
            let join_point = chunk.random_access;
            self.fanout.ring.push(chunk, join_point);
        }
        self.fanout.take_waiting(woken);
    }
}
