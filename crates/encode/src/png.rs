//! Pictures to PNG (ISO/IEC 15948), for those who want no loss after the camera's.

use ::png::{BitDepth, ColorType, Compression, Encoder, SrgbRenderingIntent};

use crate::{EncodeError, Picture, colour};

/// The picture as a PNG file, compressed for speed.
///
/// # Errors
/// [`EncodeError::Still`] when the library fails.
pub fn encode_png(picture: &Picture) -> Result<Vec<u8>, EncodeError> {
    let failed = |error: ::png::EncodingError| EncodeError::Still { format: "PNG", source: Box::new(error) };
    let mut file = Vec::new();
    let (width, height) = picture.size();
    let mut encoder = Encoder::new(&mut file, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    encoder.set_source_srgb(SrgbRenderingIntent::Perceptual);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&colour::to_rgb(picture)).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(file)
}
