//! Parameter sets for tests, from real encoders (see `testdata/README.md`) and built by hand.

use crate::bits::BitWriter;
use crate::nal::rbsp;

/// x264, High profile, level 1.1, 160×120, B-frames.
pub(crate) const SPS_X264_HIGH: &[u8] = &[
    0x67, 0x64, 0x00, 0x0b, 0xac, 0xd9, 0x42, 0x84, 0x7e, 0x5c, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40,
    0x00, 0x00, 0x0c, 0x83, 0xc5, 0x0a, 0x65, 0x80,
];
pub(crate) const PPS_X264_HIGH: &[u8] = &[0x68, 0xeb, 0xec, 0xb2, 0x2c];

/// x264, zerolatency, Constrained Baseline, 160×120.
pub(crate) const SPS_X264_BASELINE: &[u8] = &[
    0x67, 0x42, 0xc0, 0x0b, 0xda, 0x0a, 0x11, 0xf9, 0x70, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00,
    0x03, 0x00, 0x32, 0x8f, 0x14, 0x2a, 0xa0,
];

/// x264, interlaced coding (MBAFF), 160×120.
pub(crate) const SPS_X264_INTERLACED: &[u8] = &[
    0x67, 0x64, 0x00, 0x15, 0xac, 0xe8, 0x28, 0x8f, 0xde, 0x02, 0x20, 0x00, 0x00, 0x03, 0x00, 0x20, 0x00,
    0x00, 0x06, 0x43, 0xe2, 0x85, 0x54,
];

/// OpenH264, Constrained Baseline, 640×480.
pub(crate) const SPS_OPENH264: &[u8] =
    &[0x67, 0x42, 0xc0, 0x1e, 0x8c, 0x8d, 0x40, 0x50, 0x1e, 0xd0, 0x0f, 0x08, 0x84, 0x6a];
pub(crate) const PPS_OPENH264: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

/// What a hand-built SPS says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpsRecipe {
    pub(crate) profile_idc: u8,
    pub(crate) order_type: u32,
    pub(crate) ref_frames: u32,
    pub(crate) mbs: (u32, u32),
    pub(crate) crop_bottom: u32,
    /// VUI without restriction: units in tick and time scale.
    pub(crate) timing: Option<(u32, u32)>,
    pub(crate) hrd: bool,
}

/// As the encoder of the Raspberry Pi 4 does it: High profile, 1080p, no VUI at all.
pub(crate) const PI_STYLE: SpsRecipe = SpsRecipe {
    profile_idc: 100,
    order_type: 0,
    ref_frames: 1,
    mbs: (120, 68),
    crop_bottom: 4,
    timing: None,
    hrd: false,
};

/// Builds an SPS NAL unit.
pub(crate) fn build_sps(recipe: &SpsRecipe) -> Vec<u8> {
    let mut w = BitWriter::default();
    w.bits(8, u32::from(recipe.profile_idc));
    w.bits(8, 0);
    w.bits(8, 62);
    w.ue(0);
    if recipe.profile_idc == 100 {
        w.ue(1); // 4:2:0
        w.ue(0);
        w.ue(0);
        w.flag(false);
        w.flag(false);
    }
    w.ue(4);
    w.ue(recipe.order_type);
    match recipe.order_type {
        0 => w.ue(2),
        1 => {
            w.flag(false);
            w.ue(3);
            w.ue(4);
            w.ue(2);
            w.ue(5);
            w.ue(6);
        }
        _ => {}
    }
    w.ue(recipe.ref_frames);
    w.flag(false);
    w.ue(recipe.mbs.0 - 1);
    w.ue(recipe.mbs.1 - 1);
    w.flag(true);
    w.flag(true);
    w.flag(recipe.crop_bottom > 0);
    if recipe.crop_bottom > 0 {
        w.ue(0);
        w.ue(0);
        w.ue(0);
        w.ue(recipe.crop_bottom);
    }
    w.flag(recipe.timing.is_some());
    if let Some((units, scale)) = recipe.timing {
        w.bits(4, 0);
        w.flag(true);
        w.bits(32, units);
        w.bits(32, scale);
        w.flag(true);
        w.flag(recipe.hrd);
        if recipe.hrd {
            w.ue(0);
            w.bits(8, 0x24);
            w.ue(1000);
            w.ue(2000);
            w.flag(false);
            w.bits(20, 0xbdef7);
        }
        w.flag(false);
        if recipe.hrd {
            w.flag(true);
        }
        w.flag(true); // pic_struct_present_flag
        w.flag(false); // bitstream_restriction_flag
    }
    rbsp::escape(0x67, &w.finish_rbsp())
}
