//! Opus in MPEG-TS: access units behind a control header, as in ETSI TS 103 491 annex and the mapping ffmpeg writes.
//!
//! A PES packet holds several packets, each after a header of 11 bits of 1s (`0x3ff`), three flags, a size in the
//! manner of Xiph lacing and the optional trims.

/// Splits a PES payload into Opus packets.
#[derive(Debug)]
pub(super) struct ControlHeaders<'a> {
    rest: &'a [u8],
}

impl<'a> ControlHeaders<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    fn read(&mut self) -> Option<&'a [u8]> {
        let (&[high, low], mut rest) = self.rest.split_first_chunk()?;
        if high != 0x7f || low & 0xe0 != 0xe0 {
            return None;
        }
        let mut size = 0;
        loop {
            let (&byte, tail) = rest.split_first()?;
            rest = tail;
            size += usize::from(byte);
            if byte != 0xff {
                break;
            }
        }
        let trims = usize::from(low & 0x10 != 0) + usize::from(low & 0x08 != 0);
        rest = rest.get(2 * trims..)?;
        if low & 0x04 != 0 {
            let (&len, tail) = rest.split_first()?;
            rest = tail.get(usize::from(len)..)?;
        }
        let (packet, rest) = rest.split_at_checked(size)?;
        self.rest = rest;
        Some(packet)
    }
}

impl<'a> Iterator for ControlHeaders<'a> {
    /// A packet, or the number of bytes at the end that are none.
    type Item = Result<&'a [u8], usize>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(self.read().ok_or_else(|| std::mem::take(&mut self.rest).len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_split_with_trims_and_long_sizes() {
        let long = vec![7; 256];
        let bytes = [&[0x7f, 0xf0, 2, 1, 56, b'a', b'b', 0x7f, 0xe0, 0xff, 1][..], &long].concat();
        let packets: Vec<_> = ControlHeaders::new(&bytes).collect();
        assert_eq!(packets, [Ok(&b"ab"[..]), Ok(&long[..])]);
    }

    #[test]
    fn what_is_no_control_header_is_counted_and_left() {
        let bytes = [0x7f, 0xe0, 1, 9, 0x12, 0x34, 0x56];
        assert_eq!(ControlHeaders::new(&bytes).collect::<Vec<_>>(), [Ok(&[9][..]), Err(3)]);
        let cut = [0x7f, 0xe0, 0xff, 0xff];
        assert_eq!(ControlHeaders::new(&cut).collect::<Vec<_>>(), [Err(4)]);
    }
}
