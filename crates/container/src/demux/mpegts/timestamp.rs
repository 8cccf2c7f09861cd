//! Presentation and decoding time stamps: 33 bits of 90 kHz (ISO/IEC 13818-1 §2.4.3.7) made endless.
//!
//! One [`Unwrapper`] serves a whole program, so that its tracks cross the wrap (every 26.5 hours) together however the
//! multiplexer interleaves them. Jumps are kept as they are: mapping onto a stream's timeline is not decided here.

/// Follows a 33-bit counter through its wraps.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Unwrapper {
    last: Option<i64>,
}

impl Unwrapper {
    /// The endless value nearest to the one before, and the new point of reference.
    pub(super) fn follow(&mut self, stamp: u64) -> i64 {
        let value = self.near(stamp);
        self.last = Some(value);
        value
    }

    /// The endless value nearest to the last one followed.
    pub(super) fn near(&self, stamp: u64) -> i64 {
        let Some(last) = self.last else { return (stamp & MASK) as i64 };
        // Sign-extends the 33-bit difference.
        let delta = ((stamp.wrapping_sub(last as u64) & MASK) << 31).cast_signed() >> 31;
        last.saturating_add(delta)
    }
}

/// Reads the five bytes that carry a time stamp; the marker bits are not checked, as cameras forget them.
pub(super) fn read_stamp(bytes: &[u8]) -> Option<u64> {
    let &[a, b, c, d, e] = bytes.get(..5)? else { return None };
    Some(
        u64::from(a >> 1 & 7) << 30
            | u64::from(b) << 22
            | u64::from(c >> 1) << 15
            | u64::from(d) << 7
            | u64::from(e >> 1),
    )
}

const MASK: u64 = (1 << 33) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_on_across_the_wrap_and_back_across_it_for_a_late_track() {
        let mut time = Unwrapper::default();
        assert_eq!(time.follow(MASK - 10), (1 << 33) - 11);
        assert_eq!(time.follow(5), (1 << 33) + 5);
        assert_eq!(time.near(MASK), (1 << 33) - 1);
        assert_eq!(time.follow(MASK), (1 << 33) - 1);
        assert_eq!(time.follow(90_000), (1 << 33) + 90_000);
    }

    #[test]
    fn a_stamp_is_read_from_its_five_bytes() {
        assert_eq!(read_stamp(&[0x21, 0x00, 0x07, 0xd8, 0x61]), Some(126_000));
        assert_eq!(read_stamp(&[0xff; 5]), Some(MASK));
        assert_eq!(read_stamp(&[0x21, 0, 1]), None);
    }
}
