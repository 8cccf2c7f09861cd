//! The headers of a file put together from what RTP carries of them.

use super::tables;
use super::{DHT, DQT, DRI, SOF0, SOI, SOS};

/// Size and sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Chroma is halved in both directions, not only across.
    pub is_420: bool,
}

/// Writes the headers of a file up to its scan.
pub fn write_headers(layout: Layout, quantizers: &[[u8; 64]; 2], restart_interval: u16, out: &mut Vec<u8>) {
    out.extend([0xff, SOI]);
    segment(out, DQT, &[&[0], &quantizers[0], &[1], &quantizers[1]]);
    if restart_interval > 0 {
        segment(out, DRI, &[&restart_interval.to_be_bytes()]);
    }
    let ([h0, h1], [w0, w1]) = (layout.height.to_be_bytes(), layout.width.to_be_bytes());
    let luma = if layout.is_420 { 0x22 } else { 0x21 };
    segment(out, SOF0, &[&[8, h0, h1, w0, w1, 3], &[1, luma, 0], &[2, 0x11, 1], &[3, 0x11, 1]]);
    for kind in [0x00, 0x10, 0x01, 0x11] {
        if let Some((lengths, values)) = tables::huffman(kind) {
            segment(out, DHT, &[&[kind], lengths, values]);
        }
    }
    segment(out, SOS, &[&[3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0]]);
}

fn segment(out: &mut Vec<u8>, marker: u8, parts: &[&[u8]]) {
    let length: usize = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    // The longest is a Huffman table of 179 bytes.
    out.extend([0xff, marker, (length >> 8) as u8, length as u8]);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// The tables of luma and chroma that a quality from 1 to 99 stands for (RFC 2435, appendix A).
pub fn quantizers(quality: u8) -> [[u8; 64]; 2] {
    let quality = i32::from(quality.clamp(1, 99));
    let scale = if quality < 50 { 5_000 / quality } else { 200 - quality * 2 };
    [tables::LUMA, tables::CHROMA]
        .map(|table| table.map(|step| ((i32::from(step) * scale + 50) / 100).clamp(1, 255) as u8))
}
