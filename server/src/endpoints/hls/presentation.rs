//! One stream as HLS: the task that cuts its fragments while somebody asks, and what it shows.
//!
//! A presentation stays as long as its stream, since its numbers must go on; its media does not: without requests the task ends, and
//! with it the demand that keeps the camera on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use container::{Format, FormatOptions};
use hls::Window;
use hub::{LagPolicy, Next, PackagingKey, Subscription};
use media::{Chunk, Wallclock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::shown::Shown;
use super::visitors::Visitors;
use crate::endpoint::Context;
use crate::supervise::cameras::Camera;
use crate::telemetry::unix_micros;
use crate::transcode::{Sound, Sounding, with_sound};

/// One stream's window and viewers.
#[derive(Debug)]
pub(super) struct Presentation {
    pub(super) visitors: Visitors,
    shown: watch::Sender<Option<Arc<Shown>>>,
    turn: Mutex<Run>,
    linger: Duration,
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
        Self { visitors: Visitors::default(), shown: watch::Sender::new(None), turn: Mutex::new(run), linger }
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
            let idle = self.cut(&mut window, chunks, &context.stop).await;
            window.pause();
            let mut run = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            self.shown.send_replace(None);
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
            }
        }
    }

    /// Whether nobody has asked for so long that nobody watches.
    fn is_over(&self) -> bool {
        let mut run = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shown.receiver_count() > 0 {
            // A request is held.
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

/// How often it is looked whether anybody still watches.
const LOOK_EVERY: Duration = Duration::from_millis(500);
