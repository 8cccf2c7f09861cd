//! One picture, and a piece of sound.

use std::sync::Arc;
use std::time::Instant;

use encode::Picture;

use crate::Error;

/// One picture. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Frame {
    picture: Arc<Picture>,
    at: Instant,
}

impl Frame {
    /// A picture of now.
    pub fn new(picture: Picture) -> Self {
        Self { picture: Arc::new(picture), at: Instant::now() }
    }

    /// Of pixels, three bytes each (red, green, blue), row by row.
    ///
    /// # Errors
    /// [`Error::Codec`] for another count of bytes, or for a size that is odd or too small: both sides are even and at least 16.
    pub fn from_rgb(width: u32, height: u32, pixels: &[u8]) -> Result<Self, Error> {
        Ok(Self::new(Picture::from_rgb(width, height, pixels)?))
    }

    /// Its pixels, three bytes each (red, green, blue), row by row.
    pub fn to_rgb(&self) -> Vec<u8> {
        self.picture.to_rgb()
    }

    /// In pixels.
    pub fn width(&self) -> usize {
        self.picture.width()
    }

    /// In pixels.
    pub fn height(&self) -> usize {
        self.picture.height()
    }

    /// As codecs take it: planes of luma and chroma.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// When it was taken, or came.
    pub const fn at(&self) -> Instant {
        self.at
    }
}

/// A piece of sound, of any length. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sound {
    samples: Arc<[f32]>,
    channels: u8,
    at: Instant,
}

impl Sound {
    /// Samples a second of each channel.
    pub const RATE: u32 = 48_000;

    /// Of now. Samples of several channels alternate; 1 is full scale.
    ///
    /// # Errors
    /// [`Error::Device`] for other than one or two channels, or a piece of one that is not whole.
    pub fn new(samples: impl Into<Arc<[f32]>>, channels: u8) -> Result<Self, Error> {
        let samples = samples.into();
        if !(1..=2).contains(&channels) || !samples.len().is_multiple_of(usize::from(channels)) {
            let problem = format!("{} samples of {channels} channels", samples.len());
            return Err(Error::device("sound", &problem));
        }
        Ok(Self { samples, channels, at: Instant::now() })
    }

    /// The samples, alternating.
    pub fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// One or two.
    pub const fn channels(&self) -> u8 {
        self.channels
    }

    /// When it was heard, or came.
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// The same for a device that has another number of channels.
    #[cfg(feature = "sound")]
    pub(crate) fn in_channels(&self, channels: u8) -> Vec<f32> {
        match (self.channels, channels) {
            (1, 2) => self.samples.iter().flat_map(|sample| [*sample; 2]).collect(),
            (2, 1) => self.samples.chunks_exact(2).map(|both| both.iter().sum::<f32>() / 2.0).collect(),
            _ => self.samples.to_vec(),
        }
    }
}
