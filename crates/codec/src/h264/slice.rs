//! The start of a slice header (H.264 §7.3.3), and whether a slice begins a new primary coded picture (§7.4.1.2.4).

use super::sps::PictureOrderType;
use super::{NalUnit, NalUnitType, ParameterSets};
use crate::bits::BitReader;
use crate::nal::rbsp;

/// The fields that tell pictures apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SliceHeader {
    pub(crate) first_mb: u32,
    pub(crate) reference: bool,
    pub(crate) idr: bool,
    pub(crate) pps_id: u8,
    pub(crate) sps_id: u8,
    pub(crate) frame_num: u32,
    /// `None` in a frame picture, else whether it is the bottom field.
    pub(crate) bottom_field: Option<bool>,
    pub(crate) idr_pic_id: u32,
    pub(crate) pic_order_lsb: u32,
    pub(crate) delta_bottom: i32,
    pub(crate) delta: [i32; 2],
    /// Part of a redundant coded picture, which never begins an access unit.
    pub(crate) redundant: bool,
}

/// This many bytes of a slice NAL unit hold every field read here, emulation prevention included.
pub(crate) const SLICE_PREFIX: usize = 48;

impl SliceHeader {
    /// Reads the start of a slice NAL unit; `None` if it is broken or its parameter sets are unknown.
    ///
    /// Only the first [`SLICE_PREFIX`] bytes are looked at.
    pub(crate) fn parse(nal: NalUnit<'_>, sets: &ParameterSets) -> Option<Self> {
        let bytes = nal.bytes();
        let mut buffer = [0; SLICE_PREFIX];
        let length = rbsp::unescape_into(&bytes[..bytes.len().min(SLICE_PREFIX)], &mut buffer);
        let mut reader = BitReader::new(&buffer[..length], "slice header");
        let first_mb = reader.ue().ok()?;
        reader.ue().ok()?; // slice_type
        let pps_id = u8::try_from(reader.ue().ok()?).ok()?;
        let (pps, sps) = sets.active(pps_id)?;
        if sps.separate_colour_planes {
            reader.skip(2).ok()?; // colour_plane_id
        }
        let frame_num = reader.bits(sps.log2_max_frame_num).ok()?;
        let bottom_field =
            if !sps.frame_mbs_only && reader.flag().ok()? { Some(reader.flag().ok()?) } else { None };
        let idr = nal.unit_type() == NalUnitType::IdrSlice;
        let idr_pic_id = if idr { reader.ue().ok()? } else { 0 };
        let (mut pic_order_lsb, mut delta_bottom, mut delta) = (0, 0, [0, 0]);
        let both = pps.pic_order_present && bottom_field.is_none();
        match sps.order {
            PictureOrderType::Lsb { log2_max } => {
                pic_order_lsb = reader.bits(log2_max).ok()?;
                if both {
                    delta_bottom = reader.se().ok()?;
                }
            }
            PictureOrderType::Cycle { delta_always_zero: false } => {
                delta[0] = reader.se().ok()?;
                if both {
                    delta[1] = reader.se().ok()?;
                }
            }
            PictureOrderType::Cycle { delta_always_zero: true } | PictureOrderType::DecodingOrder => {}
        }
        let redundant = pps.redundant_present && reader.ue().ok()? > 0;
        Some(Self {
            first_mb,
            reference: nal.ref_idc() != 0,
            idr,
            pps_id,
            sps_id: pps.sps_id,
            frame_num,
            bottom_field,
            idr_pic_id,
            pic_order_lsb,
            delta_bottom,
            delta,
            redundant,
        })
    }

    /// Whether this slice belongs to another picture than `previous` (§7.4.1.2.4).
    pub(crate) fn differs_from(&self, previous: &Self) -> bool {
        self.frame_num != previous.frame_num
            || self.pps_id != previous.pps_id
            || self.bottom_field != previous.bottom_field
            || self.reference != previous.reference
            || self.idr != previous.idr
            || self.idr_pic_id != previous.idr_pic_id
            || self.pic_order_lsb != previous.pic_order_lsb
            || self.delta_bottom != previous.delta_bottom
            || self.delta != previous.delta
    }

    /// Whether this slice begins the other field of the frame whose first field `previous` is of.
    ///
    /// Both fields of a frame share an access unit here, as they share a sample in ISO/IEC 14496-15.
    pub(crate) fn is_second_field_of(&self, previous: &Self) -> bool {
        match (previous.bottom_field, self.bottom_field) {
            (Some(first), Some(second)) => {
                first != second
                    && self.frame_num == previous.frame_num
                    && self.sps_id == previous.sps_id
                    && !self.idr
                    && (previous.reference || !self.reference)
            }
            _ => false,
        }
    }
}
