//! Starts a source when somebody watches, stops it when nobody does, tries again when it fails.
//!
//! All retry lives here. Viewers notice nothing but the gap: the stream and their subscriptions outlive the source.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::backoff::{Backoff, random};
use super::cameras::{Camera, Orders, State};
use crate::endpoint::Source;
use crate::error::SourceError;
use crate::telemetry::Throttle;

/// When a source runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// Only while somebody watches (and `linger` after); always, if false.
    pub on_demand: bool,
    /// How long it stays warm after the last viewer left.
    pub linger: Duration,
}

impl Default for Demand {
    fn default() -> Self {
        Self { on_demand: true, linger: Duration::from_secs(10) }
    }
}

/// A run that was live this long was a good one: the next failure starts the back-off over.
const GOOD_RUN: Duration = Duration::from_secs(5);
/// A source that was told to stop may say goodbye to its camera this long; then it is dropped.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why a run ended.
enum Ended {
    Unwanted,
    /// It was switched off, or is to start again with other settings.
    Ordered,
    Shutdown,
    Failed(String),
}

/// Looks after one camera's source until it is removed, or the server ends.
pub fn supervise(camera: Arc<Camera>, source: Arc<dyn Source>) -> impl Future<Output = ()> {
    source.may_ask(camera.ice_servers());
    camera.supervised(Arc::clone(&source));
    look_after(camera, source)
}

async fn look_after(camera: Arc<Camera>, source: Arc<dyn Source>) {
    let mut backoff = Backoff::default();
    // Viewers who come and go must not fill the log: of runs that follow each other faster than this, only the first is told of.
    let runs = Throttle::new(Duration::from_secs(1));
    let stop = camera.stop().clone();
    let mut wish = Wish { viewers: camera.stream().demand(), demand: camera.demand() };
    let mut orders = camera.orders();
    loop {
        if !orders.borrow_and_update().on {
            camera.set_state(State::Off);
            backoff.reset();
            tokio::select! {
                () = stop.cancelled() => return,
                () = switched(&mut orders, true) => {}
            }
        }
        if !wish.is_now() {
            camera.set_state(State::Idle);
            backoff.reset();
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = switched(&mut orders, false) => continue,
            () = wish.wanted() => {}
        }
        // What was set before the start is obeyed by it.
        if !orders.borrow_and_update().on {
            continue;
        }
        camera.started(backoff.failures() > 0);
        let started = Instant::now();
        let before = camera.stream().snapshot().units;
        let name = camera.stream().name();
        let told = runs.allow();
        if let Some(held) = told {
            info!(stream = %name, source = %source.label(), held, "source starts");
        }
        match run_once(&camera, source.as_ref(), &stop, (&mut wish, &mut orders)).await {
            Ended::Shutdown => return,
            Ended::Unwanted if told.is_none() => {}
            Ended::Unwanted => info!(stream = %name, "nobody watches any more: source stopped"),
            Ended::Ordered => {
                let to =
                    if orders.borrow().on { "starts again with other settings" } else { "is switched off" };
                info!(stream = %name, "source {to}");
                backoff.reset(); // what failed may have been what is set otherwise now
            }
            Ended::Failed(reason) => {
                if started.elapsed() >= GOOD_RUN && camera.stream().snapshot().units > before {
                    backoff.reset();
                }
                let wait = backoff.next(random());
                let failures = backoff.failures();
                if backoff.is_news() && (failures > 1 || told.is_some()) {
                    warn!(stream = %name, %reason, failures, retry_in_ms = wait.as_millis() as u64, "source failed");
                }
                camera.set_state(State::Reconnecting(reason));
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                    () = changed(&mut orders) => {}
                    () = wish.unwanted() => {}
                }
            }
        }
    }
}

async fn run_once(
    camera: &Camera,
    source: &dyn Source,
    stop: &CancellationToken,
    (wish, orders): (&mut Wish, &mut watch::Receiver<Orders>),
) -> Ended {
    let publisher = match camera.stream().publish() {
        Ok(publisher) => publisher,
        Err(error) => return Ended::Failed(error.to_string()),
    };
    let end = stop.child_token();
    let mut run = caught(source.run(publisher, end.clone()), SourceError::Ended);
    let ended = tokio::select! {
        result = &mut run => {
            let reason = result.map_or_else(|e| e.to_string(), |()| "the source ended".to_owned());
            return if stop.is_cancelled() { Ended::Shutdown } else { Ended::Failed(reason) };
        }
        () = wish.unwanted() => Ended::Unwanted,
        () = changed(orders) => Ended::Ordered,
        () = stop.cancelled() => Ended::Shutdown,
    };
    end.cancel();
    if tokio::time::timeout(GOODBYE, &mut run).await.is_err() {
        warn!(stream = %camera.stream().name(), "source did not stop in time and was dropped");
    }
    ended
}

/// What panics has failed like any other, and takes nobody with it.
pub(super) fn caught<'s, E>(
    mut run: BoxFuture<'s, Result<(), E>>,
    failure: fn(String) -> E,
) -> Pin<Box<impl Future<Output = Result<(), E>> + use<'s, E>>> {
    Box::pin(poll_fn(move |context| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(context)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(failure("a fault in the program: see the log".to_owned()))))
    }))
}

/// Until the source may run, or no longer may.
async fn switched(orders: &mut watch::Receiver<Orders>, on: bool) {
    // The sender lives in the camera, which whoever waits here holds.
    if orders.wait_for(|orders| orders.on == on).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Until the camera is told something new.
async fn changed(orders: &mut watch::Receiver<Orders>) {
    if orders.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Whether the source should run, by who watches and what is configured; either may change at any time.
struct Wish {
    viewers: watch::Receiver<usize>,
    demand: watch::Receiver<Demand>,
}

impl Wish {
    fn is_now(&self) -> bool {
        !self.demand.borrow().on_demand || *self.viewers.borrow() > 0
    }

    /// Until the source should run.
    async fn wanted(&mut self) {
        while !self.is_now() {
            self.changed().await;
        }
    }

    /// Until it has been of no use for the linger.
    async fn unwanted(&mut self) {
        loop {
            if self.is_now() {
                self.changed().await;
                continue;
            }
            let linger = self.demand.borrow().linger;
            tokio::select! {
                () = tokio::time::sleep(linger) => return,
                () = self.changed() => {}
            }
        }
    }

    async fn changed(&mut self) {
        let changed = tokio::select! {
            changed = self.viewers.changed() => changed,
            changed = self.demand.changed() => changed,
        };
        // The senders live in the camera, which whoever asks holds; were they gone, nothing could change any more.
        if changed.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
