//! Decoding times for a byte stream that has none.
//!
//! Pictures come out of a pipe in bursts, but players want even durations: a picture whose duration is off by a burst
//! is shown as a stutter. [`StreamClock`] is a phase-locked loop of second order. It is told when each picture arrived
//! and answers with times that are evenly spaced, whose mean rate follows the arrivals so that nothing drifts
//! however long the stream runs, and which always increase. When the arrivals leave it by more than a second (the
//! camera paused, the source was changed) it begins anew from there instead of catching up.
//!
//! Not here: reading a clock; arrivals are arguments.

use std::time::Instant;

use media::{MediaTime, Timescale};

/// Turns arrivals into even decoding times of 90 kHz, beginning at 0.
#[derive(Debug, Clone)]
pub struct StreamClock {
    /// The first arrival, and what to add to times counted from it.
    origin: Option<(Instant, f64)>,
    /// Where the loop stands, in ticks.
    phase: f64,
    /// Ticks from one picture to the next.
    period: f64,
    gain: f64,
    /// How many pictures in a row came more than half a period early (negative) or late.
    lean: i32,
    last: i64,
}

impl Default for StreamClock {
    fn default() -> Self {
        Self {
            origin: None,
            phase: 0.0,
            period: TICKS_PER_SECOND / 30.0,
            gain: ACQUIRING_GAIN,
            lean: 0,
            last: -1,
        }
    }
}

impl StreamClock {
    /// The rate to begin with, for example from the VUI. An implausible one is ignored.
    pub fn expect_rate(&mut self, frames: u32, seconds: u64) {
        let period = TICKS_PER_SECOND * seconds as f64 / f64::from(frames.max(1));
        if (SHORTEST_PERIOD..=LONGEST_PERIOD).contains(&period) {
            self.period = period;
            self.gain = self.gain.min(TOLD_GAIN);
        }
    }

    /// The decoding time of the next picture, which arrived at `arrival`.
    pub fn next(&mut self, arrival: Instant) -> MediaTime {
        let Some((origin, offset)) = self.origin else {
            self.origin = Some((arrival, 0.0));
            return self.emit();
        };
        let arrived = arrival.saturating_duration_since(origin).as_secs_f64() * TICKS_PER_SECOND + offset;
        self.phase += self.period;
        let error = arrived - self.phase;
        if error > JUMP {
            self.phase = arrived;
            self.lean = 0;
        } else if error < -JUMP {
            self.origin = Some((origin, offset - error));
            self.lean = 0;
        } else {
            self.follow(error);
        }
        self.emit()
    }

    /// The present estimate of the time from one picture to the next.
    pub fn period(&self) -> MediaTime {
        MediaTime::new(self.period.round() as i64, Timescale::VIDEO_90K)
    }

    fn follow(&mut self, error: f64) {
        let side = if error.abs() > self.period / 2.0 { error.signum() as i32 } else { 0 };
        self.lean = if side != 0 && side == self.lean.signum() { self.lean + side } else { side };
        if self.lean.abs() >= NEW_RATE_AFTER {
            self.gain = self.gain.max(TOLD_GAIN);
            self.lean = 0;
        }
        self.phase += self.gain * error;
        // Damping of 1/√2: the integral gain is half the square of the proportional one.
        self.period += self.gain * self.gain / 2.0 * error;
        self.period = self.period.clamp(SHORTEST_PERIOD, LONGEST_PERIOD);
        self.gain = (self.gain * GAIN_DECAY).max(TRACKING_GAIN);
    }

    fn emit(&mut self) -> MediaTime {
        self.last = (self.phase.round() as i64).max(self.last + 1);
        MediaTime::new(self.last, Timescale::VIDEO_90K)
    }
}

const TICKS_PER_SECOND: f64 = 90_000.0;
/// 240 pictures a second.
const SHORTEST_PERIOD: f64 = TICKS_PER_SECOND / 240.0;
/// One picture a second; slower streams take their arrivals as times.
const LONGEST_PERIOD: f64 = TICKS_PER_SECOND;
/// Beyond this distance the loop begins anew.
const JUMP: f64 = TICKS_PER_SECOND;
/// At first the rate is a guess and each arrival counts much.
const ACQUIRING_GAIN: f64 = 0.4;
/// With a rate that was told, or after it changed.
const TOLD_GAIN: f64 = 0.1;
/// In the long run: 10 ms of jitter move a picture by 0.2 ms.
const TRACKING_GAIN: f64 = 0.02;
/// From acquiring to tracking in some sixty pictures.
const GAIN_DECAY: f64 = 0.95;
/// So many pictures on one side mean that the rate changed; a burst is shorter.
const NEW_RATE_AFTER: i32 = 32;
