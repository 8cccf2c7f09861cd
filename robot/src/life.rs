//! What all parts have in common: they become ready, and they end, well or with an error.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::Error;

/// Becomes ready, and ends.
pub trait Life {
    /// How it stands.
    #[doc(hidden)]
    fn state(&self) -> &State;

    /// Ends it.
    fn end(&self);

    /// Whether it works.
    fn is_ready(&self) -> bool {
        *self.state().stage.borrow() == Stage::Ready
    }

    /// Why it ended, if it did not end well.
    fn error(&self) -> Option<Error> {
        self.state().lock().error.clone()
    }

    /// Waits until it works, or until it has ended without.
    fn ready(&self) -> impl Future<Output = ()> + Send {
        self.state().reach(Stage::Ready)
    }

    /// Waits until it has ended.
    fn closed(&self) -> impl Future<Output = ()> + Send {
        self.state().reach(Stage::Closed)
    }

    /// Calls back when it works; at once, if it does already.
    fn on_ready(&self, callback: impl FnOnce() + Send + 'static) {
        self.state().call(Stage::Ready, Box::new(callback));
    }

    /// Calls back when it has ended; at once, if it has already.
    fn on_close(&self, callback: impl FnOnce() + Send + 'static) {
        self.state().call(Stage::Closed, Box::new(callback));
    }

    /// Calls back with the error, if it ends with one.
    fn on_error(&self, callback: impl FnOnce(Error) + Send + 'static) {
        let state = self.state().clone();
        self.on_close(move || {
            let error = state.lock().error.clone();
            if let Some(error) = error {
                callback(error);
            }
        });
    }
}

/// How something stands. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    stage: watch::Sender<Stage>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    New,
    Ready,
    Closed,
}

#[derive(Default)]
struct Shared {
    error: Option<Error>,
    callbacks: Vec<(Stage, Box<dyn FnOnce() + Send>)>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("error", &self.error).finish_non_exhaustive()
    }
}

impl Default for State {
    fn default() -> Self {
        Self { stage: watch::Sender::new(Stage::New), shared: Arc::default() }
    }
}

impl State {
    pub(crate) fn set_ready(&self) {
        self.enter(Stage::Ready);
    }

    pub(crate) fn set_closed(&self, error: Option<Error>) {
        {
            let mut shared = self.lock();
            if *self.stage.borrow() != Stage::Closed {
                shared.error = error;
            }
        }
        self.enter(Stage::Closed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.stage.borrow() == Stage::Closed
    }

    fn enter(&self, stage: Stage) {
        // Never back.
        self.stage.send_if_modified(|now| {
            let is_later = stage > *now;
            *now = stage.max(*now);
            is_later
        });
        // What waited to be ready never is, if it has ended.
        let due: Vec<_> = {
            let mut shared = self.lock();
            let (due, later) = shared.callbacks.drain(..).partition(|(wanted, _)| *wanted <= stage);
            shared.callbacks = later;
            due
        };
        let is_due = |(wanted, _): &(Stage, _)| *wanted == stage;
        due.into_iter().filter(is_due).for_each(|(_, callback)| callback());
    }

    fn call(&self, wanted: Stage, callback: Box<dyn FnOnce() + Send>) {
        let now = {
            let mut shared = self.lock();
            let now = *self.stage.borrow();
            if now < wanted {
                shared.callbacks.push((wanted, callback));
                return;
            }
            now
        };
        if now == wanted {
            callback();
        }
    }

    async fn reach(&self, wanted: Stage) {
        // The sender is in `self`.
        let _ = self.stage.subscribe().wait_for(|now| *now >= wanted).await;
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Part(State);

    impl Life for Part {
        fn state(&self) -> &State {
            &self.0
        }

        fn end(&self) {
            self.0.set_closed(None);
        }
    }

    #[tokio::test]
    async fn callbacks_are_called_once_when_it_is_time_or_at_once_if_it_was() {
        let part = Part(State::default());
        let calls = Arc::new(AtomicUsize::new(0));
        let count = |by: usize| {
            let calls = Arc::clone(&calls);
            move || _ = calls.fetch_add(by, Ordering::Relaxed)
        };
        part.on_ready(count(1));
        part.on_close(count(10));
        part.0.set_ready();
        part.ready().await;
        assert!(part.is_ready());
        part.on_ready(count(100));
        let failed = count(1_000);
        part.on_error(move |_| failed());
        part.0.set_closed(Some(Error::NoOffer));
        part.closed().await;
        part.end();
        assert_eq!((calls.load(Ordering::Relaxed), part.error()), (1_111, Some(Error::NoOffer)));
    }
}
