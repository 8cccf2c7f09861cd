//! One stream as HLS: the task that cuts its fragments while somebody asks, what it shows, and those who wait for what comes next.
//!
//! Whoever waits on a connection that may be written to by others ([`Held`]) is answered by that task, one after the other; the rest look by
//! themselves at what is shown.
//!
//! A presentation stays as long as its stream, since its numbers must go on; its media does not: without requests the task ends, and
//! with it the demand that keeps the camera on.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use container::{Format, FormatOptions};
use hls::Window;
use hub::{LagPolicy, Next, PackagingKey, Subscription};
use media::{Chunk, Wallclock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::answer::{self, Reader};
use super::shown::{Ask, Look, Shown};
use super::visitors::{Visit, Visitors};
use crate::endpoint::Context;
use crate::net::held::Held;
use crate::net::ready::Ready;
use crate::supervise::cameras::{Camera, State};
use crate::telemetry::unix_micros;
use crate::transcode::{Sound, Sounding, with_sound};

/// One stream's window and viewers.
#[derive(Debug)]
pub(super) struct Presentation {
    pub(super) visitors: Visitors,
    shown: watch::Sender<Option<Arc<Shown>>>,
    turn: Mutex<Run>,
    waiting: Mutex<Vec<Waiting>>,
    linger: Duration,
}

/// Somebody who waits for what comes.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) ask: Ask,
    pub(super) reader: Arc<Reader>,
    pub(super) held: Weak<Held>,
    /// After this there is no answer.
    pub(super) until: Instant,
    pub(super) visit: Visit,
}

#[derive(Debug)]
struct Run {
    /// Here while no task has it.
    window: Option<Window>,
    asked: Instant,
}

impl Presentation {
    /// Nothing yet; `epoch` is another for each.
    pub(super) fn new(settings: hls::Settings, linger: Duration, epoch: u64) -> Self {
        let run = Run { window: Some(Window::new(settings, epoch)), asked: Instant::now() };
        Self {
            visitors: Visitors::default(),
            shown: watch::Sender::new(None),
            turn: Mutex::new(run),
            waiting: Mutex::default(),
            linger,
        }
    }

    /// What is shown, now and later. Starts what makes it, and keeps it going for a while.
    pub(super) fn watch(
        self: &Arc<Self>,
        camera: &Arc<Camera>,
        context: &Context,
    ) -> watch::Receiver<Option<Arc<Shown>>> {
        let mut run = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        run.asked = Instant::now();
        if let Some(window) = run.window.take() {
            let (presentation, camera, context) = (Arc::clone(self), Arc::clone(camera), context.clone());
            let tasks = context.tasks.clone();
            tasks.spawn("hls", async move { presentation.run(window, &camera, &context).await });
        }
        drop(run);
        self.shown.subscribe()
    }

    /// What is shown now, if anything is. Keeps what makes it going for a while.
    pub(super) fn now(&self) -> Option<Arc<Shown>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).asked = Instant::now();
        self.shown.borrow().clone()
    }

    /// Has somebody answered later who found nothing in `shown` yet.
    pub(super) fn hold(&self, waiting: Waiting, shown: &Arc<Shown>, camera: &Camera) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
        // What came meanwhile was given to those who stood there before.
        let is_same = self.shown.borrow().as_ref().is_some_and(|now| Arc::ptr_eq(now, shown));
        if !is_same {
            self.answer_waiting(camera);
        }
    }

    /// Answers those who wait for what is shown now, and those who have waited for too long.
    fn answer_waiting(&self, camera: &Camera) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let (shown, now) = (self.shown.borrow().clone(), Instant::now());
        let mut left = Vec::new();
        for one in waiting {
            let Some(held) = one.held.upgrade() else { continue };
            match shown.as_ref().map_or(Look::Nothing, |shown| shown.look(one.ask, &one.reader)) {
                Look::Ready(answer) => {
                    if held.give(&answer) && matches!(one.ask, Ask::File(_)) {
                        one.visit.served();
                    }
                }
                Look::Wait if now < one.until => left.push(one),
                Look::Wait => {
                    let words = why_nothing(camera);
                    let refusal = answer::refusal(StatusCode::SERVICE_UNAVAILABLE, words, &one.reader);
                    held.give(&Arc::new(Ready::new(refusal)));
                }
                Look::Nothing => held.give_back(),
            }
        }
        if !left.is_empty() {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).append(&mut left);
        }
    }

    /// Cuts until nobody asks any more.
    async fn run(&self, mut window: Window, camera: &Arc<Camera>, context: &Context) {
        loop {
            let sounding = self.sounding(camera, context).await;
            let stream = sounding.as_ref().map_or(camera.stream(), |sounding| &sounding.stream);
            let options = FormatOptions::default();
            let key = PackagingKey::new(Format::Fmp4.key(&options));
            let chunks =
                stream.subscribe_packaged(&key, LagPolicy::default(), || Format::Fmp4.muxer(&options));
            drop(sounding);
            let idle = self.cut(&mut window, chunks, camera, &context.stop).await;
            window.pause();
            self.shown.send_replace(None);
            self.answer_waiting(camera);
            let mut run = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            // Somebody may have asked while this was ending.
            if !idle || run.asked.elapsed() > self.linger {
                self.visitors.expire(Duration::ZERO);
                run.window = Some(window);
                return;
            }
        }
    }

    /// The stream with sound that players of HLS know, once it has begun; `None` if nobody waits for that any more.
    async fn sounding(&self, camera: &Arc<Camera>, context: &Context) -> Option<Sounding> {
        loop {
            let sounding = tokio::select! {
                sounding = with_sound(context, camera, Sound::AAC_OR_OPUS, LOOK_EVERY) => sounding,
                () = context.stop.cancelled() => return None,
                () = camera.stop().cancelled() => return None,
            };
            if sounding.is_some() || self.is_over() {
                return sounding;
            }
        }
    }

    /// Shows what comes; `true` if it ended since nobody asks any more, `false` if nothing more can come.
    async fn cut(
        &self,
        window: &mut Window,
        mut chunks: Subscription<Chunk>,
        camera: &Camera,
        stop: &CancellationToken,
    ) -> bool {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            let changed = tokio::select! {
                next = chunks.next() => match next {
                    Next::Item(chunk) => window.push(&chunk, when(&chunk)),
                    Next::Skipped { .. } => window.skip(),
                    Next::Closed(_) => return false,
                },
                _ = look.tick() => {
                    self.visitors.expire(self.linger);
                    self.answer_waiting(camera);
                    if self.is_over() {
                        return true;
                    }
                    false
                }
                () = stop.cancelled() => return false,
            };
            if changed {
                let snapshot = window.snapshot();
                self.shown.send_replace(snapshot.map(|snapshot| Arc::new(Shown::new(snapshot))));
                self.answer_waiting(camera);
            }
        }
    }

    /// Whether nobody has asked for so long that nobody watches.
    fn is_over(&self) -> bool {
        let mut run = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let held = !self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if held || self.shown.receiver_count() > 0 {
            run.asked = Instant::now();
        }
        run.asked.elapsed() > self.linger
    }
}

/// When a chunk was captured, or came.
fn when(chunk: &Chunk) -> Wallclock {
    chunk.captured.unwrap_or_else(|| {
        let age = i64::try_from(chunk.arrival.elapsed().as_micros()).unwrap_or(0);
        Wallclock::from_unix_micros(unix_micros().saturating_sub(age))
    })
}

/// How long a request may be held: three target durations (§6.2.5.2), or until a stream that begins has something to show.
pub(super) fn patience(shown: Option<&Shown>) -> Duration {
    shown.map_or(COLD, |shown| (shown.snapshot.plan.target * 3).min(COLD))
}

/// Why there is no answer, in words.
pub(super) fn why_nothing(camera: &Camera) -> String {
    match camera.state() {
        State::Reconnecting(reason) => format!("the camera fails: {reason}"),
        State::Off => "the camera is switched off".to_owned(),
        State::Waiting => "nobody publishes to this stream".to_owned(),
        State::Idle | State::Starting | State::Live => "there is nothing to show yet".to_owned(),
    }
}

/// So long a request waits for a stream to begin.
const COLD: Duration = Duration::from_secs(10);
/// How often it is looked whether anybody still watches.
const LOOK_EVERY: Duration = Duration::from_millis(500);
