//! Access units, and the track that they belong to.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use media::{AccessUnit, CodecParameters, MediaTime, Timescale, Track, TrackId, Wallclock};

use super::{MAX_ACCESS_UNIT, length_prefixed};
use crate::CodecError;

/// What is known about an access unit from outside.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// Decoding time.
    pub dts: MediaTime,
    /// Presentation time.
    pub pts: MediaTime,
    /// Packets known to be lost just before it.
    pub lost_before: u16,
    /// When the camera saw it, if known.
    pub captured: Option<Wallclock>,
    /// When its last byte reached us.
    pub arrival: Instant,
}

/// The units of one track; a new [`Track`] where its parameters change.
#[derive(Debug)]
pub(crate) struct Units {
    id: TrackId,
    timescale: Timescale,
    track: Option<Arc<Track>>,
    /// What the track was made from: version of the parameter sets, and the active SPS.
    made_from: Option<(u64, u8)>,
    scratch: Vec<u8>,
}

impl Units {
    pub(crate) const fn new(id: TrackId, timescale: Timescale) -> Self {
        Self { id, timescale, track: None, made_from: None, scratch: Vec::new() }
    }

    /// The track as of the newest parameters, once they are known.
    pub(crate) const fn track(&self) -> Option<&Arc<Track>> {
        self.track.as_ref()
    }

    /// Makes the track anew if it was made from another version of the sets, or another SPS, and is not the same all the same.
    pub(crate) fn renew(
        &mut self,
        version: u64,
        sps_id: u8,
        parameters: impl FnOnce() -> Option<CodecParameters>,
    ) {
        if self.made_from == Some((version, sps_id)) {
            return;
        }
        let Some(parameters) = parameters() else { return };
        self.made_from = Some((version, sps_id));
        if self.track.as_ref().is_none_or(|track| track.parameters != parameters) {
            self.track = Some(Arc::new(Track { id: self.id, timescale: self.timescale, parameters }));
        }
    }

    /// A unit of this payload, length-prefixed; `None` before the parameters are known.
    pub(crate) fn unit(
        &self,
        data: &[u8],
        random_access: bool,
        disposable: bool,
        stamp: Stamp,
    ) -> Option<AccessUnit> {
        Some(AccessUnit {
            track: Arc::clone(self.track.as_ref()?),
            dts: stamp.dts.rescale(self.timescale),
            pts: stamp.pts.rescale(self.timescale),
            random_access,
            disposable,
            lost_before: stamp.lost_before,
            data: Bytes::copy_from_slice(data),
            captured: stamp.captured,
            arrival: stamp.arrival,
        })
    }

    /// Memory to put a payload together in, to be given back by [`Self::keep`].
    pub(crate) fn scratch(&mut self) -> Vec<u8> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch
    }

    pub(crate) fn keep(&mut self, mut scratch: Vec<u8>) {
        scratch.shrink_to(SCRATCH_KEPT.max(scratch.len()));
        self.scratch = scratch;
    }
}

/// Adds a NAL unit to a payload.
pub(crate) fn push(nal: &[u8], data: &mut Vec<u8>) -> Result<(), CodecError> {
    if data.len() + 4 + nal.len() > MAX_ACCESS_UNIT {
        let (what, position) = ("access unit", data.len() as u64);
        return Err(CodecError::TooLarge { what, limit: MAX_ACCESS_UNIT, position });
    }
    length_prefixed::write(nal, data);
    Ok(())
}

/// Scratch memory kept from one unit to the next.
const SCRATCH_KEPT: usize = 1 << 20;
