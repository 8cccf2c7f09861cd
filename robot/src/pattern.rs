//! What a camera that is none shows: colours that stand, and a bar that moves, so that it can be seen whether time passes.

use encode::{Picture, PlanesMut};

/// Paints the picture of this number.
pub(crate) fn paint(picture: &mut Picture, number: u64) {
    let (width, height) = (picture.width(), picture.height());
    let PlanesMut { y, u, v } = picture.planes_mut();
    // The height and the remainder are below 16,384.
    let bar = (number as usize * 4) % height;
    for (row, line) in y.chunks_exact_mut(width).enumerate() {
        let is_bar = (bar..bar + height / 12).contains(&row);
        for (column, luma) in line.iter_mut().enumerate() {
            *luma = if is_bar { 235 } else { COLOURS[column * COLOURS.len() / width][0] };
        }
    }
    for (row, (u, v)) in u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2)).enumerate() {
        let is_bar = (bar..bar + height / 12).contains(&(2 * row));
        for (column, (u, v)) in u.iter_mut().zip(v).enumerate() {
            let [_, cb, cr] = if is_bar { WHITE } else { COLOURS[2 * column * COLOURS.len() / width] };
            (*u, *v) = (cb, cr);
        }
    }
}

/// In BT.709: grey, yellow, cyan, green, magenta, red, blue.
const COLOURS: [[u8; 3]; 7] = [
    [180, 128, 128],
    [168, 44, 136],
    [145, 147, 44],
    [133, 63, 52],
    [63, 193, 204],
    [51, 109, 212],
    [28, 212, 120],
];
const WHITE: [u8; 3] = [235, 128, 128];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_moves_and_wraps_at_any_size() {
        let mut picture = Picture::new(16, 16).unwrap();
        let mut seen = Vec::new();
        for number in [0, 1, 3, 1_000_003] {
            paint(&mut picture, number);
            seen.push(picture.as_i420().to_vec());
        }
        assert!(seen[0] != seen[1] && seen[1] != seen[2]);
    }
}
