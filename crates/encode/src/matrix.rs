//! A stream's colours, brought to those of a [`Picture`] (BT.709, video range).
//!
//! What they are stands in the VUI of the SPS (H.264 §E.2.1); a stream that does not say is taken as a picture's own. From one matrix
//! and range to the other is one linear step, done in 14-bit fixed point, and none at all for most streams.
//!
//! Not here: primaries and transfer function. Cameras state BT.709 or BT.601 for them, which eyes do not tell apart.

use codec::h264::Vui;

use crate::Picture;

/// The step from a stream's colours to a picture's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ToPicture {
    /// What luma is multiplied by, and what black is before.
    luma: i32,
    black: i32,
    y_cb: i32,
    y_cr: i32,
    cb_cb: i32,
    cb_cr: i32,
    cr_cb: i32,
    cr_cr: i32,
}

impl ToPicture {
    /// `None` where there is nothing to do.
    pub(crate) fn of(vui: Option<&Vui>) -> Option<Self> {
        let (full, matrix) = vui.map_or((false, None), |vui| (vui.full_range(), vui.matrix_coefficients()));
        let weights = matrix.and_then(weights).unwrap_or(BT709);
        (full || weights != BT709).then(|| Self::new(weights, full))
    }

    /// From those of JFIF: BT.601 in full range.
    pub(crate) fn of_jfif() -> Self {
        Self::new(BT601, true)
    }

    fn new((red, blue): (f64, f64), full: bool) -> Self {
        let (luma_span, chroma_span, black) = if full { (255.0, 255.0, 0) } else { (219.0, 224.0, 16) };
        let green = 1.0 - red - blue;
        let (to_red, to_blue) = BT709;
        let to_green = 1.0 - to_red - to_blue;
        // What Cb and Cr add to red, green and blue, beyond luma.
        let of_cb = [0.0, -2.0 * blue * (1.0 - blue) / green, 2.0 * (1.0 - blue)];
        let of_cr = [2.0 * (1.0 - red), -2.0 * red * (1.0 - red) / green, 0.0];
        // And what that is as luma, Cb and Cr of BT.709.
        let again = |[r, g, b]: [f64; 3]| {
            let y = to_red * r + to_green * g + to_blue * b;
            (y, (b - y) / (2.0 * (1.0 - to_blue)), (r - y) / (2.0 * (1.0 - to_red)))
        };
        let ((y_cb, cb_cb, cr_cb), (y_cr, cb_cr, cr_cr)) = (again(of_cb), again(of_cr));
        let (luma, chroma) = (219.0 / chroma_span, 224.0 / chroma_span);
        Self {
            luma: fixed(219.0 / luma_span),
            black,
            y_cb: fixed(luma * y_cb),
            y_cr: fixed(luma * y_cr),
            cb_cb: fixed(chroma * cb_cb),
            cb_cr: fixed(chroma * cb_cr),
            cr_cb: fixed(chroma * cr_cb),
            cr_cr: fixed(chroma * cr_cr),
        }
    }

    /// Takes it, in place.
    pub(crate) fn take(&self, picture: &mut Picture) {
        let width = picture.width();
        let planes = picture.planes_mut();
        let chroma = planes.u.chunks_exact_mut(width / 2).zip(planes.v.chunks_exact_mut(width / 2));
        for (rows, (cb, cr)) in planes.y.chunks_exact_mut(2 * width).zip(chroma) {
            let (upper, lower) = rows.split_at_mut(width);
            let pixels = upper.chunks_exact_mut(2).zip(lower.chunks_exact_mut(2));
            for ((upper, lower), (cb, cr)) in pixels.zip(cb.iter_mut().zip(cr)) {
                let (blue, red) = (i32::from(*cb) - 128, i32::from(*cr) - 128);
                let offset = self.y_cb * blue + self.y_cr * red + (16 << BITS) + HALF;
                for luma in upper.iter_mut().chain(lower) {
                    *luma = clamp((self.luma * (i32::from(*luma) - self.black) + offset) >> BITS);
                }
                *cb = clamp((self.cb_cb * blue + self.cb_cr * red + (128 << BITS) + HALF) >> BITS);
                *cr = clamp((self.cr_cb * blue + self.cr_cr * red + (128 << BITS) + HALF) >> BITS);
            }
        }
    }
}

/// The weights of red and blue in luma, by `matrix_coefficients` (table E-5); `None` for what is unspecified or no such matrix.
fn weights(matrix: u8) -> Option<(f64, f64)> {
    match matrix {
        1 => Some(BT709),
        4 => Some((0.30, 0.11)),
        5 | 6 => Some(BT601),
        7 => Some((0.212, 0.087)),
        9 | 10 => Some((0.2627, 0.0593)),
        _ => None,
    }
}

fn fixed(value: f64) -> i32 {
    (value * f64::from(1 << BITS)).round() as i32
}

fn clamp(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

const BT709: (f64, f64) = (0.2126, 0.0722);
const BT601: (f64, f64) = (0.299, 0.114);
const BITS: u32 = 14;
const HALF: i32 = 1 << (BITS - 1);

#[cfg(test)]
mod tests {
    use super::*;

    fn through(step: ToPicture, [y, cb, cr]: [u8; 3]) -> [u8; 3] {
        let mut picture = Picture::new(16, 16).unwrap();
        let planes = picture.planes_mut();
        planes.y.fill(y);
        planes.u.fill(cb);
        planes.v.fill(cr);
        step.take(&mut picture);
        [picture.luma()[255], picture.cb()[63], picture.cr()[63]]
    }

    #[test]
    fn full_red_green_and_blue_of_bt601_are_those_of_bt709() {
        let pairs = [
            ([81, 90, 240], [63, 102, 240]),
            ([145, 54, 34], [173, 42, 26]),
            ([41, 240, 110], [32, 240, 118]),
        ];
        for (from, to) in pairs {
            let is = through(ToPicture::new((0.299, 0.114), false), from);
            assert!(is.iter().zip(to).all(|(is, to)| is.abs_diff(to) <= 1), "{is:?} instead of {to:?}");
        }
    }

    #[test]
    fn full_range_is_brought_to_that_of_video() {
        let step = ToPicture::new(BT709, true);
        assert_eq!(through(step, [0, 128, 128]), [16, 128, 128]);
        assert_eq!(through(step, [255, 128, 128]), [235, 128, 128]);
        assert_eq!(through(step, [127, 255, 0]), [125, 240, 16]);
    }

    #[test]
    fn a_stream_that_says_nothing_is_left_alone() {
        assert_eq!(ToPicture::of(None), None);
        assert_eq!(ToPicture::of(Some(&Vui::default())), None);
    }
}
