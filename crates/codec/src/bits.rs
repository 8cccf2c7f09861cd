//! Bits, most significant first, with the Exp-Golomb codes of H.264 §9.1.
//!
//! Reading past the end is an error that names the structure; nothing is ever made up. Emulation prevention is not
//! known here (see `nal::rbsp`).

use crate::CodecError;

/// Reads bits from bytes.
#[derive(Debug, Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    bit: usize,
    what: &'static str,
}

impl<'a> BitReader<'a> {
    /// At the first bit of `bytes`, which are a `what`.
    pub(crate) const fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, bit: 0, what }
    }

    /// `u(1)` as a flag.
    pub(crate) fn flag(&mut self) -> Result<bool, CodecError> {
        Ok(self.bits(1)? == 1)
    }

    /// `u(count)`, at most 32 bits.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, CodecError> {
        debug_assert!(count <= 32);
        let end = self.bit + count as usize;
        if end > self.bytes.len() * 8 {
            return Err(CodecError::Truncated { what: self.what, bit: self.bytes.len() * 8 });
        }
        let mut value = 0u64;
        let mut at = self.bit;
        while at < end {
            let take = (8 - at % 8).min(end - at);
            let byte = u64::from(self.bytes[at / 8]);
            let part = (byte >> (8 - at % 8 - take)) & ((1 << take) - 1);
            value = value << take | part;
            at += take;
        }
        self.bit = end;
        // At most 32 bits were gathered.
        Ok(u32::try_from(value).unwrap_or(u32::MAX))
    }

    /// Passes over `count` bits.
    pub(crate) fn skip(&mut self, count: usize) -> Result<(), CodecError> {
        if count > self.bytes.len() * 8 - self.bit {
            return Err(CodecError::Truncated { what: self.what, bit: self.bytes.len() * 8 });
        }
        self.bit += count;
        Ok(())
    }

    /// `ue(v)`.
    pub(crate) fn ue(&mut self) -> Result<u32, CodecError> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(self.invalid("ue(v) prefix", u64::from(zeros)));
            }
        }
        // 2^zeros - 1 + up to 31 bits stays below 2^32 - 1.
        Ok((1u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// `ue(v)` that must not exceed `max`.
    pub(crate) fn ue_max(&mut self, field: &'static str, max: u32) -> Result<u32, CodecError> {
        let value = self.ue()?;
        if value > max { Err(self.invalid(field, u64::from(value))) } else { Ok(value) }
    }

    /// `se(v)`.
    pub(crate) fn se(&mut self) -> Result<i32, CodecError> {
        let code = i64::from(self.ue()?);
        let value = if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) };
        i32::try_from(value).map_err(|_| self.invalid("se(v)", code.unsigned_abs()))
    }

    /// The error for a value just read.
    pub(crate) const fn invalid(&self, field: &'static str, value: u64) -> CodecError {
        CodecError::Invalid { what: self.what, field, value, bit: self.bit }
    }

    /// Bits read so far.
    pub(crate) const fn position(&self) -> usize {
        self.bit
    }

    /// Bits left.
    pub(crate) const fn remaining(&self) -> usize {
        self.bytes.len() * 8 - self.bit
    }
}

/// Writes bits into bytes; the last byte is filled up with zeros.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    free: u32,
}

impl BitWriter {
    /// The lowest `count` bits of `value`, at most 32.
    pub(crate) fn bits(&mut self, count: u32, value: u32) {
        for shift in (0..count).rev() {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.bytes.last_mut() {
                *last |= u8::from(value >> shift & 1 == 1) << self.free;
            }
        }
    }

    /// `u(1)`.
    pub(crate) fn flag(&mut self, value: bool) {
        self.bits(1, u32::from(value));
    }

    /// `ue(v)`; `value` must be below `u32::MAX`.
    pub(crate) fn ue(&mut self, value: u32) {
        let code = value.saturating_add(1);
        let length = 32 - code.leading_zeros();
        self.bits(length - 1, 0);
        self.bits(length, code);
    }

    /// `rbsp_trailing_bits()`: a one, then zeros up to the byte.
    pub(crate) fn finish_rbsp(mut self) -> Vec<u8> {
        self.flag(true);
        self.bytes
    }

    /// The bytes as they are.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn exp_golomb_codes_are_those_of_the_standards_table() {
        // Table 9-2: 1, 010, 011, 00100, 00101 are 0 to 4.
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000], "test");
        let read: Vec<u32> = (0..5).map(|_| reader.ue().unwrap()).collect();
        assert_eq!(read, [0, 1, 2, 3, 4]);
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000], "test");
        let read: Vec<i32> = (0..5).map(|_| reader.se().unwrap()).collect();
        assert_eq!(read, [0, 1, -1, 2, -2]);
    }

    #[test]
    fn reading_past_the_end_names_the_structure() {
        let mut reader = BitReader::new(&[0x00], "thing");
        assert_eq!(reader.ue(), Err(CodecError::Truncated { what: "thing", bit: 8 }));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec((1u32..=32, any::<u32>(), 0u32..u32::MAX), 0..50)) {
            let mut writer = BitWriter::default();
            for &(count, bits, golomb) in &values {
                writer.bits(count, bits);
                writer.ue(golomb);
            }
            let bytes = writer.finish_rbsp();
            let mut reader = BitReader::new(&bytes, "test");
            for &(count, bits, golomb) in &values {
                let mask = if count == 32 { u32::MAX } else { (1 << count) - 1 };
                prop_assert_eq!(reader.bits(count).unwrap(), bits & mask);
                prop_assert_eq!(reader.ue().unwrap(), golomb);
            }
            prop_assert!(reader.remaining() <= 8);
        }
    }
}
