//! The byte stream format (Annex B of H.264 and of H.265): NAL units behind start codes.
//!
//! A NAL unit ends before the next `00 00 01`; zeros before that belong to nobody (`zero_byte`,
//! `trailing_zero_8bits`). Bytes before the first start code are passed over.
//!
//! Not here: what the NAL units mean, and which of them make up an access unit (see [`Assembler`](crate::h264::Assembler)).

/// The four-byte start code.
pub const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The NAL units of a complete buffer; the last one ends where the buffer does.
pub fn split(bytes: &[u8]) -> Split<'_> {
    let mut scanner = StartCodeScanner::default();
    Split { rest: scanner.find(bytes).map(|end| &bytes[end..]) }
}

/// Whether `bytes` begin with a start code.
pub fn starts_with_start_code(bytes: &[u8]) -> bool {
    bytes.starts_with(&START_CODE) || bytes.starts_with(&START_CODE[1..])
}

/// Adds one NAL unit with a four-byte start code.
pub fn write(nal: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&START_CODE);
    out.extend_from_slice(nal);
}

/// Iterator over the NAL units of a buffer, see [`split`].
#[derive(Debug, Clone)]
pub struct Split<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.rest?;
            let nal = if let Some(end) = StartCodeScanner::default().find(rest) {
                self.rest = Some(&rest[end..]);
                &rest[..end - 1]
            } else {
                self.rest = None;
                rest
            };
            let nal = trim_zeros(nal);
            if !nal.is_empty() {
                return Some(nal);
            }
        }
    }
}

/// `bytes` without the zeros at their end.
pub(crate) fn trim_zeros(bytes: &[u8]) -> &[u8] {
    let length = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &bytes[..length]
}

/// Finds `00 00 01` in bytes that come in any chunking.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StartCodeScanner {
    /// Zeros at the end of what was seen so far; never more than 2.
    zeros: u8,
}

impl StartCodeScanner {
    /// The index behind the first start code that ends in `bytes`. Without one, the end of `bytes` is remembered.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        // The first bytes may complete a start code that began earlier.
        let mut at = 0;
        while self.zeros > 0 && at < bytes.len() {
            match bytes[at] {
                0 => self.zeros = 2,
                1 if self.zeros == 2 => {
                    self.zeros = 0;
                    return Some(at + 1);
                }
                _ => self.zeros = 0,
            }
            at += 1;
        }
        let found = find_start_code(&bytes[at..]).map(|end| at + end);
        if found.is_none() && at < bytes.len() {
            let tail = bytes[at..].iter().rev().take(2).take_while(|&&byte| byte == 0).count();
            self.zeros = if tail >= 2 { 2 } else { u8::from(tail == 1) };
        }
        found
    }
}

/// The index behind the first `00 00 01`, looking at about every third byte.
fn find_start_code(bytes: &[u8]) -> Option<usize> {
    let mut at = 2;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            0 => at += 1,
            1 if bytes[at - 1] == 0 && bytes[at - 2] == 0 => return Some(at + 1),
            _ => at += 3,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nals(bytes: &[u8]) -> Vec<Vec<u8>> {
        split(bytes).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn three_and_four_byte_start_codes_and_trailing_zeros_are_split_away() {
        let bytes = [9, 9, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 0, 0, 0, 0, 0, 1, 0x65, 0, 0, 3, 0, 0];
        assert_eq!(nals(&bytes), [vec![0x67, 1], vec![0x68, 2], vec![0x65, 0, 0, 3]]);
    }

    #[test]
    fn empty_nal_units_and_buffers_without_start_code_give_nothing() {
        assert_eq!(nals(&[0, 0, 1, 0, 0, 1, 0, 0, 0, 1]), Vec::<Vec<u8>>::new());
        assert_eq!(nals(&[1, 2, 3, 0, 0]), Vec::<Vec<u8>>::new());
        assert_eq!(nals(&[]), Vec::<Vec<u8>>::new());
    }

    proptest! {
        #[test]
        fn a_start_code_is_found_wherever_the_chunks_are_cut(
            bytes in proptest::collection::vec(0u8..3, 0..60),
            cuts in proptest::collection::vec(1usize..5, 1..60),
        ) {
            let expected = bytes.windows(3).position(|w| w == [0, 0, 1]).map(|at| at + 3);
            let mut scanner = StartCodeScanner::default();
            let mut offset = 0;
            let mut found = None;
            for length in cuts.iter().cycle() {
                if offset >= bytes.len() {
                    break;
                }
                let end = (offset + length).min(bytes.len());
                if let Some(at) = scanner.find(&bytes[offset..end]) {
                    found = Some(offset + at);
                    break;
                }
                offset = end;
            }
            prop_assert_eq!(found, expected);
        }
    }
}
