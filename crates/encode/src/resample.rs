//! Sound of one sample rate to another: a windowed sinc in as many phases as the ratio has, so that no error adds up.
//!
//! A sample is given out once what lies behind it is there, half the filter's length, and with the time it had: nothing is delayed on the
//! clock of the media. The count of samples rules the time. Only where a block begins more than 20 ms later than the last one ended does the count
//! begin anew (sound was lost), and what repeats is cut off, by the same rule as in `pcm`.

use std::f64::consts::PI;

use media::{MediaTime, Timescale, Wallclock};

use crate::EncodeError;
use crate::pcm::Pcm;

/// From one rate to another.
#[derive(Debug)]
pub(crate) struct Resampler {
    channels: usize,
    from: Timescale,
    to: Timescale,
    /// Samples out for so many (`down`) in.
    up: usize,
    down: usize,
    taps: usize,
    /// The coefficients of each phase, one phase after the other.
    filter: Vec<f32>,
    /// Interleaved, from the first sample that the next one out looks at.
    input: Vec<f32>,
    /// Where the next sample out is, in `1/up` of a sample in, from `input`'s beginning plus half the filter.
    at: usize,
    count: Option<Count>,
    out: Vec<f32>,
}

/// Samples since sound began.
#[derive(Debug, Clone, Copy)]
struct Count {
    /// The time of the first sample, in ticks of either rate.
    begin: (i64, i64),
    taken: i64,
    given: i64,
}

impl Resampler {
    /// Between two rates.
    ///
    /// # Errors
    /// [`EncodeError::Config`] if their ratio is none of small numbers, as those of usual rates are.
    pub(crate) fn new(channels: usize, from: Timescale, to: Timescale) -> Result<Self, EncodeError> {
        let shared = greatest_common_divisor(from.hz(), to.hz());
        let (up, down) = ((to.hz() / shared) as usize, (from.hz() / shared) as usize);
        if up > MOST_PHASES {
            return Err(EncodeError::Config {
                what: "sample rate",
                value: from.hz().to_string(),
                reason: "it is none of the usual ones",
            });
        }
        // Towards fewer samples the filter cuts lower and is as much longer.
        let taps = 2 * (HALF * down.div_ceil(up).max(1));
        let cut = CUT * (up as f64 / down as f64).min(1.0);
        let filter = (0..up).flat_map(|phase| coefficients(taps, cut, phase as f64 / up as f64)).collect();
        Ok(Self {
            channels,
            from,
            to,
            up,
            down,
            taps,
            filter,
            input: Vec::new(),
            at: 0,
            count: None,
            out: Vec::new(),
        })
    }

    /// Takes a block in; what is complete by it comes back as a block of the other rate.
    pub(crate) fn push(&mut self, pcm: Pcm<'_>) -> Pcm<'_> {
        let (skip, mut count) = self.align(pcm);
        let skipped = skip.min(pcm.samples.len() / self.channels);
        let samples = &pcm.samples[skipped * self.channels..];
        self.input.extend_from_slice(samples);
        count.taken += (samples.len() / self.channels) as i64;
        let begin = count.begin.1 + count.given;

        self.out.clear();
        let held = self.input.len() / self.channels;
        while self.at / self.up + self.taps <= held {
            let (first, phase) = (self.at / self.up, self.at % self.up);
            let filter = &self.filter[phase * self.taps..][..self.taps];
            let window = &self.input[first * self.channels..][..self.taps * self.channels];
            for channel in 0..self.channels {
                let under = window[channel..].iter().step_by(self.channels);
                self.out.push(under.zip(filter).map(|(sample, weight)| sample * weight).sum());
            }
            count.given += 1;
            self.at += self.down;
        }
        let done = (self.at / self.up).min(held);
        self.input.drain(..done * self.channels);
        self.at -= done * self.up;
        self.count = Some(count);

        let pts = MediaTime::new(begin, self.to);
        let captured = pcm.captured.map(|at| {
            let earlier = pcm.pts.saturating_sub(pts).ticks_in(Timescale::MICROS);
            Wallclock::from_unix_micros(at.unix_micros().saturating_sub(earlier))
        });
        Pcm { samples: &self.out, pts, arrival: pcm.arrival, captured }
    }

    /// How many samples of the block were there before, and the count that the others go on with.
    fn align(&mut self, pcm: Pcm<'_>) -> (usize, Count) {
        let at = pcm.pts.ticks_in(self.from);
        let tolerance = i64::from(self.from.hz() / 50);
        match self.count.map(|count| (count, at.saturating_sub(count.begin.0 + count.taken))) {
            Some((count, gap)) if gap < -tolerance => {
                (usize::try_from(gap.unsigned_abs()).unwrap_or(usize::MAX), count)
            }
            Some((count, gap)) if gap <= tolerance => (0, count),
            _ => {
                // The first sample out is the first one in: before it was silence.
                self.input.clear();
                self.input.resize((self.taps / 2 - 1) * self.channels, 0.0);
                self.at = 0;
                (0, Count { begin: (at, pcm.pts.ticks_in(self.to)), taken: 0, given: 0 })
            }
        }
    }
}

/// The weights of the samples around a place that lies `phase` of a sample behind the one in the middle.
fn coefficients(taps: usize, cut: f64, phase: f64) -> Vec<f32> {
    let half = taps as f64 / 2.0;
    let weights: Vec<f64> = (0..taps)
        .map(|tap| {
            let distance = tap as f64 - (half - 1.0) - phase;
            let angle = 2.0 * PI * cut * distance;
            let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
            sinc * kaiser(distance / half)
        })
        .collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

/// Kaiser's window, from -1 to 1.
fn kaiser(at: f64) -> f64 {
    bessel(BETA * (1.0 - at * at).max(0.0).sqrt()) / bessel(BETA)
}

/// The modified Bessel function of the first kind and order 0.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..40 {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum += term;
    }
    sum
}

const fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Half the filter's length in samples, where it is shortest.
const HALF: usize = 24;
/// Where the filter cuts, of the lower rate: 18 kHz of 44.1 kHz pass, and images are 80 dB down from 23 kHz on.
const CUT: f64 = 0.47;
/// Of Kaiser's window, for 80 dB.
const BETA: f64 = 7.86;
/// 11,025 Hz to 48,000 Hz has 640.
const MOST_PHASES: usize = 640;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const TO: Timescale = Timescale::AUDIO_48K;

    #[allow(clippy::disallowed_methods)] // an `Instant` comes from nowhere else
    fn block(samples: &[f32], at: i64, rate: Timescale) -> Pcm<'_> {
        Pcm { samples, pts: MediaTime::new(at, rate), arrival: Instant::now(), captured: None }
    }

    /// All that comes out for a tone, in blocks of this length.
    fn tone(hz: f64, rate: u32, length: usize) -> (MediaTime, Vec<f32>) {
        let from = Timescale::new(rate).unwrap();
        let mut resampler = Resampler::new(1, from, TO).unwrap();
        let sound: Vec<f32> =
            (0..rate * 2).map(|n| (2.0 * PI * hz * f64::from(n) / f64::from(rate)).sin() as f32).collect();
        let (mut all, mut begin) = (Vec::new(), None);
        for (n, samples) in sound.chunks(length).enumerate() {
            let out = resampler.push(block(samples, 480 + (n * length) as i64, from));
            let first = *begin.get_or_insert(out.pts);
            assert_eq!(out.pts.saturating_sub(first).ticks(), all.len() as i64, "nothing is missing");
            all.extend_from_slice(out.samples);
        }
        (begin.unwrap(), all)
    }

    #[test]
    fn a_tone_of_any_usual_rate_is_the_same_tone_at_the_same_time() {
        for rate in [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 64_000, 88_200, 96_000] {
            for length in [137, 1_024] {
                let (begin, sound) = tone(440.0, rate, length);
                let start = begin.ticks();
                assert_eq!(start, MediaTime::new(480, Timescale::new(rate).unwrap()).ticks_in(TO));
                assert!((sound.len() as i64 - 96_000).abs() <= 300, "{rate}: {}", sound.len());
                let (mut signal, mut error) = (0.0, 0.0);
                for (n, &sample) in sound.iter().enumerate().skip(2_000).take(80_000) {
                    let expected = (2.0 * PI * 440.0 * n as f64 / 48_000.0).sin();
                    signal += expected * expected;
                    error += (f64::from(sample) - expected).powi(2);
                }
                let ratio = 10.0 * (signal / error).log10();
                assert!(ratio > 60.0, "{rate} Hz: {ratio:.1} dB");
            }
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_not_heard() {
        let (_, sound) = tone(30_000.0, 96_000, 1_000);
        let loudest = sound[1_000..90_000].iter().fold(0.0f32, |most, sample| most.max(sample.abs()));
        assert!(loudest < 0.001, "{loudest}");
    }

    #[test]
    fn a_gap_begins_a_new_count_and_repetition_is_cut_off() {
        let from = Timescale::new(8_000).unwrap();
        let mut resampler = Resampler::new(2, from, TO).unwrap();
        let second = vec![0.5; 16_000];
        let first = resampler.push(block(&second, 0, from));
        let given = first.samples.len() as i64 / 2;
        let again = resampler.push(block(&second, 4_000, from));
        assert_eq!(again.pts.ticks(), given);
        assert_eq!(again.samples.len(), 2 * 24_000);
        let later = resampler.push(block(&second, 80_000, from));
        assert_eq!(later.pts.ticks(), 480_000);
    }

    #[test]
    fn a_rate_that_nobody_uses_is_refused() {
        assert!(Resampler::new(1, Timescale::new(44_101).unwrap(), TO).is_err());
    }
}
