//! Telling decoders that they need not wait.
//!
//! A decoder that finds no VUI `bitstream_restriction` in the SPS must assume that pictures may be reordered as far as
//! the level allows, and hold back up to 16 of them (H.264 §E.2.1, `max_num_reorder_frames`). For a live stream
//! without B-frames that is half a second of delay for nothing, and most camera encoders leave the field out.
//! [`promise_no_reordering`] puts it in; every other bit of the SPS stays.

use bytes::Bytes;
use media::H264Parameters;

use super::sps::RestrictionPlace;
use super::{Sps, rbsp};
use crate::CodecError;
use crate::bits::{BitReader, BitWriter};

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
