//! AAC frames with ADTS headers out of PES packets or a bare stream, dated.
//!
//! A time stamp belongs to the first frame that *begins* in its PES packet; the frames after it follow by as
//! many samples as each decodes to. Time stamps of 90 kHz are too coarse for most sample rates, so a stamp within a millisecond of what follows
//! from the frames before is taken as that: sound stays continuous, and a clock that drifts is still followed.

use std::sync::Arc;

use codec::CodecError;
use codec::aac::{self, AdtsFrame, AdtsParser};
use media::{AacParameters, CodecParameters, MediaTime, Timescale, Track, TrackId};

use super::collector::Collector;

/// Makes the units of an ADTS track, counted in its sample rate.
#[derive(Debug)]
pub(super) struct AdtsUnits {
    parser: AdtsParser,
    track: Option<Arc<Track>>,
    /// Where the next frame follows.
    next: Option<MediaTime>,
    /// A time stamp that waits for the first frame to begin at this position or behind it.
    stamp: Option<(u64, MediaTime)>,
    /// Bytes the parser has been given.
    pushed: u64,
    lost: u16,
}

impl AdtsUnits {
    pub(super) fn new() -> Self {
        Self { parser: AdtsParser::default(), track: None, next: None, stamp: None, pushed: 0, lost: 0 }
    }

    /// Bytes, with the time of the first frame that begins in them if it is known; `lost` packets are missing before.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        time: Option<MediaTime>,
        lost: u16,
        collector: &mut Collector,
    ) {
        if lost > 0 {
            self.lost = self.lost.saturating_add(lost);
            // What is left of the frame before will never be complete.
            self.parser = AdtsParser::default();
            self.pushed = 0;
        }
        if let Some(time) = time {
            self.stamp = Some((self.pushed, time));
        }
        self.pushed += bytes.len() as u64;
        self.parser.push(bytes);
        while let Some(frame) = self.parser.pull() {
            match frame {
                Ok(frame) => self.frame(frame, collector),
                Err(error) => {
                    let skipped = if let CodecError::LostSync { skipped, .. } = error { skipped } else { 0 };
                    self.lost = self.lost.saturating_add(1);
                    collector.damaged(usize::try_from(skipped).unwrap_or(usize::MAX));
                }
            }
        }
    }

    fn frame(&mut self, frame: AdtsFrame, collector: &mut Collector) {
        let track = self.track_of(&frame.parameters);
        if let Some((_, stamp)) = self.stamp.take_if(|(from, _)| frame.position >= *from) {
            self.next = Some(follow(self.next, stamp.rescale(track.timescale)));
        }
        let Some(time) = self.next.map(|time| time.rescale(track.timescale)) else {
            // The end of a frame whose beginning had no time.
            collector.discarded(frame.data.len());
            return;
        };
        collector.sound(&track, time, std::mem::take(&mut self.lost), frame.data);
        let samples = i64::from(aac::samples_per_unit(&frame.parameters));
        self.next = Some(MediaTime::new(time.ticks().saturating_add(samples), track.timescale));
    }

    fn track_of(&mut self, parameters: &AacParameters) -> Arc<Track> {
        let known = self
            .track
            .as_ref()
            .filter(|track| matches!(&track.parameters, CodecParameters::Aac(known) if known == parameters));
        if let Some(track) = known {
            return Arc::clone(track);
        }
        let timescale = Timescale::new(parameters.sample_rate()).unwrap_or(Timescale::AUDIO_48K);
        let parameters = CodecParameters::Aac(parameters.clone());
        let track = Arc::new(Track { id: TrackId::AUDIO, timescale, parameters });
        self.track = Some(Arc::clone(&track));
        track
    }
}

/// The stamp, or what follows from the frames before if that is nearly the same.
pub(super) fn follow(next: Option<MediaTime>, stamp: MediaTime) -> MediaTime {
    match next.map(|next| next.rescale(stamp.timescale())) {
        Some(next) => {
            let off = stamp.saturating_sub(next).ticks().unsigned_abs();
            if off * TOLERANCE_HZ <= u64::from(stamp.timescale().hz()) { next } else { stamp }
        }
        None => stamp,
    }
}

/// A stamp may be off by one part of a second in so many.
const TOLERANCE_HZ: u64 = 1000;
