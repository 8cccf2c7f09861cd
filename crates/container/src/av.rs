//! The envelope of jmuxer's demo page: a duration, the length of the sound, ADTS frames, pictures in the byte stream
//! format (`docs/ref/websocket.md`, `av`).
//!
//! jmuxer knows no other time than the durations it is given, in whole milliseconds, one for the pictures and the
//! sound of a message alike. Invariant: the sum of the durations of all messages with pictures follows the decoding
//! times of the pictures, and the sum of those with sound follows the sound, whatever was rounded before: the error is
//! carried, never dropped. Where one duration cannot serve both, the sound gets a message of its own.

use std::collections::VecDeque;

use bytes::BufMut;
use media::{AacParameters, AccessUnit, Chunk, Codec, CodecParameters, MediaKind, MediaTime, MuxError, Timescale};

use crate::Ending;
use crate::annexb::PictureWriter;
use crate::packager::{GroupWriter, Tracks};

/// Writes envelopes.
#[derive(Debug)]
pub(crate) struct EnvelopeWriter {
    tracks: Tracks,
    pictures: PictureWriter,
    video: PlayedTime,
    audio: PlayedTime,
}

impl EnvelopeWriter {
    pub(crate) fn new(ending: Ending) -> Self {
        Self {
            tracks: Tracks::default(),
            pictures: PictureWriter::new(ending),
            video: PlayedTime::default(),
            audio: PlayedTime::default(),
        }
    }

    fn write_message(
        &self,
        duration: u16,
        audio: &[AccessUnit],
        video: &[AccessUnit],
        out: &mut VecDeque<Chunk>,
    ) -> Result<(), MuxError> {
        let sounds = of_kind(audio, MediaKind::Audio);
        let audio_size: usize = sounds.clone().map(|unit| ADTS_HEADER + unit.data.len()).sum();
        let Ok(audio_length) = u16::try_from(audio_size) else {
            return Err(MuxError::Malformed("an AAC unit beyond 64 KiB".into()));
        };
        let pictures = of_kind(video, MediaKind::Video);
        let size: usize = pictures.clone().map(|unit| self.pictures.size(unit)).sum();
        let mut bytes = Vec::with_capacity(4 + audio_size + size);
        bytes.put_u16_le(duration);
        bytes.put_u16_le(audio_length);
        for unit in sounds {
            let CodecParameters::Aac(parameters) = &unit.track.parameters else { continue };
            bytes.put_slice(&adts_header(parameters, unit)?);
            bytes.put_slice(&unit.data);
        }
        for unit in pictures {
            self.pictures.write(unit, &mut bytes)?;
        }
        let group = if video.is_empty() { audio } else { video };
        out.extend(self.tracks.chunk(group, None, bytes.into()));
        Ok(())
    }

    /// A message, or as many as the length field asks for, of sound alone.
    fn write_sound(&mut self, group: &[AccessUnit], out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        let mut rest = group;
        while !rest.is_empty() {
            let mut size = 0;
            let fits = rest.iter().take_while(|unit| {
                size += if unit.track.kind() == MediaKind::Audio { ADTS_HEADER + unit.data.len() } else { 0 };
                size <= usize::from(u16::MAX)
            });
            let (now, later) = rest.split_at(fits.count().max(1));
            rest = later;
            if let Some(end) = self.audio.end(of_kind(now, MediaKind::Audio)) {
                let duration = self.audio.play_until(end);
                self.write_message(duration, now, &[], out)?;
            }
        }
        Ok(())
    }
}

impl GroupWriter for EnvelopeWriter {
    fn carries(codec: Codec) -> bool {
        match codec {
            Codec::H264 | Codec::Aac => true,
            Codec::Opus => false,
        }
    }

    fn start(&mut self, tracks: &Tracks) {
        self.pictures.start(tracks);
        self.tracks = tracks.clone();
    }

    fn write(&mut self, group: &[AccessUnit], out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        let Some(video_end) = self.video.end(of_kind(group, MediaKind::Video)) else {
            return self.write_sound(group, out);
        };
        let duration = self.video.play_until(video_end);
        let sound: usize = of_kind(group, MediaKind::Audio).map(|unit| ADTS_HEADER + unit.data.len()).sum();
        if let Some(audio_end) = self.audio.end(of_kind(group, MediaKind::Audio)) {
            let strays = audio_end - (self.audio.played + i64::from(duration));
            if strays.abs() > TOLERANCE || sound > usize::from(u16::MAX) {
                self.write_message(duration, &[], group, out)?;
                return self.write_sound(group, out);
            }
            self.audio.played += i64::from(duration);
        }
        self.write_message(duration, group, group, out)
    }
}

/// How much of a track jmuxer was told to play, against how much there was.
#[derive(Debug, Default)]
struct PlayedTime {
    /// The first unit's decoding time.
    origin: Option<MediaTime>,
    last: Option<MediaTime>,
    /// Milliseconds given out.
    played: i64,
    /// The likely duration of a unit in microseconds.
    unit_micros: i64,
}

impl PlayedTime {
    /// When, in milliseconds since the first unit, the last of these units is over.
    fn end<'a>(&mut self, units: impl Iterator<Item = &'a AccessUnit>) -> Option<i64> {
        let mut end = None;
        for unit in units {
            let origin = *self.origin.get_or_insert(unit.dts);
            let delta = self.last.map_or(0, |last| micros(unit.dts.saturating_sub(last)));
            if (1..=1_000_000).contains(&delta) {
                self.unit_micros = delta;
            } else if self.unit_micros == 0 {
                self.unit_micros = likely_micros(&unit.track.parameters);
            }
            self.last = Some(unit.dts);
            end = Some(micros(unit.dts.saturating_sub(origin)) + self.unit_micros);
        }
        end.map(|micros| (micros + 500) / 1_000)
    }

    /// The duration that takes the player to `end`. At least 1, since 0 means "unknown" to jmuxer.
    fn play_until(&mut self, end: i64) -> u16 {
        let duration = u16::try_from((end - self.played).max(1)).unwrap_or(u16::MAX);
        self.played += i64::from(duration);
        duration
    }
}

/// Before anything was measured: 30 pictures a second, 1024 samples.
fn likely_micros(parameters: &CodecParameters) -> i64 {
    match parameters {
        CodecParameters::H264(_) => 33_333,
        CodecParameters::Aac(parameters) => 1_024_000_000 / i64::from(parameters.sample_rate()),
        CodecParameters::Opus(_) => 20_000,
    }
}

fn micros(time: MediaTime) -> i64 {
    time.ticks_in(Timescale::MICROS)
}

fn of_kind(group: &[AccessUnit], kind: MediaKind) -> impl Iterator<Item = &AccessUnit> + Clone {
    group.iter().filter(move |unit| unit.track.kind() == kind)
}

/// The header that makes `unit` an ADTS frame.
pub(crate) fn adts_header(parameters: &AacParameters, unit: &AccessUnit) -> Result<[u8; ADTS_HEADER], MuxError> {
    codec::aac::adts_header(parameters, unit.data.len()).map_err(|error| MuxError::Malformed(error.to_string()))
}

pub(crate) const ADTS_HEADER: usize = 7;

/// Milliseconds by which sound may be off in a message it shares with pictures: a little over one unit of AAC, which is
/// what the sound that rides with a picture varies by.
const TOLERANCE: i64 = 30;
