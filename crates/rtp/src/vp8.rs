//! VP8 over RTP (RFC 7741): a frame cut up as it comes, behind a descriptor of one byte.
//!
//! In: descriptors with everything they may have. Partitions are not told apart: who gets a frame gets all of it.

use std::sync::Arc;

use bytes::Bytes;
use codec::vp8::UnitBuilder;
use media::{AccessUnit, Timescale, Track, TrackId};

use crate::RtpError;
use crate::depacketizer::{Arrived, Picture, VideoDepacketizer};
use crate::packetizer::Emit;

/// Gives out a frame as payloads of at most `max` bytes.
pub(crate) fn packetize(unit: &AccessUnit, max: usize, emit: &mut Emit<'_>) {
    let room = max.saturating_sub(1).max(1);
    let count = unit.data.len().div_ceil(room);
    let importance = if unit.disposable { NOT_REFERRED_TO } else { 0 };
    for (index, piece) in unit.data.chunks(room).enumerate() {
        let start = if index == 0 { STARTS_PARTITION } else { 0 };
        emit(index + 1 == count, &[&[start | importance], piece]);
    }
}

/// Makes the frames of one track.
#[derive(Debug)]
pub(crate) struct Vp8Depacketizer {
    units: UnitBuilder,
    picture: Picture,
    disposable: bool,
}

impl Vp8Depacketizer {
    pub(crate) fn new(id: TrackId) -> Self {
        let units = UnitBuilder::new(id, Timescale::VIDEO_90K);
        Self { units, picture: Picture::default(), disposable: false }
    }

    fn take(&mut self, payload: &[u8], arrived: &Arrived) -> Result<(), &'static str> {
        let (descriptor, length) = descriptor(payload).ok_or("it ends in its descriptor")?;
        let piece = &payload[length..];
        if piece.is_empty() {
            return Ok(());
        }
        let first = descriptor & (STARTS_PARTITION | PARTITION) == STARTS_PARTITION;
        self.picture.add(piece, arrived.stamp, first)?;
        self.disposable = descriptor & NOT_REFERRED_TO != 0;
        Ok(())
    }
}

impl VideoDepacketizer for Vp8Depacketizer {
    fn track(&self) -> Option<&Arc<Track>> {
        self.units.track()
    }

    fn lost(&mut self, packets: u16) {
        self.picture.lost(packets);
    }

    fn end(&mut self, arrived: &Arrived) -> Result<Option<AccessUnit>, RtpError> {
        let Self { units, picture, disposable } = self;
        let unit = picture.take(|data, stamp| units.frame(Bytes::copy_from_slice(data), stamp));
        let unit =
            unit.map_err(|source| RtpError::Codec { format: "VP8", sequence: arrived.sequence, source })?;
        Ok(unit.map(|unit| AccessUnit { disposable: *disposable && !unit.random_access, ..unit }))
    }

    fn push(&mut self, payload: &[u8], arrived: &Arrived) -> Result<(), RtpError> {
        self.take(payload, arrived).map_err(|problem| {
            self.picture.lost(0);
            RtpError::Payload { format: "VP8", sequence: arrived.sequence, problem: problem.to_owned() }
        })
    }
}

/// The first byte of the descriptor (§4.2), and the length of all of it.
fn descriptor(payload: &[u8]) -> Option<(u8, usize)> {
    let first = *payload.first()?;
    let mut length = 1;
    if first & EXTENDED != 0 {
        let fields = *payload.get(1)?;
        length = 2;
        if fields & 0x80 != 0 {
            // PictureID, of 7 bits or 15.
            length += if payload.get(length)? & 0x80 != 0 { 2 } else { 1 };
        }
        length += usize::from(fields & 0x40 != 0); // TL0PICIDX
        length += usize::from(fields & 0x30 != 0); // TID, Y, KEYIDX
    }
    (length <= payload.len()).then_some((first, length))
}

const EXTENDED: u8 = 0x80;
const NOT_REFERRED_TO: u8 = 0x20;
const STARTS_PARTITION: u8 = 0x10;
const PARTITION: u8 = 0x0f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_as_long_as_its_fields_say() {
        let length = |bytes: &[u8]| descriptor(bytes).map(|(_, length)| length);
        assert_eq!(length(&[0x10, 1]), Some(1));
        assert_eq!(length(&[0x90, 0x80, 5, 1]), Some(3));
        assert_eq!(length(&[0x90, 0xf0, 0x85, 1, 2, 3, 4]), Some(6));
        assert_eq!(length(&[0x90, 0x20, 1]), Some(3));
        assert_eq!(length(&[0x90, 0xf0, 0x85, 1, 2]), None);
        assert_eq!(length(&[0x90]), None);
        assert_eq!(length(&[]), None);
    }
}
