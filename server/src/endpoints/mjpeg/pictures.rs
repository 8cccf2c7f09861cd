//! The moving pictures of one stream in one size, as JPEG, made once for all who watch them.
//!
//! A thread decodes (no more than it must), scales and encodes, no faster than the fastest viewer wants; the newest picture stands in a place of one, so that a
//! slow viewer leaves pictures out without being asked. All of it ends with the last viewer.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use encode::{EncodeError, JpegEncoder, Picture, Scaler};
use hub::{LagPolicy, Stream};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use crate::still::Size;
use crate::supervise::tasks::{self, Tasks};
use crate::transcode::{Moment, Pace, QUEUE, Thinning, decode, feed};

/// Further behind than this the pictures in between are left out.
const MAX_LAG: Duration = Duration::from_millis(500);

/// What is made now, by stream and size.
#[derive(Debug)]
pub(super) struct Gallery {
    shown: Mutex<HashMap<Key, Weak<Shown>>>,
    tasks: Tasks,
    quality: u8,
}

/// The stream, told by where it stands in memory: what is shown keeps it alive, so that no other is there meanwhile.
type Key = (usize, Size);

/// The pictures in one size. Ends with the last viewer.
#[derive(Debug)]
struct Shown {
    newest: watch::Receiver<Option<Bytes>>,
    rates: Arc<Rates>,
    _stream: Arc<Stream>,
    _end: DropGuard,
}

/// What each viewer wants, and the most of it.
#[derive(Debug, Default)]
struct Rates {
    wanted: Mutex<Vec<f32>>,
    /// Bits of an `f32`.
    most: AtomicU32,
}

/// One viewer's share.
#[derive(Debug)]
pub(super) struct Pictures {
    newest: watch::Receiver<Option<Bytes>>,
    fps: f32,
    shown: Arc<Shown>,
}

impl Gallery {
    pub(super) fn new(tasks: Tasks, quality: u8) -> Self {
        Self { shown: Mutex::default(), tasks, quality }
    }

    /// The pictures of a stream for one more viewer, who wants so many a second.
    pub(super) fn watch(&self, stream: &Arc<Stream>, size: Size, fps: f32) -> Pictures {
        let mut all = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (Arc::as_ptr(stream) as usize, size);
        let shown = all.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            all.retain(|_, shown| shown.strong_count() > 0);
            let shown = Arc::new(self.show(stream, size));
            all.insert(key, Arc::downgrade(&shown));
            shown
        });
        shown.rates.change(|wanted| wanted.push(fps));
        let mut newest = shown.newest.clone();
        newest.mark_changed(); // a picture that is there is the first one
        Pictures { newest, fps, shown }
    }

    fn show(&self, stream: &Arc<Stream>, size: Size) -> Shown {
        let (place, newest) = watch::channel(None);
        let (rates, end) = (Arc::<Rates>::default(), CancellationToken::new());
        let units = stream.subscribe(LagPolicy { max_lag: MAX_LAG });
        let (coded, to_decode) = mpsc::channel(QUEUE);
        let painter = Painter {
            place,
            size,
            quality: self.quality,
            rates: Arc::clone(&rates),
            pace: None,
            tools: None,
        };
        let (name, ended) = (stream.name().clone(), end.clone());
        let (mut thinning, wanted) = (Thinning::new(), Arc::clone(&rates));
        let needed = move |unit: &media::AccessUnit| thinning.needs(unit, wanted.most());
        self.tasks.spawn("mjpeg", async move {
            // Ends when the channel's other end is gone, which it is when this task ends.
            let painting = tasks::on_thread("mjpeg".to_owned(), move || painter.run(to_decode));
            let painted = tokio::select! {
                () = feed(units, coded, None, needed) => return,
                () = ended.cancelled() => return,
                painted = painting => painted,
            };
            let failed = match painted {
                Ok(Ok(())) => return,
                Ok(Err(error)) => crate::error::chain(&error),
                Err(error) => error.to_string(),
            };
            warn!(stream = %name, reason = failed, "mjpeg ended");
        });
        Shown { newest, rates, _stream: Arc::clone(stream), _end: end.drop_guard() }
    }
}

impl Pictures {
    /// The newest picture, once there is one that was not given yet; `None` when no more will come.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.newest.changed().await.ok()?;
            if let Some(picture) = self.newest.borrow_and_update().clone() {
                return Some(picture);
            }
        }
    }
}

impl Drop for Pictures {
    fn drop(&mut self) {
        self.shown.rates.change(|wanted| {
            if let Some(at) = wanted.iter().position(|fps| *fps == self.fps) {
                wanted.swap_remove(at);
            }
        });
    }
}

impl Rates {
    fn change(&self, change: impl FnOnce(&mut Vec<f32>)) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut wanted);
        let most = wanted.iter().copied().fold(0.0, f32::max);
        self.most.store(most.to_bits(), Ordering::Relaxed);
    }

    fn most(&self) -> f32 {
        f32::from_bits(self.most.load(Ordering::Relaxed))
    }
}

/// Makes the pictures, on a thread of its own.
struct Painter {
    place: watch::Sender<Option<Bytes>>,
    size: Size,
    quality: u8,
    rates: Arc<Rates>,
    /// For a rate; made anew when that changes.
    pace: Option<(f32, Pace)>,
    /// For pictures of one size; made anew when it changes.
    tools: Option<Tools>,
}

struct Tools {
    from: (u32, u32),
    scaler: Option<Scaler>,
    encoder: JpegEncoder,
}

impl Painter {
    fn run(mut self, coded: mpsc::Receiver<media::AccessUnit>) -> Result<(), EncodeError> {
        decode(coded, |picture, moment| self.paint(picture, moment))
    }

    fn paint(&mut self, picture: &Picture, moment: Moment) -> Result<ControlFlow<()>, EncodeError> {
        let most = self.rates.most();
        let pace = match &mut self.pace {
            Some((rate, pace)) if *rate == most => pace,
            pace => &mut pace.insert((most, Pace::new(most))).1,
        };
        if !pace.takes(moment.pts) {
            return Ok(ControlFlow::Continue(()));
        }
        let tools = match &mut self.tools {
            Some(tools) if tools.from == picture.size() => tools,
            tools => {
                let (from, to) = (picture.size(), self.size.of(picture.size()));
                let scaler = if from == to { None } else { Some(Scaler::new(from, to)?) };
                tools.insert(Tools { from, scaler, encoder: JpegEncoder::new(self.quality)? })
            }
        };
        let picture = match &mut tools.scaler {
            Some(scaler) => scaler.scale(picture)?,
            None => picture,
        };
        let file = tools.encoder.encode(picture)?;
        Ok(match self.place.send(Some(file.into())) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        })
    }
}
