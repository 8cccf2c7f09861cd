//! VP9 over RTP (RFC 9628): a frame cut up as it comes, behind a descriptor of one byte, in non-flexible mode.
//!
//! In: descriptors with everything they may have. Layers are not told apart: who gets a picture gets all of it.

use std::sync::Arc;

use bytes::Bytes;
use codec::vp9::UnitBuilder;
use media::{AccessUnit, Timescale, Track, TrackId};

use crate::RtpError;
use crate::depacketizer::{Arrived, Picture, VideoDepacketizer};
use crate::packetizer::Emit;

/// Gives out a frame as payloads of at most `max` bytes.
pub(crate) fn packetize(unit: &AccessUnit, max: usize, emit: &mut Emit<'_>) {
    let room = max.saturating_sub(1).max(1);
    let count = unit.data.len().div_ceil(room);
    let predicted = if unit.random_access { 0 } else { PREDICTED };
    for (index, piece) in unit.data.chunks(room).enumerate() {
        let start = if index == 0 { STARTS } else { 0 };
        let end = if index + 1 == count { ENDS } else { 0 };
        emit(end != 0, &[&[predicted | start | end], piece]);
    }
}

/// Makes the frames of one track.
#[derive(Debug)]
pub(crate) struct Vp9Depacketizer {
    units: UnitBuilder,
    picture: Picture,
}

impl Vp9Depacketizer {
    pub(crate) fn new(id: TrackId) -> Self {
        Self { units: UnitBuilder::new(id, Timescale::VIDEO_90K), picture: Picture::default() }
    }

    fn take(&mut self, payload: &[u8], arrived: &Arrived) -> Result<(), &'static str> {
        let Descriptor { is_first, length } = descriptor(payload).ok_or("it ends in its descriptor")?;
        let piece = &payload[length..];
        if piece.is_empty() {
            return Ok(());
        }
        self.picture.add(piece, arrived.stamp, is_first)
    }
}

impl VideoDepacketizer for Vp9Depacketizer {
    fn track(&self) -> Option<&Arc<Track>> {
        self.units.track()
    }

    fn lost(&mut self, packets: u16) {
        self.picture.lost(packets);
    }

    fn end(&mut self, arrived: &Arrived) -> Result<Option<AccessUnit>, RtpError> {
        let Self { units, picture } = self;
        let unit = picture.take(|data, stamp| units.frame(Bytes::copy_from_slice(data), stamp));
        unit.map_err(|source| RtpError::Codec { format: "VP9", sequence: arrived.sequence, source })
    }

    fn push(&mut self, payload: &[u8], arrived: &Arrived) -> Result<(), RtpError> {
        self.take(payload, arrived).map_err(|problem| {
            self.picture.lost(0);
            RtpError::Payload { format: "VP9", sequence: arrived.sequence, problem: problem.to_owned() }
        })
    }
}

struct Descriptor {
    /// A picture's first packet: its lowest layer begins.
    is_first: bool,
    length: usize,
}

/// §4.2.
fn descriptor(payload: &[u8]) -> Option<Descriptor> {
    let first = *payload.first()?;
    let is_flexible = first & FLEXIBLE != 0;
    let (mut length, mut layer) = (1, 0);
    if first & PICTURE_ID != 0 {
        length += if payload.get(length)? & 0x80 != 0 { 2 } else { 1 };
    }
    if first & LAYERS != 0 {
        layer = payload.get(length)? >> 1 & 7;
        length += if is_flexible { 1 } else { 2 }; // and TL0PICIDX
    }
    if is_flexible && first & PREDICTED != 0 {
        // Up to three differences, each of which says whether another follows.
        let differences = payload.get(length..)?.iter().take(3);
        length += differences.clone().position(|difference| difference & 1 == 0)? + 1;
    }
    if first & STRUCTURE != 0 {
        length += structure(payload.get(length..)?)?;
    }
    let is_first = first & STARTS != 0 && layer == 0;
    (length <= payload.len()).then_some(Descriptor { is_first, length })
}

/// The length of the scalability structure (§4.2.1).
fn structure(bytes: &[u8]) -> Option<usize> {
    let first = *bytes.first()?;
    let mut length = 1;
    if first & 0x10 != 0 {
        length += 4 * (usize::from(first >> 5) + 1); // width and height of each layer
    }
    if first & 0x08 != 0 {
        let pictures = *bytes.get(length)?;
        length += 1;
        for _ in 0..pictures {
            length += 1 + usize::from(*bytes.get(length)? >> 2 & 3);
        }
    }
    Some(length)
}

const PICTURE_ID: u8 = 0x80;
const PREDICTED: u8 = 0x40;
const LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const STARTS: u8 = 0x08;
const ENDS: u8 = 0x04;
const STRUCTURE: u8 = 0x02;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_as_long_as_its_fields_say() {
        let length = |bytes: &[u8]| descriptor(bytes).map(|descriptor| descriptor.length);
        assert_eq!(length(&[0x0c, 1]), Some(1));
        assert_eq!(length(&[0x8c, 0x05, 1]), Some(2));
        assert_eq!(length(&[0xac, 0x85, 1, 0, 7, 9]), Some(5), "layers and TL0PICIDX");
        assert_eq!(length(&[0xfc, 0x05, 0, 3, 5, 2, 9]), Some(6), "flexible, three differences");
        // One layer with its size, and one picture of a group with one reference.
        assert_eq!(length(&[0x0e, 0x18, 1, 64, 0, 240, 1, 0x04, 1, 9]), Some(9));
        assert_eq!(length(&[0xfc, 0x05, 0, 3, 5]), None);
        assert_eq!(length(&[0x0e, 0x18, 1, 64]), None);
        assert_eq!(length(&[]), None);
        assert!(!descriptor(&[0xac, 0x85, 1, 2, 7, 9]).unwrap().is_first, "the second layer");
    }
}
