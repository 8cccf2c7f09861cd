//! Parameters of pictures as they go out, in and out of band.

use bytes::{BufMut, Bytes};
use codec::h264::promise_no_reordering;
use codec::{av1, h264, h265};
use media::{
    Av1Parameters, CodecParameters, H264Parameters, H265Parameters, MuxError, Vp8Parameters, Vp9Parameters,
};

use crate::packager::Tracks;

/// The `avcC` record.
pub(crate) fn avc_configuration(parameters: &H264Parameters) -> Result<Bytes, MuxError> {
    h264::DecoderConfigurationRecord::write(parameters)
        .map_err(|error| MuxError::Malformed(error.to_string()))
}

/// The `hvcC` record.
pub(crate) fn hevc_configuration(parameters: &H265Parameters) -> Result<Bytes, MuxError> {
    h265::DecoderConfigurationRecord::write(parameters)
        .map_err(|error| MuxError::Malformed(error.to_string()))
}

/// The `av1C` record.
pub(crate) fn av1_configuration(parameters: &Av1Parameters) -> Bytes {
    av1::CodecConfigurationRecord::write(parameters)
}

/// The `vpcC` record of VP8: profile 0, 8 bits, 4:2:0.
pub(crate) fn vp8_configuration(parameters: Vp8Parameters) -> Bytes {
    vp_configuration(0, parameters.level(), 8, 1, false)
}

/// The `vpcC` record of VP9.
pub(crate) fn vp9_configuration(parameters: Vp9Parameters) -> Bytes {
    let profile = parameters.profile();
    let chroma = match profile.subsampling {
        (true, true) => 1,
        (true, false) => 2,
        (false, _) => 3,
    };
    vp_configuration(profile.profile, parameters.level(), profile.bit_depth, chroma, profile.is_full_range)
}

/// VP Codec ISO Media File Format Binding, "VP Codec Configuration Record", as a full box has it.
fn vp_configuration(profile: u8, level: u8, bit_depth: u8, chroma: u8, is_full_range: bool) -> Bytes {
    let mut out = Vec::with_capacity(12);
    out.put_u32(0x0100_0000); // version 1
    out.put_u8(profile);
    out.put_u8(level);
    out.put_u8(bit_depth << 4 | chroma << 1 | u8::from(is_full_range));
    out.put_slice(&[2, 2, 2]); // colours: unspecified
    out.put_u16(0);
    out.into()
}

/// `tracks` with the SPS of a stream that shows its pictures in the order they are decoded.
///
/// A decoder that is not told so holds pictures back in case one has to be shown earlier. An SPS that cannot be
/// rewritten goes out as it is: that costs delay, not the picture.
pub(crate) fn promising_no_reordering(tracks: &Tracks) -> Tracks {
    let mut tracks = tracks.clone();
    if let Some(track) = &mut tracks.video
        && let CodecParameters::H264(parameters) = &track.parameters
        && let Ok(parameters) = promise_no_reordering(parameters)
    {
        let parameters = CodecParameters::H264(parameters);
        *track = media::Track { parameters, ..media::Track::clone(track) }.into();
    }
    tracks
}
