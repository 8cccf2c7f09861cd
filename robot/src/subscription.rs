//! A subscriber's own queue.
//!
//! It is bounded, and producing never waits for it: whoever does not keep up loses what is oldest. Of pictures only the newest is kept, so that
//! whoever is slow is not late as well.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::outlet::Producer;

/// What a subscriber gets, in its order. Dropping it ends the subscription.
#[derive(Debug)]
pub struct Subscription<T> {
    queue: Arc<Queue<T>>,
}

/// The queue between a producer and one subscriber.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    keeps: usize,
    /// For a task that waits.
    filled: Notify,
    /// For a thread that waits.
    woken: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    lost: u64,
    is_closed: bool,
}

/// What comes of waiting on a thread.
pub(crate) enum Waited<T> {
    Item(T),
    Late,
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new(keeps: usize) -> Arc<Self> {
        let state = State { items: VecDeque::new(), lost: 0, is_closed: false };
        Arc::new(Self { state: Mutex::new(state), keeps, filled: Notify::new(), woken: Condvar::new() })
    }

    pub(crate) fn put(&self, item: T) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        if state.items.len() >= self.keeps {
            state.items.pop_front();
            state.lost += 1;
        }
        state.items.push_back(item);
        drop(state);
        self.wake();
    }

    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.wake();
    }

    fn wake(&self) {
        self.filled.notify_one();
        self.woken.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Subscription<T> {
    pub(crate) fn of(queue: Arc<Queue<T>>) -> Self {
        Self { queue }
    }

    /// Waits for the next; `None` when nothing will come any more. Nothing is lost if this is dropped before.
    pub async fn get(&mut self) -> Option<T> {
        loop {
            let filled = self.queue.filled.notified();
            {
                let mut state = self.queue.lock();
                if let Some(item) = state.items.pop_front() {
                    return Some(item);
                }
                if state.is_closed {
                    return None;
                }
            }
            filled.await;
        }
    }

    /// The next, if it is there.
    pub fn get_nowait(&mut self) -> Option<T> {
        self.queue.lock().items.pop_front()
    }

    /// How many were lost because this subscriber did not keep up.
    pub fn lost(&self) -> u64 {
        self.queue.lock().lost
    }

    /// As [`Self::get`], on a thread, for so long.
    pub(crate) fn wait(&mut self, limit: Duration) -> Waited<T> {
        let is_idle = |state: &mut State<T>| state.items.is_empty() && !state.is_closed;
        let waited = self.queue.woken.wait_timeout_while(self.queue.lock(), limit, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match state.items.pop_front() {
            Some(item) => Waited::Item(item),
            None if state.is_closed => Waited::Closed,
            None => Waited::Late,
        }
    }
}

impl<T> Drop for Subscription<T> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.is_closed = true;
        state.items.clear();
    }
}

/// What can be put into a consumer: a subscription, or a producer, which is subscribed to.
pub trait IntoSubscription<T> {
    /// The subscription.
    fn into_subscription(self) -> Subscription<T>;
}

impl<T> IntoSubscription<T> for Subscription<T> {
    fn into_subscription(self) -> Self {
        self
    }
}

impl<P: Producer> IntoSubscription<P::Item> for &P {
    fn into_subscription(self) -> Subscription<P::Item> {
        self.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_keep_up_loses_what_is_oldest() {
        let queue = Queue::new(2);
        let mut subscription = Subscription::of(Arc::clone(&queue));
        (1..=4).for_each(|item| queue.put(item));
        assert_eq!(
            (subscription.lost(), subscription.get().await, subscription.get_nowait()),
            (2, Some(3), Some(4))
        );
        queue.put(5);
        queue.close();
        queue.put(6);
        assert_eq!((subscription.get().await, subscription.get().await), (Some(5), None));
        assert!(matches!(subscription.wait(Duration::from_secs(9)), Waited::Closed));
    }

    #[tokio::test]
    async fn a_subscriber_waits_for_what_comes() {
        let queue = Queue::new(2);
        let mut subscription = Subscription::of(Arc::clone(&queue));
        let (got, ()) = tokio::join!(subscription.get(), async { queue.put(1) });
        assert_eq!(got, Some(1));
        assert!(matches!(subscription.wait(Duration::from_millis(1)), Waited::Late));
    }
}
