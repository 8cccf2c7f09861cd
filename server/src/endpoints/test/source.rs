//! The running test camera: a thread that paints and encodes, and the task that publishes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use encode::{
    AacEncoder, AacEncoderConfig, EncodeError, H264Encoder, H264EncoderConfig, OpusEncoder,
    OpusEncoderConfig, Pcm,
};
use futures_core::future::BoxFuture;
use hub::Publisher;
use media::{AccessUnit, MediaTime, Timescale, Track, Wallclock};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::pattern::Pattern;
use super::settings::Settings;
use super::{Sound, tone};
use crate::controls::{Control, Dial, Effect, Refused};
use crate::endpoint::Source;
use crate::error::SourceError;
use crate::supervise::tasks;
use crate::telemetry::unix_micros;

/// What the camera shows and how it is coded.
#[derive(Debug, Clone)]
pub(super) struct TestSource {
    pub(super) coding: Coding,
    pub(super) sound: Option<Sound>,
    /// What can be set while it exists; one for every run.
    pub(super) settings: Arc<Mutex<Settings>>,
}

/// What of the coding is configured and stays.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coding {
    pub(super) bitrate: u32,
    /// Two seconds' worth if absent.
    pub(super) gop: Option<u32>,
    pub(super) intra_only: bool,
}

impl Coding {
    /// The encoder's configuration for these settings.
    fn with(&self, settings: &Settings) -> H264EncoderConfig {
        let two_seconds = (settings.frame_rate * 2.0).ceil().max(1.0) as u32;
        H264EncoderConfig {
            width: settings.width,
            height: settings.height,
            frame_rate: settings.frame_rate,
            bitrate: self.bitrate,
            gop: self.gop.unwrap_or(two_seconds),
            intra_only: self.intra_only,
        }
    }

    /// Whether the encoder takes these settings: making one tells. The one that runs is made when it runs.
    ///
    /// # Errors
    /// The encoder's.
    pub(super) fn judge(&self, settings: &Settings) -> Result<(), EncodeError> {
        H264Encoder::new(&self.with(settings)).map(drop)
    }
}

/// Units between the encoder and the stream. When so many wait, the encoder waits, and drops the pictures it missed.
const QUEUE: usize = 64;
/// Pictures later than this are left out rather than made up for.
const TOO_LATE: Duration = Duration::from_millis(500);

impl Source for TestSource {
    fn label(&self) -> String {
        "test".to_owned()
    }

    fn dials(&self) -> Vec<Dial> {
        self.settings().dials()
    }

    fn set(&self, changes: &[(Control, f64)]) -> Result<Effect, Refused> {
        let apply =
            |to: Settings| changes.iter().try_fold(to, |to, (control, value)| to.with(*control, *value));
        let before = *self.settings();
        let new = apply(before)?;
        let effect = if new.need_restart(&before) { Effect::Restart } else { Effect::Live };
        if let (Effect::Restart, Some((control, _))) = (effect, changes.first()) {
            let refused = |e: EncodeError| Refused { control: *control, reason: e.to_string() };
            self.coding.judge(&new).map_err(refused)?;
        }
        // Somebody else may have set something meanwhile: only what was asked for is changed.
        let mut settings = self.settings();
        *settings = apply(*settings)?;
        Ok(effect)
    }

    fn run(
        &self,
        mut publisher: Publisher,
        stop: CancellationToken,
    ) -> BoxFuture<'_, Result<(), SourceError>> {
        Box::pin(async move {
            publisher.answer_keyframe_requests();
            let (sender, mut receiver) = mpsc::channel(QUEUE);
            let keyframe = Arc::new(AtomicBool::new(false));
            let name = publisher.stream().name().to_string();
            let (settings, wanted) = (self.clone(), Arc::clone(&keyframe));
            // Ends when the receiver is gone, which it is when this future is dropped.
            let painting =
                tasks::on_thread("test-pattern".to_owned(), move || settings.paint(&name, &wanted, &sender));
            let publish = async {
                while let Some(made) = receiver.recv().await {
                    match made {
                        Made::Tracks(tracks) => {
                            publisher.set_tracks(tracks);
                            continue; // the first picture is a keyframe without being asked for
                        }
                        Made::Unit(unit) => publisher.publish(unit)?,
                    }
                    if publisher.take_keyframe_request(Instant::now()) {
                        keyframe.store(true, Ordering::Relaxed);
                    }
                }
                Ok::<(), SourceError>(())
            };
            tokio::select! {
                result = publish => result?,
                () = stop.cancelled() => return Ok(()),
            }
            let painted = painting.await.map_err(|e| SourceError::io("test pattern", e))?;
            painted.map_err(|e| SourceError::Media(format!("test pattern: {e}")))
        })
    }
}

/// What the encoding thread sends.
enum Made {
    /// All tracks there will be, before the first unit: the sound's first unit comes later than the first picture.
    Tracks(Vec<Arc<Track>>),
    Unit(AccessUnit),
}

enum AudioEncoder {
    Aac(Box<AacEncoder>),
    Opus(Box<OpusEncoder>),
}

impl AudioEncoder {
    fn new(sound: Sound) -> Result<Self, EncodeError> {
        Ok(match sound {
            Sound::Aac => Self::Aac(Box::new(AacEncoder::new(&AacEncoderConfig::default())?)),
            Sound::Opus => Self::Opus(Box::new(OpusEncoder::new(&OpusEncoderConfig::default())?)),
        })
    }

    fn track(&self) -> &Arc<Track> {
        match self {
            Self::Aac(encoder) => encoder.track(),
            Self::Opus(encoder) => encoder.track(),
        }
    }

    fn push(&mut self, pcm: Pcm<'_>, out: &mut Vec<AccessUnit>) -> Result<(), EncodeError> {
        match self {
            Self::Aac(encoder) => encoder.push(pcm, out),
            Self::Opus(encoder) => encoder.push(pcm, out),
        }
    }
}

impl TestSource {
    /// What is set; taken for a copy, or to set it.
    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Paints, encodes and sends until the receiver is gone.
    fn paint(
        &self,
        name: &str,
        keyframe: &AtomicBool,
        units: &mpsc::Sender<Made>,
    ) -> Result<(), EncodeError> {
        let video = self.coding.with(&self.settings());
        let rate = video.frame_rate;
        let mut pattern = Pattern::new(video.width, video.height, rate, name)?;
        let mut encoder = H264Encoder::new(&video)?;
        let mut audio = self.sound.map(AudioEncoder::new).transpose()?;
        let mut audio_units = Vec::new();
        let (start, start_wall) = (Instant::now(), unix_micros());
        let mut samples: u64 = 0;
        let mut pcm = Vec::new();
        let mut number: u64 = 0;
        loop {
            let due = Duration::from_secs_f64(number as f64 / f64::from(rate));
            let now = start.elapsed();
            if now > due + TOO_LATE {
                number = (now.as_secs_f64() * f64::from(rate)).ceil() as u64;
                continue;
            }
            wait(due.saturating_sub(now));
            if keyframe.swap(false, Ordering::Relaxed) {
                encoder.request_keyframe();
            }
            let captured = Wallclock::from_unix_micros(unix_micros());
            pattern.set_grade(self.settings().grade);
            let picture = pattern.paint(captured, number);
            let pts = MediaTime::from_duration(due, Timescale::VIDEO_90K);
            // The sound of the time up to this picture goes ahead of it, so that it can ride in the same write.
            if let Some(audio) = &mut audio {
                let until = (due.as_secs_f64() * f64::from(tone::SAMPLE_RATE)) as u64;
                let count = until.saturating_sub(samples).min(u64::from(tone::SAMPLE_RATE));
                pcm.resize(count as usize * tone::CHANNELS, 0.0);
                samples = until - count;
                tone::fill(&mut pcm, start_wall, samples);
                let block = Pcm {
                    samples: &pcm,
                    pts: MediaTime::new(samples as i64, Timescale::AUDIO_48K),
                    arrival: Instant::now(),
                    captured: Some(Wallclock::from_unix_micros(
                        start_wall + (samples * 1_000_000 / 48_000) as i64,
                    )),
                };
                audio.push(block, &mut audio_units)?;
                samples = until;
            }
            let unit = encoder.encode(picture, pts, Instant::now(), Some(captured))?;
            if let Some(unit) = unit.as_ref().filter(|_| number == 0) {
                let sound = audio.as_ref().map(|audio| Arc::clone(audio.track()));
                let tracks = std::iter::once(Arc::clone(&unit.track)).chain(sound).collect();
                if units.blocking_send(Made::Tracks(tracks)).is_err() {
                    return Ok(());
                }
            }
            for mut unit in audio_units.drain(..).chain(unit) {
                unit.arrival = Instant::now();
                if units.blocking_send(Made::Unit(unit)).is_err() {
                    return Ok(());
                }
            }
            number += 1;
        }
    }
}

#[allow(clippy::disallowed_methods)] // a thread of its own, whose work is to keep time
fn wait(span: Duration) {
    std::thread::sleep(span);
}
