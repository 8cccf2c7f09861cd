//! The few strokes the pattern is made of, straight into I420: colours, rectangles, discs.
//!
//! Positions are pixels of luma and may lie outside: what does not fit is cut off. Chroma has half the resolution; a chroma sample
//! takes the colour of the luma pixel at its left top.

use std::ops::Range;

use encode::Picture;

use super::super::font::mix;

/// A colour as luma, Cb, Cr: ITU-R BT.709, video range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub(super) [u8; 3]);

impl Colour {
    /// From red, green, blue (0 … 1).
    pub(super) fn rgb(r: f32, g: f32, b: f32) -> Self {
        let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
        let (cb, cr) = ((b - y) / 1.8556, (r - y) / 1.5748);
        // In range for colours within 0 … 1.
        Self([
            (16.0 + 219.0 * y).round() as u8,
            (128.0 + 224.0 * cb).round() as u8,
            (128.0 + 224.0 * cr).round() as u8,
        ])
    }
}

/// A rectangle of whole chroma samples: left, top, right and bottom are even.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

impl Area {
    /// The smallest such rectangle in `picture` around the given pixels.
    pub(super) fn around(picture: &Picture, across: Range<f32>, down: Range<f32>) -> Self {
        let low = |at: f32, limit: usize| (at.max(0.0).floor() as usize).min(limit) & !1;
        let high = |at: f32, limit: usize| (at.max(0.0).ceil() as usize).next_multiple_of(2).min(limit);
        let (width, height) = (picture.width(), picture.height());
        Self {
            left: low(across.start, width),
            top: low(down.start, height),
            right: high(across.end, width),
            bottom: high(down.end, height),
        }
    }

    /// Makes this part of `to` equal to `from`, a picture of the same size.
    pub(super) fn restore(self, from: &Picture, to: &mut Picture) {
        let (stride, chroma) = (from.width(), from.chroma_stride());
        let planes = to.planes_mut();
        for y in self.top..self.bottom {
            let row = y * stride + self.left..y * stride + self.right;
            planes.y[row.clone()].copy_from_slice(&from.luma()[row]);
        }
        for y in self.top / 2..self.bottom / 2 {
            let row = y * chroma + self.left / 2..y * chroma + self.right / 2;
            planes.u[row.clone()].copy_from_slice(&from.cb()[row.clone()]);
            planes.v[row.clone()].copy_from_slice(&from.cr()[row]);
        }
    }

    /// Blends each pixel towards `colour` by what `cover` (0 … 1) gives for its centre.
    pub(super) fn paint(self, picture: &mut Picture, colour: Colour, cover: impl Fn(f32, f32) -> f32) {
        let (stride, chroma) = (picture.width(), picture.chroma_stride());
        let planes = picture.planes_mut();
        let Colour([luma, cb, cr]) = colour;
        for y in self.top..self.bottom {
            for x in self.left..self.right {
                let share = (cover(x as f32 + 0.5, y as f32 + 0.5).clamp(0.0, 1.0) * 255.0) as u8;
                if share == 0 {
                    continue;
                }
                let pixel = &mut planes.y[y * stride + x];
                *pixel = mix(*pixel, luma, share);
                if x % 2 == 0 && y % 2 == 0 {
                    let at = y / 2 * chroma + x / 2;
                    planes.u[at] = mix(planes.u[at], cb, share);
                    planes.v[at] = mix(planes.v[at], cr, share);
                }
            }
        }
    }
}

/// Coverage of a disc with soft edge.
pub(super) fn disc((cx, cy): (f32, f32), radius: f32) -> impl Fn(f32, f32) -> f32 {
    move |x, y| radius + 0.5 - (x - cx).hypot(y - cy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_bt709_in_video_range() {
        assert_eq!(Colour::rgb(1.0, 1.0, 1.0), Colour([235, 128, 128]));
        assert_eq!(Colour::rgb(0.0, 0.0, 0.0), Colour([16, 128, 128]));
        assert_eq!(Colour::rgb(1.0, 0.0, 0.0), Colour([63, 102, 240]));
        assert_eq!(Colour::rgb(0.0, 0.0, 1.0), Colour([32, 240, 118]));
    }

    #[test]
    fn restoring_an_area_touches_nothing_else() {
        let mut to = Picture::new(32, 32).unwrap();
        let mut from = to.clone();
        from.planes_mut().y.fill(99);
        let area = Area::around(&to, 3.0..9.5, 4.2..40.0);
        assert_eq!(area, Area { left: 2, top: 4, right: 10, bottom: 32 });
        area.restore(&from, &mut to);
        assert_eq!(to.luma().iter().filter(|&&p| p == 99).count(), 8 * 28);
    }
}
