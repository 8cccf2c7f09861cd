//! Pictures to H.264 and back, on threads: neither a picture nor a packet waits for a codec.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread;
use std::time::{Duration, Instant};

use encode::{H264Decoder, H264Encoder, H264EncoderConfig, Picture};
use media::{AccessUnit, MediaTime, Timescale};
use tokio::sync::mpsc;

use crate::outlet::Outlet;
use crate::subscription::{Subscription, Waited};
use crate::{Error, Frame};

/// Pictures that are sent.
#[derive(Debug)]
pub(super) struct Encoding {
    units: mpsc::Receiver<Result<AccessUnit, Error>>,
    keyframe: Arc<AtomicBool>,
}

impl Encoding {
    /// Begins to encode what comes. Ends with this, or with what comes.
    pub(super) fn begin(frames: Subscription<Frame>) -> Result<Self, Error> {
        let (sender, units) = mpsc::channel(UNITS);
        let keyframe = Arc::new(AtomicBool::new(false));
        let wanted = Arc::clone(&keyframe);
        let started = thread::Builder::new().name("encoder".to_owned());
        started
            .spawn(move || encode(frames, &wanted, &sender))
            .map_err(|error| Error::device("encoder", &error))?;
        Ok(Self { units, keyframe })
    }

    /// Makes the next picture a random access point.
    pub(super) fn request_keyframe(&self) {
        self.keyframe.store(true, Ordering::Relaxed);
    }

    /// The next unit.
    pub(super) async fn next(&mut self) -> Result<AccessUnit, Error> {
        match self.units.recv().await {
            Some(unit) => unit,
            // Nothing is put in any more; the connection goes on.
            None => std::future::pending().await,
        }
    }
}

fn encode(
    mut frames: Subscription<Frame>,
    wanted: &AtomicBool,
    units: &mpsc::Sender<Result<AccessUnit, Error>>,
) {
    let began = Instant::now();
    let mut encoder: Option<((u32, u32), H264Encoder)> = None;
    while !units.is_closed() {
        let frame = match frames.wait(PATIENCE) {
            Waited::Item(frame) => frame,
            Waited::Late => continue,
            Waited::Closed => return,
        };
        let size = frame.picture().size();
        if encoder.as_ref().is_none_or(|(known, _)| *known != size) {
            let config = H264EncoderConfig {
                width: size.0,
                height: size.1,
                frame_rate: FRAME_RATE,
                bitrate: bitrate(size),
                gop: GOP,
                intra_only: false,
            };
            match H264Encoder::new(&config) {
                Ok(made) => encoder = Some((size, made)),
                Err(error) => return drop(units.blocking_send(Err(error.into()))),
            }
        }
        let Some((_, encoder)) = &mut encoder else { return };
        if wanted.swap(false, Ordering::Relaxed) {
            encoder.request_keyframe();
        }
        let since = frame.at().saturating_duration_since(began);
        let pts = MediaTime::from_duration(since, Timescale::VIDEO_90K);
        let sent = match encoder.encode(frame.picture(), pts, frame.at(), None) {
            Ok(Some(unit)) => units.blocking_send(Ok(unit)),
            Ok(None) => Ok(()),
            Err(error) => units.blocking_send(Err(error.into())),
        };
        if sent.is_err() {
            return;
        }
    }
}

/// A tenth of a bit a pixel: good to look at.
fn bitrate((width, height): (u32, u32)) -> u32 {
    (width * height * 3).clamp(200_000, 8_000_000)
}

/// Pictures that come.
#[derive(Debug)]
pub(super) struct Decoding {
    outlet: Outlet<Frame>,
    units: Option<std_mpsc::SyncSender<AccessUnit>>,
    /// The decoder cannot go on.
    is_lost: Arc<AtomicBool>,
    asked: Option<Instant>,
}

impl Decoding {
    pub(super) fn new(outlet: Outlet<Frame>) -> Self {
        Self { outlet, units: None, is_lost: Arc::default(), asked: None }
    }

    /// Takes a unit; while nobody subscribes, nothing is decoded.
    pub(super) fn push(&mut self, unit: AccessUnit) {
        if !self.outlet.has_subscribers() {
            self.units = None;
            return;
        }
        if self.units.is_none() {
            // It begins wherever the other side is.
            self.is_lost.store(!unit.random_access, Ordering::Relaxed);
            self.units = self.begin();
        }
        let sent = self.units.as_ref().map(|units| units.try_send(unit));
        if !matches!(sent, Some(Ok(()))) {
            self.is_lost.store(true, Ordering::Relaxed);
        }
    }

    fn begin(&self) -> Option<std_mpsc::SyncSender<AccessUnit>> {
        let (sender, units) = std_mpsc::sync_channel(UNITS);
        let (outlet, is_lost) = (self.outlet.clone(), Arc::clone(&self.is_lost));
        let started = thread::Builder::new().name("decoder".to_owned());
        started.spawn(move || decode(&units, &outlet, &is_lost)).ok().map(|_| sender)
    }

    /// Whether the other side is to be asked for a random access point; not more often than it can answer.
    pub(super) fn needs_keyframe(&mut self, now: Instant) -> bool {
        if !self.is_lost.load(Ordering::Relaxed) || self.asked.is_some_and(|at| now < at + BETWEEN_REQUESTS) {
            return false;
        }
        self.asked = Some(now);
        true
    }
}

fn decode(units: &std_mpsc::Receiver<AccessUnit>, outlet: &Outlet<Frame>, is_lost: &AtomicBool) {
    let Ok(mut decoder) = H264Decoder::new() else { return };
    while let Ok(unit) = units.recv() {
        if unit.random_access || unit.lost_before > 0 {
            is_lost.store(!unit.random_access, Ordering::Relaxed);
        }
        match decoder.decode(&unit) {
            // What follows something that is missing is not shown until it is whole again.
            Ok(Some(picture)) if !is_lost.load(Ordering::Relaxed) => {
                outlet.put(&Frame::new(Picture::clone(picture)));
            }
            Ok(_) => {}
            Err(_) => is_lost.store(true, Ordering::Relaxed),
        }
    }
}

/// Units between a codec's thread and the task.
const UNITS: usize = 32;
const PATIENCE: Duration = Duration::from_millis(500);
/// What the bitrate is meant for; the true times are the pictures' own.
const FRAME_RATE: f32 = 30.0;
/// Random access points come when they are asked for, and at least every so many pictures.
const GOP: u32 = 300;
const BETWEEN_REQUESTS: Duration = Duration::from_millis(300);
