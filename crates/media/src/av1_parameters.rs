//! What a decoder of AV1 (AV1 Bitstream & Decoding Process Specification) must know before the first unit.
//!
//! The sequence header as it is, and what it says; reading it is the work of `codec`.

use bytes::Bytes;

use crate::ParametersError;

/// AV1: the sequence header and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Av1Parameters {
    sequence_header: Bytes,
    profile: Av1Profile,
    width: u32,
    height: u32,
}

/// Profile, level and the shape of samples: what the `av1C` box and the codec string are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Av1Profile {
    /// `seq_profile`: 0 Main, 1 High, 2 Professional.
    pub profile: u8,
    /// `seq_level_idx[ 0 ]`: 0 is level 2.0, 8 is 4.0, 31 is no limit.
    pub level: u8,
    /// `seq_tier[ 0 ]`: the high tier.
    pub is_high_tier: bool,
    /// 8, 10 or 12.
    pub bit_depth: u8,
    /// Luma alone.
    pub is_monochrome: bool,
    /// `subsampling_x`, `subsampling_y`.
    pub subsampling: (bool, bool),
    /// `chroma_sample_position`.
    pub chroma_sample_position: u8,
}

impl Av1Parameters {
    /// From the sequence header OBU (with its header and size field) and what it says.
    ///
    /// # Errors
    /// [`ParametersError`] when it is no such OBU or the size is impossible.
    pub fn new(
        sequence_header: Bytes,
        profile: Av1Profile,
        (width, height): (u32, u32),
    ) -> Result<Self, ParametersError> {
        // obu_type 1, obu_has_size_field.
        if sequence_header.len() < 4 || sequence_header[0] & 0xfa != 0x0a {
            return Err(ParametersError::SequenceHeader("wrong OBU type, no size or too short"));
        }
        if width == 0 || height == 0 || width > 16_384 || height > 16_384 {
            return Err(ParametersError::Size { width, height });
        }
        Ok(Self { sequence_header, profile, width, height })
    }

    /// The sequence header, an OBU with its header and size field.
    pub const fn sequence_header(&self) -> &Bytes {
        &self.sequence_header
    }

    /// Profile, level and the shape of samples.
    pub const fn profile(&self) -> Av1Profile {
        self.profile
    }

    /// Width of the largest picture in pixels.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height of the largest picture in pixels.
    pub const fn height(&self) -> u32 {
        self.height
    }
}

impl Av1Profile {
    /// AV1 Codec ISO Media File Format Binding §5: profile, level and tier, bit depth; the rest has its default where it is left out.
    pub(crate) fn rfc6381(&self) -> String {
        let tier = if self.is_high_tier { 'H' } else { 'M' };
        format!("av01.{}.{:02}{tier}.{:02}", self.profile, self.level, self.bit_depth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codec_string_of_av1_names_profile_level_tier_and_depth() {
        let profile = Av1Profile {
            profile: 0,
            level: 4,
            is_high_tier: false,
            bit_depth: 8,
            is_monochrome: false,
            subsampling: (true, true),
            chroma_sample_position: 0,
        };
        assert_eq!(profile.rfc6381(), "av01.0.04M.08");
        let professional = Av1Profile { profile: 2, level: 13, is_high_tier: true, bit_depth: 12, ..profile };
        assert_eq!(professional.rfc6381(), "av01.2.13H.12");
    }

    #[test]
    fn what_is_no_sequence_header_makes_no_parameters() {
        let profile = Av1Profile {
            profile: 0,
            level: 0,
            is_high_tier: false,
            bit_depth: 8,
            is_monochrome: false,
            subsampling: (true, true),
            chroma_sample_position: 0,
        };
        let new = |bytes: &'static [u8], size| Av1Parameters::new(Bytes::from_static(bytes), profile, size);
        assert!(new(&[0x0a, 2, 0, 0], (64, 64)).is_ok());
        assert!(new(&[0x12, 2, 0, 0], (64, 64)).is_err());
        assert!(new(&[0x08, 0, 0, 0], (64, 64)).is_err());
        assert!(new(&[0x0a, 2, 0, 0], (0, 64)).is_err());
    }
}
