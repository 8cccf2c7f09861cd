//! One continuous time for all publishers a stream ever has.
//!
//! A camera that restarts begins again at zero, a clock that is set jumps, a publisher is replaced by another: readers
//! and muxers see none of it. Every unit's time is moved by its track's offset so that DTS never decreases within a
//! track and never leaps; the first unit of a new publisher follows the last one by the real time between them.
//!
//! Not here: smoothing of jitter (the source's business), the loop of a file (its source writes continuous time).

use std::time::{Duration, Instant};

use media::{AccessUnit, MediaTime, Timescale, TrackId};

/// More than this ahead of the real time that passed is a jump, not jitter. Ten seconds is longer than any GOP a sane
/// encoder delays, and short enough that a player's buffer survives it.
const MAX_LEAP: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct TrackLine {
    id: TrackId,
    timescale: Timescale,
    /// Added to the source's ticks.
    offset: i64,
    /// Last DTS on the stream's timeline.
    last: MediaTime,
    arrival: Instant,
}

#[derive(Debug, Default)]
pub(crate) struct Timeline {
    tracks: Vec<TrackLine>,
    /// Newest point reached by any publisher, and when.
    newest: Option<(MediaTime, Instant)>,
    /// The offset last chosen, in microseconds: tracks that jump together keep together.
    shared_offset: Option<i64>,
}

impl Timeline {
    /// A new publisher begins: its clock has nothing to do with the last one's.
    pub(crate) fn restart(&mut self) {
        self.tracks.clear();
        self.shared_offset = None;
    }

    /// Moves the unit onto the stream's timeline.
    pub(crate) fn place(&mut self, unit: &mut AccessUnit) {
        let index = match self.tracks.iter().position(|line| line.id == unit.track.id) {
            Some(index) if self.tracks[index].timescale == unit.dts.timescale() => {
                if self.leaps(&self.tracks[index], unit) {
                    let offset = self.offset_for(unit);
                    self.tracks[index].offset = offset;
                }
                index
            }
            other => {
                if let Some(index) = other {
                    self.tracks.remove(index);
                }
                let offset = self.offset_for(unit);
                self.tracks.push(TrackLine {
                    id: unit.track.id,
                    timescale: unit.dts.timescale(),
                    offset,
                    last: MediaTime::new(i64::MIN / 4, unit.dts.timescale()),
                    arrival: unit.arrival,
                });
                self.tracks.len() - 1
            }
        };
        let line = &mut self.tracks[index];
        let shift =
            |time: MediaTime| MediaTime::new(time.ticks().saturating_add(line.offset), time.timescale());
        let pts = unit.pts.rescale(line.timescale);
        unit.dts = shift(unit.dts).max(line.last);
        unit.pts = shift(pts).max(unit.dts);
        line.last = unit.dts;
        line.arrival = unit.arrival;
        if self.newest.is_none_or(|(newest, _)| unit.dts > newest) {
            self.newest = Some((unit.dts, unit.arrival));
        }
    }

    fn leaps(&self, line: &TrackLine, unit: &AccessUnit) -> bool {
        let placed = unit.dts.ticks().saturating_add(line.offset);
        let step = placed.saturating_sub(line.last.ticks());
        let passed = unit.arrival.saturating_duration_since(line.arrival) + MAX_LEAP;
        step < 0 || MediaTime::new(step, line.timescale) > MediaTime::from_duration(passed, line.timescale)
    }

    /// An offset that lets this unit follow what came before, shared with the other tracks where it fits them.
    fn offset_for(&mut self, unit: &AccessUnit) -> i64 {
        let expected = match self.newest {
            None => MediaTime::zero(Timescale::MICROS),
            Some((newest, at)) => {
                let passed = unit.arrival.saturating_duration_since(at).max(Duration::from_millis(1));
                newest
                    .rescale(Timescale::MICROS)
                    .saturating_add(MediaTime::from_duration(passed, Timescale::MICROS))
            }
        };
        let own = unit.dts.rescale(Timescale::MICROS);
        let shared = self.shared_offset.filter(|offset| {
            let placed = own.ticks().saturating_add(*offset);
            placed.saturating_sub(expected.ticks()).unsigned_abs() < 1_000_000
        });
        let micros = shared.unwrap_or_else(|| expected.ticks().saturating_sub(own.ticks()));
        self.shared_offset = Some(micros);
        MediaTime::new(micros, Timescale::MICROS).ticks_in(unit.dts.timescale())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use media::{CodecParameters, OpusParameters, Track};

    use super::*;

    fn unit(id: u32, hz: u32, ticks: i64, arrival: Instant) -> AccessUnit {
        let timescale = Timescale::new(hz).unwrap();
        let parameters = CodecParameters::Opus(OpusParameters::new(2, 0).unwrap());
        let time = MediaTime::new(ticks, timescale);
        AccessUnit {
            track: Arc::new(Track { id: TrackId(id), timescale, parameters }),
            dts: time,
            pts: time,
            random_access: true,
            disposable: false,
            lost_before: 0,
            data: Bytes::new(),
            captured: None,
            arrival,
        }
    }

    fn place(timeline: &mut Timeline, mut unit: AccessUnit) -> i64 {
        timeline.place(&mut unit);
        unit.dts.ticks_in(Timescale::MILLIS)
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_unit_is_at_zero_and_tracks_keep_their_distance() {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        assert_eq!(place(&mut timeline, unit(1, 90_000, 900_000, start)), 0);
        assert_eq!(place(&mut timeline, unit(2, 48_000, 480_000 + 480, start)), 10);
        assert_eq!(place(&mut timeline, unit(1, 90_000, 903_000, start + 33 * MS)), 33);
    }

    #[test]
    fn a_new_publisher_goes_on_where_the_last_one_ended() {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        place(&mut timeline, unit(1, 90_000, 5_000_000, start));
        place(&mut timeline, unit(1, 90_000, 5_090_000, start + 1_000 * MS));
        timeline.restart();
        assert_eq!(place(&mut timeline, unit(1, 90_000, 0, start + 3_000 * MS)), 3_000);
    }

    #[test]
    fn a_clock_that_jumps_back_does_not_turn_time_back() {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        place(&mut timeline, unit(1, 90_000, 90_000_000, start));
        place(&mut timeline, unit(2, 48_000, 48_000_000, start));
        assert_eq!(place(&mut timeline, unit(1, 90_000, 0, start + 40 * MS)), 40);
        assert_eq!(place(&mut timeline, unit(2, 48_000, 0, start + 40 * MS)), 40);
        assert_eq!(place(&mut timeline, unit(1, 90_000, 3_600, start + 80 * MS)), 80);
    }

    #[test]
    fn a_leap_forward_is_taken_back_to_the_time_that_passed() {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        place(&mut timeline, unit(1, 90_000, 0, start));
        assert_eq!(place(&mut timeline, unit(1, 90_000, 90_000 * 3_600, start + 33 * MS)), 33);
    }

    #[test]
    fn a_late_burst_is_no_leap() {
        let start = Instant::now();
        let mut timeline = Timeline::default();
        place(&mut timeline, unit(1, 90_000, 0, start));
        assert_eq!(place(&mut timeline, unit(1, 90_000, 90_000, start + MS)), 1_000);
    }
}
