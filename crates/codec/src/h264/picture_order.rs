//! How many frames after its decoding a picture is shown, from its picture order count (H.264 §8.2.1).
//!
//! For byte streams that bring no timestamps. Order counts of type 0 are unwrapped and compared with the place in
//! decoding order since the last IDR picture; types 1 and 2, and streams that promise not to reorder, are shown as they
//! are decoded. A stream whose SPS is silent is taken to reorder only once it does, so that a camera without B-frames
//! is not delayed.
//!
//! Not here: time (see [`StreamClock`](super::StreamClock)).

use super::Sps;
use super::slice::SliceHeader;
use super::sps::PictureOrderType;

/// Follows the order counts of one stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct PictureOrder {
    previous_msb: i64,
    previous_lsb: i64,
    /// Order count where counting began.
    base: i64,
    /// Pictures decoded since.
    decoded: i64,
    /// Largest order count since.
    highest: i64,
    /// Some frame had an odd order count: they are one apart, not two.
    odd: bool,
    /// A picture came after one that is shown later.
    reordered: bool,
    /// Delay found necessary where the SPS does not tell it.
    learned_delay: i64,
}

impl PictureOrder {
    /// Frame durations from decoding to presentation of the next picture; never negative.
    pub(crate) fn delay(&mut self, slice: &SliceHeader, sps: &Sps) -> i64 {
        let PictureOrderType::Lsb { log2_max } = sps.order else { return 0 };
        if sps.cannot_reorder() || sps.max_reorder() == Some(0) {
            return 0;
        }
        let count = self.order_count(slice, log2_max);
        let count = if sps.frame_mbs_only { count } else { count & !1 };
        if slice.idr {
            (self.base, self.decoded, self.highest) = (count, 0, count);
        } else {
            self.decoded += 1;
        }
        self.odd |= (count - self.base) % 2 != 0;
        self.reordered |= count < self.highest;
        self.highest = self.highest.max(count);
        if sps.max_reorder().is_none() && !self.reordered {
            return 0;
        }
        let delay = sps.max_reorder().map_or(self.learned_delay, i64::from);
        let ahead = (count - self.base) / if self.odd { 1 } else { 2 } - self.decoded;
        if ahead + delay < 0 && ahead >= -MAX_REORDER && sps.max_reorder().is_none() {
            self.learned_delay = -ahead;
            return 0;
        }
        if !(0..=delay + MAX_REORDER).contains(&(ahead + delay)) {
            // Pictures were left out, or counts jumped: begin anew here.
            (self.base, self.decoded, self.highest) = (count, 0, count);
            return delay;
        }
        ahead + delay
    }

    /// `TopFieldOrderCnt` (§8.2.1.1), without memory management operation 5.
    fn order_count(&mut self, slice: &SliceHeader, log2_max: u32) -> i64 {
        if slice.idr {
            (self.previous_msb, self.previous_lsb) = (0, 0);
        }
        let (max, lsb) = (1i64 << log2_max, i64::from(slice.pic_order_lsb));
        let behind = self.previous_lsb - lsb;
        let msb = if behind >= max / 2 {
            self.previous_msb + max
        } else if -behind > max / 2 {
            self.previous_msb - max
        } else {
            self.previous_msb
        };
        if slice.reference {
            (self.previous_msb, self.previous_lsb) = (msb, lsb);
        }
        msb + lsb
    }
}

/// No decoded picture buffer holds more frames (§A.3.1).
const MAX_REORDER: i64 = 16;
