//! Cutting a PES packet into transport packets, ISO/IEC 13818-1 §2.4.3.
//!
//! The length is known beforehand, so each packet is begun with exactly the stuffing it needs and bytes are copied
//! once, straight to their place. Invariant: after the announced bytes were put, the buffer ends with a whole packet.

use bytes::BufMut;

use super::PACKET;

/// Writes one PES packet.
#[derive(Debug)]
pub(super) struct PacketWriter<'a> {
    out: &'a mut Vec<u8>,
    pid: u16,
    continuity: &'a mut u8,
    /// Bytes that are still to come.
    remaining: usize,
    /// Bytes that still fit into the current packet.
    room: usize,
}

impl<'a> PacketWriter<'a> {
    /// Begins a PES packet of `length` bytes. `clock` is the program clock reference in 90 kHz ticks.
    pub(super) fn begin(
        out: &'a mut Vec<u8>,
        pid: u16,
        continuity: &'a mut u8,
        length: usize,
        random_access: bool,
        clock: Option<u64>,
    ) -> Self {
        let mut writer = Self { out, pid, continuity, remaining: length, room: 0 };
        let mut field = [0; 7];
        field[0] = u8::from(random_access) << 6 | u8::from(clock.is_some()) << 4;
        let length = match clock {
            Some(clock) => {
                // 33 bits of base, 6 reserved, 9 of extension (always 0).
                let bits = (clock & CLOCK_MASK) << 15 | 0x7e00;
                field[1..].copy_from_slice(&bits.to_be_bytes()[2..]);
                7
            }
            None => usize::from(random_access),
        };
        writer.begin_packet(true, &field[..length]);
        writer
    }

    /// Puts some of the announced bytes.
    pub(super) fn put(&mut self, mut bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.remaining, "more bytes than announced");
        while !bytes.is_empty() {
            if self.room == 0 {
                self.begin_packet(false, &[]);
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.room));
            self.out.put_slice(now);
            self.room -= now.len();
            self.remaining = self.remaining.saturating_sub(now.len());
            bytes = later;
        }
    }

    fn begin_packet(&mut self, first: bool, field: &[u8]) {
        let field_size = if field.is_empty() { 0 } else { 1 + field.len() };
        let stuffing = (PACKET - 4 - field_size).saturating_sub(self.remaining);
        let adaptation = field_size + stuffing;
        self.out.put_u8(0x47);
        self.out.put_u16(u16::from(first) << 14 | self.pid);
        self.out.put_u8(0x10 | u8::from(adaptation > 0) << 5 | *self.continuity);
        *self.continuity = (*self.continuity + 1) & 0x0f;
        if adaptation > 0 {
            // At most 183.
            self.out.put_u8(u8::try_from(adaptation - 1).unwrap_or(183));
            if field.is_empty() && adaptation > 1 {
                self.out.put_u8(0); // no flags
                self.out.put_bytes(0xff, adaptation - 2);
            } else if !field.is_empty() {
                self.out.put_slice(field);
                self.out.put_bytes(0xff, stuffing);
            }
        }
        self.room = PACKET - 4 - adaptation;
    }
}

/// Bytes that a PES packet of `length` takes as transport packets, at most.
pub(super) const fn packets_size(length: usize) -> usize {
    // The first packet may have 8 bytes of adaptation field.
    (length + 8).div_ceil(PACKET - 4) * PACKET
}

/// Clocks count 33 bits.
pub(super) const CLOCK_MASK: u64 = (1 << 33) - 1;
