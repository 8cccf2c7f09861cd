//! The sequence parameter set (H.265 §7.3.2.2.1), as far as containers ask for it.
//!
//! Read up to the reordering it promises; what follows (coding tools, VUI) is for decoders.

use media::ProfileTierLevel;

use super::{NalUnit, NalUnitType};
use crate::CodecError;
use crate::bits::BitReader;
use crate::nal::{MAX_PARAMETER_SET, rbsp};

/// What an SPS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sps {
    pub(crate) vps_id: u8,
    pub(crate) id: u8,
    pub(crate) profile: ProfileTierLevel,
    /// `sps_max_sub_layers_minus1`.
    pub(crate) last_sub_layer: u8,
    pub(crate) temporal_id_nesting: bool,
    pub(crate) chroma_format_idc: u8,
    pub(crate) bit_depth_luma: u8,
    pub(crate) bit_depth_chroma: u8,
    width: u32,
    height: u32,
    max_reorder: u8,
}

impl Sps {
    /// Reads an SPS NAL unit (header first).
    ///
    /// # Errors
    /// [`CodecError`] if it is none, ends early, or says what the standard forbids.
    pub fn parse(nal: &[u8]) -> Result<Self, CodecError> {
        let rbsp = payload_of(nal, NalUnitType::Sps, "SPS")?;
        Self::read(&mut BitReader::new(&rbsp, "SPS"))
    }

    /// `sps_seq_parameter_set_id`.
    pub const fn id(&self) -> u8 {
        self.id
    }

    /// Width and height in pixels after cropping.
    pub const fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// `sps_max_num_reorder_pics` of the highest sub-layer.
    pub const fn max_reorder(&self) -> u8 {
        self.max_reorder
    }

    /// Profile, tier and level.
    pub const fn profile(&self) -> ProfileTierLevel {
        self.profile
    }

    fn read(reader: &mut BitReader<'_>) -> Result<Self, CodecError> {
        let vps_id = small(reader.bits(4)?);
        let last_sub_layer = small(reader.bits(3)?);
        if last_sub_layer > 6 {
            return Err(reader.invalid("sps_max_sub_layers_minus1", last_sub_layer.into()));
        }
        let temporal_id_nesting = reader.flag()?;
        let profile = read_profile(reader, last_sub_layer)?;
        let id = small(reader.ue_max("sps_seq_parameter_set_id", 15)?);
        let chroma_format_idc = small(reader.ue_max("chroma_format_idc", 3)?);
        let separate_planes = chroma_format_idc == 3 && reader.flag()?;
        let full_width = reader.ue_max("pic_width_in_luma_samples", MAX_SIDE)?;
        let full_height = reader.ue_max("pic_height_in_luma_samples", MAX_SIDE)?;
        let (mut width, mut height) = (full_width, full_height);
        if reader.flag()? {
            let chroma = if separate_planes { 0 } else { chroma_format_idc };
            width = crop(reader, full_width, if matches!(chroma, 1 | 2) { 2 } else { 1 })?;
            height = crop(reader, full_height, if chroma == 1 { 2 } else { 1 })?;
        }
        let bit_depth_luma = 8 + small(reader.ue_max("bit_depth_luma_minus8", 8)?);
        let bit_depth_chroma = 8 + small(reader.ue_max("bit_depth_chroma_minus8", 8)?);
        reader.ue_max("log2_max_pic_order_cnt_lsb_minus4", 12)?;
        let every_sub_layer = reader.flag()?;
        let mut max_reorder = 0;
        for _ in 0..=if every_sub_layer { last_sub_layer } else { 0 } {
            reader.ue_max("sps_max_dec_pic_buffering_minus1", 15)?;
            max_reorder = small(reader.ue_max("sps_max_num_reorder_pics", 15)?);
            reader.ue()?; // sps_max_latency_increase_plus1
        }
        Ok(Self {
            vps_id,
            id,
            profile,
            last_sub_layer,
            temporal_id_nesting,
            chroma_format_idc,
            bit_depth_luma,
            bit_depth_chroma,
            width,
            height,
            max_reorder,
        })
    }
}

/// The payload of a parameter set of this type, without emulation prevention.
pub(super) fn payload_of(
    nal: &[u8],
    unit_type: NalUnitType,
    what: &'static str,
) -> Result<Vec<u8>, CodecError> {
    if nal.len() > MAX_PARAMETER_SET {
        let limit = MAX_PARAMETER_SET;
        return Err(CodecError::TooLarge { what, limit, position: limit as u64 });
    }
    if NalUnit::new(nal).map(NalUnit::unit_type) != Some(unit_type) {
        let value = nal.first().map_or(0, |&byte| u64::from(byte >> 1 & 0x3f));
        return Err(CodecError::Invalid { what, field: "nal_unit_type", value, bit: 0 });
    }
    // The header has two bytes, one more than H.264's.
    Ok(rbsp::unescape(&nal[1..]))
}

/// `profile_tier_level( 1, last_sub_layer )` (§7.3.3): its general part.
fn read_profile(reader: &mut BitReader<'_>, last_sub_layer: u8) -> Result<ProfileTierLevel, CodecError> {
    let mut general = [0; 12];
    for byte in &mut general {
        *byte = small(reader.bits(8)?);
    }
    if last_sub_layer > 0 {
        let present = reader.bits(16)?;
        for sub_layer in 0..u32::from(last_sub_layer) {
            let told = present >> (14 - 2 * sub_layer);
            reader.skip(if told & 2 == 0 { 0 } else { 88 })?;
            reader.skip(if told & 1 == 0 { 0 } else { 8 })?;
        }
    }
    Ok(ProfileTierLevel(general))
}

/// One pair of offsets of the conformance window taken off `full`.
fn crop(reader: &mut BitReader<'_>, full: u32, unit: u32) -> Result<u32, CodecError> {
    let (before, after) = (u64::from(reader.ue()?), u64::from(reader.ue()?));
    let cropped = (before + after) * u64::from(unit);
    match u32::try_from(cropped) {
        Ok(cropped) if cropped < full => Ok(full - cropped),
        _ => Err(reader.invalid("conf_win_offset", cropped)),
    }
}

/// A value that was read from at most 8 bits, or checked to be that small.
pub(super) fn small(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

/// No level allows more (§A.4.2), and nothing that we carry has room for it.
const MAX_SIDE: u32 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::BitWriter;
    use crate::h265::fixtures::{PPS_X265, SPS_X265};

    #[test]
    fn the_sps_of_x265_is_read() {
        let sps = Sps::parse(SPS_X265).unwrap();
        assert_eq!(sps.dimensions(), (160, 120));
        assert_eq!(sps.profile(), ProfileTierLevel([1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 30]));
        assert_eq!((sps.chroma_format_idc, sps.bit_depth_luma, sps.max_reorder()), (1, 8, 2));
        assert_eq!((sps.last_sub_layer, sps.temporal_id_nesting), (0, true));
    }

    #[test]
    fn sub_layers_are_passed_over_and_the_window_is_cut_out() {
        let mut writer = BitWriter::default();
        writer.bits(8, 0x04); // VPS 0, three sub-layers
        for byte in [0x21u32, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 120] {
            writer.bits(8, byte);
        }
        writer.bits(16, 0b1101 << 12); // the first with profile and level, the second with level
        for _ in 0..88 + 8 + 8 {
            writer.flag(false);
        }
        for value in [0, 1, 1920, 1088] {
            writer.ue(value);
        }
        writer.flag(true);
        for value in [0, 0, 0, 4] {
            writer.ue(value);
        }
        for value in [2, 2, 4] {
            writer.ue(value);
        }
        writer.flag(true);
        for value in [4, 0, 0, 4, 1, 0, 4, 3, 0] {
            writer.ue(value);
        }
        let nal = [&[0x42, 1][..], &rbsp::escape(0, &writer.finish_rbsp())[1..]].concat();
        let sps = Sps::parse(&nal).unwrap();
        assert_eq!((sps.dimensions(), sps.max_reorder(), sps.bit_depth_luma), ((1920, 1080), 3, 10));
    }

    #[test]
    fn an_sps_cut_anywhere_or_of_another_type_is_refused() {
        for end in 0..24 {
            assert!(Sps::parse(&SPS_X265[..end]).is_err(), "cut at {end}");
        }
        assert_eq!(
            Sps::parse(PPS_X265).unwrap_err().to_string(),
            "SPS: nal_unit_type may not be 34, before bit 0"
        );
    }
}
