//! A progressive file as a list: which bytes are which sample, in decoding order of all tracks.
//!
//! Made from the `moov` box alone, so whoever owns the file reads only what is due. A file of movie fragments has an
//! empty list ([`Mp4Index::is_fragmented`]) and is pushed through the [`Demuxer`](crate::demux::Demuxer) instead.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use codec::nal::Stamp;
use media::{AccessUnit, MediaTime, Timescale, Track, TrackId, Wallclock};

use super::super::error::{DemuxError, FourCc};
use super::boxes::{BoxHeader, Reader};
use super::movie::{Movie, Mp4Track, Payload};
use super::sample_table;

/// The samples of a progressive file, in decoding order.
#[derive(Debug)]
pub struct Mp4Index {
    tracks: Vec<Mp4Track>,
    samples: Vec<IndexedSample>,
    duration: MediaTime,
    fragmented: bool,
    notes: Vec<String>,
}

/// One sample of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexedSample {
    /// Whose it is.
    pub track: TrackId,
    /// Its first byte in the file.
    pub offset: u64,
    /// How many bytes it has; never 0, at most 8 MiB.
    pub size: u32,
    /// Decoding time, edits applied; may begin below zero.
    pub dts: MediaTime,
    /// Presentation time, edits applied.
    pub pts: MediaTime,
    /// The file says that decoding may start here.
    pub random_access: bool,
}

impl Mp4Index {
    /// From a whole `moov` box, header included.
    ///
    /// # Errors
    /// [`DemuxError::Mp4`] with the byte position in `moov` for a broken box, [`DemuxError::NoTrack`] if there is
    /// nothing to play.
    pub fn parse(moov: &[u8]) -> Result<Self, DemuxError> {
        let kind = FourCc(*b"moov");
        let header = BoxHeader::parse(moov, 0)?.filter(|header| header.kind == kind);
        let header = header.ok_or(DemuxError::Mp4 { offset: 0, kind, problem: "not a movie box" })?;
        let body = moov.get(header.header_len..).unwrap_or_default();
        let movie = Movie::parse(Reader::new(body, header.header_len as u64, kind))?;
        let mut samples = Vec::new();
        let mut tracks = Vec::new();
        let mut duration = MediaTime::zero(Timescale::VIDEO_90K);
        for (mut track, stbl) in movie.tracks {
            let table = if movie.fragmented { Vec::new() } else { sample_table::read(&stbl)? };
            table.iter().for_each(|sample| track.expect(sample.composition_offset));
            samples.extend(table.iter().map(|sample| IndexedSample::new(&track, sample)));
            duration = duration.max(end_of(&track, &table));
            tracks.push(track);
        }
        samples.sort_by(|a, b| a.dts.cmp(&b.dts).then(a.offset.cmp(&b.offset)));
        Ok(Self { tracks, samples, duration, fragmented: movie.fragmented, notes: movie.notes })
    }

    /// The samples, in decoding order.
    pub fn samples(&self) -> &[IndexedSample] {
        &self.samples
    }

    /// The tracks whose parameters stand in the movie: all but an `avc3` track without any.
    pub fn tracks(&self) -> Vec<Arc<Track>> {
        self.tracks.iter().filter_map(Mp4Track::track).map(Arc::clone).collect()
    }

    /// From zero to the end of the longest track: what to add to the times for a second round.
    pub const fn duration(&self) -> MediaTime {
        self.duration
    }

    /// Whether the samples stand in movie fragments and not here.
    pub const fn is_fragmented(&self) -> bool {
        self.fragmented
    }

    /// What the operator should know: tracks left out and why.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Goes over to reading: the list, and what makes units of its samples' bytes.
    pub fn into_reader(self) -> (Vec<IndexedSample>, Mp4Reader) {
        (self.samples, Mp4Reader { tracks: self.tracks })
    }
}

impl IndexedSample {
    fn new(track: &Mp4Track, sample: &sample_table::Sample) -> Self {
        let (dts, pts) = track.times(sample);
        let sample_table::Sample { offset, size, sync, .. } = *sample;
        Self { track: track.id(), offset, size, dts, pts, random_access: sync }
    }
}

/// Makes access units of samples read from a file.
#[derive(Debug)]
pub struct Mp4Reader {
    tracks: Vec<Mp4Track>,
}

impl Mp4Reader {
    /// The unit of `sample`, whose bytes are `bytes`; `None` if it is damaged or holds nothing to show.
    ///
    /// Its times are the sample's: shift them for a second round.
    pub fn unit(
        &mut self,
        sample: &IndexedSample,
        bytes: &[u8],
        arrival: Instant,
        captured: Option<Wallclock>,
    ) -> Option<AccessUnit> {
        let track = self.tracks.iter_mut().find(|track| track.id() == sample.track)?;
        let IndexedSample { dts, pts, .. } = *sample;
        match &mut track.payload {
            Payload::Video(video) => {
                let stamp = Stamp { dts, pts, lost_before: 0, captured, arrival };
                video.build(bytes, stamp).ok().flatten()
            }
            Payload::Audio(track) => Some(AccessUnit {
                track: Arc::clone(track),
                dts,
                pts,
                random_access: true,
                disposable: false,
                lost_before: 0,
                data: Bytes::copy_from_slice(bytes),
                captured,
                arrival,
            }),
        }
    }
}

/// Where a track ends: its last sample lasts as long as the one before.
fn end_of(track: &Mp4Track, samples: &[sample_table::Sample]) -> MediaTime {
    let Some(last) = samples.last() else { return MediaTime::zero(track.timescale) };
    let before = samples.iter().rev().nth(1).map_or(last.dts, |sample| sample.dts);
    let end = last.dts.saturating_add(last.dts - before).saturating_add(track.edit_shift);
    MediaTime::new(end, track.timescale)
}
