//! Access units of H.264, H.265 and AV1 out of a container, which knows where each starts and when it is shown.
//!
//! A thin layer over the codecs' builders: damage is counted rather than raised, and a loss is told by the next unit that
//! does come out.

use std::sync::Arc;

use codec::nal::Stamp;
use codec::{CodecError, av1, h264, h265};
use media::{AccessUnit, MediaTime, Timescale, Track, TrackId};

use super::collector::Collector;

/// Makes the units of the video track, counted in 90 kHz.
#[derive(Debug)]
pub(super) struct VideoUnits {
    builder: Builder,
    framing: Framing,
    /// Lost units since the last one that came out.
    lost: u16,
}

#[derive(Debug)]
enum Builder {
    H264(h264::UnitBuilder),
    H265(h265::UnitBuilder),
    Av1(av1::UnitBuilder),
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Annexb,
    LengthPrefixed { length_size: usize },
    TemporalUnits,
}

impl VideoUnits {
    /// H.264 in the byte stream format, parameter sets in band.
    pub(super) fn h264_annexb() -> Self {
        let builder = h264::UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
        Self { builder: Builder::H264(builder), framing: Framing::Annexb, lost: 0 }
    }

    /// H.265 in the byte stream format, parameter sets in band.
    pub(super) fn h265_annexb() -> Self {
        let builder = h265::UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
        Self { builder: Builder::H265(builder), framing: Framing::Annexb, lost: 0 }
    }

    /// H.264, length-prefixed, parameter sets in the record (`avcC`) and, for `avc3`, in band too.
    ///
    /// # Errors
    /// [`CodecError`] for a record or a parameter set that cannot be read.
    pub(super) fn h264_length_prefixed(record: &[u8]) -> Result<Self, CodecError> {
        let record = h264::DecoderConfigurationRecord::parse(record)?;
        let mut builder = h264::UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
        if !record.sps().is_empty() {
            builder.set_parameters(&record.parameters()?)?;
        }
        let framing = Framing::LengthPrefixed { length_size: record.length_size() };
        Ok(Self { builder: Builder::H264(builder), framing, lost: 0 })
    }

    /// H.265, length-prefixed, parameter sets in the record (`hvcC`) and, for `hev1`, in band too.
    ///
    /// # Errors
    /// As [`h264_length_prefixed`](Self::h264_length_prefixed).
    pub(super) fn h265_length_prefixed(record: &[u8]) -> Result<Self, CodecError> {
        let record = h265::DecoderConfigurationRecord::parse(record)?;
        let mut builder = h265::UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
        if record.has_parameters() {
            builder.set_parameters(&record.parameters()?)?;
        }
        let framing = Framing::LengthPrefixed { length_size: record.length_size() };
        Ok(Self { builder: Builder::H265(builder), framing, lost: 0 })
    }

    /// AV1, temporal units, the sequence header in the record (`av1C`) or in band.
    ///
    /// # Errors
    /// [`CodecError`] for a record or a sequence header that cannot be read.
    pub(super) fn av1(record: &[u8]) -> Result<Self, CodecError> {
        let parameters = av1::CodecConfigurationRecord::parse(record)?.parameters()?;
        let mut video = Self::av1_in_band();
        if let (Some(parameters), Builder::Av1(builder)) = (parameters, &mut video.builder) {
            builder.set_parameters(&parameters)?;
        }
        Ok(video)
    }

    /// AV1, temporal units, the sequence header in band.
    pub(super) const fn av1_in_band() -> Self {
        let builder = av1::UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
        Self { builder: Builder::Av1(builder), framing: Framing::TemporalUnits, lost: 0 }
    }

    /// The track, once its parameters are known.
    pub(super) fn track(&self) -> Option<&Arc<Track>> {
        match &self.builder {
            Builder::H264(builder) => builder.track(),
            Builder::H265(builder) => builder.track(),
            Builder::Av1(builder) => builder.track(),
        }
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
        let unit = match (&mut self.builder, self.framing) {
            (Builder::H264(builder), Framing::Annexb) => builder.annexb(bytes, stamp),
            (Builder::H265(builder), Framing::Annexb) => builder.annexb(bytes, stamp),
            (Builder::Av1(builder), _) => builder.temporal_unit(bytes, stamp),
            // No constructor makes these.
            (Builder::H264(_) | Builder::H265(_), Framing::TemporalUnits) => Ok(None),
            (Builder::H264(builder), Framing::LengthPrefixed { length_size }) => {
                builder.length_prefixed(bytes, length_size, stamp)
            }
            (Builder::H265(builder), Framing::LengthPrefixed { length_size }) => {
                builder.length_prefixed(bytes, length_size, stamp)
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
