//! What of a payload is H.265's own (RFC 7798 §4.4); the rest is [`nal`](crate::nal)'s.

use std::sync::Arc;

use codec::CodecError;
use codec::h265::{NalUnit, UnitBuilder};
use codec::nal::Stamp;
use media::{AccessUnit, H265Parameters, Timescale, Track, TrackId};

use super::{AGGREGATION, FRAGMENTATION, FU_END, FU_START, FU_TYPE, HEADER, kind, with_kind};
use crate::nal::{Fragment, Kind, NalDepacketizer, NalFormat, Piece};

/// Makes the access units of one track.
pub(crate) type H265Depacketizer = NalDepacketizer<H265>;

/// What is known of the track.
#[derive(Debug)]
pub(crate) struct H265(UnitBuilder);

/// A track of this id; its parameters may come in band.
pub(crate) fn depacketizer(
    id: TrackId,
    parameters: Option<&H265Parameters>,
) -> Result<H265Depacketizer, CodecError> {
    let mut builder = UnitBuilder::new(id, Timescale::VIDEO_90K);
    if let Some(parameters) = parameters {
        builder.set_parameters(parameters)?;
    }
    Ok(NalDepacketizer::new(H265(builder)))
}

impl NalFormat for H265 {
    const NAME: &'static str = "H.265";

    fn track(&self) -> Option<&Arc<Track>> {
        self.0.track()
    }

    fn build(&mut self, data: &[u8], stamp: Stamp) -> Result<Option<AccessUnit>, CodecError> {
        self.0.length_prefixed(data, 4, stamp)
    }

    fn take_apart(payload: &[u8]) -> Result<Piece<'_>, String> {
        let (header, body) = payload.split_first_chunk::<HEADER>().ok_or("it is shorter than its header")?;
        match kind(header[0]) {
            0..AGGREGATION => Ok(Piece::Whole(payload)),
            AGGREGATION => Ok(Piece::Several(body)),
            FRAGMENTATION => {
                let (&fragment, body) = body.split_first().ok_or("a fragment without its header")?;
                Ok(Piece::Fragment(Fragment {
                    header: ([with_kind(header[0], fragment & FU_TYPE), header[1]], HEADER),
                    is_start: fragment & FU_START != 0,
                    is_end: fragment & FU_END != 0,
                    body,
                }))
            }
            other => Err(format!("packets of type {other} are not taken")),
        }
    }

    fn kind(nal: &[u8]) -> Kind {
        match NalUnit::new(nal) {
            None => Kind::None,
            // The first slice of a picture says so in its first bit, first_slice_segment_in_pic_flag.
            Some(unit) if unit.unit_type().is_slice() => {
                Kind::Slice { first: nal.get(HEADER).is_some_and(|byte| byte & 0x80 != 0) }
            }
            Some(_) => Kind::Other,
        }
    }
}
