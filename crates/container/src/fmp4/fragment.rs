//! One movie fragment: `moof` and `mdat`, ISO/IEC 14496-12 §8.8.4–12, written into one buffer of known size.
//!
//! Invariant: both tracks count from the same moment, the oldest unit the packaging began with, so the offset between
//! sound and picture is the source's. What is older than that moment comes too late to be placed and is left out.
//! Sequence numbers and time run on when the parameters change.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BufMut;
use media::{
    AccessUnit, Chunk, Codec, CodecParameters, InitSegment, MediaKind, MediaTime, MuxError, Timescale, Track,
};

use super::init::init_segment;
use crate::packager::{GroupWriter, Tracks};

/// Writes initialization segments and movie fragments.
#[derive(Debug, Default)]
pub(crate) struct FragmentWriter {
    tracks: Tracks,
    init: Option<Arc<InitSegment>>,
    /// Where time is 0.
    origin: Option<MediaTime>,
    sequence: u32,
    video: Cadence,
    audio: Cadence,
}

impl GroupWriter for FragmentWriter {
    fn carries(codec: Codec) -> bool {
        match codec {
            Codec::H264 | Codec::H265 | Codec::Av1 | Codec::Vp8 | Codec::Vp9 | Codec::Aac | Codec::Opus => {
                true
            }
            Codec::Jpeg | Codec::MpegVideo | Codec::G711 | Codec::MpegAudio => false,
        }
    }

    fn start(&mut self, tracks: &Tracks) -> Result<(), MuxError> {
        self.init = Some(Arc::new(init_segment(tracks.iter().map(|track| &**track))?));
        self.tracks = tracks.clone();
        Ok(())
    }

    fn write(&mut self, group: &[AccessUnit], out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        let oldest = group.iter().map(|unit| unit.dts).min();
        let Some(origin) = self.origin.or(oldest) else { return Ok(()) };
        self.origin = Some(origin);

        let runs = [
            Run::of(group, self.tracks.video.as_ref(), origin)?,
            Run::of(group, self.tracks.audio.as_ref(), origin)?,
        ];
        let payload = runs.iter().map(|run| run.bytes).sum::<u64>();
        let moof = MOOF_AND_MFHD + runs.iter().map(Run::traf_size).sum::<u32>();
        let (Ok(mdat), true) = (u32::try_from(payload + 8), payload > 0) else {
            // Nothing but units that came too late, or more than a box can hold.
            return if payload == 0 {
                Ok(())
            } else {
                Err(MuxError::Malformed("fragment beyond 4 GiB".into()))
            };
        };
        let Some(total) = moof.checked_add(mdat) else {
            return Err(MuxError::Malformed("fragment beyond 4 GiB".into()));
        };

        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(total as usize);
        bytes.put_u32(moof);
        bytes.put_slice(b"moof");
        put_full_box_header(&mut bytes, 16, b"mfhd", 0);
        bytes.put_u32(self.sequence);
        let mut data_offset = moof + 8;
        for (run, cadence) in runs.iter().zip([&mut self.video, &mut self.audio]) {
            run.write_traf(&mut bytes, data_offset, cadence);
            // Each run's bytes are part of `payload`, which fits.
            data_offset += u32::try_from(run.bytes).unwrap_or(0);
        }
        bytes.put_u32(mdat);
        bytes.put_slice(b"mdat");
        for run in &runs {
            for unit in run.units() {
                bytes.put_slice(&unit.data);
            }
        }
        out.extend(self.tracks.chunk(group, self.init.clone(), bytes.into()));
        Ok(())
    }
}

/// How long a sample of a track probably lasts.
#[derive(Debug, Default)]
struct Cadence {
    last_ticks: Option<i64>,
    duration: u32,
}

impl Cadence {
    /// Takes note of a decoding time.
    fn note(&mut self, ticks: i64, track: &Track) {
        let hz = i64::from(track.timescale.hz());
        let delta = self.last_ticks.map_or(0, |last| ticks.saturating_sub(last));
        if (1..=hz).contains(&delta) {
            self.duration = u32::try_from(delta).unwrap_or(0);
        } else if self.duration == 0 {
            self.duration = likely_duration(track);
        }
        self.last_ticks = Some(ticks);
    }
}

/// The units of one track in a group.
struct Run<'a> {
    group: &'a [AccessUnit],
    track: Option<&'a Arc<Track>>,
    origin: MediaTime,
    count: u32,
    bytes: u64,
    /// Whether any is shown at another time than it is decoded.
    composition: bool,
}

impl<'a> Run<'a> {
    fn of(
        group: &'a [AccessUnit],
        track: Option<&'a Arc<Track>>,
        origin: MediaTime,
    ) -> Result<Self, MuxError> {
        let mut run = Self { group, track, origin, count: 0, bytes: 0, composition: false };
        let (mut count, mut bytes, mut composition) = (0, 0, false);
        for unit in run.units() {
            if u32::try_from(unit.data.len()).is_err() {
                return Err(MuxError::Malformed("unit beyond 4 GiB".into()));
            }
            count += 1;
            bytes += unit.data.len() as u64;
            composition |= unit.pts != unit.dts;
        }
        (run.count, run.bytes, run.composition) = (count, bytes, composition);
        Ok(run)
    }

    fn units(&self) -> impl Iterator<Item = &'a AccessUnit> {
        let (id, origin) = (self.track.map(|track| track.id), self.origin);
        self.group.iter().filter(move |unit| Some(unit.track.id) == id && unit.dts >= origin)
    }

    fn is_video(&self) -> bool {
        self.track.is_some_and(|track| track.kind() == MediaKind::Video)
    }

    /// Bytes a sample takes in `trun`: duration and size; for pictures flags too; composition offset if needed.
    fn entry_size(&self) -> u32 {
        8 + if self.is_video() { 4 } else { 0 } + if self.composition { 4 } else { 0 }
    }

    fn trun_size(&self) -> u32 {
        20 + self.count * self.entry_size()
    }

    fn traf_size(&self) -> u32 {
        if self.count == 0 { 0 } else { 8 + TFHD_SIZE + TFDT_SIZE + self.trun_size() }
    }

    fn write_traf(&self, out: &mut Vec<u8>, data_offset: u32, cadence: &mut Cadence) {
        let Some(track) = self.track else { return };
        let ticks = |unit: &AccessUnit| unit.dts.saturating_sub(self.origin).ticks_in(track.timescale);
        let mut units = self.units().peekable();
        let Some(first) = units.peek() else { return };

        out.put_u32(self.traf_size());
        out.put_slice(b"traf");
        put_full_box_header(out, TFHD_SIZE, b"tfhd", DEFAULT_BASE_IS_MOOF | DEFAULT_SAMPLE_FLAGS);
        out.put_u32(track.id.0);
        out.put_u32(if self.is_video() { NON_SYNC } else { SYNC });
        put_full_box_header(out, TFDT_SIZE, b"tfdt", VERSION_1);
        out.put_i64(ticks(first));

        let mut flags = DATA_OFFSET | SAMPLE_DURATION | SAMPLE_SIZE;
        if self.is_video() {
            flags |= SAMPLE_FLAGS;
        }
        if self.composition {
            flags |= SAMPLE_COMPOSITION_OFFSET | VERSION_1;
        }
        put_full_box_header(out, self.trun_size(), b"trun", flags);
        out.put_u32(self.count);
        out.put_u32(data_offset);
        while let Some(unit) = units.next() {
            let at = ticks(unit);
            cadence.note(at, track);
            let duration = units.peek().map(|next| ticks(next).saturating_sub(at));
            out.put_u32(duration.map_or(cadence.duration, |delta| u32::try_from(delta).unwrap_or(0)));
            // Checked in `of`.
            out.put_u32(u32::try_from(unit.data.len()).unwrap_or(0));
            if self.is_video() {
                out.put_u32(sample_flags(unit));
            }
            if self.composition {
                let offset = unit.composition_offset().ticks_in(track.timescale);
                out.put_i32(i32::try_from(offset).unwrap_or(0));
            }
        }
    }
}

/// Before anything was measured: 30 pictures a second, 1024 samples of AAC, 20 ms of Opus.
fn likely_duration(track: &Track) -> u32 {
    let hz = track.timescale.hz();
    let per_second = match &track.parameters {
        CodecParameters::H264(_)
        | CodecParameters::H265(_)
        | CodecParameters::Av1(_)
        | CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_) => return hz / 30,
        CodecParameters::Aac(parameters) => parameters.sample_rate(),
        CodecParameters::Opus(_) | CodecParameters::G711(_) | CodecParameters::MpegAudio(_) => {
            return hz / 50;
        }
    };
    Timescale::new(per_second)
        .map_or(0, |rate| u32::try_from(MediaTime::new(1_024, rate).ticks_in(track.timescale)).unwrap_or(0))
}

/// ISO/IEC 14496-12 §8.8.3.1.
fn sample_flags(unit: &AccessUnit) -> u32 {
    match (unit.random_access, unit.disposable) {
        (true, _) => SYNC,
        (false, false) => NON_SYNC,
        (false, true) => NON_SYNC | NOT_DEPENDED_ON,
    }
}

fn put_full_box_header(out: &mut Vec<u8>, size: u32, name: &[u8; 4], version_and_flags: u32) {
    out.put_u32(size);
    out.put_slice(name);
    out.put_u32(version_and_flags);
}

const MOOF_AND_MFHD: u32 = 8 + 16;
const TFHD_SIZE: u32 = 20;
const TFDT_SIZE: u32 = 20;

const VERSION_1: u32 = 1 << 24;

// `tfhd` flags.
const DEFAULT_BASE_IS_MOOF: u32 = 0x02_0000;
const DEFAULT_SAMPLE_FLAGS: u32 = 0x00_0020;

// `trun` flags.
const DATA_OFFSET: u32 = 0x001;
const SAMPLE_DURATION: u32 = 0x100;
const SAMPLE_SIZE: u32 = 0x200;
const SAMPLE_FLAGS: u32 = 0x400;
const SAMPLE_COMPOSITION_OFFSET: u32 = 0x800;

/// A sync sample that depends on no other.
pub(super) const SYNC: u32 = 0x0200_0000;
/// Not a sync sample, and depends on others.
pub(super) const NON_SYNC: u32 = 0x0101_0000;
/// No other sample depends on it.
const NOT_DEPENDED_ON: u32 = 0x0080_0000;
