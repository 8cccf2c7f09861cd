//! Pictures in slices (RFC 2250 §3.1, §3.4). A picture's headers share the first packet with its first slices, as far as they fit; a slice that
//! fits none is cut up.

use std::sync::Arc;

use codec::mpeg::video::{UnitBuilder, begins_picture, is_slice, picture_header, start_codes};
use media::{AccessUnit, Timescale, Track, TrackId};

use crate::RtpError;
use crate::depacketizer::{Arrived, Picture, VideoDepacketizer};
use crate::packetizer::Emit;

/// Gives out a picture as payloads of at most `max` bytes.
///
/// # Errors
/// [`RtpError::Unit`] if it has no header that can be read; nothing was given out then.
pub(crate) fn packetize(data: &[u8], max: usize, emit: &mut Emit<'_>) -> Result<(), RtpError> {
    let header = picture_header(data)
        .map_err(|error| RtpError::Unit { format: "MPEG-1", problem: error.to_string() })?;
    let room = max.saturating_sub(HEADER).max(1);
    let slices: Vec<usize> =
        start_codes(data).filter(|(_, code)| is_slice(*code)).map(|(at, _)| at).collect();
    let first_slice = slices.first().copied().unwrap_or(data.len());
    let ends: Vec<usize> = slices.iter().skip(1).copied().chain([data.len()]).collect();
    let has_sequence = data.starts_with(&[0, 0, 1, 0xb3]);
    let mut at = 0;
    while at < data.len() {
        let to_come = &ends[ends.partition_point(|end| *end <= at)..];
        let end = match to_come.partition_point(|end| end - at <= room) {
            0 => at + room,
            whole => to_come[whole - 1],
        };
        let begins_slice = if at == 0 { first_slice < end } else { slices.binary_search(&at).is_ok() };
        let ends_slice = ends.binary_search(&end).is_ok();
        let flags = [(has_sequence && at == 0, SEQUENCE), (begins_slice, BEGINS), (ends_slice, ENDS)];
        let flags = flags.iter().filter(|(is_so, _)| *is_so).fold(0, |flags, (_, flag)| flags | flag);
        let [t0, t1] = header.temporal_reference.to_be_bytes();
        emit(end == data.len(), &[&[t0, t1, flags | header.code(), header.vectors], &data[at..end]]);
        at = end;
    }
    Ok(())
}

/// Makes the pictures of one track.
#[derive(Debug)]
pub(crate) struct MpegVideoDepacketizer {
    units: UnitBuilder,
    picture: Picture,
}

impl MpegVideoDepacketizer {
    pub(crate) fn new(id: TrackId) -> Self {
        Self { units: UnitBuilder::new(id, Timescale::VIDEO_90K), picture: Picture::default() }
    }

    fn take(&mut self, payload: &[u8], arrived: &Arrived) -> Result<(), &'static str> {
        let (header, rest) = payload.split_first_chunk::<HEADER>().ok_or("it is shorter than its header")?;
        let extended = if header[0] & MPEG_2 != 0 { 4 } else { 0 };
        let piece = rest.get(extended..).ok_or("it ends in the header of MPEG-2")?;
        if piece.is_empty() {
            return Ok(());
        }
        self.picture.add(piece, arrived.stamp, begins_picture(piece))
    }
}

impl VideoDepacketizer for MpegVideoDepacketizer {
    fn track(&self) -> Option<&Arc<Track>> {
        self.units.track()
    }

    fn lost(&mut self, packets: u16) {
        self.picture.lost(packets);
    }

    fn end(&mut self, arrived: &Arrived) -> Result<Option<AccessUnit>, RtpError> {
        let Self { units, picture } = self;
        let unit = picture.take(|data, stamp| units.picture(data, stamp));
        unit.map_err(|source| RtpError::Codec { format: "MPEG-1", sequence: arrived.sequence, source })
    }

    fn push(&mut self, payload: &[u8], arrived: &Arrived) -> Result<(), RtpError> {
        self.take(payload, arrived).map_err(|problem| {
            self.picture.lost(0);
            RtpError::Payload { format: "MPEG-1", sequence: arrived.sequence, problem: problem.to_owned() }
        })
    }
}

const HEADER: usize = 4;
/// T: the header of MPEG-2 follows.
const MPEG_2: u8 = 0x04;
/// S: a sequence header is in it.
const SEQUENCE: u8 = 0x20;
/// B: a slice begins at its beginning, or behind the headers there.
const BEGINS: u8 = 0x10;
/// E: a slice ends at its end.
const ENDS: u8 = 0x08;
