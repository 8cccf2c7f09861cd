//! RTP packets (RFC 3550 §5.1): header and payload, nothing kept.
//!
//! Contributing sources, a header extension and padding are passed over; what they hold has no meaning here.

use crate::RtpError;

/// One packet, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    /// What the payload format says it is.
    pub payload: &'a [u8],
}

/// The fixed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Last packet of a picture, in most payload formats.
    pub marker: bool,
    /// Which payload format, as the session description says; 7 bits.
    pub payload_type: u8,
    /// Counts packets.
    pub sequence: u16,
    /// Counts in the payload format's clock rate.
    pub timestamp: u32,
    /// Who sends.
    pub ssrc: u32,
}

impl Header {
    /// Length of what [`Self::to_bytes`] gives.
    pub const LENGTH: usize = 12;

    /// As it goes on the wire.
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[0] = VERSION << 6;
        bytes[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }
}

impl<'a> Packet<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    /// [`RtpError::Packet`] if it is none.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let wrong = |problem, at| RtpError::Packet { problem, at };
        let fixed: &[u8; Header::LENGTH] = bytes.first_chunk().ok_or(wrong("shorter than its header", 0))?;
        if fixed[0] >> 6 != VERSION {
            return Err(wrong("not version 2", 0));
        }
        let mut start = Header::LENGTH + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let extension = bytes.get(start..).and_then(<[u8]>::first_chunk::<4>);
            let [_, _, high, low] = extension.ok_or(wrong("its header extension is cut off", start))?;
            start += 4 + 4 * usize::from(u16::from_be_bytes([*high, *low]));
        }
        let mut payload = bytes.get(start..).ok_or(wrong("its header is longer than it is", start))?;
        if fixed[0] & 0x20 != 0 {
            let padding = payload.last().map_or(0, |&count| usize::from(count));
            let kept = payload.len().checked_sub(padding).filter(|_| padding > 0);
            payload = &payload[..kept.ok_or(wrong("more padding than payload", start))?];
        }
        let [_, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        let header = Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        };
        Ok(Self { header, payload })
    }
}

/// Whether a datagram that may be either is RTCP (RFC 5761 §4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

pub(crate) const VERSION: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: Header = Header {
        marker: true,
        payload_type: 96,
        sequence: 0x1234,
        timestamp: 0x5678_9abc,
        ssrc: 0xdef0_1234,
    };

    #[test]
    fn what_is_not_understood_is_passed_over() {
        let mut bytes = HEADER.to_bytes().to_vec();
        bytes[0] |= 0x20 | 0x10 | 1; // padding, extension, one contributing source
        bytes.extend([1, 2, 3, 4]);
        bytes.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]);
        bytes.extend(b"payload");
        bytes.extend([0, 0, 3]);
        assert_eq!(Packet::parse(&bytes), Ok(Packet { header: HEADER, payload: b"payload" }));
    }

    #[test]
    fn a_header_that_runs_past_the_end_is_an_error_with_its_place() {
        let mut bytes = HEADER.to_bytes().to_vec();
        bytes[0] |= 2;
        assert_eq!(
            Packet::parse(&bytes),
            Err(RtpError::Packet { problem: "its header is longer than it is", at: 20 })
        );
        bytes[0] = 0x80 | 0x20;
        bytes.extend([9, 4]);
        assert_eq!(
            Packet::parse(&bytes),
            Err(RtpError::Packet { problem: "more padding than payload", at: 12 })
        );
        assert!(Packet::parse(&bytes[..11]).is_err());
        assert!(Packet::parse(&[0; 12]).is_err());
    }

    proptest! {
        #[test]
        fn a_header_survives_a_round_trip(
            marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
            payload in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let header = Header { marker, payload_type, sequence, timestamp, ssrc };
            let bytes = [&header.to_bytes()[..], &payload].concat();
            prop_assert_eq!(Packet::parse(&bytes), Ok(Packet { header, payload: &payload }));
        }
    }
}
