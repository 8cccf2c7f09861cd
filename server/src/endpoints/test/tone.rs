//! The sound of the test stream: a short beep at each whole second of the wall clock.
//!
//! A sample depends on its own wall clock time and nothing else, so the sound is the same however it is cut into blocks, and lies on the
//! seconds to a fraction of a sample. Between the beeps there is silence: a test stream is left running in offices.

/// Samples per second.
pub(super) const SAMPLE_RATE: u32 = 48_000;
/// Interleaved channels, both the same.
pub(super) const CHANNELS: usize = 2;
/// How long the beep sounds from the whole second on.
pub(super) const BEEP_MICROS: i64 = 60_000;

/// Fills `out` with interleaved samples, the first of which is heard at `unix_micros` plus `index` samples.
///
/// Count `index` up from one start rather than adding rounded microseconds, and the tone has no seams.
pub(super) fn fill(out: &mut [f32], unix_micros: i64, index: u64) {
    let start = unix_micros.rem_euclid(SECOND) as f64 * RATE / SECOND as f64;
    // Whole seconds change nothing, and a small number keeps the fraction of a sample exact.
    let offset = start + (index % u64::from(SAMPLE_RATE)) as f64;
    for (n, frame) in out.chunks_mut(CHANNELS).enumerate() {
        frame.fill(sample((offset + n as f64).rem_euclid(RATE)));
    }
}

/// The sample `at` samples after a whole second.
fn sample(at: f64) -> f32 {
    let length = BEEP_MICROS as f64 * RATE / SECOND as f64;
    if at >= length {
        return 0.0;
    }
    let edge = (at.min(length - at) / (EDGE_SECONDS * RATE)).min(1.0);
    let envelope = 0.5 - 0.5 * (std::f64::consts::PI * edge).cos();
    ((std::f64::consts::TAU * PITCH * at / RATE).sin() * envelope * LOUDNESS) as f32
}

const SECOND: i64 = 1_000_000;
const RATE: f64 = SAMPLE_RATE as f64;
const PITCH: f64 = 1_000.0;
const LOUDNESS: f64 = 0.25;
/// Soft edges: a hard one would click.
const EDGE_SECONDS: f64 = 0.005;

#[cfg(test)]
mod tests {
    use super::*;

    fn second_from(unix_micros: i64) -> Vec<f32> {
        let mut out = vec![9.0; 96_000];
        fill(&mut out, unix_micros, 0);
        out
    }

    #[test]
    fn the_beep_begins_on_the_whole_second_and_lasts_60_ms() {
        let sound = second_from(1_700_000_000_900_000);
        let heard: Vec<usize> = (0..48_000).filter(|n| sound[2 * n] != 0.0).collect();
        // The first sample of a sine is zero.
        assert_eq!((heard[0], *heard.last().unwrap()), (4_801, 4_800 + 2_879));
        let peak = sound.iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
        assert!((0.249..=0.25).contains(&peak), "{peak}");
        assert!((0..48_000).all(|n| sound[2 * n] == sound[2 * n + 1]));
    }

    #[test]
    fn the_cut_into_blocks_is_not_heard() {
        let whole = second_from(1_700_000_000_987_654);
        let mut blocks = Vec::new();
        for block in 0..100u64 {
            let mut out = vec![0.0; 960];
            fill(&mut out, 1_700_000_000_987_654, block * 480);
            blocks.extend(out);
        }
        let worst = whole.iter().zip(&blocks).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(worst < 1e-5, "{worst}");
    }

    #[test]
    fn the_pitch_is_1_khz() {
        let sound = second_from(0);
        let crossings = (0..2_879).filter(|&n| sound[2 * n] < 0.0 && sound[2 * (n + 1)] >= 0.0).count();
        assert_eq!(crossings, 59);
    }
}
