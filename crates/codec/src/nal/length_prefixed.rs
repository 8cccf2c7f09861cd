//! Length-prefixed NAL units (ISO/IEC 14496-15 §5.3.2): the framing inside MP4, RTMP and our own access units.
//!
//! A length field may have 1, 2 or 4 bytes elsewhere; inside [`media::AccessUnit`] it always has 4.

use super::annexb;
use crate::CodecError;

/// The NAL units of one access unit whose length fields have `length_size` bytes (1 to 4). Empty ones are left out.
///
/// After an error the iterator ends.
pub fn split(bytes: &[u8], length_size: usize) -> Split<'_> {
    Split { bytes, length_size: length_size.clamp(1, 4), position: 0 }
}

/// Adds one NAL unit with a four-byte length.
pub fn write(nal: &[u8], out: &mut Vec<u8>) {
    // A NAL unit of 4 GiB cannot be: every way in is bounded far below.
    out.extend_from_slice(&u32::try_from(nal.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(nal);
}

/// Turns four-byte lengths into four-byte start codes: the payload of an access unit in the byte stream format.
///
/// # Errors
/// [`CodecError::Length`] if a length does not fit; `out` then holds the NAL units before it.
pub fn write_annexb(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    for nal in split(bytes, 4) {
        annexb::write(nal?, out);
    }
    Ok(())
}

/// Iterator over length-prefixed NAL units, see [`split`].
#[derive(Debug, Clone)]
pub struct Split<'a> {
    bytes: &'a [u8],
    length_size: usize,
    position: usize,
}

impl<'a> Iterator for Split<'a> {
    type Item = Result<&'a [u8], CodecError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.bytes.get(self.position..).filter(|rest| !rest.is_empty())?;
            let position = self.position;
            let (length, available) = match rest.split_at_checked(self.length_size) {
                Some((prefix, rest)) => {
                    (prefix.iter().fold(0usize, |length, &byte| length << 8 | usize::from(byte)), rest.len())
                }
                None => (self.length_size, 0),
            };
            let start = position + self.length_size;
            let Some(nal) = self.bytes.get(start..).and_then(|rest| rest.get(..length)) else {
                self.position = self.bytes.len();
                return Some(Err(CodecError::Length { position, length, available }));
            };
            self.position = start + length;
            if !nal.is_empty() {
                return Some(Ok(nal));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_length_size_is_read() {
        for size in 1..=4usize {
            let mut bytes = vec![0; size - 1];
            bytes.extend([2, 0x65, 7]);
            let read: Result<Vec<&[u8]>, _> = split(&bytes, size).collect();
            assert_eq!(read.unwrap(), [&[0x65, 7]]);
        }
    }

    #[test]
    fn a_length_past_the_end_is_an_error_with_its_place() {
        let bytes = [0, 0, 0, 1, 0x65, 0, 0, 0, 9, 1];
        let error = CodecError::Length { position: 5, length: 9, available: 1 };
        assert_eq!(split(&bytes, 4).collect::<Vec<_>>(), [Ok(&[0x65][..]), Err(error)]);
        assert_eq!(split(&[0, 0], 4).count(), 1);
        assert!(split(&[0, 0], 4).all(|nal| nal.is_err()));
    }

    proptest! {
        #[test]
        fn the_two_framings_convert_into_each_other(
            nals in proptest::collection::vec(proptest::collection::vec(4u8..255, 1..20), 0..10),
        ) {
            let mut prefixed = Vec::new();
            nals.iter().for_each(|nal| write(nal, &mut prefixed));
            let mut bytes = Vec::new();
            write_annexb(&prefixed, &mut bytes).unwrap();
            let back: Vec<Vec<u8>> = annexb::split(&bytes).map(<[u8]>::to_vec).collect();
            prop_assert_eq!(back, nals);
        }
    }
}
