//! A raw H.264 byte stream: no container, no times. The codec's assembler finds the pictures and dates them.

use codec::h264::{Assembler, IdleFlush};
use media::TrackId;

use super::collector::Collector;

/// The demuxer of one byte stream.
#[derive(Debug)]
pub(super) struct AnnexbDemuxer {
    assembler: Box<Assembler>,
}

impl AnnexbDemuxer {
    pub(super) fn new(collector: &mut Collector) -> Self {
        collector.announce(&[TrackId::VIDEO]);
        Self { assembler: Box::new(Assembler::new(TrackId::VIDEO, IdleFlush::WhenSilent)) }
    }

    pub(super) fn push(&mut self, bytes: &[u8], collector: &mut Collector) {
        if self.assembler.push(bytes, collector.arrival, collector.captured).is_err() {
            collector.damaged(0);
        }
        self.pull(collector);
    }

    /// The input has fallen silent.
    pub(super) fn idle(&mut self, collector: &mut Collector) {
        self.assembler.flush_idle();
        self.pull(collector);
    }

    /// The input is over.
    pub(super) fn finish(&mut self, collector: &mut Collector) {
        self.assembler.finish();
        self.pull(collector);
    }

    fn pull(&mut self, collector: &mut Collector) {
        while let Some(unit) = self.assembler.pull() {
            collector.unit(unit);
        }
    }
}
