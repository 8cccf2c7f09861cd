//! Where something goes in: from what was subscribed to, or put in by hand.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::AbortHandle;

use crate::subscription::{IntoSubscription, Queue, Subscription};

/// Something that consumes.
pub trait Consumer {
    /// What it consumes.
    type Item: Send + 'static;

    /// Consumes what this gives from now on, and no longer what it consumed before. To be called on a runtime.
    fn put_subscription(&self, from: impl IntoSubscription<Self::Item>);

    /// Consumes this one, and no longer what it was subscribed to.
    fn put_nowait(&self, item: Self::Item);

    /// Consumes nothing until something is put in again.
    fn stop_subscription(&self);
}

/// What a consumer takes from. Cheap to clone.
#[derive(Debug)]
pub(crate) struct Inlet<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    queue: Arc<Queue<T>>,
    /// What is taken from the queue, until somebody takes it.
    end: Mutex<Option<Subscription<T>>>,
    /// Brings what was subscribed to.
    pump: Mutex<Option<AbortHandle>>,
    /// Something was put in ever.
    is_used: std::sync::atomic::AtomicBool,
}

impl<T> Clone for Inlet<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Send + 'static> Inlet<T> {
    /// One that keeps so many which have not been taken yet.
    pub(crate) fn new(keeps: usize) -> Self {
        let queue = Queue::new(keeps);
        let end = Mutex::new(Some(Subscription::of(Arc::clone(&queue))));
        Self { shared: Arc::new(Shared { queue, end, pump: Mutex::default(), is_used: false.into() }) }
    }

    /// What is to be taken from; once.
    pub(crate) fn end(&self) -> Option<Subscription<T>> {
        self.shared.end.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn is_used(&self) -> bool {
        self.shared.is_used.load(std::sync::atomic::Ordering::Relaxed)
    }

    pub(crate) fn put_subscription(&self, from: impl IntoSubscription<T>) {
        let (mut from, queue) = (from.into_subscription(), Arc::clone(&self.shared.queue));
        let pump = tokio::spawn(async move {
            while let Some(item) = from.get().await {
                queue.put(item);
            }
        });
        self.replace(Some(pump.abort_handle()));
    }

    pub(crate) fn put_nowait(&self, item: T) {
        self.replace(None);
        self.shared.queue.put(item);
    }

    pub(crate) fn stop_subscription(&self) {
        self.replace(None);
    }

    pub(crate) fn close(&self) {
        self.replace(None);
        self.shared.queue.close();
    }

    fn replace(&self, pump: Option<AbortHandle>) {
        self.shared.is_used.store(true, std::sync::atomic::Ordering::Relaxed);
        let before =
            std::mem::replace(&mut *self.shared.pump.lock().unwrap_or_else(PoisonError::into_inner), pump);
        if let Some(before) = before {
            before.abort();
        }
    }
}

/// Passes what a consumer has to do on to its inlet.
macro_rules! consumes {
    ($type:ty, $item:ty) => {
        impl crate::Consumer for $type {
            type Item = $item;

            fn put_subscription(&self, from: impl crate::IntoSubscription<$item>) {
                self.inlet().put_subscription(from);
            }

            fn put_nowait(&self, item: $item) {
                self.inlet().put_nowait(item);
            }

            fn stop_subscription(&self) {
                self.inlet().stop_subscription();
            }
        }
    };
}
pub(crate) use consumes;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SubscriptionProducer;

    #[tokio::test]
    async fn what_is_put_in_takes_the_place_of_what_was() {
        let (one, other) = (SubscriptionProducer::new(4), SubscriptionProducer::new(4));
        let inlet = Inlet::new(4);
        let mut end = inlet.end().unwrap();
        assert!(inlet.end().is_none() && !inlet.is_used());
        inlet.put_subscription(&one);
        one.put_nowait(1);
        assert_eq!(end.get().await, Some(1));
        inlet.put_subscription(&other);
        other.put_nowait(2);
        assert_eq!(end.get().await, Some(2));
        one.put_nowait(3);
        inlet.put_nowait(4);
        assert_eq!(end.get().await, Some(4));
        inlet.close();
        assert_eq!(end.get().await, None);
    }
}
