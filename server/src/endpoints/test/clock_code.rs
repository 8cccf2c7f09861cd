//! The machine-readable clock: Unix milliseconds as light and dark cells along the picture's bottom edge.
//!
//! Geometry, coding and reading rules are fixed by `docs/ref/clock-code.md`, which other programs follow; change both or none.
//! All positions are fractions of the picture, so the code survives scaling; all levels are judged against the
//! finder cells, so it survives compression and other colour ranges.

use encode::Picture;

/// Rows of the picture, counted from its top, where the code begins; the rest of the picture is code.
pub(super) const fn top(height: usize) -> usize {
    edge(30, height)
}

/// Writes `unix_ms` (its low 44 bits) into the picture.
pub(super) fn write(picture: &mut Picture, unix_ms: u64) {
    let word = word(unix_ms);
    let (width, height) = (picture.width(), picture.height());
    let planes = picture.planes_mut();
    for row in 0..ROWS {
        let (from, to) = (edge(30 + row, height), edge(31 + row, height));
        let Some((first, others)) = planes.y[from * width..to * width].split_at_mut_checked(width) else {
            continue;
        };
        for column in 0..COLUMNS {
            let level = if cell(word, row, column) { LIGHT } else { DARK };
            first[edge(column, width)..edge(column + 1, width)].fill(level);
        }
        others.chunks_exact_mut(width).for_each(|line| line.copy_from_slice(first));
    }
    let chroma = top(height) / 2 * (width / 2);
    planes.u[chroma..].fill(128);
    planes.v[chroma..].fill(128);
}

/// Reads the code back from a luma plane; `None` when there is none or it is damaged.
#[allow(dead_code, reason = "the reading half serves tests and measuring tools")]
pub(super) fn read(luma: &[u8], stride: usize, width: usize, height: usize) -> Option<u64> {
    let mut values = [[0.0f64; COLUMNS]; ROWS];
    for (row, line) in values.iter_mut().enumerate() {
        for (column, value) in line.iter_mut().enumerate() {
            let (across, down) = (middle(column, width), middle(30 + row, height));
            let mut sum = 0u64;
            for y in down.clone() {
                let pixels = luma.get(y * stride + across.start..y * stride + across.end)?;
                sum += pixels.iter().map(|&p| u64::from(p)).sum::<u64>();
            }
            *value = sum as f64 / (across.len() * down.len()) as f64;
        }
    }
    let finder = || (0..ROWS).flat_map(|row| [0, 1, 30, 31].map(|column| (row, column)));
    let mean = |light: bool| {
        finder().filter(|&(r, c)| cell(0, r, c) == light).map(|(r, c)| values[r][c]).sum::<f64>() / 4.0
    };
    let (light, dark) = (mean(true), mean(false));
    let threshold = f64::midpoint(light, dark);
    let clear = light - dark >= 51.0 && finder().all(|(r, c)| (values[r][c] > threshold) == cell(0, r, c));
    if !clear {
        return None;
    }
    let bits = values.iter().flat_map(|line| &line[2..30]);
    let read = bits.fold(0u64, |word, &value| word << 1 | u64::from(value > threshold));
    let unix_ms = read >> 12;
    (word(unix_ms) == read).then_some(unix_ms)
}

/// Whether a cell is light.
fn cell(word: u64, row: usize, column: usize) -> bool {
    match (row, column) {
        (0, 0 | 31) | (1, 1 | 30) => true,
        (0, 1 | 30) | (1, 0 | 31) => false,
        _ => word >> (55 - (row * 28 + column - 2)) & 1 == 1,
    }
}

/// The 44 bits of time and their CRC-12.
fn word(unix_ms: u64) -> u64 {
    let time = unix_ms & ((1 << 44) - 1);
    let crc = (0..44).rev().fold(0xfff, |crc: u64, bit| {
        let shifted = crc << 1 & 0xfff;
        if (crc >> 11 ^ time >> bit) & 1 == 1 { shifted ^ 0x80f } else { shifted }
    });
    time << 12 | crc
}

/// Where cell `index` of 32 begins on a side of `length` pixels, rounded to the nearest pixel.
const fn edge(index: usize, length: usize) -> usize {
    (index * length + 16) / 32
}

/// The pixels in the middle half of cell `index` of 32, at least the one that holds its centre.
fn middle(index: usize, length: usize) -> std::ops::Range<usize> {
    let (from, to) = ((index * 4 + 1) * length, (index * 4 + 3) * length);
    let (from, to) = (from.div_ceil(128), to / 128);
    if from < to { from..to } else { (index * 2 + 1) * length / 64..(index * 2 + 1) * length / 64 + 1 }
}

const ROWS: usize = 2;
const COLUMNS: usize = 32;
const LIGHT: u8 = 224;
const DARK: u8 = 24;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use encode::{H264Decoder, H264Encoder, H264EncoderConfig};
    use media::{MediaTime, Timescale, Wallclock};

    use super::super::pattern::Pattern;
    use super::*;

    fn row_of_cells(word: u64, row: usize) -> String {
        (0..COLUMNS).map(|column| if cell(word, row, column) { '1' } else { '0' }).collect()
    }

    #[test]
    fn the_examples_of_the_reference_hold() {
        for (time, crc, upper, lower) in [
            (0, 0x6f9, "10000000000000000000000000000001", "01000000000000000001101111100110"),
            (1, 0xef6, "10000000000000000000000000000001", "01000000000000000111101111011010"),
            (
                1_700_000_000_123,
                0xc23,
                "10000110001011110011111110010101",
                "01011010000111101111000010001110",
            ),
            (
                1_795_224_896_007,
                0x7f0,
                "10000110100001111110111011111001",
                "01000000100000011101111111000010",
            ),
            (
                17_592_186_044_415,
                0x0f9,
                "10111111111111111111111111111101",
                "01111111111111111100001111100110",
            ),
        ] {
            let word = word(time);
            assert_eq!(word & 0xfff, crc);
            assert_eq!((row_of_cells(word, 0).as_str(), row_of_cells(word, 1).as_str()), (upper, lower));
        }
    }

    #[test]
    fn the_code_survives_strong_compression_at_every_size() {
        for (width, height, bitrate) in [
            (64, 64, 50_000),
            (160, 120, 50_000),
            (640, 360, 200_000),
            (1280, 720, 500_000),
            (1920, 1080, 800_000),
        ] {
            let config =
                H264EncoderConfig { width, height, bitrate, gop: 15, ..H264EncoderConfig::default() };
            let mut encoder = H264Encoder::new(&config).unwrap();
            let mut decoder = H264Decoder::new().unwrap();
            let mut pattern = Pattern::new(width, height, 30.0, "front").unwrap();
            for n in 0..30u32 {
                let time = 1_795_224_896_007 + u64::from(n) * 1000 / 30;
                let wallclock = Wallclock::from_unix_micros(time as i64 * 1000);
                let picture = pattern.paint(wallclock, u64::from(n));
                assert_eq!(
                    read(picture.luma(), picture.width(), picture.width(), picture.height()),
                    Some(time)
                );
                let pts = MediaTime::new(i64::from(n) * 3000, Timescale::VIDEO_90K);
                #[allow(clippy::disallowed_methods)]
                let unit = encoder.encode(picture, pts, Instant::now(), None).unwrap().unwrap();
                let decoded = decoder.decode(&unit).unwrap().unwrap();
                let found = read(decoded.luma(), decoded.width(), decoded.width(), decoded.height());
                assert_eq!(found, Some(time), "{width}x{height} picture {n}");
            }
        }
    }

    #[test]
    fn the_code_survives_being_shrunk_and_enlarged() {
        let mut picture = Picture::new(1280, 720).unwrap();
        write(&mut picture, 1_700_000_000_123);
        for (width, height) in [(853, 480), (427, 241), (200, 113), (1601, 901), (3840, 2160)] {
            let scaled: Vec<u8> = (0..width * height)
                .map(|i| picture.luma()[i / width * 720 / height * 1280 + i % width * 1280 / width])
                .collect();
            assert_eq!(read(&scaled, width, width, height), Some(1_700_000_000_123), "{width}x{height}");
        }
    }

    #[test]
    fn a_changed_cell_is_noticed() {
        let mut picture = Picture::new(640, 360).unwrap();
        for column in 2..30 {
            write(&mut picture, 1_700_000_000_123);
            assert!(read(picture.luma(), 640, 640, 360).is_some());
            for line in picture.planes_mut().y.chunks_exact_mut(640).skip(349) {
                line[column * 20..column * 20 + 20].iter_mut().for_each(|p| *p = 248 - *p);
            }
            assert_eq!(read(picture.luma(), 640, 640, 360), None, "column {column}");
        }
    }

    #[test]
    fn a_picture_without_a_code_gives_none() {
        let picture = Picture::new(640, 360).unwrap();
        assert_eq!(read(picture.luma(), 640, 640, 360), None);
        assert_eq!(read(&[], 640, 640, 360), None);
        assert_eq!(read(&[], 0, 0, 0), None);
    }
}
