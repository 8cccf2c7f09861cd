//! What a decoder of the older MPEG and JPEG codecs must know first.

use bytes::Bytes;

use crate::ParametersError;
use crate::codec_parameters::check_size;

/// MPEG-1 video (ISO/IEC 11172-2), and MPEG-2 (ISO/IEC 13818-2) where it is carried in the same way: the sequence header, and the size
/// it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MpegVideoParameters {
    sequence_header: Bytes,
    width: u32,
    height: u32,
}

/// MPEG audio (ISO/IEC 11172-3, 13818-3): every frame says all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MpegAudioParameters {
    layer: u8,
    sample_rate: u32,
    channels: u8,
}

/// Motion JPEG: each picture is a file of JPEG (ITU-T T.81).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JpegParameters {
    width: u32,
    height: u32,
}

impl MpegVideoParameters {
    /// From the sequence header, with its start code, and the size it says.
    ///
    /// # Errors
    /// [`ParametersError`] when it is none or the size is impossible.
    pub fn new(sequence_header: Bytes, (width, height): (u32, u32)) -> Result<Self, ParametersError> {
        if sequence_header.len() < 12 || !sequence_header.starts_with(&[0, 0, 1, 0xb3]) {
            return Err(ParametersError::SequenceHeader("no start code of one, or too short"));
        }
        check_size(width, height)?;
        Ok(Self { sequence_header, width, height })
    }

    /// The sequence header with what extends it, start codes and all.
    pub const fn sequence_header(&self) -> &Bytes {
        &self.sequence_header
    }

    /// Width in pixels.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub const fn height(&self) -> u32 {
        self.height
    }
}

impl MpegAudioParameters {
    /// Sound of this layer, from 1 to 3, and layout.
    ///
    /// # Errors
    /// [`ParametersError::Audio`] for a layout that does not exist.
    pub fn new(layer: u8, sample_rate: u32, channels: u8) -> Result<Self, ParametersError> {
        let rates = [16_000, 22_050, 24_000, 32_000, 44_100, 48_000];
        if !(1..=3).contains(&layer) || !rates.contains(&sample_rate) || !(1..=2).contains(&channels) {
            return Err(ParametersError::Audio { sample_rate, channels });
        }
        Ok(Self { layer, sample_rate, channels })
    }

    /// The layer, from 1 to 3.
    pub const fn layer(self) -> u8 {
        self.layer
    }

    /// Samples per second.
    pub const fn sample_rate(self) -> u32 {
        self.sample_rate
    }

    /// Number of channels.
    pub const fn channels(self) -> u8 {
        self.channels
    }
}

impl JpegParameters {
    /// Pictures of this size.
    ///
    /// # Errors
    /// [`ParametersError::Size`] for a size that cannot be.
    pub const fn new((width, height): (u32, u32)) -> Result<Self, ParametersError> {
        match check_size(width, height) {
            Ok(()) => Ok(Self { width, height }),
            Err(error) => Err(error),
        }
    }

    /// Width in pixels.
    pub const fn width(self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub const fn height(self) -> u32 {
        self.height
    }
}
