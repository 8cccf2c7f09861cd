//! Access units of codecs whose units stand as they come: VP8, VP9, JPEG, MPEG.

use std::sync::Arc;

use bytes::Bytes;
use media::{AccessUnit, CodecParameters, Timescale, Track, TrackId};

use crate::nal::Stamp;

/// One track; a new [`Track`] where its parameters change.
#[derive(Debug)]
pub(crate) struct SimpleTrack {
    id: TrackId,
    timescale: Timescale,
    track: Option<Arc<Track>>,
}

impl SimpleTrack {
    pub(crate) const fn new(id: TrackId, timescale: Timescale) -> Self {
        Self { id, timescale, track: None }
    }

    /// The track as of the newest parameters, once they are known.
    pub(crate) const fn track(&self) -> Option<&Arc<Track>> {
        self.track.as_ref()
    }

    /// From here on the parameters are these.
    pub(crate) fn renew(&mut self, parameters: CodecParameters) {
        if self.track.as_ref().is_none_or(|track| track.parameters != parameters) {
            self.track = Some(Arc::new(Track { id: self.id, timescale: self.timescale, parameters }));
        }
    }

    /// A unit of the track, once it is known.
    pub(crate) fn unit(
        &self,
        data: Bytes,
        random_access: bool,
        disposable: bool,
        stamp: Stamp,
    ) -> Option<AccessUnit> {
        let Stamp { dts, pts, lost_before, captured, arrival } = stamp;
        let track = Arc::clone(self.track.as_ref()?);
        let (dts, pts) = (dts.rescale(self.timescale), pts.rescale(self.timescale));
        Some(AccessUnit { track, dts, pts, random_access, disposable, lost_before, data, captured, arrival })
    }
}
