//! A source whose camera is another stream.
//!
//! It finds that stream by name each time it runs and holds one subscription to it, so it costs nothing while nobody watches, follows a
//! stream that was removed and made again, and keeps none that is gone. Times are those of the pictures it is made from; sound is passed
//! through as it is.

use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use encode::{EncodeError, H264Encoder, H264EncoderConfig, Picture, Scaler};
use futures_core::future::BoxFuture;
use hub::{LagPolicy, Publisher, Stream, StreamName};
use media::{AccessUnit, MediaKind};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Look, Moment, Pace, QUEUE, decode, feed, look};
use crate::endpoint::Source;
use crate::error::SourceError;
use crate::supervise::tasks;

/// Further behind than this the pictures in between are left out.
const MAX_LAG: Duration = Duration::from_millis(500);
/// A stream that shows nothing for this long is let go, and tried again later.
const FIRST_PICTURE: Duration = Duration::from_secs(60);

/// What is made of the pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// Width in pixels; absent, it follows from the height, or is that of the origin.
    pub width: Option<u32>,
    /// Height in pixels; absent, it follows from the width.
    pub height: Option<u32>,
    /// Pictures a second at most.
    pub fps: Option<f32>,
    /// How many bits.
    pub budget: Budget,
    /// Where random access points are.
    pub gop: Gop,
    /// Pass the sound through.
    pub audio: bool,
}

/// How many bits pictures are given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Budget {
    /// Each second.
    PerSecond(u32),
    /// Each pixel of each picture.
    PerPixel(f64),
}

/// Where random access points are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gop {
    /// Every picture is one.
    Intra,
    /// One in so many pictures.
    Pictures(u32),
    /// One in about two seconds.
    TwoSeconds,
}

/// A stream made from another.
#[derive(Debug)]
pub struct Transcode {
    /// What it is called, its thread too, whose name the system cuts off at 15 bytes.
    kind: &'static str,
    origin: StreamName,
    target: Target,
}

impl Transcode {
    /// Made from the stream of that name.
    pub const fn new(kind: &'static str, origin: StreamName, target: Target) -> Self {
        Self { kind, origin, target }
    }

    async fn work(&self, mut publisher: Publisher) -> Result<(), SourceError> {
        let unknown = || SourceError::Ended(format!("there is no stream named {}", self.origin));
        let origin = publisher.stream().sibling(&self.origin).ok_or_else(unknown)?;
        let silent = || SourceError::Ended(format!("{} shows no picture", self.origin));
        let closed = || SourceError::Ended(format!("{} was closed", self.origin));
        let seen = tokio::time::timeout(FIRST_PICTURE, look(&origin)).await.map_err(|_| silent())?;
        let Look { frame_rate: rate, units: watched, .. } = seen.ok_or_else(closed)?;

        publisher.answer_keyframe_requests();
        let keyframe = Arc::new(AtomicBool::new(false));
        let (coded, to_decode) = mpsc::channel(QUEUE);
        let (made, mut to_publish) = mpsc::channel(QUEUE);
        let sound = self.target.audio.then(|| made.clone());
        // A subscription of its own begins where a decoder can; only then is the one that looked given up.
        let units = origin.subscribe(LagPolicy { max_lag: MAX_LAG });
        drop(watched);
        // Ends when either channel's other end is gone, which it is when this future is dropped.
        let coding = {
            let mut maker = Maker::new(self.target, rate, Arc::clone(&keyframe));
            tasks::on_thread(self.kind.to_owned(), move || {
                decode(to_decode, |picture, moment| maker.make(picture, moment, &made))
            })
        };
        let publish = async {
            let mut begun = false;
            while let Some(unit) = to_publish.recv().await {
                if !begun {
                    if unit.track.kind() == MediaKind::Audio {
                        continue; // the picture is what a viewer begins with
                    }
                    publisher.set_tracks(self.tracks(&origin, &unit));
                    begun = true;
                }
                publisher.publish(unit)?;
                if publisher.take_keyframe_request(Instant::now()) {
                    keyframe.store(true, Ordering::Relaxed);
                }
            }
            Ok::<(), SourceError>(())
        };
        let coded = tokio::select! {
            () = feed(units, coded, sound, |_| true) => return Err(closed()),
            result = publish => { result?; Ok(()) }
            coded = coding => coded.map_err(|e| SourceError::io(self.kind, e))?,
        };
        coded.map_err(|e| SourceError::Media(format!("{}: {}", self.label(), crate::error::chain(&e))))
    }

    /// The tracks there will be, from the first picture on.
    fn tracks(&self, origin: &Stream, first: &AccessUnit) -> Vec<Arc<media::Track>> {
        let others = if self.target.audio { origin.snapshot().tracks } else { Vec::new() };
        let sound = others.into_iter().filter(|track| track.kind() == MediaKind::Audio);
        std::iter::once(Arc::clone(&first.track)).chain(sound).collect()
    }
}

impl Source for Transcode {
    fn label(&self) -> String {
        format!("{} from {}", self.kind, self.origin)
    }

    fn run(&self, publisher: Publisher, stop: CancellationToken) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            tokio::select! {
                result = self.work(publisher) => result,
                () = stop.cancelled() => Ok(()),
            }
        })
    }

    fn origin(&self) -> Option<&StreamName> {
        Some(&self.origin)
    }
}

/// Makes the new pictures, on the decoder's thread.
struct Maker {
    target: Target,
    rate: f32,
    pace: Option<Pace>,
    keyframe: Arc<AtomicBool>,
    /// For pictures of one size; made anew when it changes.
    tools: Option<Tools>,
}

struct Tools {
    from: (u32, u32),
    scaler: Option<Scaler>,
    encoder: H264Encoder,
}

impl Maker {
    fn new(target: Target, rate: NonZeroU32, keyframe: Arc<AtomicBool>) -> Self {
        let rate = rate.get() as f32;
        let rate = target.fps.map_or(rate, |fps| fps.min(rate));
        Self { target, rate, pace: target.fps.map(Pace::new), keyframe, tools: None }
    }

    fn make(
        &mut self,
        picture: &Picture,
        moment: Moment,
        made: &mpsc::Sender<AccessUnit>,
    ) -> Result<ControlFlow<()>, EncodeError> {
        if self.pace.as_mut().is_some_and(|pace| !pace.takes(moment.pts)) {
            return Ok(ControlFlow::Continue(()));
        }
        let tools = match &mut self.tools {
            Some(tools) if tools.from == picture.size() => tools,
            tools => tools.insert(Tools::new(&self.target, self.rate, picture.size())?),
        };
        let picture = match &mut tools.scaler {
            Some(scaler) => scaler.scale(picture)?,
            None => picture,
        };
        if self.keyframe.swap(false, Ordering::Relaxed) {
            tools.encoder.request_keyframe();
        }
        let unit = tools.encoder.encode(picture, moment.pts, moment.arrival, moment.captured)?;
        let Some(mut unit) = unit else { return Ok(ControlFlow::Continue(())) };
        unit.arrival = Instant::now();
        Ok(if made.blocking_send(unit).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    }
}

impl Tools {
    fn new(target: &Target, rate: f32, from: (u32, u32)) -> Result<Self, EncodeError> {
        let to = target.size(from);
        let scaler = if to == from { None } else { Some(Scaler::new(from, to)?) };
        Ok(Self { from, scaler, encoder: H264Encoder::new(&target.encoder(to, rate))? })
    }
}

impl Target {
    /// The size that pictures of this size come to.
    fn size(&self, (width, height): (u32, u32)) -> (u32, u32) {
        let share = |of: u32, by: u32, to: u32| {
            let side = (u64::from(of) * u64::from(by) + u64::from(to) / 2) / u64::from(to.max(1));
            (u32::try_from(side).unwrap_or(u32::MAX) / 2 * 2).max(16)
        };
        match (self.width, self.height) {
            (Some(to_width), Some(to_height)) => (to_width, to_height),
            (Some(to_width), None) => (to_width, share(height, to_width, width)),
            (None, Some(to_height)) => (share(width, to_height, height), to_height),
            (None, None) => (width, height),
        }
    }

    /// How pictures of this size are encoded at this rate.
    pub(crate) fn encoder(&self, (width, height): (u32, u32), rate: f32) -> H264EncoderConfig {
        let bitrate = match self.budget {
            Budget::PerSecond(bits) => bits,
            Budget::PerPixel(bits) => {
                let pixels = f64::from(width) * f64::from(height) * f64::from(rate);
                (pixels * bits).clamp(100_000.0, 100_000_000.0) as u32
            }
        };
        let gop = match self.gop {
            Gop::Intra => 1,
            Gop::Pictures(pictures) => pictures,
            Gop::TwoSeconds => (rate * 2.0).ceil().max(1.0) as u32,
        };
        let intra_only = self.gop == Gop::Intra;
        H264EncoderConfig { width, height, frame_rate: rate, bitrate, gop, intra_only }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_that_is_not_given_keeps_the_shape() {
        let target = |width, height| Target {
            width,
            height,
            fps: None,
            budget: Budget::PerPixel(0.1),
            gop: Gop::TwoSeconds,
            audio: true,
        };
        assert_eq!(target(Some(640), None).size((1920, 1080)), (640, 360));
        assert_eq!(target(None, Some(360)).size((1920, 1080)), (640, 360));
        assert_eq!(target(None, None).size((1920, 1080)), (1920, 1080));
        assert_eq!(target(Some(100), Some(100)).size((1920, 1080)), (100, 100));
        assert_eq!(target(Some(642), None).size((1920, 1080)), (642, 360));
        assert_eq!(target(Some(64), None).size((3840, 16)), (64, 16));
    }
}
