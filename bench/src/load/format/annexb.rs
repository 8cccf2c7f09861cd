//! Byte stream format (H.264 Annex B), bare or in the A/V envelope of `docs/ref/websocket.md`.
//!
//! Decodable is the first message that holds an IDR slice. Neither form can show a gap.

use super::super::seen::{Moment, Seen};
use super::{Format, Head, MessageKind};

/// A reader of access units.
#[derive(Debug)]
pub(super) struct AnnexB {
    envelope: bool,
    decodable: bool,
    head: Head,
}

impl AnnexB {
    pub(super) fn new(envelope: bool) -> Self {
        Self { envelope, decodable: false, head: Head::default() }
    }
}

impl Format for AnnexB {
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
        let head = &self.head.bytes[..];
        let picture = match head {
            [_, _, low, high, rest @ ..] if self.envelope => {
                rest.get(usize::from(u16::from_le_bytes([*low, *high]))..).unwrap_or_default()
            }
            _ if self.envelope => &[],
            _ => head,
        };
        self.decodable = picture.windows(4).any(|w| w[..3] == [0, 0, 1] && w[3] & 0x1f == IDR);
        seen.decodable |= self.decodable;
    }
}

const IDR: u8 = 5;
/// Enough for the longest sound of an envelope, delimiters and parameter sets.
const LOOK: usize = 70_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn decodable(envelope: bool, message: &[u8]) -> bool {
        let mut reader = AnnexB::new(envelope);
        let mut seen = Seen::default();
        reader.begin(MessageKind::Binary, None);
        reader.payload(message);
        reader.end(&Moment::now(), &mut seen);
        seen.decodable
    }

    #[test]
    fn an_idr_slice_is_decodable() {
        assert!(decodable(false, &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 1]));
        assert!(!decodable(false, &[0, 0, 0, 1, 0x41, 1]));
    }

    #[test]
    fn the_sound_of_an_envelope_is_not_taken_for_a_picture() {
        assert!(!decodable(true, &[33, 0, 4, 0, 0, 0, 1, 0x65, 0, 0, 1, 0x41]));
        assert!(decodable(true, &[33, 0, 1, 0, 9, 0, 0, 1, 0x65]));
    }
}
