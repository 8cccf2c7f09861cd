//! H.264 access units out of a container, which knows where each starts and when it is shown.
//!
//! A thin layer over [`UnitBuilder`]: damage is counted rather than raised, and a loss is told by the next unit that
//! does come out.

use std::sync::Arc;

use codec::CodecError;
use codec::h264::{DecoderConfigurationRecord, Stamp, UnitBuilder};
use media::{AccessUnit, MediaTime, Timescale, Track, TrackId};

use super::collector::Collector;

/// Makes the units of the video track, counted in 90 kHz.
#[derive(Debug)]
pub(super) struct VideoUnits {
    builder: UnitBuilder,
    framing: Framing,
    /// Lost units since the last one that came out.
    lost: u16,
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Annexb,
    LengthPrefixed { length_size: usize },
}

impl VideoUnits {
    /// Byte stream format, parameter sets in band.
    pub(super) fn annexb() -> Self {
        Self {
            builder: UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K),
            framing: Framing::Annexb,
            lost: 0,
        }
    }

    /// Length-prefixed, parameter sets in the record and, for `avc3`, in band too.
    ///
    /// # Errors
    /// [`CodecError`] for a parameter set that cannot be read.
    pub(super) fn length_prefixed(record: &DecoderConfigurationRecord) -> Result<Self, CodecError> {
        let mut builder = UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
        if !record.sps().is_empty() {
            builder.set_parameters(&record.parameters()?)?;
        }
        Ok(Self { builder, framing: Framing::LengthPrefixed { length_size: record.length_size() }, lost: 0 })
    }

    /// The track, once its parameters are known.
    pub(super) fn track(&self) -> Option<&Arc<Track>> {
        self.builder.track()
    }

    /// One access unit's bytes.
    pub(super) fn unit(
        &mut self,
        bytes: &[u8],
        dts: MediaTime,
        pts: MediaTime,
        lost_before: u16,
        collector: &mut Collector,
    ) {
        let Collector { captured, arrival, .. } = *collector;
        match self.build(bytes, Stamp { dts, pts, lost_before, captured, arrival }) {
            Ok(Some(unit)) => collector.unit(unit),
            // Before the parameter sets, or nothing to show.
            Ok(None) => collector.discarded(bytes.len()),
            Err(_) => collector.damaged(bytes.len()),
        }
    }

    /// The same without a collector; what is lost here is told by the next unit.
    pub(super) fn build(&mut self, bytes: &[u8], stamp: Stamp) -> Result<Option<AccessUnit>, CodecError> {
        self.lost = self.lost.saturating_add(stamp.lost_before);
        let stamp = Stamp { lost_before: self.lost, ..stamp };
        let unit = match self.framing {
            Framing::Annexb => self.builder.annexb(bytes, stamp),
            Framing::LengthPrefixed { length_size } => {
                self.builder.length_prefixed(bytes, length_size, stamp)
            }
        };
        match &unit {
            Ok(Some(_)) => self.lost = 0,
            Ok(None) => {}
            Err(_) => self.lost = self.lost.saturating_add(1),
        }
        unit
    }
}
