//! The header of a PES packet, ISO/IEC 13818-1 §2.4.3.6.

use super::packets::CLOCK_MASK;

/// A header with presentation time, and decoding time where that differs.
#[derive(Debug)]
pub(super) struct PesHeader {
    bytes: [u8; 19],
    length: usize,
}

impl PesHeader {
    /// For `payload` bytes; the times are 90 kHz ticks of which 33 bits are kept.
    ///
    /// The length is given wherever it fits 16 bits, for audio and video alike: a reader then need not wait for the next
    /// packet to know that this one is complete.
    pub(super) fn new(stream_id: u8, payload: usize, pts: u64, dts: u64) -> Self {
        let (pts, dts) = (pts & CLOCK_MASK, dts & CLOCK_MASK);
        let both = pts != dts;
        let fields = if both { 10 } else { 5 };
        let mut bytes = [0; 19];
        bytes[..3].copy_from_slice(&[0, 0, 1]);
        bytes[3] = stream_id;
        let packet_length = u16::try_from(3 + usize::from(fields) + payload).unwrap_or(0);
        bytes[4..6].copy_from_slice(&packet_length.to_be_bytes());
        bytes[6] = 0x84; // the payload begins with its sync word or start code
        bytes[7] = if both { 0xc0 } else { 0x80 };
        bytes[8] = fields;
        bytes[9..14].copy_from_slice(&time_field(if both { 3 } else { 2 }, pts));
        if both {
            bytes[14..].copy_from_slice(&time_field(1, dts));
        }
        Self { bytes, length: 9 + usize::from(fields) }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Four bits of prefix and 33 of time with marker bits between.
fn time_field(prefix: u8, time: u64) -> [u8; 5] {
    let bits = u64::from(prefix) << 36
        | (time >> 30 & 0x7) << 33
        | 1 << 32
        | (time >> 15 & 0x7fff) << 17
        | 1 << 16
        | (time & 0x7fff) << 1
        | 1;
    let [_, _, _, field @ ..] = bits.to_be_bytes();
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_times_are_written_once() {
        let header = PesHeader::new(0xc0, 100, 90_000, 90_000);
        assert_eq!(header.bytes(), [0, 0, 1, 0xc0, 0, 108, 0x84, 0x80, 5, 0x21, 0, 5, 0xbf, 0x21]);
    }

    #[test]
    fn a_length_beyond_16_bits_is_left_open() {
        let header = PesHeader::new(0xe0, 70_000, 1 << 33, (1 << 33) - 1);
        assert_eq!(header.bytes()[4..6], [0, 0]);
        assert_eq!(header.bytes()[9..], [0x31, 0, 1, 0, 1, 0x1f, 0xff, 0xff, 0xff, 0xff]);
    }
}
