//! A microphone: on while somebody subscribes.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::device::{self, Device, Supply};
use crate::life::{Life, State};
use crate::{Error, Producer, Sound, Subscription};

/// A microphone. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Microphone {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    device: String,
    supply: Supply<Sound>,
}

impl Microphone {
    /// This machine's own.
    pub fn new() -> Self {
        Self::open("default")
    }

    /// This device, by its name in ALSA; `test` for a tone that beats.
    pub fn open(device: impl Into<String>) -> Self {
        Self { shared: Arc::new(Shared { device: device.into(), supply: Supply::new(WAITING) }) }
    }
}

impl Default for Microphone {
    fn default() -> Self {
        Self::new()
    }
}

impl Producer for Microphone {
    type Item = Sound;

    fn subscribe(&self) -> Subscription<Sound> {
        device::subscribe(&self.shared)
    }
}

impl Life for Microphone {
    fn state(&self) -> &State {
        &self.shared.supply.state
    }

    fn end(&self) {
        device::end(&*self.shared, None);
    }
}

impl Device for Shared {
    type Item = Sound;
    const NAME: &'static str = "microphone";

    fn supply(&self) -> &Supply<Sound> {
        &self.supply
    }

    fn produce(&self) -> Result<(), Error> {
        let Supply { outlet, state, .. } = &self.supply;
        let mut hear = |samples: Vec<f32>, channels: u8| {
            let Ok(sound) = Sound::new(samples, channels) else { return false };
            state.set_ready();
            outlet.put(&sound) && !state.is_closed()
        };
        match &self.device[..] {
            "test" => {
                beat(&mut hear);
                Ok(())
            }
            device => record(device, &mut hear),
        }
    }
}

/// Holds back what would come faster than it can be heard.
struct Pace {
    due: Instant,
}

impl Pace {
    fn new() -> Self {
        Self { due: Instant::now() }
    }

    /// Waits until so much would have been heard since the last time.
    fn wait(&mut self, length: Duration) {
        let now = Instant::now();
        // Whoever was late, as a machine that slept, does not hurry for long.
        self.due = (self.due + length).max(now.checked_sub(LATE).unwrap_or(now));
        thread::sleep(self.due.saturating_duration_since(now));
    }
}

/// A tone of 440 Hz, half of each second.
fn beat(hear: &mut dyn FnMut(Vec<f32>, u8) -> bool) {
    let (mut at, mut pace) = (0, Pace::new());
    loop {
        let samples = (at..at + PIECE).map(|at| {
            let turns = f64::from(440 * (at % Sound::RATE)) / f64::from(Sound::RATE);
            let loud = if at % Sound::RATE < Sound::RATE / 2 { 0.3 } else { 0.0 };
            ((turns * std::f64::consts::TAU).sin() * loud) as f32
        });
        if !hear(samples.collect(), 1) {
            return;
        }
        at = (at + PIECE) % Sound::RATE;
        pace.wait(LENGTH);
    }
}

#[cfg(feature = "sound")]
fn record(device: &str, hear: &mut dyn FnMut(Vec<f32>, u8) -> bool) -> Result<(), Error> {
    use alsa::Direction;

    let failed = |error: alsa::Error| Error::device(device, &error);
    let (pcm, channels) = crate::speaker::open(device, Direction::Capture).map_err(failed)?;
    let io = pcm.io_i16().map_err(failed)?;
    let mut buffer = vec![0; PIECE as usize * usize::from(channels)];
    let mut pace = Pace::new();
    loop {
        match io.readi(&mut buffer) {
            Ok(frames) => {
                let samples = buffer[..frames * usize::from(channels)].iter();
                let samples: Vec<f32> = samples.map(|sample| f32::from(*sample) / 32_768.0).collect();
                if !samples.is_empty() && !hear(samples, channels) {
                    return Ok(());
                }
                // A device knows by itself how fast it is heard, a little off this machine's clock; ALSA's `null` and files do not.
                let heard = LENGTH * u32::try_from(frames).unwrap_or(PIECE) / PIECE;
                pace.wait(heard * 49 / 50);
            }
            // Some was lost because we were late; it goes on.
            Err(error) => pcm.try_recover(error, true).map_err(failed)?,
        }
    }
}

#[cfg(not(feature = "sound"))]
fn record(device: &str, _hear: &mut dyn FnMut(Vec<f32>, u8) -> bool) -> Result<(), Error> {
    Err(Error::device(device, &"this program was built without the feature \"sound\""))
}

/// Samples of a piece.
const PIECE: u32 = 960;
/// How long that is.
const LENGTH: Duration = Duration::from_millis(20);
const LATE: Duration = Duration::from_millis(100);
/// A second of them may wait.
const WAITING: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_tone_beats_in_real_time() {
        let microphone = Microphone::open("test");
        let (mut sound, began) = (microphone.subscribe(), Instant::now());
        let mut loud = Vec::new();
        for _ in 0..30 {
            let piece = sound.get().await.unwrap();
            assert_eq!((piece.samples().len(), piece.channels()), (960, 1));
            loud.push(piece.samples().iter().any(|sample| *sample > 0.2));
        }
        assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
        assert!(loud[0] && loud[24] && !loud[25] && !loud[29]);
        microphone.end();
        assert!(microphone.is_ready() || microphone.error().is_none());
    }
}
