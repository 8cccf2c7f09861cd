//! Where the demuxers put what they find: units, one-off notes and counts.
//!
//! Holds the first units back until every announced track has shown its parameters, so that whoever packages them can
//! announce picture and sound together. Bounded: after one second of stream time, 512 units or 16 MiB the wait is over
//! and the stream goes on with the tracks it has; a track that shows up later is added then.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use media::{AccessUnit, MediaTime, Timescale, Track, TrackId, Wallclock};

use super::DemuxStats;

/// The receiving end shared by all formats.
#[derive(Debug)]
pub(super) struct Collector {
    /// Times of the push being worked on, given to every unit completed by it.
    pub(super) arrival: Instant,
    pub(super) captured: Option<Wallclock>,
    pub(super) stats: DemuxStats,
    announced: Vec<TrackId>,
    tracks: Vec<Arc<Track>>,
    /// Last decoding time of each track.
    last: Vec<(TrackId, MediaTime)>,
    open: bool,
    earliest: Option<MediaTime>,
    latest: Option<MediaTime>,
    held_bytes: usize,
    units: VecDeque<AccessUnit>,
    notes: Vec<String>,
    noted: Vec<String>,
}

impl Collector {
    pub(super) fn new(arrival: Instant) -> Self {
        Self {
            arrival,
            captured: None,
            stats: DemuxStats::default(),
            announced: Vec::new(),
            tracks: Vec::new(),
            last: Vec::new(),
            open: false,
            earliest: None,
            latest: None,
            held_bytes: 0,
            units: VecDeque::new(),
            notes: Vec::new(),
            noted: Vec::new(),
        }
    }

    /// The tracks the container promises; tracks it no longer names are forgotten.
    pub(super) fn announce(&mut self, ids: &[TrackId]) {
        self.announced = ids.to_vec();
        self.tracks.retain(|track| ids.contains(&track.id));
        self.last.retain(|(id, _)| ids.contains(id));
        self.open_if_complete();
    }

    /// The parameters of a track, known from the container or from its first unit.
    pub(super) fn track(&mut self, track: &Arc<Track>) {
        match self.tracks.iter_mut().find(|known| known.id == track.id) {
            Some(known) if Arc::ptr_eq(known, track) => return,
            Some(known) => *known = Arc::clone(track),
            None => {
                self.tracks.push(Arc::clone(track));
                self.tracks.sort_by_key(|track| track.id);
            }
        }
        self.open_if_complete();
    }

    /// One finished unit.
    pub(super) fn unit(&mut self, unit: AccessUnit) {
        self.track(&unit.track);
        self.watch_time(&unit);
        self.stats.units += 1;
        if !self.open {
            self.hold(&unit);
        }
        self.units.push_back(unit);
    }

    /// One packet of sound.
    pub(super) fn sound(&mut self, track: &Arc<Track>, time: MediaTime, lost_before: u16, data: Bytes) {
        let time = time.rescale(track.timescale);
        self.unit(AccessUnit {
            track: Arc::clone(track),
            dts: time,
            pts: time,
            random_access: true,
            disposable: false,
            lost_before,
            data,
            captured: self.captured,
            arrival: self.arrival,
        });
    }

    /// Damage that was stepped over, with the bytes that were lost by it.
    pub(super) fn damaged(&mut self, discarded: usize) {
        self.stats.errors += 1;
        self.discarded(discarded);
    }

    /// Bytes left out without anything being wrong with them.
    pub(super) fn discarded(&mut self, bytes: usize) {
        self.stats.discarded_bytes += bytes as u64;
    }

    /// Says something to the operator, the same words only once.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if self.noted.len() < MAX_NOTES && !self.noted.contains(&text) {
            self.noted.push(text.clone());
            self.notes.push(text);
        }
    }

    /// Ends the wait for announced tracks.
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    /// Hands out what may leave.
    pub(super) fn release(&mut self, out: &mut VecDeque<AccessUnit>) {
        if self.open {
            out.append(&mut self.units);
        }
    }

    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    pub(super) fn tracks(&self) -> &[Arc<Track>] {
        &self.tracks
    }

    fn open_if_complete(&mut self) {
        let complete = self.announced.iter().all(|id| self.tracks.iter().any(|track| track.id == *id));
        if complete && !self.announced.is_empty() {
            self.open = true;
        }
    }

    fn hold(&mut self, unit: &AccessUnit) {
        let earliest = self.earliest.map_or(unit.dts, |time| time.min(unit.dts));
        let latest = self.latest.map_or(unit.dts, |time| time.max(unit.dts));
        self.earliest = Some(earliest);
        self.latest = Some(latest);
        self.held_bytes += unit.data.len();
        let span = latest.rescale(Timescale::MILLIS).saturating_sub(earliest).ticks();
        if span >= MAX_HELD_MILLIS
            || self.units.len() + 1 >= MAX_HELD_UNITS
            || self.held_bytes >= MAX_HELD_BYTES
        {
            self.open = true;
            self.note("a track that the input announces has sent nothing usable yet: going on without it");
        }
    }

    fn watch_time(&mut self, unit: &AccessUnit) {
        match self.last.iter_mut().find(|(id, _)| *id == unit.track.id) {
            Some((_, last)) => {
                let backwards = unit.dts < *last;
                *last = unit.dts;
                if backwards {
                    self.note(format!(
                        "times of the {} track run backwards",
                        unit.track.parameters.codec().name()
                    ));
                }
            }
            None => self.last.push((unit.track.id, unit.dts)),
        }
        if unit.pts != unit.dts && unit.track.kind() == media::MediaKind::Video {
            self.note("pictures are reordered (B-frames): outputs without composition times cannot show them in order");
        }
    }
}

const MAX_HELD_MILLIS: i64 = 1_000;
const MAX_HELD_UNITS: usize = 512;
const MAX_HELD_BYTES: usize = 16 << 20;
const MAX_NOTES: usize = 32;
