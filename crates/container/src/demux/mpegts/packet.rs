//! The transport packet, ISO/IEC 13818-1 §2.4.3.2 and its adaptation field, §2.4.3.4.
//!
//! Reads one packet and judges nothing: continuity belongs to the stream the packet is part of.

/// Length of a transport packet.
pub(super) const PACKET_LEN: usize = 188;
/// First byte of every transport packet.
pub(super) const SYNC_BYTE: u8 = 0x47;

/// One transport packet, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) pid: u16,
    /// `payload_unit_start_indicator`.
    pub(super) unit_start: bool,
    /// `transport_error_indicator`.
    pub(super) damaged: bool,
    /// `transport_scrambling_control` is not 0.
    pub(super) scrambled: bool,
    /// `continuity_counter`, 0 to 15.
    pub(super) counter: u8,
    /// `discontinuity_indicator`.
    pub(super) discontinuity: bool,
    /// The adaptation field holds stuffing: the multiplexer had nothing more to put in.
    pub(super) stuffed: bool,
    pub(super) payload: Option<&'a [u8]>,
}

impl<'a> Packet<'a> {
    /// Takes 188 bytes apart; `None` if they contradict themselves.
    pub(super) fn parse(bytes: &'a [u8; PACKET_LEN]) -> Option<Self> {
        if bytes[0] != SYNC_BYTE {
            return None;
        }
        let mut packet = Self {
            pid: u16::from(bytes[1] & 0x1f) << 8 | u16::from(bytes[2]),
            unit_start: bytes[1] & 0x40 != 0,
            damaged: bytes[1] & 0x80 != 0,
            scrambled: bytes[3] & 0xc0 != 0,
            counter: bytes[3] & 0x0f,
            discontinuity: false,
            stuffed: false,
            payload: None,
        };
        let mut start = 4;
        if bytes[3] & 0x20 != 0 {
            let len = usize::from(bytes[4]);
            let field = bytes.get(5..5 + len)?;
            packet.discontinuity = field.first().is_some_and(|flags| flags & 0x80 != 0);
            packet.stuffed = len == 0 || len > adaptation_content(field);
            start = 5 + len;
        }
        if bytes[3] & 0x10 != 0 {
            packet.payload = Some(&bytes[start..]).filter(|payload| !payload.is_empty());
        }
        Some(packet)
    }
}

/// How many bytes of an adaptation field say something; the rest is stuffing.
fn adaptation_content(field: &[u8]) -> usize {
    let Some(flags) = field.first() else { return 0 };
    let mut at = 1;
    at += if flags & 0x10 != 0 { 6 } else { 0 };
    at += if flags & 0x08 != 0 { 6 } else { 0 };
    at += usize::from(flags & 0x04 != 0);
    if flags & 0x02 != 0 {
        at += 1 + field.get(at).copied().map_or(0, usize::from);
    }
    if flags & 0x01 != 0 {
        at += 1 + field.get(at).copied().map_or(0, usize::from);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(header: &[u8]) -> [u8; PACKET_LEN] {
        let mut bytes = [0xaa; PACKET_LEN];
        bytes[..header.len()].copy_from_slice(header);
        bytes
    }

    #[test]
    fn a_packet_without_adaptation_field_is_all_payload() {
        let bytes = packet(&[0x47, 0x41, 0x00, 0x17]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.pid, packet.counter, packet.unit_start, packet.stuffed), (0x100, 7, true, false));
        assert_eq!(packet.payload.unwrap().len(), 184);
    }

    #[test]
    fn a_clock_reference_alone_is_not_stuffing() {
        let bytes = packet(&[0x47, 0x01, 0x00, 0x37, 7, 0x10, 0, 0, 0, 0, 0, 0]);
        let packet = Packet::parse(&bytes).unwrap();
        assert!(!packet.stuffed);
        assert_eq!(packet.payload.unwrap().len(), 176);
    }

    #[test]
    fn bytes_beyond_the_flagged_fields_are_stuffing() {
        let bytes = packet(&[0x47, 0x01, 0x00, 0x37, 10, 0x80]);
        let packet = Packet::parse(&bytes).unwrap();
        assert!(packet.stuffed && packet.discontinuity);
        assert_eq!(packet.payload.unwrap().len(), 173);
    }

    #[test]
    fn an_adaptation_field_longer_than_the_packet_is_refused() {
        assert_eq!(Packet::parse(&packet(&[0x47, 0x01, 0x00, 0x37, 184])), None);
        let full = packet(&[0x47, 0x01, 0x00, 0x37, 183]);
        assert_eq!(Packet::parse(&full).unwrap().payload, None);
    }
}
