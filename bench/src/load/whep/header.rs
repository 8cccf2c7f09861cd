//! A packet's header, as far as a viewer looks at it (RFC 3550 §5.1, RFC 8285): it is in clear, whatever becomes of the rest.

/// What of a packet's header is looked at.
pub(super) struct Header {
    pub(super) length: usize,
    pub(super) marker: bool,
    pub(super) format: u8,
    pub(super) number: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// The number that counts all packets of a connection.
    pub(super) transport: Option<u16>,
}

impl Header {
    /// Reads one; `transport_sequence` is what the number of all packets is called. `None` if it is none.
    pub(super) fn read(packet: &[u8], transport_sequence: Option<u8>) -> Option<Self> {
        let fixed: &[u8; 12] = packet.first_chunk()?;
        let word = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
        let mut header = Self {
            length: 12 + 4 * usize::from(fixed[0] & 15),
            marker: fixed[1] & 0x80 != 0,
            format: fixed[1] & 0x7f,
            number: word(0) as u16,
            timestamp: word(4),
            ssrc: word(8),
            transport: None,
        };
        if fixed[0] & 0x10 != 0 {
            let (head, rest) = packet.get(header.length..)?.split_first_chunk::<4>()?;
            let extensions = rest.get(..4 * usize::from(u16::from_be_bytes([head[2], head[3]])))?;
            header.length += 4 + extensions.len();
            let mut at = 0;
            // Of one byte each (RFC 8285 §4.2), with zeros between them.
            while let Some(byte) = extensions.get(at) {
                let (id, length) = (byte >> 4, usize::from(byte & 15) + 1);
                if Some(id) == transport_sequence {
                    header.transport =
                        extensions.get(at + 1..at + 3).map(|two| u16::from_be_bytes([two[0], two[1]]));
                }
                at += if *byte == 0 { 1 } else { 1 + length };
            }
        }
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_all_packets_is_found_among_the_extensions() {
        let fixed = [0x90, 0xe6, 0, 7, 0, 0, 0, 9, 0, 0, 0, 5];
        let packet = [&fixed[..], &[0xbe, 0xde, 0, 2, 0x40, b'1', 0, 0x31, 1, 2, 0, 0], b"payload"].concat();
        let header = Header::read(&packet, Some(3)).unwrap();
        assert_eq!((header.length, header.transport), (24, Some(0x102)));
        assert_eq!((header.marker, header.format, header.number), (true, 0x66, 7));
        assert_eq!((header.timestamp, header.ssrc), (9, 5));
        assert_eq!(Header::read(&packet, None).unwrap().transport, None);
        for end in 0..24 {
            assert!(Header::read(&packet[..end], Some(3)).is_none(), "cut at {end}");
        }
    }
}
