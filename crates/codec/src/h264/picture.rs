//! The picture that an access unit is being put together for (H.264 §7.4.1.2.3, §7.4.1.2.4).
//!
//! Decides whether a NAL unit begins the next one, and remembers what the access unit's flags are made from.

use super::slice::SliceHeader;
use super::{NalUnit, NalUnitType};
use crate::bits::BitReader;
use crate::nal::rbsp;

/// What is known of the current picture.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Picture {
    /// Slices (and data partitions) so far.
    pub(crate) slices: u32,
    /// Header of the last slice that could be read.
    pub(crate) last: Option<SliceHeader>,
    pub(crate) idr: bool,
    /// A slice of it may be referred to.
    pub(crate) reference: bool,
    /// It came with a recovery point.
    pub(crate) recovery_point: bool,
    /// The beginning of the picture is gone: what is left is not worth sending.
    pub(crate) orphan: bool,
    /// The slice with macroblock 0 (of the current field) was seen.
    zero_seen: bool,
    /// Both fields were seen.
    paired: bool,
}

impl Picture {
    /// The rest of a picture whose last seen slice had this header.
    pub(crate) fn orphaned(last: Option<SliceHeader>) -> Self {
        Self { last, orphan: true, zero_seen: true, ..Self::default() }
    }

    /// Whether a NAL unit that may not follow a slice would end this picture.
    pub(crate) const fn has_slice(&self) -> bool {
        self.slices > 0 || self.orphan
    }

    /// Whether this NAL unit belongs to the next access unit. `header` is that of a slice, if it could be read.
    pub(crate) fn ends_before(&self, nal: NalUnit<'_>, header: Option<&SliceHeader>) -> bool {
        if !self.has_slice() {
            return false;
        }
        match (nal.unit_type(), header) {
            (NalUnitType::Slice | NalUnitType::IdrSlice, Some(header)) => self.ends_before_slice(header),
            (NalUnitType::Slice | NalUnitType::IdrSlice, None) => first_macroblock_is_zero(nal),
            (unit_type, _) => unit_type.starts_access_unit(),
        }
    }

    /// Notes a slice that belongs to this picture.
    pub(crate) fn add_slice(&mut self, nal: NalUnit<'_>, header: Option<SliceHeader>) {
        self.slices = self.slices.saturating_add(1);
        self.idr |= nal.unit_type() == NalUnitType::IdrSlice;
        self.reference |= nal.ref_idc() != 0;
        if let (Some(header), Some(last)) = (&header, &self.last) {
            let second_field = self.slices > 1 && header.is_second_field_of(last);
            self.paired |= second_field;
            self.zero_seen &= !second_field;
        }
        self.zero_seen |= header.map_or_else(|| first_macroblock_is_zero(nal), |header| header.first_mb == 0);
        self.last = header.filter(|header| !header.redundant).or(self.last);
    }

    /// Notes an SEI NAL unit that belongs to this picture.
    pub(crate) fn add_sei(&mut self, nal: NalUnit<'_>) {
        self.recovery_point |= has_recovery_point(nal);
    }

    fn ends_before_slice(&self, header: &SliceHeader) -> bool {
        if header.redundant {
            return false;
        }
        let Some(last) = &self.last else { return header.first_mb == 0 };
        if !self.paired && header.is_second_field_of(last) {
            return false;
        }
        // Some encoders repeat idr_pic_id and frame_num in pictures that follow each other, so a second slice with
        // macroblock 0 counts as a new picture too. Arbitrary slice order (Baseline) has only one.
        header.differs_from(last) || (header.first_mb == 0 && self.zero_seen)
    }
}

/// `first_mb_in_slice` is the first field of the header and 0 is coded as one bit that is set.
fn first_macroblock_is_zero(nal: NalUnit<'_>) -> bool {
    nal.bytes().get(1).is_some_and(|byte| byte & 0x80 != 0)
}

/// Whether an SEI NAL unit has a recovery point message (§D.1.8).
fn has_recovery_point(nal: NalUnit<'_>) -> bool {
    const RECOVERY_POINT: u32 = 6;
    // User data can be long, but the recovery point stands within the first messages.
    const LOOK_AT: usize = 1024;
    let bytes = nal.bytes();
    let rbsp = rbsp::unescape(&bytes[..bytes.len().min(LOOK_AT)]);
    let mut reader = BitReader::new(&rbsp, "SEI");
    let number = |reader: &mut BitReader<'_>| -> Option<u32> {
        let mut sum = 0u32;
        loop {
            let byte = reader.bits(8).ok()?;
            sum = sum.saturating_add(byte);
            if byte != 0xff {
                return Some(sum);
            }
        }
    };
    while reader.remaining() > 16 {
        let (Some(payload_type), Some(size)) = (number(&mut reader), number(&mut reader)) else {
            return false;
        };
        if payload_type == RECOVERY_POINT {
            return true;
        }
        if reader.skip(size as usize * 8).is_err() {
            return false;
        }
    }
    false
}
