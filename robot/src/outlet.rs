//! Where something comes out: given to all who subscribed, each by a queue of its own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::subscription::{Queue, Subscription};

/// Something that produces.
pub trait Producer {
    /// What it produces.
    type Item: Clone + Send + 'static;

    /// All it produces from now on; everybody who subscribes gets it all.
    fn subscribe(&self) -> Subscription<Self::Item>;

    /// Calls back with each, on a task, until nothing will come any more. To be called on a runtime.
    fn subscribe_with(&self, mut callback: impl FnMut(Self::Item) + Send + 'static) {
        let mut subscription = self.subscribe();
        tokio::spawn(async move {
            while let Some(item) = subscription.get().await {
                callback(item);
            }
        });
    }
}

/// Where a producer's items go. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Outlet<T> {
    shared: Arc<Mutex<Shared<T>>>,
    keeps: usize,
}

#[derive(Debug)]
struct Shared<T> {
    queues: Vec<Weak<Queue<T>>>,
    is_closed: bool,
}

impl<T> Clone for Outlet<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), keeps: self.keeps }
    }
}

impl<T: Clone> Outlet<T> {
    /// Each subscriber may be so many behind.
    pub(crate) fn new(keeps: usize) -> Self {
        let shared = Shared { queues: Vec::new(), is_closed: false };
        Self { shared: Arc::new(Mutex::new(shared)), keeps }
    }

    pub(crate) fn subscribe(&self) -> Subscription<T> {
        let queue = Queue::new(self.keeps);
        let mut shared = self.lock();
        if shared.is_closed {
            queue.close();
        } else {
            shared.queues.push(Arc::downgrade(&queue));
        }
        Subscription::of(queue)
    }

    /// Gives it to all; whether there was anybody.
    pub(crate) fn put(&self, item: &T) -> bool {
        let mut shared = self.lock();
        shared.queues.retain(|queue| match queue.upgrade() {
            Some(queue) => {
                queue.put(item.clone());
                true
            }
            None => false,
        });
        !shared.queues.is_empty()
    }

    pub(crate) fn has_subscribers(&self) -> bool {
        self.lock().queues.iter().any(|queue| queue.strong_count() > 0)
    }

    /// Nothing will come any more.
    pub(crate) fn close(&self) {
        let mut shared = self.lock();
        shared.is_closed = true;
        shared.queues.drain(..).filter_map(|queue| queue.upgrade()).for_each(|queue| queue.close());
    }

    fn lock(&self) -> MutexGuard<'_, Shared<T>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A producer of what the program puts into it: pictures it painted, sound it made.
///
/// ```
/// use firstlight_robot::prelude::*;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let numbers = SubscriptionProducer::new(10);
/// let mut subscription = numbers.subscribe();
/// numbers.put_nowait(1);
/// assert_eq!(subscription.get().await, Some(1));
/// # }
/// ```
#[derive(Debug)]
pub struct SubscriptionProducer<T: Clone> {
    outlet: Outlet<T>,
}

impl<T: Clone + Send + 'static> SubscriptionProducer<T> {
    /// One whose subscribers may be so many behind: 1 for pictures, of which only the newest matters.
    pub fn new(keeps: usize) -> Self {
        Self { outlet: Outlet::new(keeps.max(1)) }
    }

    /// Produces this.
    #[allow(clippy::needless_pass_by_value)] // it is the subscribers' from now on
    pub fn put_nowait(&self, item: T) {
        self.outlet.put(&item);
    }

    /// Nothing will come any more.
    pub fn close(&self) {
        self.outlet.close();
    }
}

impl<T: Clone + Send + 'static> Producer for SubscriptionProducer<T> {
    type Item = T;

    fn subscribe(&self) -> Subscription<T> {
        self.outlet.subscribe()
    }
}

impl<T: Clone> Drop for SubscriptionProducer<T> {
    fn drop(&mut self) {
        self.outlet.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_gets_everything_until_the_end() {
        let outlet = Outlet::new(8);
        assert!(!outlet.put(&0));
        let (mut one, mut other) = (outlet.subscribe(), outlet.subscribe());
        assert!(outlet.put(&1));
        assert_eq!(other.get().await, Some(1));
        drop(other);
        assert!(outlet.put(&2));
        outlet.close();
        assert_eq!((one.get().await, one.get().await, one.get().await), (Some(1), Some(2), None));
        assert_eq!(outlet.subscribe().get().await, None);
        drop(one);
        assert!(!outlet.has_subscribers());
    }
}
