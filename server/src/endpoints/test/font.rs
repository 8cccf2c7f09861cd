//! Letters for the test picture: strokes on a grid, drawn smooth at any size.
//!
//! Each glyph is a few lines on a grid of 4 × 6, rasterised once per size into a mask of coverage and then only blended. Digits
//! have one width, so a running clock does not tremble. Capitals, digits and some punctuation; small letters are shown as
//! capitals and what is unknown as a question mark.

use encode::Picture;

/// One size of the letters of `characters`.
pub(super) struct Font {
    glyphs: Vec<(char, Glyph)>,
    cap_height: f32,
}

impl Font {
    /// Capitals `cap_height` pixels high; only `characters` (and `?`) can be drawn.
    pub(super) fn new(cap_height: f32, characters: &str) -> Self {
        let mut glyphs: Vec<(char, Glyph)> = Vec::new();
        for c in characters.chars().chain(['?']).map(shown) {
            if !glyphs.iter().any(|(known, _)| *known == c) {
                glyphs.push((c, Glyph::rasterise(c, cap_height)));
            }
        }
        Self { glyphs, cap_height }
    }

    /// Width of `text` in pixels, with the soft edge of its last letter.
    pub(super) fn width(&self, text: &str) -> usize {
        let pen = text.chars().map(|c| advance(shown(c))).sum::<f32>() * self.cap_height / ROWS;
        pen.ceil() as usize + 2 * margin(self.cap_height)
    }

    /// Height from the top of a capital's stroke to below the lowest one.
    pub(super) fn height(&self) -> usize {
        self.cap_height.ceil() as usize + 2 * margin(self.cap_height)
    }

    /// Draws `text` with its left top corner at `(x, y)`, blending luma towards `level`; what does not fit is cut off.
    pub(super) fn draw(&self, picture: &mut Picture, text: &str, (x, y): (usize, usize), level: u8) {
        let mut pen = x as f32;
        for c in text.chars().map(shown) {
            if let Some((_, glyph)) = self.glyphs.iter().find(|(known, _)| *known == c) {
                glyph.blend(picture, (pen.round() as usize, y), level);
            }
            pen += advance(c) * self.cap_height / ROWS;
        }
    }
}

/// Coverage of one letter, 0 … 255.
struct Glyph {
    width: usize,
    mask: Vec<u8>,
}

impl Glyph {
    fn rasterise(c: char, cap_height: f32) -> Self {
        let unit = cap_height / ROWS;
        let margin = margin(cap_height);
        let radius = (unit * STROKE).max(0.55);
        let (width, height) =
            ((advance(c) * unit).ceil() as usize + 2 * margin, cap_height.ceil() as usize + 2 * margin);
        let shift = if is_narrow(c) { 2.0 - NARROW * 0.2 } else { 0.0 };
        let lines: Vec<[(f32, f32); 2]> = lines(c)
            .map(|ends| ends.map(|(x, y)| ((x - shift) * unit + margin as f32, y * unit + margin as f32)))
            .collect();
        let mask = (0..width * height)
            .map(|i| {
                let at = ((i % width) as f32 + 0.5, (i / width) as f32 + 0.5);
                let near = lines.iter().map(|&line| distance(at, line)).fold(f32::MAX, f32::min);
                ((radius + 0.5 - near).clamp(0.0, 1.0) * 255.0) as u8
            })
            .collect();
        Self { width, mask }
    }

    fn blend(&self, picture: &mut Picture, (x, y): (usize, usize), level: u8) {
        let width = picture.width();
        let visible = self.width.min(width.saturating_sub(x));
        let rows = picture.planes_mut().y.chunks_exact_mut(width).skip(y);
        for (row, mask) in rows.zip(self.mask.chunks_exact(self.width)) {
            for (pixel, &cover) in row[width.min(x)..][..visible].iter_mut().zip(mask) {
                *pixel = mix(*pixel, level, cover);
            }
        }
    }
}

/// `from` moved towards `to` by `share` of 255.
pub(super) fn mix(from: u8, to: u8, share: u8) -> u8 {
    let (from, to, share) = (u32::from(from), u32::from(to), u32::from(share));
    // A mean of two bytes is a byte.
    ((from * (255 - share) + to * share + 127) / 255) as u8
}

fn shown(c: char) -> char {
    let c = c.to_ascii_uppercase();
    if c == ' ' || strokes(c).is_some() { c } else { '?' }
}

fn advance(c: char) -> f32 {
    if is_narrow(c) { NARROW } else { WIDE }
}

fn is_narrow(c: char) -> bool {
    matches!(c, ':' | '.' | ',' | '\'' | '!' | '·' | ' ')
}

fn margin(cap_height: f32) -> usize {
    (cap_height / ROWS * STROKE).ceil() as usize + 1
}

fn lines(c: char) -> impl Iterator<Item = [(f32, f32); 2]> {
    strokes(c).unwrap_or_default().split(' ').flat_map(|stroke| {
        let points: Vec<(f32, f32)> = stroke
            .as_bytes()
            .chunks_exact(2)
            .map(|p| (f32::from(p[0] - b'0'), f32::from(p[1] - b'0')))
            .collect();
        points.windows(2).map(|p| [p[0], p[1]]).collect::<Vec<_>>()
    })
}

/// Distance of a point from a line with ends; both ends may be one point.
fn distance((x, y): (f32, f32), [(ax, ay), (bx, by)]: [(f32, f32); 2]) -> f32 {
    let (dx, dy) = (bx - ax, by - ay);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { (((x - ax) * dx + (y - ay) * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
    (x - ax - along * dx).hypot(y - ay - along * dy)
}

/// The lines of a letter: column and row of each point in turn, a space between lines. Rows count downwards.
fn strokes(c: char) -> Option<&'static str> {
    Some(match c {
        '0' | 'O' => "103041453616050110",
        '1' => "112026 1636",
        '2' => "01103041420646",
        '3' => "01103041423313 334445361605",
        '4' => "36300444",
        '5' => "400002324345361605",
        '6' => "4130100105163645443303",
        '7' => "004016",
        '8' => "103041423313020110 133344453616050413",
        '9' => "0516364541301001021343",
        'A' => "060110304146 0343",
        'B' => "00063645443303 3342413000",
        'C' => "4130100105163645",
        'D' => "00063645413000",
        'E' => "40000646 0333",
        'F' => "400006 0333",
        'G' => "41301001051636454323",
        'H' => "0006 4046 0343",
        'I' => "2026 1030 1636",
        'J' => "4045361605",
        'K' => "0006 400346",
        'L' => "000646",
        'M' => "0600234046",
        'N' => "06004640",
        'P' => "06003041423303",
        'Q' => "103041453616050110 2446",
        'R' => "06003041423303 2346",
        'S' => "413010010213334445361605",
        'T' => "0040 2026",
        'U' => "000516364540",
        'V' => "002640",
        'W' => "0016233640",
        'X' => "0046 4006",
        'Y' => "002340 2326",
        'Z' => "00400646",
        '-' => "0343",
        '_' => "0646",
        '/' => "4006",
        ':' => "2222 2525",
        '.' => "2626",
        ',' => "2526",
        '\'' => "2021",
        '!' => "2024 2626",
        '(' => "30212536",
        ')' => "10212516",
        '+' => "0343 2125",
        '=' => "0242 0444",
        '%' => "4006 0101 4545",
        '#' => "1016 3036 0242 0444",
        '·' => "2323",
        '×' => "0145 4105",
        '?' => "01103041422324 2626",
        _ => return None,
    })
}

/// From one letter to the next in grid units, six of which are a capital's height.
pub(super) const WIDE: f32 = 5.5;
/// The same for colons and the like.
pub(super) const NARROW: f32 = 2.3;
const ROWS: f32 = 6.0;
/// Half the width of a stroke in grid units.
const STROKE: f32 = 0.42;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_have_one_width() {
        let font = Font::new(20.0, "0123456789");
        for digit in '0'..='9' {
            assert_eq!(font.width(&digit.to_string()), font.width("0"));
        }
    }

    #[test]
    fn each_letter_looks_different() {
        let font = Font::new(24.0, "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_/:.,'!()+=%#·×?");
        for (n, (a, glyph)) in font.glyphs.iter().enumerate() {
            assert!(glyph.mask.contains(&255), "{a} is empty");
            for (b, other) in &font.glyphs[n + 1..] {
                assert!(glyph.width != other.width || glyph.mask != other.mask, "{a} looks like {b}");
            }
        }
    }

    #[test]
    fn small_letters_become_capitals_and_strange_ones_question_marks() {
        assert_eq!("front/ä😀".chars().map(shown).collect::<String>(), "FRONT/??");
    }

    #[test]
    fn text_over_the_edge_is_cut_off() {
        let mut picture = Picture::new(32, 32).unwrap();
        let font = Font::new(20.0, "HELLO");
        font.draw(&mut picture, "HELLO", (20, 20), 235);
        font.draw(&mut picture, "HELLO", (500, 500), 235);
        assert!(picture.luma()[..20 * 32].iter().all(|&p| p == 16));
    }
}
