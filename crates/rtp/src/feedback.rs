//! What a receiver says at once, without waiting for its next report (RFC 4585): what it misses, that it needs a picture to begin with, which
//! packets came.
//!
//! Not here: the round of reports ([`crate::rtcp`], which reads these among them).

use crate::rtcp::word;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feedback {
    /// These packets are missing (generic NACK, RFC 4585 §6.2.1).
    Missing {
        /// Whose.
        ssrc: u32,
        /// Their sequence numbers, [`MOST_MISSING`] at most.
        sequences: Vec<u16>,
    },
    /// A picture is needed that can be decoded by itself: PLI (RFC 4585 §6.3.1), or FIR (RFC 5104 §4.3.1).
    Keyframe {
        /// From these.
        ssrcs: Vec<u32>,
    },
    /// Which of the packets that are numbered for the whole transport came (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
    Arrivals {
        /// The number of the first.
        first: u16,
        /// Whether it came, and each that follows; [`MOST_ARRIVALS`] at most.
        came: Vec<bool>,
    },
}

impl Feedback {
    /// Reads the body of a packet; `None` if it is cut off, `Some(None)` for a message of another kind.
    pub(crate) fn of(kind: u8, format: usize, body: &[u8]) -> Option<Option<Self>> {
        let ssrc = word(body, 1)?;
        let rest = body.get(8..)?;
        Some(match (kind, format) {
            (TRANSPORT_FEEDBACK, 1) => Some(Self::Missing { ssrc, sequences: missing(rest) }),
            (TRANSPORT_FEEDBACK, 15) => Some(arrivals(rest)?),
            (PAYLOAD_FEEDBACK, 1) => Some(Self::Keyframe { ssrcs: vec![ssrc] }),
            (PAYLOAD_FEEDBACK, 4) => {
                let entries = rest.as_chunks::<8>().0.iter();
                Some(Self::Keyframe { ssrcs: entries.filter_map(|entry| word(entry, 0)).collect() })
            }
            _ => None,
        })
    }
}

/// Each word is a number and a bit for each of the sixteen after it.
fn missing(words: &[u8]) -> Vec<u16> {
    let mut sequences = Vec::new();
    for [high, low, mask_high, mask_low] in words.as_chunks::<4>().0 {
        let first = u16::from_be_bytes([*high, *low]);
        let mask = u32::from(u16::from_be_bytes([*mask_high, *mask_low])) << 1 | 1;
        let those = (0..17u16).filter(|bit| mask & 1 << bit != 0).map(|bit| first.wrapping_add(bit));
        sequences.extend(those.take(MOST_MISSING - sequences.len()));
    }
    sequences
}

/// Chunks of states, each a run of one state or some states in a row; when each packet came follows them and is not read.
fn arrivals(body: &[u8]) -> Option<Feedback> {
    let [first_high, first_low, count_high, count_low] = *body.first_chunk()?;
    let first = u16::from_be_bytes([first_high, first_low]);
    let count = usize::from(u16::from_be_bytes([count_high, count_low])).min(MOST_ARRIVALS);
    let mut came = Vec::with_capacity(count);
    let mut chunks = body.get(8..)?.as_chunks::<2>().0.iter();
    while came.len() < count {
        let chunk = u16::from_be_bytes(*chunks.next()?);
        let left = count - came.len();
        if chunk & 0x8000 == 0 {
            let run = usize::from(chunk & 0x1fff).min(left);
            if run == 0 {
                return None;
            }
            came.resize(came.len() + run, chunk >> 13 != 0);
        } else if chunk & 0x4000 == 0 {
            came.extend((0..14).rev().map(|bit| chunk >> bit & 1 != 0).take(left));
        } else {
            came.extend((0..7).rev().map(|pair| chunk >> (2 * pair) & 3 != 0).take(left));
        }
    }
    Some(Feedback::Arrivals { first, came })
}

/// Packet types (RFC 4585 §6.1).
pub(crate) const TRANSPORT_FEEDBACK: u8 = 205;
pub(crate) const PAYLOAD_FEEDBACK: u8 = 206;
/// Numbers of one message; who misses more needs a new beginning.
pub const MOST_MISSING: usize = 1_024;
/// Packets of a second, even of a fast stream.
pub const MOST_ARRIVALS: usize = 8_192;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtcp::Rtcp;

    fn packet(format: u8, kind: u8, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80 | format, kind, 0, u8::try_from(2 + body.len() / 4).unwrap()];
        packet.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 7]);
        packet.extend_from_slice(body);
        packet
    }

    fn read(packet: &[u8]) -> Rtcp {
        Rtcp::parse(packet).unwrap().remove(0)
    }

    #[test]
    fn missing_packets_are_named_one_by_one() {
        let nack = packet(1, 205, &[0xff, 0xfe, 0b1000_0000, 0b0000_0011, 0, 9, 0, 0]);
        let sequences = vec![0xfffe, 0xffff, 0, 14, 9];
        assert_eq!(read(&nack), Rtcp::Feedback(Feedback::Missing { ssrc: 7, sequences }));
    }

    #[test]
    fn a_keyframe_is_asked_for_in_two_ways() {
        assert_eq!(read(&packet(1, 206, &[])), Rtcp::Feedback(Feedback::Keyframe { ssrcs: vec![7] }));
        let both = [0, 0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0];
        assert_eq!(read(&packet(4, 206, &both)), Rtcp::Feedback(Feedback::Keyframe { ssrcs: vec![8, 9] }));
        assert_eq!(read(&packet(15, 206, &[0; 8])), Rtcp::Other(206), "REMB");
    }

    #[test]
    fn arrivals_are_read_from_runs_and_rows() {
        // Three that came, two that did not, one bit each for fourteen, two bits each for seven; of the last only two count.
        let mut body = vec![0xff, 0xff, 0, 21, 0, 0, 0, 0];
        for chunk in [0x2003_u16, 0x0002, 0b1010_0000_0000_0001, 0b1101_1000_0000_0000] {
            body.extend_from_slice(&chunk.to_be_bytes());
        }
        let mut came = vec![true, true, true, false, false];
        came.extend([true].iter().chain(&[false; 12]).chain(&[true]));
        came.extend([true, true]);
        assert_eq!(read(&packet(15, 205, &body)), Rtcp::Feedback(Feedback::Arrivals { first: 0xffff, came }));
    }

    #[test]
    fn what_promises_more_than_it_has_is_an_error_and_nothing_grows_without_bound() {
        let promise = [0, 0, 0xff, 0xff, 0, 0, 0, 0, 0x20, 0x01, 0, 0];
        assert!(Rtcp::parse(&packet(15, 205, &promise)).is_err());
        let runs: Vec<u8> =
            [0, 0, 0xff, 0xff, 0, 0, 0, 0].into_iter().chain([0x3f, 0xff].repeat(8)).collect();
        let Rtcp::Feedback(Feedback::Arrivals { came, .. }) = read(&packet(15, 205, &runs)) else { panic!() };
        assert_eq!(came.len(), MOST_ARRIVALS);
        let Rtcp::Feedback(Feedback::Missing { sequences, .. }) = read(&packet(1, 205, &[0xff; 1_008]))
        else {
            panic!()
        };
        assert_eq!(sequences.len(), MOST_MISSING);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(format in 0u8..32, kind in 205u8..207, body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Feedback::of(kind, usize::from(format), &body);
        }
    }
}
