//! Which pictures must be decoded at all where only some a second are wanted.
//!
//! A picture that others refer to must be decoded for theirs. So two kinds can be left out: those that none refers to, and, where random
//! access points alone come often enough, all that lie between them. The choice is made anew at each random access point, since
//! nothing behind one needs what was left out before it.

use media::{AccessUnit, CodecParameters, MediaTime, Timescale};

use super::Pace;

/// Leaves out what nobody needs; for the units of one stream in their order.
#[derive(Debug)]
pub struct Thinning {
    rate: f32,
    pace: Pace,
    /// Only random access points are decoded, up to the next.
    sparse: bool,
    /// The last random access point, and how far apart the last of them were, newest last.
    last: Option<i64>,
    distances: [Option<i64>; REMEMBERED],
}

/// The longest of so many distances between random access points is counted with: a camera may place some where the scene changes.
const REMEMBERED: usize = 4;

impl Thinning {
    /// Before the first unit.
    pub fn new() -> Self {
        Self { rate: 0.0, pace: Pace::new(0.0), sparse: false, last: None, distances: [None; REMEMBERED] }
    }

    /// Whether a unit must be decoded so that `rate` pictures a second can be shown.
    pub fn needs(&mut self, unit: &AccessUnit, rate: f32) -> bool {
        let in_order = match &unit.track.parameters {
            // A decoder holds a picture back until as many more came, and there is a whole distance between them.
            CodecParameters::H264(p) => p.max_reorder() == Some(0) || p.profile_idc() == BASELINE,
            CodecParameters::Jpeg(_) => true,
            CodecParameters::H265(_)
            | CodecParameters::Av1(_)
            | CodecParameters::Vp8(_)
            | CodecParameters::Vp9(_)
            | CodecParameters::MpegVideo(_)
            | CodecParameters::Aac(_)
            | CodecParameters::Opus(_)
            | CodecParameters::G711(_)
            | CodecParameters::MpegAudio(_) => false,
        };
        self.judge(unit.pts, (unit.random_access, in_order), unit.disposable, rate)
    }

    fn judge(
        &mut self,
        pts: MediaTime,
        (random_access, in_order): (bool, bool),
        disposable: bool,
        rate: f32,
    ) -> bool {
        if self.rate.to_bits() != rate.to_bits() {
            (self.rate, self.pace) = (rate, Pace::new(rate));
        }
        if random_access {
            let now = pts.ticks_in(Timescale::VIDEO_90K);
            if let Some(last) = self.last.replace(now) {
                self.distances.rotate_left(1);
                self.distances[REMEMBERED - 1] = Some(now.saturating_sub(last));
            }
            let longest = self.distances.iter().flatten().max();
            let often = longest.is_some_and(|ticks| *ticks as f64 * f64::from(rate) <= 90_000.0 * TOLERANCE);
            self.sparse = often && in_order;
        } else if self.sparse {
            return false;
        }
        let due = self.pace.takes(pts);
        due || !(self.sparse || disposable)
    }
}

impl Default for Thinning {
    fn default() -> Self {
        Self::new()
    }
}

/// Random access points that come this much too seldom come often enough: times are rounded.
const TOLERANCE: f64 = 1.02;
/// `profile_idc` of the profile without reordering.
const BASELINE: u8 = 66;

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of ten seconds at 30 pictures a second are decoded, from the third second on.
    fn decoded(rate: f32, gop: i64, disposable: impl Fn(i64) -> bool) -> usize {
        let mut thinning = Thinning::new();
        let mut needed = |n: i64| {
            let pts = MediaTime::new(n * 3_000, Timescale::VIDEO_90K);
            thinning.judge(pts, (n % gop == 0, true), disposable(n), rate)
        };
        (0..390).filter(|n| needed(*n) && *n >= 90).count()
    }

    #[test]
    fn of_pictures_that_stand_alone_only_those_shown_are_decoded() {
        assert_eq!(decoded(1.0, 1, |_| false), 10);
        assert_eq!(decoded(10.0, 1, |_| false), 100);
        assert_eq!(decoded(60.0, 1, |_| false), 300);
    }

    #[test]
    fn where_random_access_points_come_often_enough_nothing_else_is_decoded() {
        assert_eq!(decoded(1.0, 30, |_| false), 10);
        assert_eq!(decoded(0.5, 30, |_| false), 5);
        assert_eq!(decoded(2.0, 30, |_| false), 300, "one a second is too seldom");
    }

    #[test]
    fn pictures_that_none_refers_to_are_decoded_only_to_be_shown() {
        assert_eq!(decoded(15.0, 30, |n| n % 2 == 1), 150);
        assert_eq!(decoded(30.0, 30, |n| n % 2 == 1), 300);
    }

    #[test]
    fn a_faster_viewer_gets_all_pictures_from_the_next_random_access_point_on() {
        let mut thinning = Thinning::new();
        let mut needed = |n: i64, rate| {
            thinning.judge(MediaTime::new(n * 3_000, Timescale::VIDEO_90K), (n % 30 == 0, true), false, rate)
        };
        for n in 0..61 {
            needed(n, 1.0);
        }
        let kept: Vec<i64> = (61..120).filter(|n| needed(*n, 30.0)).collect();
        assert_eq!(kept, (90..120).collect::<Vec<_>>());
    }
}
