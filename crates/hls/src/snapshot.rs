//! A window at one moment: what is in the playlist, and what can still be fetched.
//!
//! Immutable, so that any number of requests read it without asking anybody; the next moment is another snapshot that shares its segments.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{FileName, Init, Plan, Reload, Segment};

/// The window at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Told apart by it from every other window.
    pub epoch: u64,
    /// What is promised.
    pub plan: Plan,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: u64,
    /// In the playlist, oldest first; the last one may still grow, and then has a part at least.
    pub segments: Vec<Arc<Segment>>,
    /// The segment and part that come next.
    pub next: (u64, u64),
    /// Out of the playlist, and still to be had.
    pub retired: Vec<Arc<Segment>>,
}

/// Whether a playlist request can be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Now.
    Ready,
    /// When what it asks for is there.
    Wait,
    /// Never: too far in the future (§6.2.5.2).
    TooFar,
}

/// What a file's name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Bytes that never change.
    Bytes(Bytes),
    /// It is the next one to come.
    Wait,
    /// It is gone, or never was.
    Nothing,
}

impl Snapshot {
    /// Whether `reload` can be answered with this.
    pub fn judge(&self, reload: &Reload) -> Verdict {
        let Some((segment, part)) = reload.until else { return Verdict::Ready };
        let (next_segment, next_part) = self.next;
        // A part behind a segment's last one is the first of the next segment.
        let (segment, part) = match part {
            Some(part) if segment < next_segment && part >= self.parts_of(segment) => (segment + 1, Some(0)),
            _ => (segment, part),
        };
        let there = match part {
            Some(part) => (segment, part) < (next_segment, next_part),
            None => segment < next_segment,
        };
        if there {
            return Verdict::Ready;
        }
        let part = part.unwrap_or(0);
        let too_far = segment > next_segment + 1
            || (segment == next_segment && part > next_part + self.advance_part_limit())
            || (segment > next_segment && part > self.advance_part_limit());
        if too_far { Verdict::TooFar } else { Verdict::Wait }
    }

    /// The file of this name.
    pub fn find(&self, name: FileName) -> Found {
        if name.epoch() != self.epoch {
            return Found::Nothing;
        }
        let found = match name {
            FileName::Init { number, .. } => self.init(number).map(|init| init.bytes.clone()),
            FileName::Segment { number, .. } => {
                self.segment(number).filter(|segment| segment.complete).map(|segment| segment.bytes.clone())
            }
            FileName::Part { number, part, .. } => usize::try_from(part)
                .ok()
                .and_then(|part| self.segment(number)?.parts.get(part))
                .map(|part| part.bytes.clone()),
        };
        match (found, name) {
            (Some(bytes), _) => Found::Bytes(bytes),
            (None, FileName::Part { number, part, .. }) if (number, part) == self.next => Found::Wait,
            // The segment whose parts are coming.
            (None, FileName::Segment { number, .. }) if number == self.next.0 => Found::Wait,
            (None, _) => Found::Nothing,
        }
    }

    /// How long the playlist is, growing segment included.
    pub fn duration(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration()).sum()
    }

    /// The newest Media Initialization Section.
    pub fn newest_init(&self) -> Option<&Arc<Init>> {
        self.segments.last().map(|segment| &segment.init)
    }

    /// The peak and the mean bit rate of the segments there are, in bits per second.
    pub fn bit_rates(&self) -> (u64, u64) {
        let whole = || self.segments.iter().filter(|segment| segment.complete);
        let used: Vec<&Arc<Segment>> =
            if whole().next().is_some() { whole().collect() } else { self.segments.iter().collect() };
        let peak = used.iter().map(|segment| segment.bit_rate()).fold(0.0, f64::max);
        let seconds: f64 = used.iter().map(|segment| segment.duration().as_secs_f64()).sum();
        let bits: f64 = used.iter().map(|segment| segment.size() as f64 * 8.0).sum();
        let round = |rate: f64| rate.ceil().clamp(1.0, 1e12) as u64;
        (round(peak), round(bits / seconds.max(1e-3)))
    }

    /// Units of the leading track a second.
    pub fn unit_rate(&self) -> f64 {
        let units: u32 = self.segments.iter().map(|segment| segment.units).sum();
        f64::from(units) / self.duration().as_secs_f64().max(1e-3)
    }

    fn segment(&self, number: u64) -> Option<&Arc<Segment>> {
        self.retired.iter().chain(&self.segments).find(|segment| segment.number == number)
    }

    fn init(&self, number: u64) -> Option<&Arc<Init>> {
        self.retired
            .iter()
            .chain(&self.segments)
            .map(|segment| &segment.init)
            .find(|init| init.number == number)
    }

    fn parts_of(&self, number: u64) -> u64 {
        self.segment(number).map_or(0, |segment| segment.parts.len() as u64)
    }

    /// Parts of this many seconds may be asked for ahead: three, at least three parts.
    fn advance_part_limit(&self) -> u64 {
        let parts = 3.0 / self.plan.part_target.as_secs_f64().clamp(1e-3, 1.0);
        parts.ceil() as u64
    }
}
