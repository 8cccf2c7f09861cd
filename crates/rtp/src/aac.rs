//! AAC over RTP (RFC 3640), mode AAC-hbr: sizes of 13 bits, indices of 3.
//!
//! Out: one access unit a packet, cut up where it is too large. In: several a packet as well, with whatever field lengths the session
//! description states. Not: interleaving.

use bytes::Bytes;

use crate::RtpError;
use crate::packetizer::Emit;

/// How the headers of a packet's access units are laid out, as `fmtp` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeaderLayout {
    pub(crate) size_bits: u32,
    pub(crate) index_bits: u32,
    pub(crate) index_delta_bits: u32,
}

impl HeaderLayout {
    pub(crate) const HBR: Self = Self { size_bits: 13, index_bits: 3, index_delta_bits: 3 };
}

/// Gives out a unit as payloads of at most `max` bytes.
///
/// # Errors
/// [`RtpError::Unit`] if it is larger than its header can say.
pub(crate) fn packetize(data: &[u8], max: usize, emit: &mut Emit<'_>) -> Result<(), RtpError> {
    let size = u16::try_from(data.len()).ok().filter(|size| *size < 1 << 13).ok_or_else(|| {
        RtpError::Unit { format: "AAC", problem: format!("{} bytes, 8191 are the most", data.len()) }
    })?;
    let [high, low] = (size << 3).to_be_bytes();
    // The length of the headers in bits, and the header: the size, index 0. Each fragment says the size of the whole.
    let headers = [0, 16, high, low];
    let room = max.saturating_sub(headers.len()).max(1);
    let count = data.len().div_ceil(room);
    for (index, piece) in data.chunks(room).enumerate() {
        emit(index + 1 == count, &[&headers, piece]);
    }
    Ok(())
}

/// Puts the access units of packets together.
#[derive(Debug)]
pub(crate) struct AacDepacketizer {
    layout: HeaderLayout,
    /// A unit in fragments: its size, and what has come.
    fragments: Option<(usize, Vec<u8>)>,
}

impl AacDepacketizer {
    pub(crate) const fn new(layout: HeaderLayout) -> Self {
        Self { layout, fragments: None }
    }

    pub(crate) fn lost(&mut self) {
        self.fragments = None;
    }

    /// The whole units of the next packet, in order.
    pub(crate) fn push(&mut self, payload: &[u8]) -> Result<Vec<Bytes>, String> {
        let header_bits = payload.first_chunk().map(|bits| usize::from(u16::from_be_bytes(*bits)));
        let header_bits = header_bits.ok_or("it is shorter than its headers' length")?;
        let body_at = 2 + header_bits.div_ceil(8);
        let body = payload.get(body_at..).ok_or_else(|| {
            format!("its headers are said to have {header_bits} bits and it has {} bytes", payload.len())
        })?;
        let sizes = self.sizes(&payload[2..body_at], header_bits)?;
        if let [size] = sizes[..]
            && (size > body.len() || self.fragments.is_some())
        {
            return Ok(self.add_fragment(size, body).into_iter().collect());
        }
        self.fragments = None;
        let mut rest = body;
        let mut units = Vec::with_capacity(sizes.len());
        for size in sizes {
            let Some((unit, tail)) = rest.split_at_checked(size) else {
                return Err(format!("a unit of {size} bytes runs past the end ({} left)", rest.len()));
            };
            if !unit.is_empty() {
                units.push(Bytes::copy_from_slice(unit));
            }
            rest = tail;
        }
        Ok(units)
    }

    fn sizes(&self, headers: &[u8], mut bits: usize) -> Result<Vec<usize>, String> {
        let HeaderLayout { size_bits, index_bits, index_delta_bits } = self.layout;
        let mut reader = Bits { bytes: headers, at: 0 };
        let mut sizes = Vec::new();
        loop {
            let index_bits = if sizes.is_empty() { index_bits } else { index_delta_bits };
            let header = (size_bits + index_bits) as usize;
            if bits < header || header == 0 || sizes.len() >= MOST_UNITS {
                break;
            }
            sizes.push(reader.take(size_bits) as usize);
            if reader.take(index_bits) != 0 {
                return Err("interleaved units are not taken".to_owned());
            }
            bits -= header;
        }
        if sizes.is_empty() { Err("it has no unit".to_owned()) } else { Ok(sizes) }
    }

    fn add_fragment(&mut self, size: usize, body: &[u8]) -> Option<Bytes> {
        // A unit of nothing is none, and ends what was in the making.
        if size == 0 || size > MOST_BYTES {
            self.fragments = None;
            return None;
        }
        let (_, mut data) = self.fragments.take().filter(|(known, _)| *known == size).unwrap_or_default();
        data.extend_from_slice(body);
        if data.len() >= size {
            data.truncate(size);
            return Some(data.into());
        }
        self.fragments = Some((size, data));
        None
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next bits, zeros past the end.
    fn take(&mut self, count: u32) -> u32 {
        (0..count).fold(0, |value, _| {
            let byte = self.bytes.get(self.at / 8).copied().unwrap_or(0);
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            value << 1 | u32::from(bit)
        })
    }
}

/// Units in one packet at most: of the smallest, more than a packet holds.
const MOST_UNITS: usize = 64;
/// Six channels at the highest rate AAC knows need 6,144 bits each at most.
const MOST_BYTES: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(data: &[u8], max: usize) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        packetize(data, max, &mut |_, parts| packets.push(parts.concat())).unwrap();
        packets
    }

    #[test]
    fn a_unit_is_one_packet_with_its_size() {
        assert_eq!(packets(&[7; 5], 100), [[0, 16, 0, 40, 7, 7, 7, 7, 7]]);
    }

    #[test]
    fn several_units_of_a_packet_are_taken_apart() {
        let mut depacketizer = AacDepacketizer::new(HeaderLayout::HBR);
        let units = depacketizer.push(&[0, 32, 0, 16, 0, 8, 1, 2, 3]).unwrap();
        assert_eq!(units, [&[1, 2][..], &[3]]);
    }

    #[test]
    fn a_unit_whose_fragment_was_lost_is_left_out() {
        let mut depacketizer = AacDepacketizer::new(HeaderLayout::HBR);
        let unit: Vec<u8> = (0..200).collect();
        let [first, second, ..] = &packets(&unit, 70)[..] else { panic!("three and more") };
        assert_eq!(depacketizer.push(first).unwrap(), [] as [&[u8]; 0]);
        depacketizer.lost();
        assert_eq!(depacketizer.push(second).unwrap(), [] as [&[u8]; 0]);
        depacketizer.lost();
        let whole: Vec<_> =
            packets(&unit, 70).iter().flat_map(|packet| depacketizer.push(packet).unwrap()).collect();
        assert_eq!(whole, [&unit[..]]);
    }

    #[test]
    fn a_unit_of_nothing_in_the_middle_of_fragments_is_none() {
        let mut depacketizer = AacDepacketizer::new(HeaderLayout::HBR);
        let unit: Vec<u8> = (0..200).collect();
        let first = &packets(&unit, 150)[0];
        assert_eq!(depacketizer.push(first).unwrap(), [] as [&[u8]; 0]);
        assert_eq!(depacketizer.push(&[0, 16, 0, 0, 1]).unwrap(), [] as [&[u8]; 0]);
    }

    #[test]
    fn sizes_that_do_not_fit_are_errors() {
        let mut depacketizer = AacDepacketizer::new(HeaderLayout::HBR);
        assert!(depacketizer.push(&[0]).is_err());
        assert!(depacketizer.push(&[0, 255, 1]).is_err());
        assert!(depacketizer.push(&[0, 32, 0, 16, 0, 32, 1, 2, 3]).is_err());
        assert!(depacketizer.push(&[0, 16, 0, 17, 1, 2, 3]).is_err(), "interleaved");
        assert!(packetize(&[0; 8192], 100, &mut |_, _| ()).is_err());
    }
}
