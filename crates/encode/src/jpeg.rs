//! Pictures to JPEG (JFIF, ITU-T T.81 baseline) by libjpeg-turbo.

use turbojpeg::{Compressor, Subsamp, YuvImage};

use crate::{EncodeError, Picture, colour};

/// A JPEG encoder; keep it for pictures that follow each other.
pub struct JpegEncoder {
    compressor: Compressor,
    planes: Vec<u8>,
}

impl JpegEncoder {
    /// An encoder of this quality, 1 to 100.
    ///
    /// # Errors
    /// [`EncodeError::Config`] for another quality, [`EncodeError::Still`] when the library cannot start.
    pub fn new(quality: u8) -> Result<Self, EncodeError> {
        if !(1..=100).contains(&quality) {
            return Err(EncodeError::Config {
                what: "quality",
                value: quality.to_string(),
                reason: "it must be within 1 and 100",
            });
        }
        let mut compressor = Compressor::new().map_err(failed)?;
        compressor.set_quality(i32::from(quality)).map_err(failed)?;
        Ok(Self { compressor, planes: Vec::new() })
    }

    /// The picture as a JPEG file.
    ///
    /// # Errors
    /// [`EncodeError::Still`] when the library fails.
    pub fn encode(&mut self, picture: &Picture) -> Result<Vec<u8>, EncodeError> {
        colour::to_jfif(picture, &mut self.planes);
        let image = YuvImage {
            pixels: &self.planes[..],
            width: picture.width(),
            align: 1,
            height: picture.height(),
            subsamp: Subsamp::Sub2x2,
        };
        self.compressor.compress_yuv_to_vec(image).map_err(failed)
    }
}

impl std::fmt::Debug for JpegEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JpegEncoder").finish_non_exhaustive()
    }
}

fn failed(error: turbojpeg::Error) -> EncodeError {
    EncodeError::Still { format: "JPEG", source: Box::new(error) }
}
