//! Cuts movie fragments into segments and parts, and keeps the newest of them.
//!
//! A segment begins at a random access point of the leading track, a part at any of its units; a part ends when the unit behind it has
//! come, since only that tells how long it lasts. Before the first segment is whole nothing is shown: its length decides what the playlist
//! promises ([`Plan`]).
//!
//! Media Sequence Numbers go on over [`pause`](Window::pause), so that a player who comes back finds a playlist that has moved on, not
//! another one.
//!
//! Invariant: what is kept is bounded by [`Settings`], but for the three target durations that a playlist must have (§6.2.2).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::{Chunk, MediaTime, TrackId, Wallclock};

use crate::plan::LONGEST;
use crate::{Init, Part, Plan, Segment, Snapshot};

/// How a stream is cut and how much of it is kept.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// A segment ends at the first random access point after this.
    pub segment: Duration,
    /// About how long a part is.
    pub part: Duration,
    /// How far back the playlist reaches.
    pub window: Duration,
    /// Bytes of media at most, in the playlist and out of it.
    pub bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            segment: Duration::from_secs(1),
            part: Duration::from_millis(200),
            window: Duration::from_secs(20),
            bytes: 64 << 20,
        }
    }
}

/// The newest segments of one stream.
#[derive(Debug)]
pub struct Window {
    settings: Settings,
    epoch: u64,
    plan: Option<Plan>,
    /// What came before there was a plan.
    early: Vec<Fragment>,
    early_bytes: usize,
    segments: VecDeque<Arc<Segment>>,
    retired: VecDeque<Arc<Segment>>,
    growing: Option<Growing>,
    init: Option<Arc<Init>>,
    /// The leading track.
    leading: Option<TrackId>,
    /// Only a random access point is taken now.
    waiting: bool,
    /// What comes next does not go on from what came last.
    broken: bool,
    next_segment: u64,
    next_init: u64,
    discontinuity_sequence: u64,
    /// The longest distance of random access points that was seen.
    longest: Duration,
    /// Units in a row that lasted longer than a part may.
    slow: u32,
    /// What parts lasted longer than they may say; the parts behind them say it.
    debt: Duration,
}

/// A movie fragment on its way into a part.
#[derive(Debug, Clone)]
struct Fragment {
    /// Of the leading track; others have no say in times.
    leads: bool,
    dts: MediaTime,
    random_access: bool,
    wallclock: Wallclock,
    bytes: Bytes,
}

/// The segment that grows.
#[derive(Debug)]
struct Growing {
    segment: Segment,
    /// Of the parts that are whole.
    duration: Duration,
    part: Vec<Bytes>,
    part_duration: Duration,
    part_independent: bool,
    /// Units in the open part, and when the last of them is decoded.
    part_units: u32,
    last: MediaTime,
}

impl Window {
    /// An empty window; no two that may meet under one name have the same `epoch`.
    pub fn new(settings: Settings, epoch: u64) -> Self {
        Self {
            settings,
            epoch,
            plan: None,
            early: Vec::new(),
            early_bytes: 0,
            segments: VecDeque::new(),
            retired: VecDeque::new(),
            growing: None,
            init: None,
            leading: None,
            waiting: true,
            broken: false,
            next_segment: 0,
            next_init: 0,
            discontinuity_sequence: 0,
            longest: Duration::ZERO,
            slow: 0,
            debt: Duration::ZERO,
        }
    }

    /// Takes the next chunk of a packaging in, captured (or come) at `wallclock`; tells whether the playlist has changed.
    pub fn push(&mut self, chunk: &Chunk, wallclock: Wallclock) -> bool {
        let shown = self.shown();
        if !self.follow_init(chunk) || (self.waiting && !chunk.random_access) {
            self.break_off();
            return self.shown() != shown;
        }
        if chunk.random_access {
            self.leading = Some(chunk.track);
            self.waiting = false;
        }
        let fragment = Fragment {
            leads: self.leading == Some(chunk.track),
            dts: chunk.dts,
            random_access: chunk.random_access,
            wallclock,
            bytes: chunk.bytes.clone(),
        };
        match self.plan {
            Some(plan) => self.place(fragment, plan),
            None => self.gather(fragment),
        }
        self.shown() != shown
    }

    /// Chunks were lost: what comes next begins at a random access point, and does not go on from here. Tells whether the playlist has changed.
    pub fn skip(&mut self) -> bool {
        let shown = self.shown();
        self.break_off();
        self.shown() != shown
    }

    /// Nobody watches: all media is let go. Numbers, and what was learnt of the stream, stay.
    pub fn pause(&mut self) {
        self.break_off();
        self.forget();
        self.retired.clear();
    }

    /// What there is now; `None` before there is something to show.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let plan = self.plan?;
        let growing = self.growing.as_ref().map(|growing| &growing.segment);
        let shown =
            growing.filter(|segment| !segment.parts.is_empty()).map(|segment| Arc::new(segment.clone()));
        let segments: Vec<_> = self.segments.iter().cloned().chain(shown).collect();
        if segments.is_empty() {
            return None;
        }
        let parts = growing.map_or(0, |segment| segment.parts.len() as u64);
        Some(Snapshot {
            epoch: self.epoch,
            plan,
            discontinuity_sequence: self.discontinuity_sequence,
            segments,
            next: (growing.map_or(self.next_segment, |segment| segment.number), parts),
            retired: self.retired.iter().cloned().collect(),
        })
    }

    /// What a playlist shows differs where this does.
    fn shown(&self) -> (u64, usize, bool) {
        let parts = self.growing.as_ref().map_or(0, |growing| growing.segment.parts.len());
        (self.next_segment, parts, self.plan.is_some())
    }

    /// Notes the init segment of `chunk`; `false` if it is another one and the chunk cannot begin with it.
    fn follow_init(&mut self, chunk: &Chunk) -> bool {
        let Some(init) = &chunk.init else { return false };
        if self.init.as_ref().is_some_and(|known| known.bytes == init.bytes && known.mime == init.mime) {
            return true;
        }
        self.break_off();
        if !chunk.random_access {
            return false;
        }
        let (mime, bytes) = (init.mime.clone(), init.bytes.clone());
        self.init = Some(Arc::new(Init { number: self.next_init, mime, bytes }));
        self.next_init += 1;
        true
    }

    /// Ends what grows; the next segment begins at a random access point, behind a discontinuity.
    fn break_off(&mut self) {
        self.early.clear();
        self.early_bytes = 0;
        if let (Some(plan), Some(_)) = (self.plan, &self.growing) {
            self.finish_unit(plan.cadence, plan);
            self.finish_part();
            self.finish_segment(plan);
        }
        self.waiting = true;
        self.broken = self.next_segment > 0;
        self.debt = Duration::ZERO;
    }

    /// Forgets the playlist, but for its numbers.
    fn forget(&mut self) {
        let discontinuities = self.segments.iter().filter(|segment| segment.discontinuity).count();
        self.discontinuity_sequence += discontinuities as u64;
        self.retired.extend(self.segments.drain(..));
        self.plan = None;
        self.slow = 0;
        self.broken = self.next_segment > 0;
    }

    /// Before there is a plan: until the first segment is whole, or so long that it is taken for whole.
    fn gather(&mut self, fragment: Fragment) {
        let leading = || self.early.iter().filter(|early| early.leads);
        if fragment.leads
            && let (Some(first), Some(last)) = (leading().next(), leading().next_back())
        {
            let duration = fragment.dts.saturating_sub(first.dts).to_duration();
            let lasted = fragment.dts.saturating_sub(last.dts).to_duration();
            let units = u32::try_from(leading().count()).unwrap_or(u32::MAX);
            let half = duration / units / 2;
            let whole = fragment.random_access && duration + half >= self.settings.segment;
            if lasted > LONGEST {
                (self.waiting, self.broken) = (true, self.next_segment > 0);
                self.early.clear();
                self.early_bytes = 0;
                if !fragment.random_access {
                    return;
                }
                self.waiting = false;
            } else if whole || duration >= PATIENCE || self.early_bytes > self.settings.bytes / 2 {
                let first = if whole { duration } else { LONGEST };
                let units = if whole { units } else { units_in(LONGEST, duration, units) };
                let plan = Plan::new(first, units, self.longest, self.settings.part);
                self.plan = Some(plan);
                self.early_bytes = 0;
                for early in std::mem::take(&mut self.early) {
                    self.place(early, plan);
                }
                if !whole {
                    // Players that know no parts find nothing in a playlist without a whole segment.
                    self.finish_unit(lasted, plan);
                    self.finish_part();
                    self.finish_segment(plan);
                }
                self.place(fragment, plan);
                return;
            }
        }
        self.early_bytes += fragment.bytes.len();
        self.early.push(fragment);
    }

    fn place(&mut self, fragment: Fragment, plan: Plan) {
        if !fragment.leads {
            if let Some(growing) = &mut self.growing {
                growing.part.push(fragment.bytes);
            }
            return;
        }
        if let Some(growing) = &self.growing {
            let lasted = fragment.dts.saturating_sub(growing.last).to_duration();
            if lasted > plan.gap() {
                self.break_off();
                if !fragment.random_access {
                    return;
                }
                self.waiting = false;
            } else {
                self.finish_unit(lasted, plan);
                if self.slow > SLOW_UNITS {
                    // The stream is another: what was promised cannot be kept, and a new playlist begins.
                    self.finish_part();
                    self.finish_segment(plan);
                    self.forget();
                    self.waiting = !fragment.random_access;
                    if fragment.random_access {
                        self.gather(fragment);
                    }
                    return;
                }
                self.cut_before(&fragment, plan);
            }
        }
        if self.growing.is_none() {
            self.begin_segment(&fragment);
        }
        if let Some(growing) = &mut self.growing {
            if growing.part.is_empty() {
                growing.part_independent = fragment.random_access;
            }
            growing.part.push(fragment.bytes);
            growing.part_units += 1;
            growing.last = fragment.dts;
        }
    }

    /// The last unit of the open part lasted so long. What does not fit into the part is said by those behind it, so that the playlist's time
    /// and the media's stay together.
    fn finish_unit(&mut self, lasted: Duration, plan: Plan) {
        let Some(growing) = &mut self.growing else { return };
        if growing.part_units == 0 {
            return;
        }
        self.slow = if lasted > plan.part_target { self.slow + 1 } else { 0 };
        let whole = growing.part_duration + lasted + std::mem::take(&mut self.debt);
        let most = plan.part_target.min(plan.segment_limit().saturating_sub(growing.duration));
        growing.part_duration = whole.min(most);
        self.debt = whole.saturating_sub(most).min(plan.target);
    }

    /// Ends the part, and the segment, where they must not hold `fragment` too.
    fn cut_before(&mut self, fragment: &Fragment, plan: Plan) {
        let Some(growing) = &self.growing else { return };
        let duration = growing.duration + growing.part_duration;
        let half = plan.cadence / 2;
        if fragment.random_access {
            self.longest = self.longest.max(duration);
        }
        let ends = (fragment.random_access && duration + half >= self.settings.segment)
            || duration + plan.cadence > plan.segment_limit();
        let full = growing.part_duration + plan.cadence > plan.part_target
            && growing.part_duration >= plan.part_target.mul_f64(LEAST_PART);
        if ends || full {
            self.finish_part();
        }
        if ends {
            self.finish_segment(plan);
        }
    }

    fn begin_segment(&mut self, fragment: &Fragment) {
        let Some(init) = self.init.clone() else { return };
        let segment = Segment {
            number: self.next_segment,
            init,
            discontinuity: std::mem::take(&mut self.broken),
            wallclock: fragment.wallclock,
            parts: Vec::new(),
            units: 0,
            complete: false,
            bytes: Bytes::new(),
        };
        self.growing = Some(Growing {
            segment,
            duration: Duration::ZERO,
            part: Vec::new(),
            part_duration: Duration::ZERO,
            part_independent: false,
            part_units: 0,
            last: fragment.dts,
        });
    }

    fn finish_part(&mut self) {
        let Some(growing) = &mut self.growing else { return };
        if growing.part.is_empty() {
            return;
        }
        let bytes = match &growing.part[..] {
            [one] => one.clone(),
            many => many.concat().into(),
        };
        growing.part.clear();
        let duration = std::mem::take(&mut growing.part_duration);
        growing.segment.units += std::mem::take(&mut growing.part_units);
        growing.segment.parts.push(Part { duration, independent: growing.part_independent, bytes });
        growing.duration += duration;
    }

    fn finish_segment(&mut self, plan: Plan) {
        let Some(growing) = self.growing.take() else { return };
        if growing.segment.parts.is_empty() {
            self.broken |= growing.segment.discontinuity;
            return;
        }
        self.segments.push_back(Arc::new(growing.segment.finish()));
        self.next_segment += 1;
        self.trim(plan);
    }

    /// Takes out of the playlist what it need not have any more, and lets go what nobody can be fetching any more (§6.2.2).
    fn trim(&mut self, plan: Plan) {
        let size =
            |segments: &VecDeque<Arc<Segment>>| segments.iter().map(|segment| segment.size()).sum::<usize>();
        let length = |segments: &VecDeque<Arc<Segment>>| {
            segments.iter().map(|segment| segment.duration()).sum::<Duration>()
        };
        let least = plan.target * 3;
        let wanted = self.settings.window.max(least);
        let (mut bytes, mut duration) = (size(&self.segments), length(&self.segments));
        while let Some(oldest) = self.segments.front() {
            let left = duration.saturating_sub(oldest.duration());
            if left < least || (left < wanted && bytes <= self.settings.bytes) {
                break;
            }
            (bytes, duration) = (bytes - oldest.size(), left);
            self.discontinuity_sequence += u64::from(oldest.discontinuity);
            self.retired.extend(self.segments.pop_front());
        }
        // As long as a playlist that had it, and it, last.
        let (mut old, mut old_bytes) = (length(&self.retired), size(&self.retired));
        while let Some(oldest) = self.retired.front() {
            let unneeded = old.saturating_sub(oldest.duration()) > duration + plan.target;
            if !unneeded && old_bytes + bytes <= self.settings.bytes {
                break;
            }
            (old, old_bytes) = (old.saturating_sub(oldest.duration()), old_bytes - oldest.size());
            self.retired.pop_front();
        }
    }
}

fn units_in(span: Duration, duration: Duration, units: u32) -> u32 {
    let count = span.as_secs_f64() / duration.as_secs_f64().max(1e-3) * f64::from(units);
    count.round().clamp(1.0, f64::from(u32::MAX)) as u32
}

/// Every part of a segment but its last has at least this much of the part target (§4.4.3.7).
const LEAST_PART: f64 = 0.86;
/// After so long without a second random access point the first segment ends where it is.
const PATIENCE: Duration = Duration::from_secs(4);
/// So many units in a row that are longer than a part are a stream of another pace.
const SLOW_UNITS: u32 = 4;
