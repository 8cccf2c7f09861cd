//! Parameters of pictures as they go out, in and out of band.

use bytes::Bytes;
use codec::h264::promise_no_reordering;
use codec::{av1, h264, h265};
use media::{Av1Parameters, CodecParameters, H264Parameters, H265Parameters, MuxError};

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
