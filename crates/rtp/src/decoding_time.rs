//! When a picture is decoded, from when it is shown: RTP says only the latter.
//!
//! As long as pictures come in the order they are shown, the two are one. From the first that does not (B-frames) pictures are decoded one
//! picture's time after the other, at the latest when they are shown.

/// Finds the decoding times of one track's pictures.
#[derive(Debug, Default)]
pub(crate) struct DecodingTimes {
    last: Option<i64>,
    newest_shown: i64,
    reordered: bool,
    /// The shortest time between two pictures of late.
    step: Option<i64>,
}

impl DecodingTimes {
    /// The decoding time of the next picture, which is shown at `shown`: never before the last one's, and after `shown` only for the first
    /// pictures that come out of order.
    pub(crate) fn next(&mut self, shown: i64) -> i64 {
        let Some(last) = self.last else {
            self.newest_shown = shown;
            return *self.last.insert(shown);
        };
        let gap = shown.saturating_sub(self.newest_shown);
        if gap.unsigned_abs() > JUMP {
            *self = Self::default();
            return self.next(shown);
        }
        self.reordered |= gap < 0;
        self.newest_shown = self.newest_shown.max(shown);
        if gap != 0 {
            let known = self.step.unwrap_or(gap.abs());
            // Slowly longer, so that a change of rate is followed.
            self.step = Some(gap.abs().min(known + known / 64 + 1));
        }
        let next = match self.step {
            Some(step) if self.reordered => last.saturating_add(step).min(shown),
            _ => shown,
        };
        *self.last.insert(next.max(last))
    }
}

/// Ten seconds of video: the clock was set.
const JUMP: u64 = 900_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn times(shown: &[i64]) -> Vec<i64> {
        let mut times = DecodingTimes::default();
        shown.iter().map(|&shown| times.next(shown)).collect()
    }

    #[test]
    fn pictures_in_order_are_decoded_when_they_are_shown() {
        assert_eq!(times(&[5, 10, 15, 21]), [5, 10, 15, 21]);
    }

    #[test]
    fn pictures_out_of_order_are_decoded_evenly_and_never_after_they_are_shown() {
        let shown = [0, 30, 10, 20, 60, 40, 50, 90, 70, 80, 120, 100, 110, 150, 130, 140];
        let decoded = times(&shown);
        assert!(decoded.is_sorted(), "{decoded:?}");
        assert!(decoded.iter().zip(shown).skip(6).all(|(decoded, shown)| *decoded <= shown), "{decoded:?}");
    }

    #[test]
    fn a_clock_that_was_set_begins_anew() {
        assert_eq!(times(&[0, 10, 5_000_000, 5_000_010, 3]), [0, 10, 5_000_000, 5_000_010, 3]);
    }
}
