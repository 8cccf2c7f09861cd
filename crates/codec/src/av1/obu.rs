//! Open bitstream units (§5.3): what a temporal unit is a row of.

use crate::CodecError;

/// What an OBU holds (§6.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObuType {
    /// The sequence header (1).
    SequenceHeader,
    /// The mark before a temporal unit (2).
    TemporalDelimiter,
    /// A frame's header (3), or the same once more (7).
    FrameHeader,
    /// A frame's header with its tiles (6).
    Frame,
    /// Tiles (4).
    TileGroup,
    /// Metadata (5).
    Metadata,
    /// Tiles of large-scale coding (8).
    TileList,
    /// Padding (15).
    Padding,
    /// Reserved.
    Other,
}

/// One OBU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obu<'a> {
    kind: ObuType,
    bytes: &'a [u8],
    payload: &'a [u8],
    /// Whether it says its own size.
    is_sized: bool,
    extension: Option<u8>,
}

impl<'a> Obu<'a> {
    /// What it holds.
    pub const fn kind(&self) -> ObuType {
        self.kind
    }

    /// All of it, header first.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What lies behind header and size.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Its header as it stands before the payload where the size is said elsewhere: so many of these bytes.
    pub fn unsized_header(&self) -> ([u8; 2], usize) {
        let first = self.bytes.first().map_or(0, |first| first & !HAS_SIZE);
        ([first, self.extension.unwrap_or(0)], 1 + usize::from(self.extension.is_some()))
    }

    /// Adds it to `out` with its size, whether it had one or not.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.is_sized {
            return out.extend_from_slice(self.bytes);
        }
        out.push(self.bytes[0] | HAS_SIZE);
        out.extend(self.extension);
        let mut rest = self.payload.len();
        while rest >= 0x80 {
            out.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.push((rest & 0x7f) as u8);
        out.extend_from_slice(self.payload);
    }
}

/// The OBUs of a temporal unit. After an error the iterator ends.
pub const fn obus(bytes: &[u8]) -> Obus<'_> {
    Obus { bytes, position: 0 }
}

/// Iterator over OBUs, see [`obus`].
#[derive(Debug, Clone)]
pub struct Obus<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Iterator for Obus<'a> {
    type Item = Result<Obu<'a>, CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.position..).filter(|rest| !rest.is_empty())?;
        let read = read(rest, self.position * 8);
        self.position = match &read {
            Ok(obu) => self.position + obu.bytes.len(),
            Err(_) => self.bytes.len(),
        };
        Some(read)
    }
}

fn read(bytes: &[u8], bit: usize) -> Result<Obu<'_>, CodecError> {
    let early = CodecError::Truncated { what: WHAT, bit: bit + bytes.len() * 8 };
    let header = bytes[0];
    if header & 0x80 != 0 {
        return Err(CodecError::Invalid { what: WHAT, field: "obu_forbidden_bit", value: 1, bit });
    }
    let kind = match header >> 3 & 0xf {
        1 => ObuType::SequenceHeader,
        2 => ObuType::TemporalDelimiter,
        3 | 7 => ObuType::FrameHeader,
        4 => ObuType::TileGroup,
        5 => ObuType::Metadata,
        6 => ObuType::Frame,
        8 => ObuType::TileList,
        15 => ObuType::Padding,
        _ => ObuType::Other,
    };
    let has_extension = header & 4 != 0;
    let extension = if has_extension { Some(*bytes.get(1).ok_or(early.clone())?) } else { None };
    let start = 1 + usize::from(has_extension);
    if header & HAS_SIZE == 0 {
        let payload = bytes.get(start..).unwrap_or_default();
        return Ok(Obu { kind, bytes, payload, is_sized: false, extension });
    }
    let mut size = 0u64;
    for at in 0..8 {
        let byte = *bytes.get(start + at).ok_or(early.clone())?;
        size |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let from = start + at + 1;
            let end =
                usize::try_from(size).ok().and_then(|size| from.checked_add(size)).ok_or(early.clone())?;
            let (bytes, payload) = (bytes.get(..end).ok_or(early)?, &bytes[from..end.min(bytes.len())]);
            return Ok(Obu { kind, bytes, payload, is_sized: true, extension });
        }
    }
    Err(CodecError::Invalid { what: WHAT, field: "obu_size", value: size, bit })
}

const WHAT: &str = "OBU";
/// `obu_has_size_field`.
const HAS_SIZE: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_row_of_obus_is_taken_apart() {
        // A delimiter, a header with extension, and a last one without size.
        let bytes = [0x12, 0, 0x1e, 0x20, 1, 9, 0x30, 7, 8];
        let read: Vec<Obu<'_>> = obus(&bytes).map(Result::unwrap).collect();
        let kinds: Vec<ObuType> = read.iter().map(Obu::kind).collect();
        assert_eq!(kinds, [ObuType::TemporalDelimiter, ObuType::FrameHeader, ObuType::Frame]);
        assert_eq!((read[1].payload(), read[2].payload()), (&[9][..], &[7, 8][..]));
        let mut out = Vec::new();
        read[2].write(&mut out);
        assert_eq!(out, [0x32, 2, 7, 8]);
    }

    #[test]
    fn what_ends_early_or_is_forbidden_is_an_error() {
        for bytes in [
            &[0x12][..],
            &[0x16, 0],
            &[0x12, 5, 0],
            &[0x80, 0],
            &[0x12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
        ] {
            assert!(obus(bytes).next().unwrap().is_err(), "{bytes:?}");
            assert_eq!(obus(bytes).count(), 1);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let read: usize = obus(&bytes).filter_map(Result::ok).map(|obu| obu.bytes().len()).sum();
            prop_assert!(read <= bytes.len());
        }
    }
}
