//! A picture in memory: planar Y′CbCr 4:2:0, eight bits (I420).
//!
//! Colours are ITU-R BT.709 in video range (luma 16–235), which is also what the H.264 encoder writes into its SPS, for every
//! size: a browser guesses by size where nothing is said. The decoder brings a stream of other colours to these.
//!
//! Invariant: width and height are even and within 16 … 16,384; the planes are tightly packed (stride = width, chroma
//! stride = width / 2).

use openh264::formats::YUVSource;

use crate::{EncodeError, colour};

/// An owned I420 picture; keep it and paint over it rather than making a new one per frame.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Picture {
    /// A black picture.
    ///
    /// # Errors
    /// [`EncodeError::Size`] for odd sizes (4:2:0 halves both), below 16 or above 16,384 pixels.
    pub fn new(width: u32, height: u32) -> Result<Self, EncodeError> {
        let refuse = |reason| Err(EncodeError::Size { width, height, reason });
        if !width.is_multiple_of(2) || !height.is_multiple_of(2) {
            return refuse("width and height must be even");
        }
        if !(16..=16_384).contains(&width) || !(16..=16_384).contains(&height) {
            return refuse("width and height must be within 16 and 16384");
        }
        let (width, height) = (width as usize, height as usize);
        let luma = width * height;
        let mut data = vec![128; luma + luma / 2];
        data[..luma].fill(16);
        Ok(Self { width, height, data })
    }

    /// Of pixels in RGB, three bytes each, row by row.
    ///
    /// # Errors
    /// As [`Self::new`], and [`EncodeError::Config`] for another count of bytes.
    pub fn from_rgb(width: u32, height: u32, pixels: &[u8]) -> Result<Self, EncodeError> {
        let mut picture = Self::new(width, height)?;
        if pixels.len() != 3 * picture.width * picture.height {
            let reason = "a picture has three for each of its pixels";
            return Err(EncodeError::Config {
                what: "number of bytes",
                value: pixels.len().to_string(),
                reason,
            });
        }
        colour::from_rgb(pixels, &mut picture);
        Ok(picture)
    }

    /// Its pixels in RGB, three bytes each, row by row.
    pub fn to_rgb(&self) -> Vec<u8> {
        colour::to_rgb(self)
    }

    /// All three planes, to paint on.
    pub fn planes_mut(&mut self) -> PlanesMut<'_> {
        let luma = self.width * self.height;
        let (y, chroma) = self.data.split_at_mut(luma);
        let (u, v) = chroma.split_at_mut(luma / 4);
        PlanesMut { y, u, v }
    }

    /// The picture as one slice, Y then U then V: `yuv420p` as ffmpeg names it.
    pub fn as_i420_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The picture as one slice, Y then U then V: `yuv420p` as ffmpeg names it.
    pub fn as_i420(&self) -> &[u8] {
        &self.data
    }

    /// Width in pixels; also the stride of the luma plane.
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub const fn height(&self) -> usize {
        self.height
    }

    /// Bytes from one row of a chroma plane to the next.
    pub const fn chroma_stride(&self) -> usize {
        self.width / 2
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        // Both are at most 16,384 by construction.
        (self.width as u32, self.height as u32)
    }

    /// The luma plane.
    pub fn luma(&self) -> &[u8] {
        &self.data[..self.width * self.height]
    }

    /// The Cb plane, half the size both ways.
    pub fn cb(&self) -> &[u8] {
        let luma = self.width * self.height;
        &self.data[luma..luma + luma / 4]
    }

    /// The Cr plane, half the size both ways.
    pub fn cr(&self) -> &[u8] {
        let luma = self.width * self.height;
        &self.data[luma + luma / 4..]
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picture")
            .field("width", &self.width)
            .field("height", &self.height)
            .finish_non_exhaustive()
    }
}

/// The planes of one picture, tightly packed.
#[derive(Debug)]
pub struct PlanesMut<'a> {
    /// Luma.
    pub y: &'a mut [u8],
    /// Cb, half the size both ways.
    pub u: &'a mut [u8],
    /// Cr, half the size both ways.
    pub v: &'a mut [u8],
}

impl YUVSource for Picture {
    fn dimensions(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    fn strides(&self) -> (usize, usize, usize) {
        (self.width, self.width / 2, self.width / 2)
    }

    fn y(&self) -> &[u8] {
        self.luma()
    }

    fn u(&self) -> &[u8] {
        self.cb()
    }

    fn v(&self) -> &[u8] {
        self.cr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_size_is_refused_in_words() {
        let error = Picture::new(641, 360).unwrap_err();
        assert_eq!(error.to_string(), "picture size 641x360: width and height must be even");
        assert!(Picture::new(640, 361).is_err());
        assert!(Picture::new(14, 64).is_err());
        assert!(Picture::new(64, 16_386).is_err());
    }

    #[test]
    fn a_new_picture_is_black_and_its_planes_do_not_overlap() {
        let mut picture = Picture::new(64, 48).unwrap();
        assert!(picture.luma().iter().all(|&y| y == 16));
        let planes = picture.planes_mut();
        assert_eq!((planes.y.len(), planes.u.len(), planes.v.len()), (64 * 48, 32 * 24, 32 * 24));
        planes.u.fill(1);
        planes.v.fill(2);
        assert_eq!((picture.cb()[0], picture.cr()[0], picture.luma()[64 * 48 - 1]), (1, 2, 16));
        assert_eq!(picture.as_i420().len(), 64 * 48 * 3 / 2);
    }
}
