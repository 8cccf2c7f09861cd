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

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "an instant to begin with; nothing waits")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    /// The decoding times of pictures that arrive so many microseconds after the first.
    fn times(clock: &mut StreamClock, arrivals: impl IntoIterator<Item = u64>) -> Vec<i64> {
        let start = Instant::now();
        arrivals.into_iter().map(|micros| clock.next(start + Duration::from_micros(micros)).ticks()).collect()
    }

    fn steps(times: &[i64]) -> Vec<i64> {
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    #[test]
    fn even_arrivals_at_the_told_rate_give_even_times() {
        let mut clock = StreamClock::default();
        clock.expect_rate(50, 2);
        assert_eq!(times(&mut clock, (0..5).map(|at| at * 40_000)), [0, 3600, 7200, 10_800, 14_400]);
    }

    #[test]
    fn an_untold_rate_is_found_within_two_seconds() {
        for fps in [5, 10, 15, 24, 60, 120] {
            let times = times(&mut StreamClock::default(), (0..fps * 6).map(|at| at * 1_000_000 / fps));
            let expected = 90_000 / i64::try_from(fps).unwrap();
            let settled = usize::try_from(fps * 2).unwrap().max(30) - 1;
            for step in &steps(&times)[settled..] {
                assert!((step - expected).abs() * 20 <= expected, "{fps} fps: {step} for {expected}");
            }
        }
    }

    #[test]
    fn a_burst_is_spread_out() {
        // Eight pictures at once, every 320 ms, as through a pipe with a large buffer.
        let arrivals = (0..2_000).map(|at| at / 8 * 320_000);
        let mut clock = StreamClock::default();
        clock.expect_rate(25, 1);
        for step in &steps(&times(&mut clock, arrivals))[200..] {
            assert!((3600 - 540..=3600 + 540).contains(step), "{step}");
        }
    }

    #[test]
    fn a_pause_of_more_than_a_second_is_kept_as_a_gap() {
        let mut clock = StreamClock::default();
        clock.expect_rate(25, 1);
        let arrivals = (0..50).map(|at| at * 40_000).chain((0..50).map(|at| 5_000_000 + at * 40_000));
        let times = times(&mut clock, arrivals);
        assert_eq!(times[49], 49 * 3600);
        assert_eq!(times[50], 5 * 90_000);
        assert_eq!(times[51], 5 * 90_000 + 3600);
    }

    #[test]
    fn an_implausible_rate_is_not_believed() {
        let mut clock = StreamClock::default();
        clock.expect_rate(1_000_000, 1);
        clock.expect_rate(0, 0);
        clock.expect_rate(1, 1_000);
        assert_eq!(clock.period().ticks(), 3_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn an_hour_of_jitter_leaves_no_drift_and_even_durations(
            jitter in proptest::collection::vec(0u64..20_000, 997),
            period in 20_000u64..70_000,
        ) {
            let count = 3_600_000_000 / period;
            let arrivals = (0..count).map(|at| at * period + jitter[usize::try_from(at).unwrap() % 997]);
            let times = times(&mut StreamClock::default(), arrivals);
            let expected = i64::try_from(period * 9 / 100).unwrap();
            for step in &steps(&times)[200..] {
                prop_assert!((step - expected).abs() * 10 <= expected, "{} for {}", step, expected);
            }
            // At the end of the hour no further from the arrivals than the jitter.
            let end = i64::try_from((count - 1) * period * 9 / 100).unwrap();
            prop_assert!((times[times.len() - 1] - end).abs() < 2 * 1_800);
        }

        #[test]
        fn times_always_increase(gaps in proptest::collection::vec(prop_oneof![Just(0u64), 0u64..100_000, 0u64..5_000_000], 0..300)) {
            let mut at = 0;
            let arrivals: Vec<u64> = gaps.iter().map(|gap| { at += gap; at }).collect();
            prop_assert!(steps(&times(&mut StreamClock::default(), arrivals)).iter().all(|&step| step > 0));
        }
    }
}
