//! Reading the decoder configuration records of ISO/IEC 14496-15: bytes, and NAL units behind 16-bit lengths.

use crate::CodecError;

/// What of a record is still to be read.
pub(crate) struct RecordReader<'a> {
    what: &'static str,
    rest: &'a [u8],
    length: usize,
}

impl<'a> RecordReader<'a> {
    /// `what` names the record in errors.
    pub(crate) const fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes, length: bytes.len() }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(CodecError::Truncated { what: self.what, bit: self.length * 8 });
        };
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, CodecError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn short(&mut self) -> Result<u16, CodecError> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A NAL unit behind its length.
    pub(crate) fn nal(&mut self) -> Result<&'a [u8], CodecError> {
        let length = self.short()?;
        self.take(usize::from(length))
    }

    /// How long the length fields before NAL units are, by a byte whose last two bits are `lengthSizeMinusOne`.
    pub(crate) fn length_size(&mut self) -> Result<usize, CodecError> {
        match self.byte()? & 3 {
            2 => Err(self.invalid("lengthSizeMinusOne", 2)),
            size => Ok(usize::from(size) + 1),
        }
    }

    pub(crate) const fn invalid(&self, field: &'static str, value: u8) -> CodecError {
        let bit = (self.length - self.rest.len()) * 8;
        CodecError::Invalid { what: self.what, field, value: value as u64, bit }
    }
}
