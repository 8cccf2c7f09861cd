//! The sequence parameter set (H.264 §7.3.2.1.1, Annex E for its VUI).
//!
//! Read field by field in one pass that remembers where the VUI stands, because rewriting an SPS (see `sps_rewrite`)
//! must keep every other bit. Every count is bounded by the standard's own limit before it is believed. Cameras ship
//! broken VUIs; one that cannot be read is treated as absent ([`Sps::vui`] is `None`) since pictures decode without it.
//!
//! Not here: anything that depends on a picture.

use super::{NalUnit, NalUnitType};
use crate::CodecError;
use crate::bits::BitReader;
use crate::nal::{MAX_PARAMETER_SET, rbsp};

/// What an SPS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sps {
    pub(crate) profile_idc: u8,
    pub(crate) constraints: u8,
    pub(crate) level_idc: u8,
    pub(crate) id: u8,
    pub(crate) chroma_format_idc: u8,
    pub(crate) separate_colour_planes: bool,
    pub(crate) bit_depth_luma: u8,
    pub(crate) bit_depth_chroma: u8,
    pub(crate) log2_max_frame_num: u32,
    pub(crate) order: PictureOrderType,
    pub(crate) max_num_ref_frames: u8,
    pub(crate) frame_mbs_only: bool,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) vui: Option<Vui>,
    /// Where a `bitstream_restriction` could be written.
    pub(crate) restriction: RestrictionPlace,
}

/// `pic_order_cnt_type` and what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PictureOrderType {
    /// Type 0: the slice header tells the low bits.
    Lsb { log2_max: u32 },
    /// Type 1: told by `frame_num` and offsets, which are not kept.
    Cycle { delta_always_zero: bool },
    /// Type 2: output order is decoding order.
    DecodingOrder,
}

/// Where in the RBSP, in bits, a `bitstream_restriction` belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestrictionPlace {
    /// There is no VUI: its flag is this bit.
    NoVui(usize),
    /// The VUI has no restriction: its flag is this bit.
    NoRestriction(usize),
    /// There is one.
    Present,
    /// The VUI is broken.
    Unknown,
}

/// The part of the video usability information that we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vui {
    /// `num_units_in_tick` and `time_scale`, both not zero.
    timing: Option<(u32, u32)>,
    /// `max_num_reorder_frames` and `max_dec_frame_buffering`.
    restriction: Option<(u8, u8)>,
    full_range: bool,
    matrix: Option<u8>,
}

impl Vui {
    /// Pictures a decoder may have to hold back, if a `bitstream_restriction` says so.
    pub fn max_reorder(&self) -> Option<u8> {
        self.restriction.map(|(reorder, _)| reorder)
    }

    /// `max_dec_frame_buffering`, if a `bitstream_restriction` says so.
    pub fn max_buffering(&self) -> Option<u8> {
        self.restriction.map(|(_, buffering)| buffering)
    }

    /// `video_full_range_flag`: luma from 0 to 255 instead of 16 to 235.
    pub fn full_range(&self) -> bool {
        self.full_range
    }

    /// `matrix_coefficients` (table E-5), if there is a colour description.
    pub fn matrix_coefficients(&self) -> Option<u8> {
        self.matrix
    }

    /// Frames per second as a fraction (§E.2.1: `time_scale` counts fields); `None` if not told.
    pub fn frame_rate(&self) -> Option<(u32, u64)> {
        self.timing.map(|(units, scale)| (scale, 2 * u64::from(units)))
    }
}

impl Sps {
    /// Reads an SPS NAL unit (header byte first).
    ///
    /// # Errors
    /// [`CodecError`] if it is none, ends early, or says what the standard forbids.
    pub fn parse(nal: &[u8]) -> Result<Self, CodecError> {
        if nal.len() > MAX_PARAMETER_SET {
            let (what, limit) = ("SPS", MAX_PARAMETER_SET);
            return Err(CodecError::TooLarge { what, limit, position: limit as u64 });
        }
        let unit_type = NalUnit::new(nal).map(NalUnit::unit_type);
        let rbsp = rbsp::unescape(nal);
        let mut reader = BitReader::new(&rbsp, "SPS");
        if unit_type != Some(NalUnitType::Sps) {
            return Err(
                reader.invalid("nal_unit_type", nal.first().map_or(0, |&byte| u64::from(byte & 0x1f)))
            );
        }
        Self::read(&mut reader)
    }

    /// `seq_parameter_set_id`.
    pub fn id(&self) -> u8 {
        self.id
    }

    /// `profile_idc`: 66 Baseline, 77 Main, 100 High.
    pub fn profile_idc(&self) -> u8 {
        self.profile_idc
    }

    /// Width and height in pixels after cropping.
    pub fn dimensions(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// `max_num_ref_frames`.
    pub fn max_num_ref_frames(&self) -> u8 {
        self.max_num_ref_frames
    }

    /// The video usability information; `None` if there is none or it is broken.
    pub fn vui(&self) -> Option<&Vui> {
        self.vui.as_ref()
    }

    /// What its VUI promises about reordering; `None` if it is silent.
    pub fn max_reorder(&self) -> Option<u8> {
        self.vui.and_then(|vui| vui.max_reorder())
    }

    /// Whether the syntax alone rules reordering out: Baseline profile, or picture order type 2.
    pub fn cannot_reorder(&self) -> bool {
        self.profile_idc == 66 || self.order == PictureOrderType::DecodingOrder
    }

    fn read(reader: &mut BitReader<'_>) -> Result<Self, CodecError> {
        let [profile_idc, constraints, level_idc] = [byte(reader)?, byte(reader)?, byte(reader)?];
        let id = small(reader, "seq_parameter_set_id", 31)?;
        let (mut chroma_format_idc, mut separate_colour_planes) = (1, false);
        let (mut bit_depth_luma, mut bit_depth_chroma) = (8, 8);
        if has_chroma_fields(profile_idc) {
            chroma_format_idc = small(reader, "chroma_format_idc", 3)?;
            separate_colour_planes = chroma_format_idc == 3 && reader.flag()?;
            bit_depth_luma = 8 + small(reader, "bit_depth_luma_minus8", 6)?;
            bit_depth_chroma = 8 + small(reader, "bit_depth_chroma_minus8", 6)?;
            reader.skip(1)?; // qpprime_y_zero_transform_bypass_flag
            if reader.flag()? {
                skip_scaling_lists(reader, if chroma_format_idc == 3 { 12 } else { 8 })?;
            }
        }
        let log2_max_frame_num = 4 + reader.ue_max("log2_max_frame_num_minus4", 12)?;
        let order = read_picture_order(reader)?;
        let max_num_ref_frames = small(reader, "max_num_ref_frames", 16)?;
        reader.skip(1)?; // gaps_in_frame_num_value_allowed_flag
        let width_in_mbs = 1 + reader.ue_max("pic_width_in_mbs_minus1", 1023)?;
        let height_in_map_units = 1 + reader.ue_max("pic_height_in_map_units_minus1", 1023)?;
        let frame_mbs_only = reader.flag()?;
        if !frame_mbs_only {
            reader.skip(1)?; // mb_adaptive_frame_field_flag
        }
        reader.skip(1)?; // direct_8x8_inference_flag
        let frame_height = if frame_mbs_only { 16 } else { 32 } * height_in_map_units;
        let chroma = if separate_colour_planes { 0 } else { chroma_format_idc };
        let (width, height) = if reader.flag()? {
            let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
            let unit_y = if chroma == 1 { 2 } else { 1 } * if frame_mbs_only { 1 } else { 2 };
            (crop(reader, 16 * width_in_mbs, unit_x)?, crop(reader, frame_height, unit_y)?)
        } else {
            (16 * width_in_mbs, frame_height)
        };
        let (vui, restriction) = read_vui(reader)?;
        Ok(Self {
            profile_idc,
            constraints,
            level_idc,
            id,
            chroma_format_idc,
            separate_colour_planes,
            bit_depth_luma,
            bit_depth_chroma,
            log2_max_frame_num,
            order,
            max_num_ref_frames,
            frame_mbs_only,
            width,
            height,
            vui,
            restriction,
        })
    }
}

/// Whether SPSs of this profile tell chroma format and bit depth (§7.3.2.1.1).
fn has_chroma_fields(profile_idc: u8) -> bool {
    matches!(profile_idc, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

fn byte(reader: &mut BitReader<'_>) -> Result<u8, CodecError> {
    Ok(u8::try_from(reader.bits(8)?).unwrap_or(u8::MAX))
}

/// `ue(v)` with a maximum that fits a byte.
fn small(reader: &mut BitReader<'_>, field: &'static str, max: u8) -> Result<u8, CodecError> {
    Ok(u8::try_from(reader.ue_max(field, u32::from(max))?).unwrap_or(max))
}

fn skip_scaling_lists(reader: &mut BitReader<'_>, count: usize) -> Result<(), CodecError> {
    for list in 0..count {
        if !reader.flag()? {
            continue;
        }
        let (mut last, mut next) = (8i32, 8i32);
        for _ in 0..if list < 6 { 16 } else { 64 } {
            if next != 0 {
                let delta = reader.se()?;
                if !(-128..=127).contains(&delta) {
                    return Err(reader.invalid("delta_scale", u64::from(delta.unsigned_abs())));
                }
                next = (last + delta + 256) % 256;
            }
            last = if next == 0 { last } else { next };
        }
    }
    Ok(())
}

fn read_picture_order(reader: &mut BitReader<'_>) -> Result<PictureOrderType, CodecError> {
    match reader.ue_max("pic_order_cnt_type", 2)? {
        0 => {
            let log2_max = 4 + reader.ue_max("log2_max_pic_order_cnt_lsb_minus4", 12)?;
            Ok(PictureOrderType::Lsb { log2_max })
        }
        1 => {
            let delta_always_zero = reader.flag()?;
            reader.se()?; // offset_for_non_ref_pic
            reader.se()?; // offset_for_top_to_bottom_field
            for _ in 0..reader.ue_max("num_ref_frames_in_pic_order_cnt_cycle", 255)? {
                reader.se()?; // offset_for_ref_frame
            }
            Ok(PictureOrderType::Cycle { delta_always_zero })
        }
        _ => Ok(PictureOrderType::DecodingOrder),
    }
}

/// One pair of cropping offsets (left and right, or top and bottom) taken off `full`.
fn crop(reader: &mut BitReader<'_>, full: u32, unit: u32) -> Result<u32, CodecError> {
    let (before, after) = (u64::from(reader.ue()?), u64::from(reader.ue()?));
    let cropped = (before + after) * u64::from(unit);
    match u32::try_from(cropped) {
        Ok(cropped) if cropped < full => Ok(full - cropped),
        _ => Err(reader.invalid("frame_crop_offset", cropped)),
    }
}

fn read_vui(reader: &mut BitReader<'_>) -> Result<(Option<Vui>, RestrictionPlace), CodecError> {
    let place = reader.position();
    if !reader.flag()? {
        return Ok((None, RestrictionPlace::NoVui(place)));
    }
    Ok(match read_vui_fields(reader) {
        Ok((vui, place)) => (Some(vui), place),
        Err(_) => (None, RestrictionPlace::Unknown),
    })
}

fn read_vui_fields(reader: &mut BitReader<'_>) -> Result<(Vui, RestrictionPlace), CodecError> {
    const EXTENDED_SAR: u32 = 255;
    let mut vui = Vui::default();
    if reader.flag()? && reader.bits(8)? == EXTENDED_SAR {
        reader.skip(32)?; // sar_width, sar_height
    }
    if reader.flag()? {
        reader.skip(1)?; // overscan_appropriate_flag
    }
    if reader.flag()? {
        reader.skip(3)?; // video_format
        vui.full_range = reader.flag()?;
        if reader.flag()? {
            reader.skip(16)?; // colour_primaries, transfer_characteristics
            vui.matrix = Some(byte(reader)?);
        }
    }
    if reader.flag()? {
        reader.ue()?; // chroma_sample_loc_type_top_field
        reader.ue()?; // chroma_sample_loc_type_bottom_field
    }
    if reader.flag()? {
        let (units, scale) = (reader.bits(32)?, reader.bits(32)?);
        reader.skip(1)?; // fixed_frame_rate_flag
        vui.timing = (units != 0 && scale != 0).then_some((units, scale));
    }
    let nal_hrd = reader.flag()?;
    if nal_hrd {
        skip_hrd(reader)?;
    }
    let vcl_hrd = reader.flag()?;
    if vcl_hrd {
        skip_hrd(reader)?;
    }
    if nal_hrd || vcl_hrd {
        reader.skip(1)?; // low_delay_hrd_flag
    }
    reader.skip(1)?; // pic_struct_present_flag
    let place = reader.position();
    if !reader.flag()? {
        return Ok((vui, RestrictionPlace::NoRestriction(place)));
    }
    reader.skip(1)?; // motion_vectors_over_pic_boundaries_flag
    for _ in 0..4 {
        reader.ue()?; // max_bytes_per_pic_denom, max_bits_per_mb_denom, log2_max_mv_length_{horizontal,vertical}
    }
    let reorder = small(reader, "max_num_reorder_frames", 16)?;
    let buffering = small(reader, "max_dec_frame_buffering", 16)?;
    vui.restriction = Some((reorder, buffering));
    Ok((vui, RestrictionPlace::Present))
}

/// `hrd_parameters()` (§E.1.2).
fn skip_hrd(reader: &mut BitReader<'_>) -> Result<(), CodecError> {
    let count = 1 + reader.ue_max("cpb_cnt_minus1", 31)?;
    reader.skip(8)?; // bit_rate_scale, cpb_size_scale
    for _ in 0..count {
        reader.ue()?; // bit_rate_value_minus1
        reader.ue()?; // cpb_size_value_minus1
        reader.skip(1)?; // cbr_flag
    }
    reader.skip(20) // three delay lengths and time_offset_length
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::h264::fixtures::{self, SpsRecipe, build_sps};
    use h264_reader::nal::sps::SeqParameterSet;
    use proptest::prelude::*;

    /// Size, profile, and the restriction's reordering and buffering.
    type Told = ((u32, u32), u8, Option<(u32, u32)>);

    /// The same SPS as another parser reads it.
    fn oracle(nal: &[u8]) -> Option<Told> {
        let rbsp = rbsp::unescape(nal);
        let sps = SeqParameterSet::from_bits(h264_reader::rbsp::BitReader::new(&rbsp[..])).ok()?;
        let vui = sps.vui_parameters.as_ref();
        let restriction = vui.and_then(|vui| vui.bitstream_restrictions.as_ref());
        let restriction = restriction.map(|r| (r.max_num_reorder_frames, r.max_dec_frame_buffering));
        Some((sps.pixel_dimensions().ok()?, u8::from(sps.profile_idc), restriction))
    }

    fn ours(nal: &[u8]) -> Option<Told> {
        let sps = Sps::parse(nal).ok()?;
        let restriction = sps.vui.and_then(|vui| vui.restriction);
        let restriction = restriction.map(|(reorder, buffering)| (u32::from(reorder), u32::from(buffering)));
        Some((sps.dimensions(), sps.profile_idc(), restriction))
    }

    #[test]
    fn sps_of_real_encoders_tell_size_rate_and_reordering() {
        let sps = Sps::parse(fixtures::SPS_X264_HIGH).unwrap();
        assert_eq!((sps.dimensions(), sps.max_reorder()), ((160, 120), Some(2)));
        assert_eq!(sps.vui().unwrap().frame_rate(), Some((50, 2)));
        let sps = Sps::parse(fixtures::SPS_X264_BASELINE).unwrap();
        assert_eq!((sps.dimensions(), sps.max_reorder()), ((160, 120), Some(0)));
        assert!(sps.cannot_reorder());
        let sps = Sps::parse(fixtures::SPS_X264_INTERLACED).unwrap();
        assert_eq!((sps.dimensions(), sps.frame_mbs_only), ((160, 120), false));
        assert_eq!(Sps::parse(fixtures::SPS_OPENH264).unwrap().dimensions(), (640, 480));
        let sps = Sps::parse(&build_sps(&fixtures::PI_STYLE)).unwrap();
        assert_eq!((sps.dimensions(), sps.max_reorder(), sps.vui()), ((1920, 1080), None, None));
        assert!(!sps.cannot_reorder());
    }

    #[test]
    fn two_parsers_agree_on_sps_of_real_encoders() {
        for sps in [
            fixtures::SPS_X264_HIGH,
            fixtures::SPS_X264_BASELINE,
            fixtures::SPS_X264_INTERLACED,
            fixtures::SPS_OPENH264,
            &build_sps(&fixtures::PI_STYLE),
        ] {
            assert_eq!(ours(sps), oracle(sps));
            assert!(ours(sps).is_some());
        }
    }

    #[test]
    fn a_broken_vui_does_not_take_the_picture_away() {
        let cut = &fixtures::SPS_X264_HIGH[..13];
        let sps = Sps::parse(cut).unwrap();
        assert_eq!(
            (sps.dimensions(), sps.vui(), sps.restriction),
            ((160, 120), None, RestrictionPlace::Unknown)
        );
    }

    pub(crate) fn any_recipe() -> impl Strategy<Value = SpsRecipe> {
        let timing = proptest::option::of((1u32..100_000, 1u32..100_000));
        let size = (1u32..300, 1u32..300);
        (
            prop_oneof![Just(66u8), Just(77), Just(100)],
            0u32..3,
            0u32..17,
            size,
            0u32..8,
            timing,
            any::<bool>(),
        )
            .prop_map(|(profile_idc, order_type, ref_frames, mbs, crop_bottom, timing, hrd)| {
                SpsRecipe { profile_idc, order_type, ref_frames, mbs, crop_bottom, timing, hrd }
            })
    }

    proptest! {
        #[test]
        fn two_parsers_agree_on_built_sps(recipe in any_recipe()) {
            let nal = build_sps(&recipe);
            prop_assert_eq!(ours(&nal), oracle(&nal));
            prop_assert!(ours(&nal).is_some());
        }

        #[test]
        fn damaged_sps_never_panic_and_never_grow_beyond_bounds(
            mut nal in any_recipe().prop_map(|recipe| build_sps(&recipe)),
            damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..5),
        ) {
            for (at, value) in damage {
                let at = 1 + usize::from(at) % (nal.len() - 1);
                nal[at] = value;
            }
            if let Ok(sps) = Sps::parse(&nal) {
                let (width, height) = sps.dimensions();
                prop_assert!((1..=16_384).contains(&width) && (1..=32_768).contains(&height));
            }
        }
    }
}
