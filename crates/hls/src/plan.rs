//! How media is cut: decided once the first segment's length is known, and kept while the playlist lives.
//!
//! A playlist promises that no segment is longer than its target duration and no part longer than its part target, and may not take it
//! back. Cameras promise nothing. So the plan is made from what was seen, and what breaks it later is cut where it must be.

use std::time::Duration;

/// What a playlist promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// `EXT-X-TARGETDURATION`, whole seconds.
    pub target: Duration,
    /// `PART-TARGET`, whole milliseconds.
    pub part_target: Duration,
    /// From one unit of the leading track to the next, as a rule.
    pub cadence: Duration,
}

impl Plan {
    /// For a first segment of `first` with `units` units of the leading track, the longest ever seen being `longest`, and parts of about `part`.
    pub(crate) fn new(first: Duration, units: u32, longest: Duration, part: Duration) -> Self {
        let cadence = (first / units.max(1)).max(Duration::from_millis(1));
        // Whole units in each part, at least one, and a tenth of room, since no camera keeps time exactly: all parts but a segment's last
        // are then at least 85 % of what is promised.
        let whole = (part.as_secs_f64() / cadence.as_secs_f64() + 0.02).floor().max(1.0);
        let part_target = Duration::from_secs_f64(whole * cadence.as_secs_f64() * (1.0 + ROOM));
        let part_target = Duration::from_millis(ceil_div(part_target.as_micros(), 1_000));
        let longest = first.max(longest).min(LONGEST);
        // EXTINF may round down to the target, so half a second above it is allowed.
        let target = (longest.as_secs_f64().round().max(1.0)).max(part_target.as_secs_f64().ceil());
        Self { target: Duration::from_secs_f64(target), part_target, cadence }
    }

    /// The longest that a segment may be: rounded to whole seconds it is still the target.
    pub(crate) fn segment_limit(&self) -> Duration {
        self.target + Duration::from_millis(499)
    }

    /// A later unit than this after the one before is another time, not a longer picture.
    pub(crate) fn gap(&self) -> Duration {
        self.cadence * 2 + Duration::from_secs(1)
    }
}

fn ceil_div(value: u128, by: u128) -> u64 {
    u64::try_from(value.div_ceil(by)).unwrap_or(u64::MAX)
}

/// Part of a part target that a part of whole units leaves free.
const ROOM: f64 = 0.1;
/// A segment is cut after this, random access point or none.
pub(crate) const LONGEST: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(first: u64, units: u32, part: u64) -> (u64, u128) {
        let millis = Duration::from_millis;
        let plan = Plan::new(millis(first), units, Duration::ZERO, millis(part));
        (plan.target.as_secs(), plan.part_target.as_millis())
    }

    #[test]
    fn parts_hold_whole_units_with_a_tenth_of_room() {
        assert_eq!(plan(1_000, 30, 200), (1, 220));
        assert_eq!(plan(1_000, 25, 200), (1, 220));
        assert_eq!(plan(2_000, 10, 200), (2, 220));
        // A picture longer than a part is a part.
        assert_eq!(plan(4_000, 4, 200), (4, 1_100));
        assert_eq!(plan(1_000, 24, 200), (1, 184));
    }

    #[test]
    fn the_target_is_the_longest_segment_rounded_and_no_shorter_than_a_part() {
        assert_eq!(plan(1_499, 30, 200).0, 1);
        assert_eq!(plan(1_500, 30, 200).0, 2);
        assert_eq!(plan(300, 10, 200).0, 1);
        assert_eq!(plan(60_000, 600, 200).0, 10);
        let remembered =
            Plan::new(Duration::from_secs(1), 25, Duration::from_secs(4), Duration::from_millis(200));
        assert_eq!(remembered.target, Duration::from_secs(4));
    }
}
