//! The same packets for UDP: those of one length that go the same way lie side by side, so that the kernel cuts them apart (UDP
//! segmentation offload) and a picture is one call or two.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{BufMut, Bytes};
use media::{AccessUnit, Chunk, MuxError, Muxer, Track};

use super::{Packaging, Packet, Packets};

/// A [`Packaging`] whose chunks are [`Runs`].
#[derive(Debug)]
pub struct Datagrams {
    packaging: Packaging,
    made: VecDeque<Chunk>,
}

impl Datagrams {
    /// The packets of this packaging.
    pub const fn new(packaging: Packaging) -> Self {
        Self { packaging, made: VecDeque::new() }
    }
}

impl Muxer for Datagrams {
    fn accepts(&self, track: &Track) -> bool {
        self.packaging.accepts(track)
    }

    fn tracks(&mut self, tracks: &[Arc<Track>]) {
        self.packaging.tracks(tracks);
    }

    fn push(&mut self, unit: &AccessUnit, out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        let pushed = self.packaging.push(unit, &mut self.made);
        out.extend(self.made.drain(..).map(|chunk| Chunk { bytes: lay(chunk.bytes), ..chunk }));
        pushed
    }
}

/// Packets that lie side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Where they go.
    pub channel: u8,
    /// Bytes of each but the last, which may be shorter.
    pub segment: usize,
    /// All of them.
    pub bytes: Bytes,
}

/// The runs of a chunk.
#[derive(Debug, Clone)]
pub struct Runs(Bytes);

impl Runs {
    /// Of a chunk's bytes.
    pub const fn of(chunk: Bytes) -> Self {
        Self(chunk)
    }

    /// Its packets one by one.
    pub fn packets(self) -> impl Iterator<Item = Packet> {
        self.flat_map(|Run { channel, segment, bytes }| {
            (0..bytes.len().div_ceil(segment)).map(move |at| {
                let start = at * segment;
                Packet { channel, bytes: bytes.slice(start..bytes.len().min(start + segment)) }
            })
        })
    }
}

impl Iterator for Runs {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let [channel, high, low, length @ ..] = *self.0.first_chunk::<HEADER>()?;
        let segment = usize::from(u16::from_be_bytes([high, low]));
        let end = HEADER + u32::from_be_bytes(length) as usize;
        if segment == 0 || end > self.0.len() {
            return None;
        }
        let bytes = self.0.slice(HEADER..end);
        self.0 = self.0.slice(end..);
        Some(Run { channel, segment, bytes })
    }
}

/// Channel, segment, length.
const HEADER: usize = 7;

fn lay(chunk: Bytes) -> Bytes {
    let mut out: Vec<u8> = Vec::with_capacity(chunk.len() + 2 * HEADER);
    // Where the run in the making has its header, and whether a packet may still follow in it.
    let mut run: Option<(usize, u8, usize)> = None;
    for Packet { channel, bytes } in Packets::of(chunk) {
        let start = match run {
            Some((start, known, segment)) if known == channel && bytes.len() <= segment => start,
            _ => {
                let start = out.len();
                out.put_u8(channel);
                out.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
                out.put_u32(0);
                run = Some((start, channel, bytes.len()));
                start
            }
        };
        out.extend_from_slice(&bytes);
        let length = u32::try_from(out.len() - start - HEADER).unwrap_or(u32::MAX);
        out[start + 3..start + HEADER].copy_from_slice(&length.to_be_bytes());
        // A shorter one is the last.
        run = run.filter(|(_, _, segment)| bytes.len() == *segment);
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn interleaved(packets: &[Packet]) -> Bytes {
        let mut chunk = Vec::new();
        for Packet { channel, bytes } in packets {
            chunk.extend_from_slice(&[b'$', *channel, (bytes.len() >> 8) as u8, bytes.len() as u8]);
            chunk.extend_from_slice(bytes);
        }
        chunk.into()
    }

    #[test]
    fn a_picture_is_one_run_and_its_last_packet_may_be_shorter() {
        let packet = |channel, len| Packet { channel, bytes: vec![channel; len].into() };
        let packets = [
            packet(1, 48),
            packet(0, 60),
            packet(0, 1_400),
            packet(0, 1_400),
            packet(0, 9),
            packet(0, 9),
            packet(2, 5),
        ];
        let runs: Vec<_> = Runs::of(lay(interleaved(&packets)))
            .map(|run| (run.channel, run.segment, run.bytes.len()))
            .collect();
        assert_eq!(runs, [(1, 48, 48), (0, 60, 60), (0, 1_400, 2_809), (0, 9, 9), (2, 5, 5)]);
    }

    proptest! {
        #[test]
        fn the_packets_are_the_same_in_the_same_order(
            packets in proptest::collection::vec((0u8..3, proptest::collection::vec(any::<u8>(), 1..30)), 0..40),
        ) {
            let packets: Vec<_> =
                packets.into_iter().map(|(channel, bytes)| Packet { channel, bytes: bytes.into() }).collect();
            let back: Vec<_> = Runs::of(lay(interleaved(&packets))).packets().collect();
            prop_assert_eq!(back, packets);
        }
    }
}
