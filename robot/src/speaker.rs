//! A speaker, and how a device of sound is opened.

use std::time::Duration;

use alsa::pcm::{Access, Format, HwParams, PCM};
use alsa::{Direction, ValueOr};

use crate::device::consume;
use crate::inlet::{Inlet, consumes};
use crate::life::{Life, State};
use crate::subscription::{Subscription, Waited};
use crate::{Error, Sound};

/// A speaker: what is put into it is heard. Dropping it ends it.
#[derive(Debug)]
pub struct Speaker {
    inlet: Inlet<Sound>,
    state: State,
}

impl Speaker {
    /// This machine's own.
    pub fn new() -> Self {
        Self::open("default")
    }

    /// This device, by its name in ALSA. What is wrong with it shows a moment later (see [`Life`]).
    pub fn open(device: impl Into<String>) -> Self {
        let (inlet, state, device) = (Inlet::new(WAITING), State::default(), device.into());
        consume("speaker", &inlet, &state, move |sound, state| play(&device, sound, state));
        Self { inlet, state }
    }

    const fn inlet(&self) -> &Inlet<Sound> {
        &self.inlet
    }
}

consumes!(Speaker, Sound);

impl Default for Speaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Life for Speaker {
    fn state(&self) -> &State {
        &self.state
    }

    fn end(&self) {
        self.inlet.close();
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.inlet.close();
    }
}

fn play(device: &str, mut sound: Subscription<Sound>, state: &State) -> Result<(), Error> {
    let failed = |error: alsa::Error| Error::device(device, &error);
    let (pcm, channels) = open(device, Direction::Playback).map_err(failed)?;
    let io = pcm.io_i16().map_err(failed)?;
    state.set_ready();
    loop {
        let piece = match sound.wait(PATIENCE) {
            Waited::Item(piece) => piece,
            Waited::Late => continue,
            Waited::Closed => break,
        };
        let samples: Vec<i16> = piece
            .in_channels(channels)
            .iter()
            .map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16)
            .collect();
        let mut rest = &samples[..];
        while !rest.is_empty() {
            match io.writei(rest) {
                Ok(frames) => rest = &rest[(frames * usize::from(channels)).min(rest.len())..],
                // There was silence for a while; it goes on.
                Err(error) => pcm.try_recover(error, true).map_err(failed)?,
            }
        }
    }
    // The last piece is heard as well, if the device can say when it was.
    let _ = pcm.drain();
    Ok(())
}

/// A device at 48 kHz, 16 bits, with two channels or, where it has no two, one.
pub(crate) fn open(device: &str, direction: Direction) -> Result<(PCM, u8), alsa::Error> {
    let pcm = PCM::new(device, direction, false)?;
    let channels = {
        let params = HwParams::any(&pcm)?;
        params.set_access(Access::RWInterleaved)?;
        params.set_format(Format::s16())?;
        params.set_rate_resample(true)?;
        params.set_rate(Sound::RATE, ValueOr::Nearest)?;
        params.set_channels_near(2)?;
        // As long as a device may keep what is to be heard; it takes what is nearest.
        let _ = params.set_buffer_time_near(BUFFER, ValueOr::Nearest);
        let channels = params.get_channels()?;
        pcm.hw_params(&params)?;
        channels
    };
    Ok((pcm, u8::try_from(channels).unwrap_or(2)))
}

/// A second of pieces of 20 ms may wait.
const WAITING: usize = 50;
const PATIENCE: Duration = Duration::from_secs(1);
/// In microseconds.
const BUFFER: u32 = 100_000;
