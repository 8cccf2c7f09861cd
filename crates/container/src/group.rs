//! Which access units share one message.
//!
//! Every message costs each viewer one write, and writes are what a server's time goes into; so sound, which comes in
//! small units, rides in the message of the next picture. A picture itself is never held back for that, but where a
//! format's readers cannot do with a picture alone.
//!
//! Invariant: a group that holds a random access point of the video begins with it, and sound that waited goes behind
//! it, so a viewer who starts at that message misses no sound. Within a track the order of units is kept.
//!
//! Not here: what a message looks like (each format), and time: a group is ended by a unit, never by a clock.

use std::time::Duration;

use media::{AccessUnit, MediaKind, MediaTime, Timescale};

/// How units are gathered into messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Grouping {
    /// Every unit is a message by itself, at once.
    EveryUnit,
    /// A picture is a message, at once, and takes along the sound that came since the last one; sound waits at most
    /// 100 ms. Without video every unit is a message.
    #[default]
    RideOnVideo,
    /// What came within this time is one message.
    Window(Duration),
}

impl Grouping {
    /// The longest window; a longer one is cut to this.
    pub const MAX_WINDOW: Duration = Duration::from_secs(2);

    /// Windows are whole multiples of this: viewers choose them, and each other one is muxed for itself.
    pub const WINDOW_STEP: Duration = Duration::from_millis(50);

    /// As users write it: `group_ms` absent, 0, or a window, rounded up to a whole [`Self::WINDOW_STEP`].
    pub fn from_millis(millis: Option<u32>) -> Self {
        match millis {
            None => Self::RideOnVideo,
            Some(0) => Self::EveryUnit,
            Some(millis) => {
                let step = Self::WINDOW_STEP.as_millis() as u32;
                let window = Duration::from_millis(u64::from(millis.div_ceil(step)) * u64::from(step));
                Self::Window(window.min(Self::MAX_WINDOW))
            }
        }
    }
}

impl std::str::FromStr for Grouping {
    type Err = String;

    /// From what stands behind `group_ms=`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let millis = text.parse().map_err(|_| format!("group_ms: {text:?} is no number of milliseconds"))?;
        Ok(Self::from_millis(Some(millis)))
    }
}

impl std::fmt::Display for Grouping {
    /// As a parameter behind others; nothing for what is the default.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RideOnVideo => Ok(()),
            Self::EveryUnit => f.write_str("&group_ms=0"),
            Self::Window(window) => write!(f, "&group_ms={}", window.as_millis()),
        }
    }
}

/// Gathers units into groups.
#[derive(Debug)]
pub(crate) struct Grouper {
    grouping: Grouping,
    /// A picture is to have sound with it.
    paired: bool,
    video_leads: bool,
    has_audio: bool,
    held: Vec<AccessUnit>,
    held_bytes: usize,
}

impl Grouper {
    pub(crate) const fn new(grouping: Grouping) -> Self {
        Self {
            grouping,
            paired: false,
            video_leads: false,
            has_audio: false,
            held: Vec::new(),
            held_bytes: 0,
        }
    }

    /// For formats whose readers lose a picture that comes without sound: [`Grouping::RideOnVideo`] then lets it wait
    /// for the next sound, 300 ms at most.
    pub(crate) fn paired(grouping: Grouping) -> Self {
        Self { paired: true, ..Self::new(grouping) }
    }

    /// Which kinds the stream has; pictures, if any, decide the boundaries.
    pub(crate) const fn set_kinds(&mut self, video: bool, audio: bool) {
        self.video_leads = video;
        self.has_audio = audio;
    }

    /// Takes a unit in and calls `emit` for each group that is complete by it: none, one or two.
    pub(crate) fn push<E>(
        &mut self,
        unit: &AccessUnit,
        mut emit: impl FnMut(&[AccessUnit]) -> Result<(), E>,
    ) -> Result<(), E> {
        let picture = unit.track.kind() == MediaKind::Video;
        match self.grouping {
            Grouping::EveryUnit => emit(std::slice::from_ref(unit)),
            Grouping::RideOnVideo if picture && self.paired && self.has_audio && !self.holds_sound() => {
                self.hold(unit);
                if self.spans(MAX_PAIRING) || self.is_full() {
                    let later = self.split_before_random_access();
                    let flushed = self.flush(&mut emit);
                    self.held = later;
                    flushed.and(self.flush(emit))
                } else {
                    Ok(())
                }
            }
            Grouping::RideOnVideo if !picture && !self.held.is_empty() && !self.holds_sound() => {
                let later = self.split_before_random_access();
                self.hold(unit);
                let flushed = self.flush(emit);
                self.held = later;
                flushed
            }
            Grouping::RideOnVideo if picture && self.held.is_empty() => emit(std::slice::from_ref(unit)),
            Grouping::RideOnVideo if picture => {
                // Leading the message: see the invariant.
                self.held.insert(0, unit.clone());
                self.flush(emit)
            }
            Grouping::RideOnVideo if !self.video_leads => emit(std::slice::from_ref(unit)),
            Grouping::RideOnVideo => {
                self.hold(unit);
                if self.spans(MAX_HOLD) || self.is_full() { self.flush(emit) } else { Ok(()) }
            }
            Grouping::Window(window) => {
                let flushed = if picture && unit.random_access { self.flush(&mut emit) } else { Ok(()) };
                self.hold(unit);
                let done = if self.spans(window) || self.is_full() { self.flush(emit) } else { Ok(()) };
                flushed.and(done)
            }
        }
    }

    /// Gives out what is held, if anything.
    pub(crate) fn flush<E>(&mut self, mut emit: impl FnMut(&[AccessUnit]) -> Result<(), E>) -> Result<(), E> {
        if self.held.is_empty() {
            return Ok(());
        }
        let result = emit(&self.held);
        self.held.clear();
        self.held_bytes = 0;
        result
    }

    /// Takes away what is held from a random access point on, unless all is: that has to begin a group of its own.
    fn split_before_random_access(&mut self) -> Vec<AccessUnit> {
        let at = self.held.iter().position(|unit| unit.random_access).unwrap_or(0);
        if at == 0 { Vec::new() } else { self.held.split_off(at) }
    }

    fn hold(&mut self, unit: &AccessUnit) {
        self.held_bytes += unit.data.len();
        self.held.push(unit.clone());
    }

    /// Whether what is held came over at least `limit`, or one track of it lasts that long.
    fn spans(&self, limit: Duration) -> bool {
        let (Some(first), Some(last)) = (self.held.first(), self.held.last()) else { return false };
        if last.arrival.saturating_duration_since(first.arrival) >= limit {
            return true;
        }
        let Some(same_track) = self.held.iter().find(|unit| unit.track.id == last.track.id) else {
            return false;
        };
        last.dts.saturating_sub(same_track.dts) >= MediaTime::from_duration(limit, Timescale::MICROS)
    }

    /// Whether sound is what waits; with [`Grouping::RideOnVideo`] only one kind does at a time.
    fn holds_sound(&self) -> bool {
        self.held.first().is_some_and(|unit| unit.track.kind() == MediaKind::Audio)
    }

    const fn is_full(&self) -> bool {
        self.held.len() >= MAX_UNITS || self.held_bytes >= MAX_BYTES
    }
}

/// How long sound may wait for a picture.
const MAX_HOLD: Duration = Duration::from_millis(100);

/// How long a picture that must not be alone may wait for sound: ffmpeg puts up to 170 ms of sound into one PES packet.
const MAX_PAIRING: Duration = Duration::from_millis(300);

/// Units in one message at most: far above any sensible window, a bound against a source that stands still in time.
const MAX_UNITS: usize = 512;

/// Bytes in one message at most, but for a single larger unit.
const MAX_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::samples::{aac, picture, sound, video};

    /// The groups that come of `units`, each as its units' times with a letter for the kind.
    fn groups(grouping: Grouping, video_leads: bool, units: &[AccessUnit]) -> Vec<Vec<String>> {
        let mut grouper = Grouper::new(grouping);
        grouper.set_kinds(video_leads, true);
        let mut groups = Vec::new();
        for unit in units {
            let Ok(()) = grouper.push(unit, |group| {
                groups.push(group.iter().map(name).collect());
                Ok::<_, Infallible>(())
            });
        }
        groups
    }

    fn name(unit: &AccessUnit) -> String {
        let letter = match unit.track.kind() {
            MediaKind::Video => 'v',
            MediaKind::Audio => 'a',
        };
        format!("{letter}{}", unit.dts.ticks_in(Timescale::MILLIS))
    }

    #[test]
    fn sound_rides_behind_the_next_picture() {
        let (v, a) = (video(), aac());
        let units = [
            picture(&v, 0, true, 9),
            sound(&a, 0, 9),
            sound(&a, 21, 9),
            picture(&v, 33, false, 9),
            sound(&a, 43, 9),
        ];
        assert_eq!(groups(Grouping::RideOnVideo, true, &units), [vec!["v0"], vec!["v33", "a0", "a21"]]);
    }

    #[test]
    fn sound_waits_no_longer_than_a_tenth_of_a_second_for_a_picture() {
        let a = aac();
        let units: Vec<_> = (0..12).map(|n| sound(&a, n * 20, 9)).collect();
        assert_eq!(
            groups(Grouping::RideOnVideo, true, &units),
            [
                vec!["a0", "a20", "a40", "a60", "a80", "a100"],
                vec!["a120", "a140", "a160", "a180", "a200", "a220"]
            ]
        );
    }

    #[test]
    fn without_video_every_sound_goes_at_once() {
        let a = aac();
        let units = [sound(&a, 0, 9), sound(&a, 20, 9)];
        assert_eq!(groups(Grouping::RideOnVideo, false, &units), [["a0"], ["a20"]]);
    }

    #[test]
    fn a_picture_that_must_not_be_alone_waits_for_sound() {
        let (v, a) = (video(), aac());
        let mut grouper = Grouper::paired(Grouping::RideOnVideo);
        grouper.set_kinds(true, true);
        let mut units: Vec<_> = (0..4).map(|n| picture(&v, n * 16, n == 0 || n == 3, 9)).collect();
        units.insert(2, sound(&a, 20, 9));
        units.push(sound(&a, 50, 9));
        units.push(sound(&a, 51, 9));
        units.extend((0..5).map(|n| picture(&v, 64 + n * 75, false, 9)));
        let mut groups = Vec::new();
        for unit in &units {
            let Ok(()) = grouper.push(unit, |group| {
                groups.push(group.iter().map(name).collect::<Vec<_>>());
                Ok::<_, Infallible>(())
            });
        }
        let expected: [&[&str]; 4] = [
            &["v0", "v16", "a20"],
            &["v32", "a50"],
            &["v48", "a51"],
            &["v64", "v139", "v214", "v289", "v364"],
        ];
        assert_eq!(groups, expected);
    }

    #[test]
    fn a_window_gathers_but_a_random_access_point_begins_a_group() {
        let v = video();
        let units: Vec<_> = (0..8).map(|n| picture(&v, n * 40, n == 0 || n == 5, 9)).collect();
        assert_eq!(
            groups(Grouping::Window(Duration::from_millis(100)), true, &units),
            [vec!["v0", "v40", "v80", "v120"], vec!["v160"]]
        );
        // The group of 200 ms is still open.
    }

    #[test]
    fn group_ms_is_read_as_documented() {
        assert_eq!(Grouping::from_millis(None), Grouping::RideOnVideo);
        assert_eq!(Grouping::from_millis(Some(0)), Grouping::EveryUnit);
        assert_eq!(Grouping::from_millis(Some(200)), Grouping::Window(Duration::from_millis(200)));
        assert_eq!(Grouping::from_millis(Some(u32::MAX)), Grouping::Window(Grouping::MAX_WINDOW));
    }
}
