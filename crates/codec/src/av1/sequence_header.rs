//! The sequence header (§5.5): profile, level, size and the shape of samples.

use media::Av1Profile;

use super::obu::{ObuType, obus};
use crate::CodecError;
use crate::bits::BitReader;

/// What a sequence header says, as far as something outside the decoder depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceHeader {
    /// Profile, level and the shape of samples.
    pub profile: Av1Profile,
    /// `max_frame_width_minus_1 + 1`.
    pub width: u32,
    /// `max_frame_height_minus_1 + 1`.
    pub height: u32,
    /// `reduced_still_picture_header`: every frame is a key frame, and does not say so.
    pub is_reduced: bool,
}

impl SequenceHeader {
    /// Reads one from the sequence header OBU at the beginning of `bytes`.
    ///
    /// # Errors
    /// [`CodecError`] if there is none, it ends early or says what cannot be.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let obu = obus(bytes).next().ok_or(CodecError::Truncated { what: WHAT, bit: 0 })??;
        if obu.kind() != ObuType::SequenceHeader {
            let value = u64::from(bytes[0] >> 3 & 0xf);
            return Err(CodecError::Invalid { what: WHAT, field: "obu_type", value, bit: 0 });
        }
        Self::read(&mut BitReader::new(obu.payload(), WHAT))
    }

    fn read(reader: &mut BitReader<'_>) -> Result<Self, CodecError> {
        let profile = small(reader.bits(3)?);
        if profile > 2 {
            return Err(reader.invalid("seq_profile", u64::from(profile)));
        }
        reader.skip(1)?; // still_picture
        let is_reduced = reader.flag()?;
        let (level, is_high_tier) =
            if is_reduced { (small(reader.bits(5)?), false) } else { operating_points(reader)? };
        let (width_bits, height_bits) = (reader.bits(4)? + 1, reader.bits(4)? + 1);
        let (width, height) = (reader.bits(width_bits)? + 1, reader.bits(height_bits)? + 1);
        if !is_reduced && reader.flag()? {
            reader.skip(7)?; // delta_frame_id_length_minus_2, additional_frame_id_length_minus_1
        }
        reader.skip(3)?; // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
        if !is_reduced {
            tools(reader)?;
        }
        reader.skip(3)?; // enable_superres, enable_cdef, enable_restoration
        let (bit_depth, is_monochrome, subsampling, chroma_sample_position) = colours(reader, profile)?;
        let profile = Av1Profile {
            profile,
            level,
            is_high_tier,
            bit_depth,
            is_monochrome,
            subsampling,
            chroma_sample_position,
        };
        Ok(Self { profile, width, height, is_reduced })
    }
}

/// Up to the last operating point; level and tier of the first.
fn operating_points(reader: &mut BitReader<'_>) -> Result<(u8, bool), CodecError> {
    let mut delay_bits = None;
    if reader.flag()? {
        reader.skip(64)?; // num_units_in_display_tick, time_scale
        if reader.flag()? {
            uvlc(reader)?; // num_ticks_per_picture_minus_1
        }
        if reader.flag()? {
            delay_bits = Some(reader.bits(5)? as usize + 1);
            reader.skip(42)?; // num_units_in_decoding_tick, two lengths
        }
    }
    let has_display_delay = reader.flag()?;
    let mut first = (0, false);
    for point in 0..=reader.bits(5)? {
        reader.skip(12)?; // operating_point_idc
        let level = small(reader.bits(5)?);
        let is_high_tier = level > 7 && reader.flag()?;
        if let Some(bits) = delay_bits
            && reader.flag()?
        {
            reader.skip(2 * bits + 1)?; // two delays, low_delay_mode_flag
        }
        if has_display_delay && reader.flag()? {
            reader.skip(4)?; // initial_display_delay_minus_1
        }
        if point == 0 {
            first = (level, is_high_tier);
        }
    }
    Ok(first)
}

/// From `enable_interintra_compound` to `order_hint_bits_minus_1`.
fn tools(reader: &mut BitReader<'_>) -> Result<(), CodecError> {
    reader.skip(4)?;
    let has_order_hint = reader.flag()?;
    if has_order_hint {
        reader.skip(2)?;
    }
    let screen_content = reader.flag()? || reader.flag()?;
    if screen_content && !reader.flag()? {
        reader.skip(1)?; // seq_force_integer_mv
    }
    if has_order_hint {
        reader.skip(3)?;
    }
    Ok(())
}

/// `color_config( )`: bit depth, whether there is luma alone, subsampling, where chroma samples lie.
fn colours(reader: &mut BitReader<'_>, profile: u8) -> Result<(u8, bool, (bool, bool), u8), CodecError> {
    let is_high = reader.flag()?;
    let bit_depth = match (profile, is_high) {
        (_, false) => 8,
        (2, true) if reader.flag()? => 12,
        (_, true) => 10,
    };
    let is_monochrome = profile != 1 && reader.flag()?;
    let description =
        if reader.flag()? { (reader.bits(8)?, reader.bits(8)?, reader.bits(8)?) } else { (2, 2, 2) };
    if is_monochrome {
        reader.skip(1)?; // color_range
        return Ok((bit_depth, true, (true, true), 0));
    }
    if description == SRGB {
        return Ok((bit_depth, false, (false, false), 0));
    }
    reader.skip(1)?; // color_range
    let subsampling = match (profile, bit_depth) {
        (0, _) => (true, true),
        (1, _) => (false, false),
        (_, 12) => {
            let horizontal = reader.flag()?;
            (horizontal, horizontal && reader.flag()?)
        }
        _ => (true, false),
    };
    let position = if subsampling == (true, true) { small(reader.bits(2)?) } else { 0 };
    Ok((bit_depth, false, subsampling, position))
}

/// BT.709 primaries, the transfer of sRGB, and no matrix.
const SRGB: (u32, u32, u32) = (1, 13, 0);

/// `uvlc( )` (§4.10.3), passed over.
fn uvlc(reader: &mut BitReader<'_>) -> Result<(), CodecError> {
    let mut zeros = 0;
    while !reader.flag()? {
        zeros += 1;
    }
    if zeros < 32 { reader.skip(zeros) } else { Ok(()) }
}

/// A value of 8 bits at most.
fn small(value: u32) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

const WHAT: &str = "AV1 sequence header";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::BitWriter;

    /// As SVT-AV1 writes it: Main, 8 bits, 4:2:0, one operating point.
    fn header(level: u32, (width, height): (u32, u32)) -> Vec<u8> {
        let mut w = BitWriter::default();
        w.bits(3, 0); // seq_profile
        w.bits(2, 0); // still_picture, reduced
        w.bits(2, 0); // timing_info, initial_display_delay
        w.bits(5, 0); // operating points
        w.bits(12, 0);
        w.bits(5, level);
        if level > 7 {
            w.bits(1, 1);
        }
        w.bits(4, 10);
        w.bits(4, 9);
        w.bits(11, width - 1);
        w.bits(10, height - 1);
        w.bits(1, 0); // frame ids
        w.bits(3, 0);
        w.bits(4, 0);
        w.bits(1, 1); // order hint
        w.bits(2, 0);
        w.bits(2, 0b11); // choose both
        w.bits(3, 6);
        w.bits(3, 0);
        w.bits(1, 0); // 8 bits
        w.bits(1, 0); // monochrome
        w.bits(1, 0); // description
        w.bits(1, 0); // range
        w.bits(2, 1); // position
        w.bits(2, 0);
        w.bits(1, 1); // trailing one
        let payload = w.into_bytes();
        [&[0x0a, u8::try_from(payload.len()).unwrap()][..], &payload].concat()
    }

    #[test]
    fn size_level_and_samples_are_read() {
        let read = SequenceHeader::parse(&header(5, (1280, 720))).unwrap();
        assert_eq!((read.width, read.height, read.is_reduced), (1280, 720, false));
        let Av1Profile {
            profile, level, is_high_tier, bit_depth, subsampling, chroma_sample_position, ..
        } = read.profile;
        assert_eq!((profile, level, is_high_tier, bit_depth), (0, 5, false, 8));
        assert_eq!((subsampling, chroma_sample_position), ((true, true), 1));
        assert!(SequenceHeader::parse(&header(9, (640, 360))).unwrap().profile.is_high_tier);
    }

    #[test]
    fn one_that_ends_early_is_an_error() {
        let whole = header(5, (1280, 720));
        for length in 2..10 {
            let mut cut = whole[..length].to_vec();
            cut[1] = u8::try_from(length - 2).unwrap();
            assert!(SequenceHeader::parse(&cut).is_err(), "{length}");
        }
        assert!(SequenceHeader::parse(&[]).is_err());
        assert!(SequenceHeader::parse(&[0x12, 0]).is_err());
    }
}
