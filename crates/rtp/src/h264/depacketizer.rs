//! What of a payload is H.264's own (RFC 6184 §5.6 to §5.8); the rest is [`nal`](crate::nal)'s.

use std::sync::Arc;

use codec::CodecError;
use codec::h264::{NalUnit, UnitBuilder};
use codec::nal::Stamp;
use media::{AccessUnit, H264Parameters, Timescale, Track, TrackId};

use super::{FU_A, FU_END, FU_START, IMPORTANCE, STAP_A, TYPE};
use crate::nal::{Fragment, Kind, NalDepacketizer, NalFormat, Piece};

/// Makes the access units of one track.
pub(crate) type H264Depacketizer = NalDepacketizer<H264>;

/// What is known of the track.
#[derive(Debug)]
pub(crate) struct H264(UnitBuilder);

/// A track of this id; its parameters may come in band.
pub(crate) fn depacketizer(
    id: TrackId,
    parameters: Option<&H264Parameters>,
) -> Result<H264Depacketizer, CodecError> {
    let mut builder = UnitBuilder::new(id, Timescale::VIDEO_90K);
    if let Some(parameters) = parameters {
        builder.set_parameters(parameters)?;
    }
    Ok(NalDepacketizer::new(H264(builder)))
}

impl NalFormat for H264 {
    const NAME: &'static str = "H.264";

    fn track(&self) -> Option<&Arc<Track>> {
        self.0.track()
    }

    fn build(&mut self, data: &[u8], stamp: Stamp) -> Result<Option<AccessUnit>, CodecError> {
        self.0.length_prefixed(data, 4, stamp)
    }

    fn take_apart(payload: &[u8]) -> Result<Piece<'_>, String> {
        let (&first, rest) = payload.split_first().ok_or("it is empty")?;
        match first & TYPE {
            1..=23 => Ok(Piece::Whole(payload)),
            STAP_A => Ok(Piece::Several(rest)),
            FU_A => {
                let (&header, body) = rest.split_first().ok_or("a fragment without its header")?;
                Ok(Piece::Fragment(Fragment {
                    header: ([first & IMPORTANCE | header & TYPE, 0], 1),
                    is_start: header & FU_START != 0,
                    is_end: header & FU_END != 0,
                    body,
                }))
            }
            other => Err(format!("packets of type {other} are not taken")),
        }
    }

    fn kind(nal: &[u8]) -> Kind {
        match NalUnit::new(nal) {
            None => Kind::None,
            // The first slice of a picture has first_mb_in_slice 0, which is the bit 1.
            Some(unit) if unit.unit_type().is_slice() => {
                Kind::Slice { first: nal.get(1).is_some_and(|byte| byte & 0x80 != 0) }
            }
            Some(_) => Kind::Other,
        }
    }
}
