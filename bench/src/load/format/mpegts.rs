//! MPEG-TS (ISO/IEC 13818-1) in whole packets.
//!
//! Decodable is the first message with a packet whose `random_access_indicator` is set. Continuity is not followed:
//! a server that leaves whole messages out shows it there, but not how many they were.

use super::super::seen::{Moment, Seen};
use super::{Format, Head, MessageKind};

/// A reader of packets.
#[derive(Debug, Default)]
pub(super) struct MpegTs {
    decodable: bool,
    head: Head,
}

impl Format for MpegTs {
    fn begin(&mut self, _: MessageKind, _: Option<u64>) {
        self.head.begin(if self.decodable { 0 } else { LOOK });
    }

    fn payload(&mut self, bytes: &[u8]) {
        self.head.extend(bytes);
    }

    fn end(&mut self, _: &Moment, seen: &mut Seen) {
        if self.decodable {
            return;
        }
        self.decodable = self.head.bytes.chunks_exact(188).any(is_random_access);
        seen.decodable |= self.decodable;
    }
}

/// Sync byte, an adaptation field that is not empty, its flag.
fn is_random_access(packet: &[u8]) -> bool {
    packet[0] == 0x47 && packet[3] & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x40 != 0
}

const LOOK: usize = 188 * 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_random_access_indicator_is_found_behind_the_tables() {
        let mut message = vec![0xff; 188 * 3];
        for packet in message.chunks_exact_mut(188) {
            packet[..4].copy_from_slice(&[0x47, 0x40, 0, 0x10]);
        }
        let (mut reader, mut seen) = (MpegTs::default(), Seen::default());
        let mut feed = |message: &[u8]| {
            reader.begin(MessageKind::Binary, None);
            reader.payload(message);
            reader.end(&Moment::now(), &mut seen);
            seen.decodable
        };
        assert!(!feed(&message));
        message[188 * 2 + 3..188 * 2 + 6].copy_from_slice(&[0x30, 7, 0x50]);
        assert!(feed(&message));
    }
}
