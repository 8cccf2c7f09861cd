//! The only place that starts a task or a thread.
//!
//! Every task has a name, is counted while it lives, and is joined with a deadline when the server ends; the late
//! ones are named. A session is a task too.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::sync::Notify;

/// Starts tasks and knows which live. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// How many live, by kind.
    living: Mutex<BTreeMap<&'static str, usize>>,
    ended: Notify,
}

struct Living {
    shared: Arc<Shared>,
    kind: &'static str,
}

pin_project! {
    /// Not an `async` block: that would hold the future twice, as what it was given and as what it awaits.
    struct Task<F> {
        #[pin]
        task: F,
        _living: Living,
    }
}

impl<F: Future<Output = ()>> Future for Task<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.project().task.poll(context)
    }
}

impl Tasks {
    /// Starts a task of a kind (`source`, `http-connection`, `ws-viewer`).
    #[allow(clippy::disallowed_methods)] // the one place
    pub fn spawn(&self, kind: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(Task { task, _living: self.enter(kind) });
    }

    /// How many tasks of each kind live now.
    pub fn living(&self) -> Vec<(&'static str, usize)> {
        self.lock().iter().map(|(kind, count)| (*kind, *count)).collect()
    }

    /// Waits until every task ended; after the deadline, gives the kinds that have not.
    ///
    /// # Errors
    /// The kinds still living, with their number.
    pub async fn join(&self, deadline: Duration) -> Result<(), Vec<(&'static str, usize)>> {
        let all_ended = async {
            loop {
                let ended = self.shared.ended.notified();
                if self.lock().is_empty() {
                    return;
                }
                ended.await;
            }
        };
        tokio::time::timeout(deadline, all_ended).await.map_err(|_| self.living())
    }

    fn enter(&self, kind: &'static str) -> Living {
        *self.lock().entry(kind).or_default() += 1;
        Living { shared: Arc::clone(&self.shared), kind }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, usize>> {
        self.shared.living.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        let mut living = self.shared.living.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = living.get_mut(self.kind) {
            *count -= 1;
            if *count == 0 {
                living.remove(self.kind);
            }
        }
        if living.is_empty() {
            self.shared.ended.notify_waiters();
        }
    }
}

/// Starts blocking work (an encoder's loop) on a thread of its own, at once; the future gives what it returns.
///
/// The thread must watch a sign of its owner's end, as a channel that is closed; dropping this future does not end it. The future
/// fails if the system has no thread left, or the work panicked.
#[allow(clippy::disallowed_methods)] // the one place
pub fn on_thread<T: Send + 'static>(
    name: String,
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = std::io::Result<T>> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let started = std::thread::Builder::new().name(name).spawn(move || {
        // The receiver is gone only if the owner was dropped; then nobody wants the result.
        let _ = sender.send(work());
    });
    async move {
        started?;
        receiver.await.map_err(|_| std::io::Error::other("the thread panicked"))
    }
}
