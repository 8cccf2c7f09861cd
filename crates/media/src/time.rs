//! Media time: ticks that know their own length.
//!
//! Every codec and container counts time in its own unit, and most bugs of a media server are a tick of one taken
//! for a tick of another. So a bare integer never crosses a function boundary as a timestamp: [`MediaTime`] carries
//! its [`Timescale`], and all conversion happens here, exactly once, rounding to nearest.
//!
//! Not here: clocks. Wall time and arrival times are handed in by `server`.

use std::cmp::Ordering;
use std::num::NonZeroU32;
use std::time::Duration;

/// Ticks per second (ISO BMFF *timescale*, RTP *clock rate*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// 90 kHz: MPEG-TS and RTP video.
    pub const VIDEO_90K: Self = Self::constant(90_000);
    /// 48 kHz: Opus, and most AAC.
    pub const AUDIO_48K: Self = Self::constant(48_000);
    /// Milliseconds.
    pub const MILLIS: Self = Self::constant(1_000);
    /// Microseconds.
    pub const MICROS: Self = Self::constant(1_000_000);

    const fn constant(hz: u32) -> Self {
        match NonZeroU32::new(hz) {
            Some(hz) => Self(hz),
            None => panic!("a timescale constant is zero"),
        }
    }

    /// A timescale of `hz` ticks per second; `None` for zero.
    pub fn new(hz: u32) -> Option<Self> {
        NonZeroU32::new(hz).map(Self)
    }

    /// Ticks per second.
    pub const fn hz(self) -> u32 {
        self.0.get()
    }
}

/// A point (or span) of media time: `ticks / timescale` seconds.
#[derive(Debug, Clone, Copy)]
pub struct MediaTime {
    ticks: i64,
    timescale: Timescale,
}

impl MediaTime {
    /// `ticks` of `1/timescale` second.
    pub const fn new(ticks: i64, timescale: Timescale) -> Self {
        Self { ticks, timescale }
    }

    /// Zero, counted in `timescale`.
    pub const fn zero(timescale: Timescale) -> Self {
        Self::new(0, timescale)
    }

    /// The nearest time in `timescale`; saturates where a `Duration` is beyond it.
    pub fn from_duration(duration: Duration, timescale: Timescale) -> Self {
        let nanos = i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX / i128::from(u32::MAX));
        Self::new(saturate(div_nearest(nanos * i128::from(timescale.hz()), 1_000_000_000)), timescale)
    }

    /// Ticks in this time's own timescale.
    pub const fn ticks(self) -> i64 {
        self.ticks
    }

    /// The unit the ticks count.
    pub const fn timescale(self) -> Timescale {
        self.timescale
    }

    /// The same time in another timescale, rounded to the nearest tick, saturating at the ends of `i64`.
    pub fn rescale(self, to: Timescale) -> Self {
        if to == self.timescale {
            return self;
        }
        let scaled = i128::from(self.ticks) * i128::from(to.hz());
        Self::new(saturate(div_nearest(scaled, i128::from(self.timescale.hz()))), to)
    }

    /// `self.rescale(to).ticks()`.
    pub fn ticks_in(self, to: Timescale) -> i64 {
        self.rescale(to).ticks
    }

    /// Sum in `self`'s timescale; `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let ticks = self.ticks.checked_add(other.ticks_in(self.timescale))?;
        Some(Self::new(ticks, self.timescale))
    }

    /// Difference in `self`'s timescale; `None` on overflow.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let ticks = self.ticks.checked_sub(other.ticks_in(self.timescale))?;
        Some(Self::new(ticks, self.timescale))
    }

    /// Sum in `self`'s timescale, saturating.
    pub fn saturating_add(self, other: Self) -> Self {
        Self::new(self.ticks.saturating_add(other.ticks_in(self.timescale)), self.timescale)
    }

    /// Difference in `self`'s timescale, saturating.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self::new(self.ticks.saturating_sub(other.ticks_in(self.timescale)), self.timescale)
    }

    /// As a `Duration`; negative times become zero.
    pub fn to_duration(self) -> Duration {
        let hz = u64::from(self.timescale.hz());
        let ticks = u64::try_from(self.ticks).unwrap_or(0);
        let nanos = (ticks % hz) * 1_000_000_000 / hz;
        // `nanos` is below 10^9 because `ticks % hz < hz`.
        Duration::new(ticks / hz, u32::try_from(nanos).unwrap_or(0))
    }

    /// Seconds, for people and graphs only: never feed the result back into media time.
    #[allow(clippy::cast_precision_loss)]
    pub fn as_secs_f64(self) -> f64 {
        self.ticks as f64 / f64::from(self.timescale.hz())
    }
}

impl PartialEq for MediaTime {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for MediaTime {}

impl PartialOrd for MediaTime {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MediaTime {
    /// Exact across timescales: compares the fractions, not rounded values.
    fn cmp(&self, other: &Self) -> Ordering {
        let left = i128::from(self.ticks) * i128::from(other.timescale.hz());
        let right = i128::from(other.ticks) * i128::from(self.timescale.hz());
        left.cmp(&right)
    }
}

/// Real time as somebody's clock told it: microseconds since the Unix epoch, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wallclock(i64);

impl Wallclock {
    /// From microseconds since 1970-01-01T00:00:00Z.
    pub const fn from_unix_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn unix_micros(self) -> i64 {
        self.0
    }
}

fn div_nearest(value: i128, by: i128) -> i128 {
    let half = by / 2;
    if value >= 0 { (value + half) / by } else { (value - half) / by }
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value > 0 { i64::MAX } else { i64::MIN })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(ticks: i64, hz: u32) -> MediaTime {
        MediaTime::new(ticks, Timescale::new(hz).unwrap())
    }

    #[test]
    fn rescaling_rounds_to_the_nearest_tick() {
        assert_eq!(at(1, 3).ticks_in(Timescale::MILLIS), 333);
        assert_eq!(at(2, 3).ticks_in(Timescale::MILLIS), 667);
        assert_eq!(at(-2, 3).ticks_in(Timescale::MILLIS), -667);
        assert_eq!(at(1024, 48_000).ticks_in(Timescale::VIDEO_90K), 1920);
    }

    #[test]
    fn times_compare_exactly_across_timescales() {
        assert_eq!(at(1, 1_000), at(90, 90_000));
        assert!(at(333, 1_000) < at(1, 3));
        assert!(at(334, 1_000) > at(1, 3));
    }

    #[test]
    fn a_time_at_the_edge_saturates_rather_than_wraps() {
        assert_eq!(at(i64::MAX, 1).ticks_in(Timescale::VIDEO_90K), i64::MAX);
        assert_eq!(at(i64::MAX, 1).checked_add(at(1, 1)), None);
        assert_eq!(at(i64::MIN, 1).saturating_sub(at(1, 1)).ticks(), i64::MIN);
    }

    #[test]
    fn a_zero_timescale_does_not_exist() {
        assert_eq!(Timescale::new(0), None);
    }

    proptest! {
        #[test]
        fn a_time_survives_a_round_trip_through_a_finer_timescale(ticks in -1_000_000_000i64..1_000_000_000, hz in 1u32..200_000) {
            let time = at(ticks, hz);
            let fine = Timescale::new(hz.saturating_mul(10)).unwrap();
            prop_assert_eq!(time.rescale(fine).rescale(time.timescale()).ticks(), ticks);
        }

        #[test]
        fn duration_and_back_differs_by_less_than_a_tick(ticks in 0i64..1_000_000_000_000, hz in 1u32..1_000_000) {
            let time = at(ticks, hz);
            let back = MediaTime::from_duration(time.to_duration(), time.timescale());
            prop_assert!((back.ticks() - ticks).abs() <= 1);
        }
    }
}
