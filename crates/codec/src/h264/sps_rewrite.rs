//! Telling decoders that they need not wait.
//!
//! A decoder that finds no VUI `bitstream_restriction` in the SPS must assume that pictures may be reordered as far as
//! the level allows, and hold back up to 16 of them (H.264 §E.2.1, `max_num_reorder_frames`). For a live stream
//! without B-frames that is half a second of delay for nothing, and most camera encoders leave the field out.
//! [`promise_no_reordering`] puts it in; every other bit of the SPS stays.

use bytes::Bytes;
use media::H264Parameters;

use super::Sps;
use super::sps::RestrictionPlace;
use crate::CodecError;
use crate::bits::{BitReader, BitWriter};
use crate::nal::rbsp;

/// What the SPS says about pictures shown in another order than they are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reordering {
    /// There is none, and the SPS says so to every decoder.
    None,
    /// There is none because the profile or the picture order type rules it out, but decoders may wait all the same.
    RuledOut,
    /// Nothing is said: whoever sees the pictures has to judge.
    Unknown,
    /// Up to so many pictures are held back.
    UpTo(u8),
}

/// What the SPS of `parameters` says about reordering.
pub fn reordering(parameters: &H264Parameters) -> Reordering {
    match (parameters.max_reorder(), Sps::parse(parameters.sps())) {
        (Some(0), _) => Reordering::None,
        (Some(pictures), _) => Reordering::UpTo(pictures),
        (None, Ok(sps)) if sps.cannot_reorder() => Reordering::RuledOut,
        (None, _) => Reordering::Unknown,
    }
}

/// The same parameters with an SPS that promises that no picture is held back (`max_num_reorder_frames` 0).
///
/// Only for streams of which that is true: by [`Reordering::RuledOut`], or because no unit has PTS and DTS apart. An
/// SPS that already has a restriction is left as it is, whatever it says.
///
/// # Errors
/// [`CodecError`] if the SPS cannot be read or its VUI is broken.
pub fn promise_no_reordering(parameters: &H264Parameters) -> Result<H264Parameters, CodecError> {
    let Some(sps) = rewrite(parameters.sps())? else { return Ok(parameters.clone()) };
    let size = (parameters.width(), parameters.height());
    Ok(H264Parameters::new(Bytes::from(sps), parameters.pps().to_vec(), size, Some(0))?)
}

/// The SPS with a restriction; `None` if it has one.
fn rewrite(nal: &[u8]) -> Result<Option<Vec<u8>>, CodecError> {
    let sps = Sps::parse(nal)?;
    let (place, has_vui) = match sps.restriction {
        RestrictionPlace::Present => return Ok(None),
        RestrictionPlace::NoVui(bit) => (bit, false),
        RestrictionPlace::NoRestriction(bit) => (bit, true),
        RestrictionPlace::Unknown => {
            return Err(CodecError::Unsupported { what: "SPS rewriting", value: "a broken VUI".to_owned() });
        }
    };
    let rbsp = rbsp::unescape(nal);
    let mut reader = BitReader::new(&rbsp, "SPS");
    let mut writer = BitWriter::default();
    for _ in 0..place {
        writer.flag(reader.flag()?);
    }
    if !has_vui {
        writer.flag(true); // vui_parameters_present_flag
        // aspect_ratio_info, overscan_info, video_signal_type, chroma_loc_info, timing_info, nal_hrd, vcl_hrd and
        // pic_struct: none present.
        writer.bits(8, 0);
    }
    writer.flag(true); // bitstream_restriction_flag
    // The values that §E.2.1 infers where the fields are absent.
    writer.flag(true); // motion_vectors_over_pic_boundaries_flag
    writer.ue(2); // max_bytes_per_pic_denom
    writer.ue(1); // max_bits_per_mb_denom
    writer.ue(15); // log2_max_mv_length_horizontal
    writer.ue(15); // log2_max_mv_length_vertical
    writer.ue(0); // max_num_reorder_frames
    writer.ue(u32::from(sps.max_num_ref_frames().max(1))); // max_dec_frame_buffering
    Ok(Some(rbsp::escape(nal[0], &writer.finish_rbsp())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h264::fixtures::{self, build_sps};
    use crate::h264::parse_parameters;
    use crate::h264::sps::{Vui, tests::any_recipe};
    use proptest::prelude::*;

    fn parameters(sps: &[u8]) -> H264Parameters {
        parse_parameters([sps, fixtures::PPS_OPENH264]).unwrap()
    }

    #[test]
    fn an_sps_without_vui_gets_one_that_promises_no_reordering() {
        let before = parameters(&build_sps(&fixtures::PI_STYLE));
        assert_eq!(reordering(&before), Reordering::Unknown);
        let after = promise_no_reordering(&before).unwrap();
        assert_eq!(reordering(&after), Reordering::None);
        let sps = Sps::parse(after.sps()).unwrap();
        assert_eq!(sps.vui().unwrap().max_buffering(), Some(1));
        assert_eq!((after.width(), after.height()), (1920, 1080));
    }

    #[test]
    fn an_sps_with_a_restriction_stays_as_it_is() {
        for sps in [fixtures::SPS_X264_HIGH, fixtures::SPS_X264_BASELINE] {
            let before = parameters(sps);
            assert_eq!(promise_no_reordering(&before).unwrap(), before);
        }
        assert_eq!(reordering(&parameters(fixtures::SPS_X264_HIGH)), Reordering::UpTo(2));
        assert_eq!(reordering(&parameters(fixtures::SPS_X264_BASELINE)), Reordering::None);
    }

    #[test]
    fn an_sps_with_a_broken_vui_is_not_touched() {
        assert!(promise_no_reordering(&parameters(&fixtures::SPS_X264_HIGH[..13])).is_err());
    }

    proptest! {
        #[test]
        fn rewriting_changes_nothing_but_the_restriction(recipe in any_recipe()) {
            let nal = build_sps(&recipe);
            let before = Sps::parse(&nal).unwrap();
            let rewritten = rewrite(&nal).unwrap().unwrap();
            prop_assert!(!rewritten.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] < 3));
            let after = Sps::parse(&rewritten).unwrap();
            let buffering = before.max_num_ref_frames().max(1);
            prop_assert_eq!(after.vui().unwrap().max_buffering(), Some(buffering));
            prop_assert_eq!(after.max_reorder(), Some(0));
            prop_assert_eq!(after.vui().and_then(Vui::frame_rate), before.vui().and_then(Vui::frame_rate));
            prop_assert_eq!(&Sps { vui: before.vui, restriction: before.restriction, ..after }, &before);
            // Every bit in front of the place stays.
            let (old, new) = (rbsp::unescape(&nal), rbsp::unescape(&rewritten));
            let (RestrictionPlace::NoVui(place) | RestrictionPlace::NoRestriction(place)) = before.restriction else {
                panic!("built without a restriction");
            };
            prop_assert_eq!(&old[..place / 8], &new[..place / 8]);
            prop_assert_eq!(rewrite(&rewritten).unwrap(), None);
        }
    }
}
