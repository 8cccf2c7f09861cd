//! The picture parameter set (H.264 §7.3.2.2), as far as slice headers depend on it.

use crate::CodecError;
use crate::bits::BitReader;
use crate::nal::{MAX_PARAMETER_SET, rbsp};

/// What of a PPS is needed to read the start of a slice header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pps {
    pub(crate) id: u8,
    pub(crate) sps_id: u8,
    /// `bottom_field_pic_order_in_frame_present_flag`.
    pub(crate) pic_order_present: bool,
    /// `redundant_pic_cnt_present_flag`.
    pub(crate) redundant_present: bool,
}

impl Pps {
    /// Reads a PPS NAL unit (header byte first).
    pub(crate) fn parse(nal: &[u8]) -> Result<Self, CodecError> {
        if nal.len() > MAX_PARAMETER_SET {
            let (what, limit) = ("PPS", MAX_PARAMETER_SET);
            return Err(CodecError::TooLarge { what, limit, position: limit as u64 });
        }
        let rbsp = rbsp::unescape(nal);
        let mut reader = BitReader::new(&rbsp, "PPS");
        let id = reader.ue_max("pic_parameter_set_id", 255)?;
        let sps_id = reader.ue_max("seq_parameter_set_id", 31)?;
        reader.skip(1)?; // entropy_coding_mode_flag
        let pic_order_present = reader.flag()?;
        // Cameras' PPSs are cut short now and then: a redundant picture is rarer than that.
        let redundant_present = read_redundant_present(&mut reader).unwrap_or(false);
        let (id, sps_id) = (u8::try_from(id).unwrap_or(u8::MAX), u8::try_from(sps_id).unwrap_or(u8::MAX));
        Ok(Self { id, sps_id, pic_order_present, redundant_present })
    }
}

fn read_redundant_present(reader: &mut BitReader<'_>) -> Result<bool, CodecError> {
    let groups_minus1 = reader.ue_max("num_slice_groups_minus1", 7)?;
    if groups_minus1 > 0 {
        skip_slice_groups(reader, groups_minus1)?;
    }
    reader.ue()?; // num_ref_idx_l0_default_active_minus1
    reader.ue()?; // num_ref_idx_l1_default_active_minus1
    reader.skip(3)?; // weighted_pred_flag, weighted_bipred_idc
    for _ in 0..3 {
        reader.se()?; // pic_init_qp_minus26, pic_init_qs_minus26, chroma_qp_index_offset
    }
    reader.skip(2)?; // deblocking_filter_control_present_flag, constrained_intra_pred_flag
    reader.flag()
}

fn skip_slice_groups(reader: &mut BitReader<'_>, groups_minus1: u32) -> Result<(), CodecError> {
    match reader.ue_max("slice_group_map_type", 6)? {
        0 => (0..=groups_minus1).try_for_each(|_| reader.ue().map(drop)),
        2 => (0..2 * groups_minus1).try_for_each(|_| reader.ue().map(drop)),
        3..=5 => {
            reader.skip(1)?; // slice_group_change_direction_flag
            reader.ue().map(drop)
        }
        6 => {
            let units = reader.ue()? as usize + 1;
            let bits = (groups_minus1 + 1).next_power_of_two().trailing_zeros() as usize;
            reader.skip(units.saturating_mul(bits))
        }
        _ => Ok(()),
    }
}
