//! Pictures in another size.
//!
//! Each pixel that comes out is the mean of the area it covers (at least one pixel wide, so that enlarging interpolates), first down the
//! columns, whose rows are added up as a whole, then along the rows that are left.

use crate::{EncodeError, Picture};

/// Brings pictures of one size to another.
#[derive(Debug)]
pub struct Scaler {
    from: (u32, u32),
    luma: Plane,
    chroma: Plane,
    picture: Picture,
}

#[derive(Debug)]
struct Plane {
    columns: Vec<Span>,
    rows: Vec<Span>,
    /// One row of the result before it is brought to its width: 8.8 fixed point.
    sum: Vec<u32>,
}

/// Which pixels of one axis make one pixel, and their shares of 256.
#[derive(Debug)]
struct Span {
    first: usize,
    shares: Vec<u32>,
}

impl Scaler {
    /// From one size to another.
    ///
    /// # Errors
    /// [`EncodeError::Size`] for a size that no [`Picture`] has.
    pub fn new(from: (u32, u32), to: (u32, u32)) -> Result<Self, EncodeError> {
        Picture::new(from.0, from.1)?;
        let picture = Picture::new(to.0, to.1)?;
        let plane = |shift: u32| Plane {
            columns: spans(from.0 >> shift, to.0 >> shift),
            rows: spans(from.1 >> shift, to.1 >> shift),
            sum: vec![0; (from.0 >> shift) as usize],
        };
        Ok(Self { from, luma: plane(0), chroma: plane(1), picture })
    }

    /// The size that pictures must have.
    pub const fn from(&self) -> (u32, u32) {
        self.from
    }

    /// The picture in the new size; it is overwritten by the next one.
    ///
    /// # Errors
    /// [`EncodeError::WrongPicture`] for a picture of another size than this is made for.
    pub fn scale(&mut self, picture: &Picture) -> Result<&Picture, EncodeError> {
        if picture.size() != self.from {
            let ((width, height), (expected_width, expected_height)) = (picture.size(), self.from);
            return Err(EncodeError::WrongPicture { width, height, expected_width, expected_height });
        }
        let to = self.picture.planes_mut();
        self.luma.scale(picture.luma(), to.y);
        self.chroma.scale(picture.cb(), to.u);
        self.chroma.scale(picture.cr(), to.v);
        Ok(&self.picture)
    }
}

impl Plane {
    fn scale(&mut self, from: &[u8], to: &mut [u8]) {
        let stride = self.sum.len();
        for (rows, to) in self.rows.iter().zip(to.chunks_exact_mut(self.columns.len())) {
            self.sum.fill(0);
            let from = from.chunks_exact(stride).skip(rows.first);
            for (share, row) in rows.shares.iter().zip(from) {
                for (sum, pixel) in self.sum.iter_mut().zip(row) {
                    *sum += share * u32::from(*pixel);
                }
            }
            for (column, to) in self.columns.iter().zip(to) {
                let pixels = self.sum[column.first..].iter().zip(&column.shares);
                let sum: u32 = pixels.map(|(sum, share)| sum * share).sum();
                *to = ((sum + (1 << 15)) >> 16).min(255) as u8;
            }
        }
    }
}

/// The spans of one axis. Each one's shares add up to 256 exactly, or flat areas would change.
fn spans(from: u32, to: u32) -> Vec<Span> {
    let scale = f64::from(from) / f64::from(to);
    let half = scale.max(1.0) / 2.0;
    let last = from as usize - 1;
    (0..to)
        .map(|at| {
            let centre = (f64::from(at) + 0.5) * scale;
            let (begin, end) = ((centre - half).max(0.0), (centre + half).min(f64::from(from)));
            let first = (begin.floor() as usize).min(last);
            let until = (end.ceil() as usize).clamp(first + 1, from as usize);
            // The bounds of whole shares, so that no rounding is lost or made up.
            let bound = |x: f64| (((x - begin) / (end - begin)).clamp(0.0, 1.0) * 256.0).round() as u32;
            let shares = (first..until).map(|x| bound(x as f64 + 1.0) - bound(x as f64)).collect();
            Span { first, shares }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_whole_in_every_size() {
        for (from, to) in [(1920, 640), (1080, 360), (1280, 641), (16, 640), (640, 16), (17, 17), (999, 1000)]
        {
            for span in spans(from, to) {
                assert_eq!(span.shares.iter().sum::<u32>(), 256, "{from} to {to}");
                assert!(span.first + span.shares.len() <= from as usize, "{from} to {to}");
            }
        }
    }

    #[test]
    fn flat_colours_stay_and_the_same_size_is_the_same_picture() {
        let mut picture = Picture::new(64, 48).unwrap();
        let planes = picture.planes_mut();
        planes.y.fill(235);
        planes.u.fill(16);
        planes.v.fill(240);
        let mut scaler = Scaler::new((64, 48), (34, 18)).unwrap();
        let small = scaler.scale(&picture).unwrap();
        assert!(small.luma().iter().all(|y| *y == 235));
        assert!(small.cb().iter().all(|cb| *cb == 16) && small.cr().iter().all(|cr| *cr == 240));

        for (at, y) in picture.planes_mut().y.iter_mut().enumerate() {
            *y = (at * 7 % 256) as u8;
        }
        assert_eq!(Scaler::new((64, 48), (64, 48)).unwrap().scale(&picture).unwrap(), &picture);
    }

    #[test]
    fn half_the_size_is_the_mean_of_four() {
        let mut picture = Picture::new(32, 32).unwrap();
        for (at, y) in picture.planes_mut().y.iter_mut().enumerate() {
            *y = if (at % 32 + at / 32).is_multiple_of(2) { 200 } else { 100 };
        }
        let mut scaler = Scaler::new((32, 32), (16, 16)).unwrap();
        assert!(scaler.scale(&picture).unwrap().luma().iter().all(|y| *y == 150));
    }

    #[test]
    fn a_picture_of_another_size_is_refused() {
        let mut scaler = Scaler::new((32, 32), (16, 16)).unwrap();
        let error = scaler.scale(&Picture::new(32, 16).unwrap()).unwrap_err();
        assert!(error.to_string().contains("32x16"), "{error}");
    }
}
