//! A file taken apart (§B.2).

use super::headers::Layout;
use super::tables;
use super::{DHT, DQT, DRI, EOI, SOF0, SOF1, SOI, SOS};
use crate::CodecError;

/// The headers of a baseline file with three components, and its scan.
#[derive(Debug, Clone)]
pub struct Image<'a> {
    /// Size and sampling.
    pub layout: Layout,
    /// The tables of luma and chroma, in zigzag order.
    pub quantizers: [[u8; 64]; 2],
    /// Coded units from one restart marker to the next; 0 if there are none.
    pub restart_interval: u16,
    /// The entropy-coded data, restart markers and all, without the end of the image.
    pub scan: &'a [u8],
}

/// A component of the frame header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Component {
    id: u8,
    sampling: u8,
    quantizer: u8,
}

/// What was read so far.
#[derive(Default)]
struct Headers {
    quantizers: [Option<[u8; 64]>; 4],
    components: Option<[Component; 3]>,
    size: (u16, u16),
    restart_interval: u16,
}

impl<'a> Image<'a> {
    /// Reads a file.
    ///
    /// # Errors
    /// [`CodecError::Unsupported`] with what RFC 2435 has no place for, any other if it is no such file.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CodecError> {
        let early = |at: usize| CodecError::Truncated { what: WHAT, bit: at * 8 };
        if !bytes.starts_with(&[0xff, SOI]) {
            return Err(early(0));
        }
        let (mut at, mut headers) = (2, Headers::default());
        loop {
            let marker = loop {
                match bytes.get(at..at + 2).ok_or(early(bytes.len()))? {
                    [0xff, 0xff] => at += 1, // a marker may be filled up
                    [0xff, marker] => break *marker,
                    [other, _] => {
                        let value = u64::from(*other);
                        return Err(CodecError::Invalid { what: WHAT, field: "marker", value, bit: at * 8 });
                    }
                    _ => return Err(early(at)),
                }
            };
            let length = bytes.get(at + 2..at + 4).ok_or(early(bytes.len()))?;
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            let segment = bytes.get(at + 4..at + 2 + length).ok_or(early(bytes.len()))?;
            at += 2 + length;
            match marker {
                DQT => headers.quantizers(segment).ok_or(early(at))?,
                DHT => huffman(segment)?,
                DRI => {
                    let interval = segment.first_chunk().ok_or(early(at))?;
                    headers.restart_interval = u16::from_be_bytes(*interval);
                }
                SOF0 | SOF1 => headers.frame(segment)?,
                0xc2..=0xcf => return Err(no_place(format!("coding process {:#x}", marker))),
                SOS => return headers.image(&bytes[at..]),
                _ => {}
            }
        }
    }
}

impl Headers {
    /// One DQT segment: several tables.
    fn quantizers(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((&kind, rest)) = segment.split_first() {
            let place = self.quantizers.get_mut(usize::from(kind & 0x0f))?;
            if kind >> 4 == 0 {
                let (table, rest) = rest.split_first_chunk::<64>()?;
                (*place, segment) = (Some(*table), rest);
            } else {
                // Of 16 bits: baseline pictures have none; whoever refers to it is told that it is missing.
                (*place, segment) = (None, rest.get(128..)?);
            }
        }
        Some(())
    }

    fn frame(&mut self, segment: &[u8]) -> Result<(), CodecError> {
        let early = CodecError::Truncated { what: "JPEG frame header", bit: segment.len() * 8 };
        let [precision, h0, h1, w0, w1, count, components @ ..] = segment else { return Err(early) };
        if *precision != 8 {
            return Err(no_place(format!("{precision} bits a sample")));
        }
        if *count != 3 {
            return Err(no_place(format!("{count} components")));
        }
        let components = components.first_chunk::<9>().ok_or(early)?;
        let component = |at: usize| Component {
            id: components[at],
            sampling: components[at + 1],
            quantizer: components[at + 2],
        };
        self.components = Some([component(0), component(3), component(6)]);
        self.size = (u16::from_be_bytes([*w0, *w1]), u16::from_be_bytes([*h0, *h1]));
        Ok(())
    }

    /// What was read, as far as it has a place, and what follows the scan's header.
    fn image(self, scan: &[u8]) -> Result<Image<'_>, CodecError> {
        let missing = |what| CodecError::Truncated { what, bit: 0 };
        let [luma, blue, red] = self.components.ok_or(missing("JPEG frame header"))?;
        let is_420 = match (luma.sampling, blue.sampling, red.sampling) {
            (0x21, 0x11, 0x11) => false,
            (0x22, 0x11, 0x11) => true,
            (y, b, r) => return Err(no_place(format!("sampling factors {y:x}, {b:x}, {r:x}"))),
        };
        let table = |index: u8| self.quantizers.get(usize::from(index)).copied().flatten();
        let of = |component: Component| table(component.quantizer).ok_or(missing("JPEG quantization table"));
        if of(blue)? != of(red)? {
            return Err(no_place("different quantization of the two chroma components".to_owned()));
        }
        let layout = Layout { width: self.size.0, height: self.size.1, is_420 };
        let end = scan.windows(2).rposition(|pair| pair == [0xff, EOI]).unwrap_or(scan.len());
        let quantizers = [of(luma)?, of(blue)?];
        Ok(Image { layout, quantizers, restart_interval: self.restart_interval, scan: &scan[..end] })
    }
}

/// The tables must be those that every receiver knows.
fn huffman(mut segment: &[u8]) -> Result<(), CodecError> {
    let early = CodecError::Truncated { what: "JPEG Huffman table", bit: 0 };
    while let Some((&kind, rest)) = segment.split_first() {
        let (lengths, rest) = rest.split_first_chunk::<16>().ok_or(early.clone())?;
        let count: usize = lengths.iter().copied().map(usize::from).sum();
        let (values, rest) = rest.split_at_checked(count).ok_or(early.clone())?;
        if tables::huffman(kind) != Some((lengths, values)) {
            return Err(no_place("Huffman tables of its own".to_owned()));
        }
        segment = rest;
    }
    Ok(())
}

const fn no_place(value: String) -> CodecError {
    CodecError::Unsupported { what: "JPEG over RTP", value }
}

const WHAT: &str = "JPEG picture";
