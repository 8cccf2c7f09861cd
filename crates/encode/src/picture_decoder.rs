//! Units to pictures, whichever codec they are of: what a stream shows may change while it runs.

use media::{AccessUnit, Codec};

use crate::jpeg_decoder::JpegDecoder;
use crate::{EncodeError, H264Decoder, Picture};

/// A decoder for the pictures of one stream. What it needs for a codec it makes with the first unit of it.
#[derive(Debug, Default)]
pub struct PictureDecoder {
    h264: Option<H264Decoder>,
    jpeg: Option<JpegDecoder>,
}

impl PictureDecoder {
    /// Whether it decodes units of this codec.
    pub const fn decodes(codec: Codec) -> bool {
        matches!(codec, Codec::H264 | Codec::Jpeg)
    }

    /// Decodes one unit. `None` while there is no picture to show, as [`H264Decoder::decode`] says.
    ///
    /// The picture is the decoder's own and is overwritten by the next one.
    ///
    /// # Errors
    /// [`EncodeError`] when the unit is of another codec, or cannot be decoded.
    pub fn decode(&mut self, unit: &AccessUnit) -> Result<Option<&Picture>, EncodeError> {
        if unit.track.parameters.codec() == Codec::Jpeg {
            // What was held back of another codec is of a stream that is no more.
            self.h264 = None;
            return made(&mut self.jpeg, JpegDecoder::new)?.decode(unit).map(Some);
        }
        made(&mut self.h264, H264Decoder::new)?.decode(unit)
    }

    /// The last picture of what was decoded, if it is still held back to be shown after others; call it when no unit will follow.
    ///
    /// # Errors
    /// [`EncodeError::Library`] when the decoder fails.
    pub fn finish(&mut self) -> Result<Option<&Picture>, EncodeError> {
        self.h264.as_mut().map_or(Ok(None), H264Decoder::finish)
    }
}

fn made<T>(
    place: &mut Option<T>,
    make: impl FnOnce() -> Result<T, EncodeError>,
) -> Result<&mut T, EncodeError> {
    match place {
        Some(made) => Ok(made),
        place => Ok(place.insert(make()?)),
    }
}
