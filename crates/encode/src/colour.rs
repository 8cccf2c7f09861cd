//! Colours of a [`Picture`] (BT.709, video range) as still formats want them.
//!
//! JPEG (JFIF) is BT.601 in full range, PNG is RGB. Both are one linear step from what a picture holds, done in 14-bit fixed point.

use crate::Picture;

/// The planes of a picture as JFIF defines them, tightly packed Y, Cb, Cr in 4:2:0.
pub(crate) fn to_jfif(picture: &Picture, out: &mut Vec<u8>) {
    let (width, luma) = (picture.width(), picture.width() * picture.height());
    out.clear();
    out.resize(luma + luma / 2, 0);
    let (y_out, chroma_out) = out.split_at_mut(luma);
    let (cb_out, cr_out) = chroma_out.split_at_mut(luma / 4);
    let mut offsets = vec![0_i32; width / 2];
    let rows = Rows::of(picture);
    let outs = y_out.chunks_exact_mut(2 * width);
    let chroma_outs = cb_out.chunks_exact_mut(width / 2).zip(cr_out.chunks_exact_mut(width / 2));
    for ((row, y_out), (cb_out, cr_out)) in rows.zip(outs).zip(chroma_outs) {
        for (x, offset) in offsets.iter_mut().enumerate() {
            let (cb, cr) = (i32::from(row.cb[x]) - 128, i32::from(row.cr[x]) - 128);
            *offset = Y_CB * cb + Y_CR * cr - 16 * LUMA + HALF;
            cb_out[x] = clamp((CB_CB * cb + CB_CR * cr + (128 << BITS) + HALF) >> BITS);
            cr_out[x] = clamp((CR_CB * cb + CR_CR * cr + (128 << BITS) + HALF) >> BITS);
        }
        for (y_out, y) in y_out.chunks_exact_mut(width).zip(row.y.chunks_exact(width)) {
            for ((out, y), offset) in y_out.chunks_exact_mut(2).zip(y.chunks_exact(2)).zip(&offsets) {
                out[0] = clamp((LUMA * i32::from(y[0]) + offset) >> BITS);
                out[1] = clamp((LUMA * i32::from(y[1]) + offset) >> BITS);
            }
        }
    }
}

/// The picture in RGB, three bytes a pixel.
pub(crate) fn to_rgb(picture: &Picture) -> Vec<u8> {
    let width = picture.width();
    let mut out = vec![0; width * picture.height() * 3];
    for (row, out) in Rows::of(picture).zip(out.chunks_exact_mut(2 * width * 3)) {
        for (y, out) in row.y.chunks_exact(width).zip(out.chunks_exact_mut(width * 3)) {
            for (x, (y, out)) in y.iter().zip(out.chunks_exact_mut(3)).enumerate() {
                let y = LUMA * (i32::from(*y) - 16) + HALF;
                let (cb, cr) = (i32::from(row.cb[x / 2]) - 128, i32::from(row.cr[x / 2]) - 128);
                out[0] = clamp((y + R_CR * cr) >> BITS);
                out[1] = clamp((y - G_CB * cb - G_CR * cr) >> BITS);
                out[2] = clamp((y + B_CB * cb) >> BITS);
            }
        }
    }
    out
}

/// Paints pixels in RGB, three bytes each, as many as the picture has; four of them have one colour between them.
pub(crate) fn from_rgb(pixels: &[u8], picture: &mut Picture) {
    let width = picture.width();
    let planes = picture.planes_mut();
    let chroma = planes.u.chunks_exact_mut(width / 2).zip(planes.v.chunks_exact_mut(width / 2));
    let rows = pixels.chunks_exact(2 * 3 * width).zip(planes.y.chunks_exact_mut(2 * width));
    for ((pixels, y), (cb, cr)) in rows.zip(chroma) {
        for (y, pixel) in y.iter_mut().zip(pixels.chunks_exact(3)) {
            let [red, green, blue] = [0, 1, 2].map(|at| i32::from(pixel[at]));
            *y = clamp(16 + ((Y_R * red + Y_G * green + Y_B * blue + HALF) >> BITS));
        }
        let (upper, lower) = pixels.split_at(3 * width);
        for (x, (cb, cr)) in cb.iter_mut().zip(cr).enumerate() {
            let sum = |at: usize| {
                let at = 6 * x + at;
                [upper[at], upper[at + 3], lower[at], lower[at + 3]].into_iter().map(i32::from).sum::<i32>()
            };
            let [red, green, blue] = [0, 1, 2].map(sum);
            // Of four pixels: two bits more.
            let blend =
                |by: [i32; 3]| 128 + ((by[0] * red + by[1] * green + by[2] * blue + 2 * HALF) >> (BITS + 2));
            *cb = clamp(blend(CB_RGB));
            *cr = clamp(blend(CR_RGB));
        }
    }
}

/// Two rows of luma with the row of chroma that is theirs.
struct Row<'a> {
    y: &'a [u8],
    cb: &'a [u8],
    cr: &'a [u8],
}

struct Rows;

impl Rows {
    fn of(picture: &Picture) -> impl Iterator<Item = Row<'_>> {
        let width = picture.width();
        let luma = picture.luma().chunks_exact(2 * width);
        let cb = picture.cb().chunks_exact(width / 2);
        let cr = picture.cr().chunks_exact(width / 2);
        luma.zip(cb).zip(cr).map(|((y, cb), cr)| Row { y, cb, cr })
    }
}

fn clamp(value: i32) -> u8 {
    value.clamp(0, 255) as u8
}

const BITS: u32 = 14;
const HALF: i32 = 1 << (BITS - 1);

const fn fixed(value: f64) -> i32 {
    (value * (1 << BITS) as f64 + if value < 0.0 { -0.5 } else { 0.5 }) as i32
}

/// Video range to full range.
const LUMA: i32 = fixed(255.0 / 219.0);
const CHROMA: f64 = 255.0 / 224.0;
// BT.709 to BT.601: RGB by the one (ITU-R BT.709-6 §3), back by the other (JFIF §7), multiplied out.
const Y_CB: i32 = fixed(CHROMA * 0.101_579);
const Y_CR: i32 = fixed(CHROMA * 0.196_076);
const CB_CB: i32 = fixed(CHROMA * 0.989_854);
const CB_CR: i32 = fixed(CHROMA * -0.110_653);
const CR_CB: i32 = fixed(CHROMA * -0.072_453);
const CR_CR: i32 = fixed(CHROMA * 0.983_398);
// BT.709 to RGB.
const R_CR: i32 = fixed(CHROMA * 1.574_8);
const G_CB: i32 = fixed(CHROMA * 0.187_324);
const G_CR: i32 = fixed(CHROMA * 0.468_124);
const B_CB: i32 = fixed(CHROMA * 1.855_6);
// RGB to BT.709.
const Y_R: i32 = fixed(0.212_6 * 219.0 / 255.0);
const Y_G: i32 = fixed(0.715_2 * 219.0 / 255.0);
const Y_B: i32 = fixed(0.072_2 * 219.0 / 255.0);
const CB_RGB: [i32; 3] = [
    fixed(-0.212_6 / 1.855_6 / CHROMA),
    fixed(-0.715_2 / 1.855_6 / CHROMA),
    fixed((1.0 - 0.072_2) / 1.855_6 / CHROMA),
];
const CR_RGB: [i32; 3] = [
    fixed((1.0 - 0.212_6) / 1.574_8 / CHROMA),
    fixed(-0.715_2 / 1.574_8 / CHROMA),
    fixed(-0.072_2 / 1.574_8 / CHROMA),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(y: u8, cb: u8, cr: u8) -> Picture {
        let mut picture = Picture::new(16, 16).unwrap();
        let planes = picture.planes_mut();
        planes.y.fill(y);
        planes.u.fill(cb);
        planes.v.fill(cr);
        picture
    }

    /// Full red, green, blue, white and black in BT.709 video range.
    const COLOURS: [([u8; 3], [u8; 3]); 5] = [
        ([63, 102, 240], [255, 0, 0]),
        ([173, 42, 26], [0, 255, 0]),
        ([32, 240, 118], [0, 0, 255]),
        ([235, 128, 128], [255, 255, 255]),
        ([16, 128, 128], [0, 0, 0]),
    ];

    #[test]
    fn the_primaries_come_out_in_rgb() {
        for ([y, cb, cr], rgb) in COLOURS {
            let out = to_rgb(&plain(y, cb, cr));
            for (is, should) in out.iter().zip(rgb.iter().cycle()) {
                assert!(is.abs_diff(*should) <= 2, "{:?} instead of {rgb:?}", &out[..3]);
            }
        }
    }

    #[test]
    fn pixels_survive_a_round_trip() {
        for (yuv, rgb) in COLOURS {
            let mut painted = Picture::new(16, 16).unwrap();
            from_rgb(&rgb.repeat(256), &mut painted);
            let is = [painted.luma()[0], painted.cb()[0], painted.cr()[0]];
            assert!(is.iter().zip(yuv).all(|(is, should)| is.abs_diff(should) <= 1), "{is:?} {yuv:?}");
            assert!(
                to_rgb(&painted).iter().zip(rgb.iter().cycle()).all(|(is, should)| is.abs_diff(*should) <= 3)
            );
        }
    }

    #[test]
    fn the_primaries_come_out_in_jfif() {
        for ([y, cb, cr], [r, g, b]) in COLOURS {
            let (r, g, b) = (f64::from(r), f64::from(g), f64::from(b));
            let luma = 0.299 * r + 0.587 * g + 0.114 * b;
            let should = [luma, 128.0 + (b - luma) / 1.772, 128.0 + (r - luma) / 1.402];
            let mut out = Vec::new();
            to_jfif(&plain(y, cb, cr), &mut out);
            let is = [out[0], out[256], out[256 + 64]].map(f64::from);
            assert!(
                is.iter().zip(should).all(|(is, should)| (is - should).abs() <= 2.0),
                "{is:?} {should:?}"
            );
        }
    }
}
