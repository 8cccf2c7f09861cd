//! Sound in blocks of any length to frames of the codec's length, each with its exact time.
//!
//! The time of a frame is counted in samples from the first block, never added up from rounded times, so it does not drift. A
//! block that begins more than 20 ms later than the last one ended begins a new count (what waited is dropped: the source lost
//! sound); one that begins as much earlier repeats what is already coded, and the repetition is cut off. So frames never go back.
//!
//! Not here: resampling, mixing.

use std::time::Instant;

use media::{MediaTime, Timescale, Wallclock};

use crate::EncodeError;

/// A block of interleaved samples, full scale ±1, and when it belongs.
#[derive(Debug, Clone, Copy)]
pub struct Pcm<'a> {
    /// Interleaved samples.
    pub samples: &'a [f32],
    /// Time of the first sample.
    pub pts: MediaTime,
    /// When the block reached us.
    pub arrival: Instant,
    /// When the first sample was heard, if the source knows.
    pub captured: Option<Wallclock>,
}

/// Time of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameTime {
    pub(crate) pts: MediaTime,
    pub(crate) captured: Option<Wallclock>,
}

/// Cuts blocks into frames.
#[derive(Debug)]
pub(crate) struct Framer {
    channels: usize,
    timescale: Timescale,
    frame: usize,
    pending: Vec<f32>,
    /// Time of the first pending sample and its wall clock.
    start: Option<(i64, Option<i64>)>,
}

impl Framer {
    /// Frames of `frame` samples per channel at `timescale` samples a second.
    pub(crate) fn new(channels: usize, timescale: Timescale, frame: usize) -> Self {
        Self { channels, timescale, frame, pending: Vec::with_capacity(2 * frame * channels), start: None }
    }

    /// Takes a block in and gives each frame it completes, interleaved, to `sink`.
    ///
    /// Samples that are no numbers become silence and those beyond full scale are clipped: encoders refuse both.
    pub(crate) fn push(
        &mut self,
        pcm: Pcm<'_>,
        mut sink: impl FnMut(&[f32], FrameTime) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let samples = self.align(pcm)?;
        let clean = |s: &f32| if s.is_finite() { s.clamp(-1.0, 1.0) } else { 0.0 };
        self.pending.extend(samples.iter().map(clean));
        let length = self.frame * self.channels;
        let whole = self.pending.len() - self.pending.len() % length;
        let (mut pts, mut captured) = self.start.unwrap_or((0, None));
        let step = self.frame as i64;
        let step_micros = self.micros(step);
        let mut result = Ok(());
        for frame in self.pending[..whole].chunks_exact(length) {
            let time = FrameTime {
                pts: MediaTime::new(pts, self.timescale),
                captured: captured.map(Wallclock::from_unix_micros),
            };
            pts += step;
            captured = captured.map(|c| c + step_micros);
            result = result.and(sink(frame, time));
        }
        self.pending.drain(..whole);
        self.start = Some((pts, captured));
        result
    }

    /// The part of the block that continues what is pending, after setting the count.
    fn align<'a>(&mut self, pcm: Pcm<'a>) -> Result<&'a [f32], EncodeError> {
        if !pcm.samples.len().is_multiple_of(self.channels) {
            return Err(EncodeError::Samples { samples: pcm.samples.len(), channels: self.channels });
        }
        let at = pcm.pts.ticks_in(self.timescale);
        let waiting = (self.pending.len() / self.channels) as i64;
        let tolerance = i64::from(self.timescale.hz() / 50);
        let mut skip = 0;
        match self.start.map(|(pts, _)| at.saturating_sub(pts.saturating_add(waiting))) {
            Some(gap) if (-tolerance..=tolerance).contains(&gap) => {}
            Some(gap) if gap < 0 => skip = usize::try_from(gap.unsigned_abs()).unwrap_or(usize::MAX),
            _ => {
                self.pending.clear();
                self.start = Some((at, None));
            }
        }
        let waiting = (self.pending.len() / self.channels) as i64;
        // The newest block's wall clock counts: it follows the source's clock where the sample count strays.
        if let (Some((_, captured)), Some(wallclock)) = (&mut self.start, pcm.captured)
            && skip == 0
        {
            let behind = waiting * 1_000_000 / i64::from(self.timescale.hz());
            *captured = Some(wallclock.unix_micros() - behind);
        }
        let skip = skip.saturating_mul(self.channels).min(pcm.samples.len());
        Ok(&pcm.samples[skip..])
    }

    fn micros(&self, samples: i64) -> i64 {
        MediaTime::new(samples, self.timescale).ticks_in(Timescale::MICROS)
    }
}
