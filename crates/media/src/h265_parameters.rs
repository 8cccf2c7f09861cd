//! What a decoder of H.265 (ITU-T H.265 | ISO/IEC 23008-2) must know before the first unit.
//!
//! The parameter sets as they are, and what their SPS says; reading it is the work of `codec`.

use bytes::Bytes;

use crate::ParametersError;

/// H.265: the parameter sets and what their SPS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct H265Parameters {
    vps: Bytes,
    sps: Bytes,
    pps: Vec<Bytes>,
    profile: ProfileTierLevel,
    width: u32,
    height: u32,
    max_reorder: u8,
}

/// The general part of H.265's `profile_tier_level()` (§7.3.3), as its twelve bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProfileTierLevel(pub [u8; 12]);

impl ProfileTierLevel {
    /// ISO/IEC 14496-15 annex E.3: profile, compatibility, tier and level, constraints without the zeros at their end.
    pub(crate) fn rfc6381(&self) -> String {
        let [first, c0, c1, c2, c3, constraints @ .., level] = self.0;
        let space = ["", "A", "B", "C"][usize::from(first >> 6)];
        let tier = if first & 0x20 == 0 { 'L' } else { 'H' };
        let compatibility = u32::from_be_bytes([c0, c1, c2, c3]).reverse_bits();
        let mut text = format!("hvc1.{space}{}.{compatibility:X}.{tier}{level}", first & 0x1f);
        let used = constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        for byte in &constraints[..used] {
            text.push_str(&format!(".{byte:X}"));
        }
        text
    }
}

impl H265Parameters {
    /// From one VPS, one SPS and its PPSs (NAL units with their header, without start code) and what the SPS says.
    ///
    /// `max_reorder` is how many pictures a decoder may have to hold back to show them in order.
    ///
    /// # Errors
    /// [`ParametersError`] when the NAL units are of another type or the size is impossible.
    pub fn new(
        (vps, sps, pps): (Bytes, Bytes, Vec<Bytes>),
        profile: ProfileTierLevel,
        (width, height): (u32, u32),
        max_reorder: u8,
    ) -> Result<Self, ParametersError> {
        let is = |nal: &Bytes, unit_type| nal.len() > 2 && nal[0] >> 1 & 0x3f == unit_type;
        if !is(&vps, 32) {
            return Err(ParametersError::Vps("wrong NAL unit type or too short"));
        }
        if !is(&sps, 33) {
            return Err(ParametersError::Sps("wrong NAL unit type or too short"));
        }
        if pps.is_empty() || !pps.iter().all(|pps| is(pps, 34)) {
            return Err(ParametersError::Pps("none, wrong NAL unit type or too short"));
        }
        if width == 0 || height == 0 || width > 16_384 || height > 16_384 {
            return Err(ParametersError::Size { width, height });
        }
        Ok(Self { vps, sps, pps, profile, width, height, max_reorder })
    }

    /// The video parameter set, a NAL unit without start code.
    pub fn vps(&self) -> &Bytes {
        &self.vps
    }

    /// The sequence parameter set, a NAL unit without start code.
    pub fn sps(&self) -> &Bytes {
        &self.sps
    }

    /// The picture parameter sets, NAL units without start codes; at least one.
    pub fn pps(&self) -> &[Bytes] {
        &self.pps
    }

    /// VPS, SPS and PPSs, as a decoder wants them.
    pub fn sets(&self) -> impl Iterator<Item = &Bytes> {
        [&self.vps, &self.sps].into_iter().chain(&self.pps)
    }

    /// Profile, tier and level.
    pub const fn profile(&self) -> ProfileTierLevel {
        self.profile
    }

    /// Width in pixels after cropping.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels after cropping.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Pictures a decoder may have to hold back.
    pub const fn max_reorder(&self) -> u8 {
        self.max_reorder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codec_string_of_h265_names_profile_tier_level_and_constraints() {
        let string = |bytes| ProfileTierLevel(bytes).rfc6381();
        // Main, tier Main, level 3.1, progressive and frame only.
        assert_eq!(string([1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93]), "hvc1.1.6.L93.90");
        // Main 10, tier High, level 5; and no constraints at all, in profile space 1.
        assert_eq!(string([0x22, 0x20, 0, 0, 0, 0xb0, 0, 8, 0, 0, 0, 150]), "hvc1.2.4.H150.B0.0.8");
        assert_eq!(string([0x41, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30]), "hvc1.A1.6.L30");
    }
}
