//! The box structure of ISO/IEC 14496-12 §4.2: headers, and bounded reading inside a box.
//!
//! By hand rather than by a library, because sizes here are an attacker's: nothing is allocated by what a header
//! claims, only by bytes that are there.

use super::super::error::{DemuxError, FourCc};

/// A box header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoxHeader {
    /// The box type.
    pub kind: FourCc,
    /// Bytes of the header itself: 8 or 16.
    pub header_len: usize,
    /// Bytes of the whole box; `None` if it reaches to the end of the file.
    pub size: Option<u64>,
}

impl BoxHeader {
    /// Reads a header; `Ok(None)` if more bytes are needed (16 always suffice).
    ///
    /// # Errors
    /// [`DemuxError::Mp4`] at `offset` if the size is smaller than the header.
    pub fn parse(bytes: &[u8], offset: u64) -> Result<Option<Self>, DemuxError> {
        let Some((&[a, b, c, d, k0, k1, k2, k3], rest)) = bytes.split_first_chunk() else { return Ok(None) };
        let kind = FourCc([k0, k1, k2, k3]);
        let (header_len, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, None),
            1 => match rest.first_chunk() {
                Some(large) => (16, Some(u64::from_be_bytes(*large))),
                None => return Ok(None),
            },
            size => (8, Some(u64::from(size))),
        };
        if size.is_some_and(|size| size < header_len as u64) {
            return Err(DemuxError::Mp4 { offset, kind, problem: "size smaller than its header" });
        }
        Ok(Some(Self { kind, header_len, size }))
    }
}

/// The inside of one box, read from front to back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Position of `bytes` in the input, for errors.
    base: u64,
    kind: FourCc,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], base: u64, kind: FourCc) -> Self {
        Self { bytes, at: 0, base, kind }
    }

    pub(super) fn error(&self, problem: &'static str) -> DemuxError {
        DemuxError::Mp4 { offset: self.base + self.at as u64, kind: self.kind, problem }
    }

    pub(super) fn kind(&self) -> [u8; 4] {
        self.kind.0
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// All bytes not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], DemuxError> {
        let bytes = self.rest().get(..len).ok_or_else(|| self.error("cut short"))?;
        self.at += len;
        Ok(bytes)
    }

    pub(super) fn skip(&mut self, len: usize) -> Result<(), DemuxError> {
        self.take(len).map(|_| ())
    }

    pub(super) fn u8(&mut self) -> Result<u8, DemuxError> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DemuxError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DemuxError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn i32(&mut self) -> Result<i32, DemuxError> {
        self.array().map(i32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DemuxError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A 64-bit field in version 1 of a box, 32-bit in version 0.
    pub(super) fn sized(&mut self, version: u8) -> Result<u64, DemuxError> {
        if version == 1 { self.u64() } else { self.u32().map(u64::from) }
    }

    /// Version and flags of a full box.
    pub(super) fn full(&mut self) -> Result<(u8, u32), DemuxError> {
        let word = self.u32()?;
        Ok(((word >> 24) as u8, word & 0x00ff_ffff))
    }

    /// Count of a table whose entries take `entry_len` bytes each: never more than the bytes that are there.
    pub(super) fn count(&mut self, entry_len: usize) -> Result<usize, DemuxError> {
        let count = self.u32()? as usize;
        if count > self.remaining() / entry_len.max(1) {
            return Err(self.error("table longer than its box"));
        }
        Ok(count)
    }

    /// The next box inside this one; `None` at the end.
    pub(super) fn child(&mut self) -> Result<Option<Self>, DemuxError> {
        if self.remaining() == 0 {
            return Ok(None);
        }
        let header = BoxHeader::parse(self.rest(), self.base + self.at as u64)?
            // A tail too short for a box is padding in the files of some writers.
            .filter(|header| header.kind.0 != [0; 4]);
        let Some(header) = header else {
            self.at = self.bytes.len();
            return Ok(None);
        };
        let size = match header.size {
            None => self.remaining(),
            Some(size) => usize::try_from(size)
                .ok()
                .filter(|size| *size <= self.remaining())
                .ok_or_else(|| self.error("a box in it is longer than itself"))?,
        };
        let base = self.base + (self.at + header.header_len) as u64;
        let bytes = &self.take(size)?[header.header_len..];
        Ok(Some(Reader { bytes, at: 0, base, kind: header.kind }))
    }

    /// The first box of this kind among those not read yet; reads nothing.
    pub(super) fn find(&self, kind: &[u8; 4]) -> Result<Option<Self>, DemuxError> {
        let mut walk = *self;
        while let Some(child) = walk.child()? {
            if child.kind() == *kind {
                return Ok(Some(child));
            }
        }
        Ok(None)
    }

    /// [`Self::find`] for a box that must be there.
    pub(super) fn require(&self, kind: &[u8; 4], problem: &'static str) -> Result<Self, DemuxError> {
        self.find(kind)?.ok_or_else(|| self.error(problem))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DemuxError> {
        let bytes = *self.rest().first_chunk().ok_or_else(|| self.error("cut short"))?;
        self.at += N;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_each_size_are_read() {
        let header = |bytes: &[u8]| BoxHeader::parse(bytes, 7);
        let kind = FourCc(*b"mdat");
        assert_eq!(header(b"\0\0\0\x10mdat"), Ok(Some(BoxHeader { kind, header_len: 8, size: Some(16) })));
        assert_eq!(header(b"\0\0\0\0mdat"), Ok(Some(BoxHeader { kind, header_len: 8, size: None })));
        let large = b"\0\0\0\x01mdat\0\0\0\x01\0\0\0\0";
        assert_eq!(header(large), Ok(Some(BoxHeader { kind, header_len: 16, size: Some(1 << 32) })));
        assert_eq!(header(&large[..12]), Ok(None));
        assert_eq!(
            header(b"\0\0\0\x07mdat").unwrap_err().to_string(),
            "broken mp4 at byte 7, in box mdat: size smaller than its header"
        );
    }

    #[test]
    fn a_table_cannot_claim_more_than_its_box_holds() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4], 0, FourCc(*b"stsz"));
        assert!(reader.count(4).is_err());
        let mut reader = Reader::new(&[0, 0, 0, 1, 1, 2, 3, 4], 0, FourCc(*b"stsz"));
        assert_eq!(reader.count(4), Ok(1));
    }

    #[test]
    fn a_child_longer_than_its_parent_is_an_error() {
        let mut reader = Reader::new(b"\0\0\0\x09trak", 100, FourCc(*b"moov"));
        assert!(matches!(reader.child(), Err(DemuxError::Mp4 { offset: 100, .. })));
    }
}
