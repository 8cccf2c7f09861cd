//! A ring and those who wait for its next item.
//!
//! Each subscription owns one slot for its waker for as long as it lives, so a `next` that is dropped and polled again
//! replaces its waker instead of adding one.

use std::task::Waker;

use slab::Slab;

use crate::ring::{Ring, RingItem, RingLimits};

#[derive(Debug)]
pub(crate) struct Fanout<T> {
    pub(crate) ring: Ring<T>,
    waiting: Slab<Option<Waker>>,
    /// How many of those who wait are not counted as readers.
    observers: usize,
}

impl<T: RingItem> Fanout<T> {
    pub(crate) fn new(limits: RingLimits) -> Self {
        Self { ring: Ring::new(limits), waiting: Slab::new(), observers: 0 }
    }

    pub(crate) fn add_reader(&mut self) -> usize {
        self.waiting.insert(None)
    }

    pub(crate) fn add_observer(&mut self) -> usize {
        self.observers += 1;
        self.add_reader()
    }

    pub(crate) fn remove_reader(&mut self, slot: usize, counted: bool) {
        self.waiting.try_remove(slot);
        self.observers -= usize::from(!counted);
        if self.waiting.is_empty() {
            self.waiting = Slab::new();
        }
    }

    pub(crate) fn readers(&self) -> usize {
        self.waiting.len() - self.observers
    }

    pub(crate) fn is_unread(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn wait(&mut self, slot: usize, waker: &Waker) {
        if let Some(place) = self.waiting.get_mut(slot) {
            match place {
                Some(known) if known.will_wake(waker) => {}
                _ => *place = Some(waker.clone()),
            }
        }
    }

    /// Moves every waiting reader's waker to `woken`; the caller wakes them once the lock is released.
    pub(crate) fn take_waiting(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.waiting.iter_mut().filter_map(|(_, place)| place.take()));
    }
}
