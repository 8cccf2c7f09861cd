//! The movie box: what tracks there are and what a decoder must know of each, ISO/IEC 14496-12 §8.
//!
//! Plays the first video track and the first audio track that it can; everything else is told and passed over. Edit
//! lists count in their simple form, which is how writers say "starts later" and "cut off the encoder's delay": empty
//! edits, then one edit at normal rate. Any other list is told and ignored.

use std::sync::Arc;

use media::{CodecParameters, MediaTime, OpusParameters, Timescale, Track, TrackId};

use super::super::error::{DemuxError, FourCc};
use super::super::video::VideoUnits;
use super::boxes::Reader;
use super::sample_table::Sample;

/// A track we play.
#[derive(Debug)]
pub(super) struct Mp4Track {
    /// `track_ID`.
    pub(super) number: u32,
    /// Of the media, as `mdhd` says; units may have another.
    pub(super) timescale: Timescale,
    /// Added to each sample's time for the edit list.
    pub(super) edit_shift: i64,
    /// The most negative composition offset seen, or 0: decoding times move by it, so that none is after presentation.
    pub(super) earliest_composition: i32,
    /// Of a movie fragment's samples (`trex`).
    pub(super) defaults: SampleDefaults,
    /// Where the next fragment starts if it does not say.
    pub(super) decode_time: i64,
    pub(super) payload: Payload,
}

/// How the samples of a track become units.
#[derive(Debug)]
pub(super) enum Payload {
    /// Length-prefixed NAL units, or temporal units.
    Video(Box<VideoUnits>),
    /// One unit a sample, as it is.
    Audio(Arc<Track>),
}

/// `trex`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SampleDefaults {
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

impl Mp4Track {
    /// Remembers the composition offsets to come.
    pub(super) fn expect(&mut self, composition_offset: i32) {
        self.earliest_composition = self.earliest_composition.min(composition_offset);
    }

    /// Decoding and presentation time of a sample, edits applied, in the timescale of the track's units.
    pub(super) fn times(&self, sample: &Sample) -> (MediaTime, MediaTime) {
        let start = sample.dts.saturating_add(self.edit_shift);
        let at = |offset: i32| {
            let ticks = start.saturating_add(i64::from(offset));
            MediaTime::new(ticks, self.timescale).rescale(self.unit_timescale())
        };
        (at(self.earliest_composition), at(sample.composition_offset))
    }

    pub(super) fn id(&self) -> TrackId {
        match self.payload {
            Payload::Video(_) => TrackId::VIDEO,
            Payload::Audio(_) => TrackId::AUDIO,
        }
    }

    /// The track as units carry it, once its parameters are known.
    pub(super) fn track(&self) -> Option<&Arc<Track>> {
        match &self.payload {
            Payload::Video(video) => video.track(),
            Payload::Audio(track) => Some(track),
        }
    }

    fn unit_timescale(&self) -> Timescale {
        match &self.payload {
            Payload::Video(_) => Timescale::VIDEO_90K,
            Payload::Audio(track) => track.timescale,
        }
    }
}

/// A parsed `moov`.
pub(super) struct Movie<'a> {
    /// Each with its sample table.
    pub(super) tracks: Vec<(Mp4Track, Reader<'a>)>,
    /// Movie fragments follow (`mvex`).
    pub(super) fragmented: bool,
    /// What the operator should know.
    pub(super) notes: Vec<String>,
}

impl<'a> Movie<'a> {
    pub(super) fn parse(moov: Reader<'a>) -> Result<Self, DemuxError> {
        let mut mvhd = moov.require(b"mvhd", "no movie header (mvhd)")?;
        let (version, _) = mvhd.full()?;
        mvhd.skip(if version == 1 { 16 } else { 8 })?;
        let movie_timescale = timescale(&mut mvhd)?;
        let mvex = moov.find(b"mvex")?;
        let mut movie = Self { tracks: Vec::new(), fragmented: mvex.is_some(), notes: Vec::new() };
        let (mut video, mut audio) = (false, false);
        let mut boxes = moov;
        while let Some(child) = boxes.child()? {
            if child.kind() != *b"trak" {
                continue;
            }
            let Some((track, stbl)) = movie.track(&child, movie_timescale)? else { continue };
            let taken = match track.payload {
                Payload::Video(_) => &mut video,
                Payload::Audio(_) => &mut audio,
            };
            if std::mem::replace(taken, true) {
                movie
                    .notes
                    .push(format!("track {} is left out: another of its kind is played", track.number));
            } else {
                movie.tracks.push((track, stbl));
            }
        }
        if let Some(mvex) = mvex {
            movie.read_defaults(mvex)?;
        }
        if movie.tracks.is_empty() {
            let found = movie.notes.join("; ");
            let found = if found.is_empty() { "the movie has no tracks".to_owned() } else { found };
            return Err(DemuxError::NoTrack { found });
        }
        Ok(movie)
    }

    fn track(
        &mut self,
        trak: &Reader<'a>,
        movie_timescale: Timescale,
    ) -> Result<Option<(Mp4Track, Reader<'a>)>, DemuxError> {
        let mut tkhd = trak.require(b"tkhd", "no track header (tkhd)")?;
        let (version, _) = tkhd.full()?;
        tkhd.skip(if version == 1 { 16 } else { 8 })?;
        let number = tkhd.u32()?;
        let mdia = trak.require(b"mdia", "no media box (mdia)")?;
        let mut mdhd = mdia.require(b"mdhd", "no media header (mdhd)")?;
        let (version, _) = mdhd.full()?;
        mdhd.skip(if version == 1 { 16 } else { 8 })?;
        let timescale = timescale(&mut mdhd)?;
        let Some(minf) = mdia.find(b"minf")? else { return Ok(None) };
        let Some(stbl) = minf.find(b"stbl")? else { return Ok(None) };
        let mut stsd = stbl.require(b"stsd", "no sample description (stsd)")?;
        stsd.full()?;
        stsd.u32()?;
        let Some(entry) = stsd.child()? else { return Ok(None) };
        let payload = match Payload::read(entry) {
            Ok(payload) => payload,
            Err(problem) => {
                self.notes.push(format!("track {number} is left out: {problem}"));
                return Ok(None);
            }
        };
        let edit_shift = match trak.find(b"edts")?.map(|edts| edts.find(b"elst")).transpose()?.flatten() {
            Some(elst) => self.edit_shift(elst, number, timescale, movie_timescale)?,
            None => 0,
        };
        let defaults = SampleDefaults::default();
        let track = Mp4Track {
            number,
            timescale,
            edit_shift,
            earliest_composition: 0,
            defaults,
            decode_time: 0,
            payload,
        };
        Ok(Some((track, stbl)))
    }

    fn edit_shift(
        &mut self,
        mut elst: Reader<'a>,
        number: u32,
        media: Timescale,
        movie: Timescale,
    ) -> Result<i64, DemuxError> {
        let (version, _) = elst.full()?;
        let count = elst.count(if version == 1 { 20 } else { 12 })?;
        let mut delay = 0i64;
        let mut start = None;
        let mut simple = true;
        for _ in 0..count {
            let duration = elst.sized(version)?;
            let time = if version == 1 { elst.u64()?.cast_signed() } else { i64::from(elst.i32()?) };
            let rate = elst.u32()?;
            match (time, start) {
                (-1, None) => delay = delay.saturating_add(i64::try_from(duration).unwrap_or(i64::MAX)),
                (0.., None) => start = Some(time),
                _ => simple = false,
            }
            simple &= rate == 0x0001_0000 || time == -1;
        }
        let delay = MediaTime::new(delay, movie).ticks_in(media);
        let shift = delay.saturating_sub(start.unwrap_or(0));
        if !simple || shift.abs() > MAX_EDIT_SECONDS * i64::from(media.hz()) {
            self.notes.push(format!("edit list of track {number} is ignored: it is more than a start"));
            return Ok(0);
        }
        Ok(shift)
    }

    fn read_defaults(&mut self, mut mvex: Reader<'a>) -> Result<(), DemuxError> {
        while let Some(mut child) = mvex.child()? {
            if child.kind() != *b"trex" {
                continue;
            }
            child.full()?;
            let number = child.u32()?;
            child.skip(4)?;
            let defaults = SampleDefaults { duration: child.u32()?, size: child.u32()?, flags: child.u32()? };
            if let Some((track, _)) = self.tracks.iter_mut().find(|(track, _)| track.number == number) {
                track.defaults = defaults;
            }
        }
        Ok(())
    }
}

impl Payload {
    /// From a sample entry; the error says why it cannot be played.
    fn read(mut entry: Reader<'_>) -> Result<Self, String> {
        let kind = FourCc(entry.kind());
        let broken = |error: DemuxError| format!("{error}");
        match &kind.0 {
            b"avc1" | b"avc3" => {
                entry.skip(VISUAL_ENTRY_LEN).map_err(broken)?;
                let config = entry.require(b"avcC", "no avcC").map_err(broken)?;
                let video = VideoUnits::h264_length_prefixed(config.rest());
                video.map(|video| Self::Video(Box::new(video))).map_err(|error| format!("{kind}: {error}"))
            }
            b"hvc1" | b"hev1" => {
                entry.skip(VISUAL_ENTRY_LEN).map_err(broken)?;
                let config = entry.require(b"hvcC", "no hvcC").map_err(broken)?;
                let video = VideoUnits::h265_length_prefixed(config.rest());
                video.map(|video| Self::Video(Box::new(video))).map_err(|error| format!("{kind}: {error}"))
            }
            b"av01" => {
                entry.skip(VISUAL_ENTRY_LEN).map_err(broken)?;
                let config = entry.require(b"av1C", "no av1C").map_err(broken)?;
                let video = VideoUnits::av1(config.rest());
                video.map(|video| Self::Video(Box::new(video))).map_err(|error| format!("{kind}: {error}"))
            }
            b"mp4a" => {
                skip_audio_entry(&mut entry).map_err(broken)?;
                let mut esds = entry.require(b"esds", "no esds").map_err(broken)?;
                esds.full().map_err(broken)?;
                let config = decoder_specific_info(esds.rest()).ok_or("mp4a that is not AAC")?;
                let parameters =
                    codec::aac::parse_config(config).map_err(|error| format!("mp4a: {error}"))?;
                Ok(Self::audio(parameters.sample_rate(), CodecParameters::Aac(parameters)))
            }
            b"Opus" => {
                skip_audio_entry(&mut entry).map_err(broken)?;
                let mut config = entry.require(b"dOps", "no dOps").map_err(broken)?;
                config.skip(1).map_err(broken)?;
                let (channels, pre_skip) = (config.u8().map_err(broken)?, config.u16().map_err(broken)?);
                let parameters =
                    OpusParameters::new(channels, pre_skip).map_err(|error| error.to_string())?;
                Ok(Self::audio(48_000, CodecParameters::Opus(parameters)))
            }
            _ => Err(format!("codec {kind} is not supported")),
        }
    }

    fn audio(sample_rate: u32, parameters: CodecParameters) -> Self {
        let timescale = Timescale::new(sample_rate).unwrap_or(Timescale::AUDIO_48K);
        Self::Audio(Arc::new(Track { id: TrackId::AUDIO, timescale, parameters }))
    }
}

fn timescale(reader: &mut Reader<'_>) -> Result<Timescale, DemuxError> {
    let hz = reader.u32()?;
    Timescale::new(hz).ok_or_else(|| reader.error("timescale of zero"))
}

/// Past the fixed part of an audio sample entry; QuickTime's versions 1 and 2 have more of it.
fn skip_audio_entry(entry: &mut Reader<'_>) -> Result<(), DemuxError> {
    entry.skip(8)?;
    let version = entry.u16()?;
    entry.skip(18)?;
    match version {
        1 => entry.skip(16),
        2 => entry.skip(36),
        _ => Ok(()),
    }
}

/// The AudioSpecificConfig inside the descriptors of an `esds` box (ISO/IEC 14496-1 §7.2.6); `None` unless it is AAC.
fn decoder_specific_info(bytes: &[u8]) -> Option<&[u8]> {
    let (mut es, _) = descriptor(bytes, 0x03)?;
    let flags = *es.get(2)?;
    es = es.get(3..)?;
    if flags & 0x80 != 0 {
        es = es.get(2..)?;
    }
    if flags & 0x40 != 0 {
        es = es.get(1 + usize::from(*es.first()?)..)?;
    }
    if flags & 0x20 != 0 {
        es = es.get(2..)?;
    }
    let (config, _) = descriptor(es, 0x04)?;
    // 0x40 is MPEG-4 audio, 0x66 to 0x68 the AAC of MPEG-2.
    if !matches!(config.first()?, 0x40 | 0x66..=0x68) {
        return None;
    }
    descriptor(config.get(13..)?, 0x05).map(|(info, _)| info)
}

/// The body of the descriptor with this tag at the front, and what follows it.
fn descriptor(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, mut rest) = bytes.split_first()?;
    let mut len = 0;
    for _ in 0..4 {
        let (&byte, tail) = rest.split_first()?;
        rest = tail;
        len = len << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    if found == tag { rest.split_at_checked(len) } else { None }
}

/// Fixed part of a visual sample entry.
const VISUAL_ENTRY_LEN: usize = 78;
/// An edit further from zero than this is a mistake or an attack.
const MAX_EDIT_SECONDS: i64 = 24 * 3600;
