//! JPEG to pictures by libjpeg-turbo: for cameras that send nothing else.
//!
//! A unit is a whole file, baseline as RFC 2435 carries it, in whichever subsampling; colours are those of JFIF, brought to a picture's.
//! A row or column too many for 4:2:0 is left out.

use media::{AccessUnit, Codec};
use turbojpeg::{Decompressor, Subsamp, YuvImage, yuv_pixels_len};

use crate::matrix::ToPicture;
use crate::{EncodeError, Picture};

/// A JPEG decoder; keep it for pictures that follow each other.
pub(crate) struct JpegDecoder {
    decompressor: Decompressor,
    planes: Vec<u8>,
    picture: Option<Picture>,
    colours: ToPicture,
}

/// The planes of a file, each with the bytes from one row to the next.
struct Planes<'p> {
    luma: (&'p [u8], usize),
    /// None in a file without colours.
    chroma: Option<([&'p [u8]; 2], usize)>,
    /// Pixels for each sample of chroma, across and down.
    per_sample: (usize, usize),
}

impl std::fmt::Debug for JpegDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JpegDecoder").finish_non_exhaustive()
    }
}

impl JpegDecoder {
    /// A decoder.
    ///
    /// # Errors
    /// [`EncodeError::Library`] when the library cannot start.
    pub(crate) fn new() -> Result<Self, EncodeError> {
        let decompressor = Decompressor::new().map_err(|e| failed("set-up", e))?;
        Ok(Self { decompressor, planes: Vec::new(), picture: None, colours: ToPicture::of_jfif() })
    }

    /// The picture in a unit; the decoder's own, overwritten by the next one.
    ///
    /// # Errors
    /// [`EncodeError`] if it is no such file, or one of a size that pictures do not have.
    pub(crate) fn decode(&mut self, unit: &AccessUnit) -> Result<&Picture, EncodeError> {
        let decoding = |error| failed("decoding", error);
        let header = self.decompressor.read_header(&unit.data).map_err(decoding)?;
        if header.is_progressive || header.is_arithmetic || header.is_lossless {
            return Err(EncodeError::Malformed { offset: 0, reason: "a JPEG that is not baseline" });
        }
        let (width, height) = (even(header.width), even(header.height));
        let size = (side(width), side(height));
        if width.max(height) > MAX_SIDE {
            let reason = "the decoder reaches 4096 pixels a side";
            return Err(EncodeError::Size { width: size.0, height: size.1, reason });
        }
        let picture = match self.picture.take().filter(|picture| picture.size() == size) {
            Some(picture) => picture,
            None => Picture::new(size.0, size.1)?,
        };
        let picture = self.picture.insert(picture);
        let length = yuv_pixels_len(header.width, 1, header.height, header.subsamp).map_err(decoding)?;
        self.planes.resize(length, 0);
        let image = YuvImage {
            pixels: &mut self.planes[..],
            width: header.width,
            align: 1,
            height: header.height,
            subsamp: header.subsamp,
        };
        self.decompressor.decompress_to_yuv(&unit.data, image).map_err(decoding)?;
        let planes = Planes::of(&self.planes, header.width, header.height, header.subsamp)
            .ok_or(EncodeError::Malformed { offset: 0, reason: "a subsampling that is none" })?;
        planes.copy(picture);
        self.colours.take(picture);
        Ok(picture)
    }
}

impl<'p> Planes<'p> {
    fn of(all: &'p [u8], width: usize, height: usize, subsampling: Subsamp) -> Option<Self> {
        let (across, down) = match subsampling {
            Subsamp::None | Subsamp::Gray => (1, 1),
            Subsamp::Sub2x1 => (2, 1),
            Subsamp::Sub2x2 => (2, 2),
            Subsamp::Sub1x2 => (1, 2),
            Subsamp::Sub4x1 => (4, 1),
            _ => return None,
        };
        let (stride, rows) = (width.next_multiple_of(across), height.next_multiple_of(down));
        let (luma, rest) = all.split_at_checked(stride * rows)?;
        let of_chroma = (stride / across) * (rows / down);
        let chroma = match subsampling {
            Subsamp::Gray => None,
            _ => Some(([rest.get(..of_chroma)?, rest.get(of_chroma..2 * of_chroma)?], stride / across)),
        };
        Some(Self { luma: (luma, stride), chroma, per_sample: (across, down) })
    }

    /// Into a picture of this size, or a pixel less.
    fn copy(&self, picture: &mut Picture) {
        let width = picture.width();
        let into = picture.planes_mut();
        let (luma, stride) = self.luma;
        for (to, from) in into.y.chunks_exact_mut(width).zip(luma.chunks_exact(stride)) {
            to.copy_from_slice(&from[..width]);
        }
        let Some((chroma, stride)) = self.chroma else {
            into.u.fill(128);
            into.v.fill(128);
            return;
        };
        let (across, down) = self.per_sample;
        for (plane, from) in [into.u, into.v].into_iter().zip(chroma) {
            for (y, row) in plane.chunks_exact_mut(width / 2).enumerate() {
                let row_of = |pixel: usize| &from[pixel / down * stride..][..stride];
                let (upper, lower) = (row_of(2 * y), row_of(2 * y + 1));
                for (x, sample) in row.iter_mut().enumerate() {
                    let (left, right) = (2 * x / across, (2 * x + 1) / across);
                    let four = [upper[left], upper[right], lower[left], lower[right]];
                    *sample = ((four.map(u16::from).iter().sum::<u16>() + 2) / 4) as u8;
                }
            }
        }
    }
}

fn even(side: usize) -> usize {
    side & !1
}

fn side(pixels: usize) -> u32 {
    u32::try_from(pixels).unwrap_or(u32::MAX)
}

fn failed(action: &'static str, error: turbojpeg::Error) -> EncodeError {
    EncodeError::Library { codec: Codec::Jpeg, action, source: Box::new(error) }
}

const MAX_SIDE: usize = 4096;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use bytes::Bytes;
    use media::{CodecParameters, JpegParameters, MediaTime, Timescale, Track, TrackId};
    use turbojpeg::{Compressor, Image as Pixels, PixelFormat};

    use super::*;

    /// Two halves, orange and blue, as a file of this subsampling.
    fn file(width: usize, height: usize, subsampling: Subsamp) -> Vec<u8> {
        let colour = |x| if x < width / 2 { [220, 120, 40] } else { [30, 60, 200] };
        let pixels: Vec<u8> = (0..height).flat_map(|_| (0..width).flat_map(colour)).collect();
        let image = Pixels { pixels: &pixels[..], width, pitch: width * 3, height, format: PixelFormat::RGB };
        let mut compressor = Compressor::new().unwrap();
        compressor.set_quality(95).unwrap();
        compressor.set_subsamp(subsampling).unwrap();
        compressor.compress_to_vec(image).unwrap()
    }

    #[allow(clippy::disallowed_methods)] // an `Instant` comes from nowhere else
    fn unit(data: Vec<u8>) -> AccessUnit {
        let parameters = CodecParameters::Jpeg(JpegParameters::new((64, 48)).unwrap());
        let track = Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO_90K, parameters };
        let time = MediaTime::new(0, Timescale::VIDEO_90K);
        AccessUnit {
            track: Arc::new(track),
            pts: time,
            dts: time,
            random_access: true,
            disposable: false,
            lost_before: 0,
            captured: None,
            arrival: Instant::now(),
            data: Bytes::from(data),
        }
    }

    #[test]
    fn every_subsampling_becomes_a_picture_with_the_colours_it_had() {
        let mut decoder = JpegDecoder::new().unwrap();
        for (subsampling, size) in [
            (Subsamp::None, (64, 48)),
            (Subsamp::Sub2x1, (70, 48)),
            (Subsamp::Sub2x2, (65, 49)),
            (Subsamp::Sub1x2, (64, 50)),
            (Subsamp::Sub4x1, (66, 48)),
        ] {
            let picture = decoder.decode(&unit(file(size.0, size.1, subsampling))).unwrap();
            assert_eq!(picture.size(), (side(even(size.0)), side(even(size.1))), "{subsampling:?}");
            let rgb = crate::colour::to_rgb(picture);
            let at = |x: usize| {
                let from = (10 * picture.width() + x) * 3;
                [rgb[from], rgb[from + 1], rgb[from + 2]]
            };
            for (x, expected) in [(5, [220, 120, 40]), (58, [30, 60, 200])] {
                let is = at(x);
                assert!(
                    is.iter().zip(expected).all(|(is, to)| is.abs_diff(to) < 8),
                    "{subsampling:?} {is:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_baseline_file_is_refused() {
        let mut decoder = JpegDecoder::new().unwrap();
        let whole = file(64, 48, Subsamp::Sub2x2);
        for data in [Vec::new(), vec![0xff, 0xd8], whole[..40].to_vec(), b"GIF89a".to_vec()] {
            assert!(decoder.decode(&unit(data)).is_err());
        }
        assert!(decoder.decode(&unit(whole[..whole.len() / 2].to_vec())).is_err());
        assert!(decoder.decode(&unit(file(4_200, 16, Subsamp::Sub2x2))).is_err());
        let gray = decoder.decode(&unit(file(64, 48, Subsamp::Gray))).unwrap();
        assert!(gray.cb().iter().chain(gray.cr()).all(|sample| *sample == 128));
        assert!(decoder.decode(&unit(whole)).is_ok());
    }
}
