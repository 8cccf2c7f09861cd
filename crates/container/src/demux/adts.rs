//! A bare stream of AAC frames: no times but those that follow from counting samples, beginning at zero.

use media::{MediaTime, Timescale, TrackId};

use super::audio::AdtsUnits;
use super::collector::Collector;

/// The demuxer of one ADTS stream.
#[derive(Debug)]
pub(super) struct AdtsDemuxer {
    units: AdtsUnits,
    started: bool,
}

impl AdtsDemuxer {
    pub(super) fn new(collector: &mut Collector) -> Self {
        collector.announce(&[TrackId::AUDIO]);
        Self { units: AdtsUnits::new(), started: false }
    }

    pub(super) fn push(&mut self, bytes: &[u8], collector: &mut Collector) {
        let first = !std::mem::replace(&mut self.started, true);
        let start = first.then_some(MediaTime::zero(Timescale::AUDIO_48K));
        self.units.push(bytes, start, 0, collector);
    }
}
