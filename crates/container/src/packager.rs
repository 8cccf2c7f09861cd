//! The part of every muxer that is the same: choosing tracks, noticing changes, gathering units into groups.
//!
//! A format writes groups ([`GroupWriter`]); [`Packager`] makes a [`Muxer`] of it. Invariant: a group never mixes units
//! from before and after a change of tracks or parameters, and the writer is told of the change in between.
//!
//! It also sees whether the stream reorders its pictures, and while it does not, hands the writer an SPS that says so
//! (H.264 §E.2.1, `bitstream_restriction`).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use media::{AccessUnit, Chunk, Codec, InitSegment, MediaKind, MuxError, Muxer, Track, TrackId};

use crate::FormatOptions;
use crate::group::Grouper;
use crate::parameters::promising_no_reordering;

/// The tracks a packaging carries: at most one of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tracks {
    pub(crate) video: Option<Arc<Track>>,
    pub(crate) audio: Option<Arc<Track>>,
}

impl Tracks {
    /// The track that decides boundaries.
    pub(crate) fn leading(&self) -> Option<&Arc<Track>> {
        self.video.as_ref().or(self.audio.as_ref())
    }

    fn slot(&mut self, id: TrackId) -> Option<&mut Arc<Track>> {
        [&mut self.video, &mut self.audio].into_iter().flatten().find(|track| track.id == id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Track>> {
        self.video.iter().chain(&self.audio)
    }

    /// What goes out around `bytes` made from `group`.
    pub(crate) fn chunk(
        &self,
        group: &[AccessUnit],
        init: Option<Arc<InitSegment>>,
        bytes: Bytes,
    ) -> Option<Chunk> {
        let first = group.first()?;
        let leads = self.leading().is_some_and(|track| track.id == first.track.id);
        Some(Chunk {
            track: first.track.id,
            init,
            dts: first.dts,
            random_access: leads && first.random_access,
            bytes,
            captured: group.iter().filter_map(|unit| unit.captured).max(),
            arrival: group.iter().map(|unit| unit.arrival).fold(first.arrival, Ord::max),
        })
    }
}

/// A format: turns whole groups of units into chunks.
pub(crate) trait GroupWriter: Send {
    /// Whether its readers lose a picture that comes without sound, if the stream has both.
    const PAIRED: bool = false;

    /// Whether the format has a place for this codec.
    fn carries(codec: Codec) -> bool;

    /// The tracks of all groups from now on, with the parameters as they are to go out.
    ///
    /// # Errors
    /// [`MuxError`] if they have no form in this format; there are no groups then until the next `start`.
    fn start(&mut self, tracks: &Tracks) -> Result<(), MuxError>;

    /// Writes one group, never empty, all of tracks given to `start`.
    fn write(&mut self, group: &[AccessUnit], out: &mut VecDeque<Chunk>) -> Result<(), MuxError>;
}

/// A [`Muxer`] of any [`GroupWriter`].
#[derive(Debug)]
pub(crate) struct Packager<W> {
    writer: W,
    video: bool,
    audio: bool,
    grouper: Grouper,
    /// As the stream has them.
    tracks: Tracks,
    /// Given by `Muxer::tracks` and not yet in force, for what is held belongs to the old ones.
    next_tracks: Option<Tracks>,
    reordered: bool,
    started: bool,
}

impl<W: GroupWriter> Packager<W> {
    pub(crate) fn new(writer: W, options: &FormatOptions) -> Self {
        Self {
            writer,
            video: options.video,
            audio: options.audio,
            grouper: if W::PAIRED {
                Grouper::paired(options.grouping)
            } else {
                Grouper::new(options.grouping)
            },
            tracks: Tracks::default(),
            next_tracks: None,
            reordered: false,
            started: false,
        }
    }

    /// Puts the change that `unit` brings in force, after giving out what came before it.
    fn follow_changes(&mut self, unit: &AccessUnit, out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        let mut flushed = Ok(());
        if let Some(tracks) = self.next_tracks.take()
            && tracks != self.tracks
        {
            flushed = self.flush(out);
            self.reordered &= tracks.video == self.tracks.video;
            self.tracks = tracks;
            self.started = false;
        }
        if let Some(track) = self.tracks.slot(unit.track.id)
            && !Arc::ptr_eq(track, &unit.track)
        {
            // A source that came back often has the same parameters: no reason to trouble the viewers.
            let same = **track == *unit.track;
            if !same {
                flushed = flushed.and(self.flush(out));
                self.reordered &= unit.track.kind() != MediaKind::Video;
                self.started = false;
            }
            if let Some(track) = self.tracks.slot(unit.track.id) {
                *track = Arc::clone(&unit.track);
            }
        }
        if !self.reordered && unit.pts != unit.dts && unit.track.kind() == MediaKind::Video {
            flushed = flushed.and(self.flush(out));
            self.reordered = true;
            self.started = false;
        }
        if !self.started {
            self.grouper.set_kinds(self.tracks.video.is_some(), self.tracks.audio.is_some());
            if self.reordered {
                self.writer.start(&self.tracks)?;
            } else {
                self.writer.start(&promising_no_reordering(&self.tracks))?;
            }
            self.started = true;
        }
        flushed
    }

    fn flush(&mut self, out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        let writer = &mut self.writer;
        self.grouper.flush(|group| writer.write(group, out))
    }

    fn wants(&self, track: &Track) -> bool {
        let kind = match track.kind() {
            MediaKind::Video => self.video,
            MediaKind::Audio => self.audio,
        };
        kind && W::carries(track.parameters.codec())
    }
}

impl<W: GroupWriter> Muxer for Packager<W> {
    fn accepts(&self, track: &Track) -> bool {
        self.wants(track)
    }

    fn tracks(&mut self, tracks: &[Arc<Track>]) {
        let first = |kind| tracks.iter().find(|track| track.kind() == kind && self.wants(track)).cloned();
        self.next_tracks = Some(Tracks { video: first(MediaKind::Video), audio: first(MediaKind::Audio) });
    }

    fn push(&mut self, unit: &AccessUnit, out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        // What the options or the format leave out is no error: `accepts` tells.
        let known = self.next_tracks.as_ref().unwrap_or(&self.tracks);
        if !known.iter().any(|track| track.id == unit.track.id) || !self.wants(&unit.track) {
            return Ok(());
        }
        let changed = self.follow_changes(unit, out);
        if !self.started {
            return changed;
        }
        let writer = &mut self.writer;
        let pushed = self.grouper.push(unit, |group| writer.write(group, out));
        changed.and(pushed)
    }
}
