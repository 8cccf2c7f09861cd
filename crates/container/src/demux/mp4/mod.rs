//! MP4 to access units: ISO/IEC 14496-12, as a stream of movie fragments or as a progressive file.
//!
//! [`Mp4Demuxer`] takes a stream in any chunking and gives out each sample the moment its last byte is there, whether the
//! samples are listed by movie fragments or by the movie itself (a "fast start" file through a pipe). [`Mp4Index`] lists
//! the samples of a file so that somebody else can read them where they lie.
//!
//! Broken structure is fatal, as nothing can be found behind it; a sample that cannot be used is counted and passed
//! over. Memory is bounded by what has been received: `moov` by 64 MiB, `moof` by 4 MiB, a sample by 8 MiB.

mod boxes;
mod fragment;
mod index;
mod movie;
mod sample_table;

use std::collections::VecDeque;

use bytes::Bytes;

use super::collector::Collector;
use super::error::{DemuxError, FourCc};
use super::probe;

pub use self::boxes::BoxHeader;
pub use self::index::{IndexedSample, Mp4Index, Mp4Reader};

use self::boxes::Reader;
use self::movie::{Movie, Mp4Track, Payload};
use self::sample_table::Sample;

/// The demuxer of one MP4 stream.
#[derive(Debug)]
pub(super) struct Mp4Demuxer {
    /// The first bytes of the stream, until there are enough to tell it from others.
    first: Vec<u8>,
    /// Bytes of an incomplete header, box or sample.
    buffer: Vec<u8>,
    /// Position in the stream of the first byte in `buffer`, or of the next to come.
    position: u64,
    state: State,
    movie: Option<Vec<Mp4Track>>,
    /// Samples to come, in the order of their place.
    plan: VecDeque<(usize, Sample)>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Before a box.
    Header,
    /// In a box that is read as a whole.
    Gather { kind: FourCc, header_len: usize, len: usize },
    /// In `mdat`, which ends at this position, if it ends.
    Media { end: Option<u64> },
    /// In a box that is of no interest.
    Skip { end: Option<u64> },
}

/// The first bytes of something else would be taken for a box of that size, and waited for.
fn refuse_others(first: &[u8]) -> Result<(), DemuxError> {
    let resembles = probe::resembles(first);
    let is_box = first.iter().skip(4).take(4).all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    if is_box && resembles.is_none() {
        Ok(())
    } else {
        Err(DemuxError::Mistaken { stated: "MP4", resembles })
    }
}

impl Mp4Demuxer {
    pub(super) fn new() -> Self {
        Self {
            first: Vec::new(),
            buffer: Vec::new(),
            position: 0,
            state: State::Header,
            movie: None,
            plan: VecDeque::new(),
        }
    }

    /// # Errors
    /// [`DemuxError`] for a broken structure; nothing more can be pushed then.
    pub(super) fn push(&mut self, mut bytes: &[u8], collector: &mut Collector) -> Result<(), DemuxError> {
        let lacking = MAX_HEADER_LEN - self.first.len();
        if lacking > 0 {
            self.first.extend_from_slice(&bytes[..lacking.min(bytes.len())]);
            refuse_others(&self.first)?;
        }
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Header => self.header(bytes, collector)?,
                State::Gather { kind, header_len, len } => {
                    let (used, rest) = bytes.split_at((len - self.buffer.len()).min(bytes.len()));
                    self.buffer.extend_from_slice(used);
                    if self.buffer.len() == len {
                        self.whole_box(kind, header_len, collector)?;
                    }
                    rest
                }
                State::Media { end } => self.media(bytes, end, collector),
                State::Skip { end } => self.skip(bytes, end),
            };
        }
        Ok(())
    }

    /// The input is over.
    pub(super) fn finish(&mut self, collector: &mut Collector) {
        if !self.buffer.is_empty() || !self.plan.is_empty() {
            collector.damaged(self.buffer.len());
            self.buffer.clear();
            self.plan.clear();
        }
    }

    fn header<'a>(&mut self, bytes: &'a [u8], collector: &mut Collector) -> Result<&'a [u8], DemuxError> {
        let before = self.buffer.len();
        let taken = (MAX_HEADER_LEN - before).min(bytes.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        let Some(header) = BoxHeader::parse(&self.buffer, self.position)? else {
            return Ok(&bytes[taken..]);
        };
        let BoxHeader { kind, header_len, size } = header;
        // Not all bytes taken need belong to the header: what came too much is left to the next state.
        let used = header_len - before;
        self.buffer.truncate(header_len);
        let end = size.map(|size| self.position.saturating_add(size));
        self.state = match &kind.0 {
            b"moov" | b"moof" => self.gather(header)?,
            b"mdat" => {
                if self.movie.is_none() {
                    let problem = "media before its index (moov); write it with -movflags +frag_keyframe+empty_moov, \
                                   or give it as a file";
                    return Err(self.error(kind, problem));
                }
                self.advance(header_len);
                State::Media { end }
            }
            _ => {
                self.advance(header_len);
                State::Skip { end }
            }
        };
        match self.state {
            State::Gather { len, .. } if len == header_len => self.whole_box(kind, header_len, collector)?,
            State::Media { end } | State::Skip { end } if end == Some(self.position) => {
                self.state = State::Header;
            }
            _ => {}
        }
        Ok(&bytes[used..])
    }

    fn gather(&self, header: BoxHeader) -> Result<State, DemuxError> {
        let BoxHeader { kind, header_len, size } = header;
        let limit = if kind.0 == *b"moov" { MAX_MOVIE_LEN } else { MAX_FRAGMENT_LEN };
        match size.and_then(|size| usize::try_from(size).ok()) {
            Some(len) if len <= limit => Ok(State::Gather { kind, header_len, len }),
            _ => Err(self.error(kind, "larger than we read")),
        }
    }

    fn whole_box(
        &mut self,
        kind: FourCc,
        header_len: usize,
        collector: &mut Collector,
    ) -> Result<(), DemuxError> {
        let start = self.position;
        let bytes = std::mem::take(&mut self.buffer);
        let reader = Reader::new(&bytes[header_len..], start + header_len as u64, kind);
        if !self.plan.is_empty() {
            // Samples that no mdat brought.
            collector.damaged(0);
            self.plan.clear();
        }
        if kind.0 == *b"moov" {
            self.movie(reader, collector)?;
        } else if let Some(tracks) = &mut self.movie {
            let samples = fragment::read(reader, start, tracks)?;
            samples.iter().for_each(|(track, sample)| tracks[*track].expect(sample.composition_offset));
            self.plan = samples.into();
        } else {
            return Err(self.error(kind, "movie fragment before the movie (moov)"));
        }
        self.position = start + bytes.len() as u64;
        self.state = State::Header;
        self.buffer = bytes;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT);
        Ok(())
    }

    fn movie(&mut self, moov: Reader<'_>, collector: &mut Collector) -> Result<(), DemuxError> {
        let movie = Movie::parse(moov)?;
        movie.notes.into_iter().for_each(|note| collector.note(note));
        let mut samples = Vec::new();
        let mut tracks = Vec::new();
        for (index, (mut track, stbl)) in movie.tracks.into_iter().enumerate() {
            if !movie.fragmented {
                for sample in sample_table::read(&stbl)? {
                    track.expect(sample.composition_offset);
                    samples.push((index, sample));
                }
            }
            tracks.push(track);
        }
        samples.sort_by_key(|(_, sample)| sample.offset);
        self.plan = samples.into();
        let ids: Vec<_> = tracks.iter().map(Mp4Track::id).collect();
        tracks.iter().filter_map(Mp4Track::track).for_each(|track| collector.track(track));
        collector.announce(&ids);
        self.movie = Some(tracks);
        Ok(())
    }

    /// Takes one planned sample out of `mdat`, or passes over bytes that belong to none.
    fn media<'a>(&mut self, bytes: &'a [u8], end: Option<u64>, collector: &mut Collector) -> &'a [u8] {
        let end_or_never = end.unwrap_or(u64::MAX);
        while self.plan.front().is_some_and(|(_, sample)| {
            sample.offset < self.position || (sample.offset < end_or_never && sample.end() > end_or_never)
        }) {
            // Overlaps what has been used, lies before the media, or runs past its end.
            self.plan.pop_front();
            collector.damaged(0);
        }
        let Some(&(track, sample)) = self.plan.front() else { return self.skip(bytes, end) };
        if sample.offset >= end_or_never {
            return self.skip(bytes, end);
        }
        if sample.offset > self.position {
            return self.skip_to(bytes, sample.offset);
        }
        let size = sample.size as usize;
        let rest = if self.buffer.is_empty() && bytes.len() >= size {
            let (data, rest) = bytes.split_at(size);
            self.sample(track, &sample, data, collector);
            rest
        } else {
            let (used, rest) = bytes.split_at((size - self.buffer.len()).min(bytes.len()));
            self.buffer.extend_from_slice(used);
            if self.buffer.len() < size {
                return rest;
            }
            let data = std::mem::take(&mut self.buffer);
            self.sample(track, &sample, &data, collector);
            self.buffer = data;
            self.buffer.clear();
            rest
        };
        self.plan.pop_front();
        self.position = sample.end();
        if end == Some(self.position) {
            self.state = State::Header;
        }
        rest
    }

    fn sample(&mut self, track: usize, sample: &Sample, data: &[u8], collector: &mut Collector) {
        let Some(track) = self.movie.as_mut().and_then(|tracks| tracks.get_mut(track)) else { return };
        let (dts, pts) = track.times(sample);
        match &mut track.payload {
            Payload::Video(video) => video.unit(data, dts, pts, 0, collector),
            Payload::Audio(track) => collector.sound(track, dts, 0, Bytes::copy_from_slice(data)),
        }
    }

    /// Passes over bytes up to the end of the box.
    fn skip<'a>(&mut self, bytes: &'a [u8], end: Option<u64>) -> &'a [u8] {
        let rest = self.skip_to(bytes, end.unwrap_or(u64::MAX));
        if end == Some(self.position) {
            self.state = State::Header;
        }
        rest
    }

    fn skip_to<'a>(&mut self, bytes: &'a [u8], position: u64) -> &'a [u8] {
        let distance = usize::try_from(position.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let skipped = distance.min(bytes.len());
        self.position += skipped as u64;
        &bytes[skipped..]
    }

    /// The buffered header has done its work.
    fn advance(&mut self, header_len: usize) {
        self.buffer.clear();
        self.position += header_len as u64;
    }

    fn error(&self, kind: FourCc, problem: &'static str) -> DemuxError {
        DemuxError::Mp4 { offset: self.position, kind, problem }
    }
}

const MAX_HEADER_LEN: usize = 16;
const MAX_MOVIE_LEN: usize = 64 << 20;
const MAX_FRAGMENT_LEN: usize = 4 << 20;
/// Memory kept from one box or sample to the next.
const BUFFER_KEPT: usize = 1 << 20;
