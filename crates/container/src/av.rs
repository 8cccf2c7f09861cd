//! The envelope of jmuxer's demo page: a duration, the length of the sound, ADTS frames, pictures in the byte stream
//! format (`docs/ref/websocket.md`, `av`).
//!
//! jmuxer knows no other time than the durations it is given, in whole milliseconds, one for the pictures and the
//! sound of a message alike. Invariant: the sum of the durations of all messages with pictures follows the decoding
//! times of the pictures, and the sum of those with sound follows the sound, whatever was rounded before: the error is
//! carried, never dropped. Where one duration cannot serve both, some sound gets a message of its own.
//!
//! jmuxer 2.0.5 throws a message away when it finds no ADTS frame or no NAL unit in it. So a picture waits for sound to
//! go with (see `Grouper::paired`), and sound alone is followed by parameter sets, which play for no time.

use std::collections::VecDeque;

use bytes::BufMut;
use media::{
    AacParameters, AccessUnit, Chunk, Codec, CodecParameters, MediaKind, MediaTime, MuxError, Timescale,
};

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
        let size = if size == 0 { self.pictures.no_picture_size() } else { size };
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
        if of_kind(video, MediaKind::Video).next().is_none() {
            self.pictures.write_no_picture(&mut bytes);
        }
        let group = if video.is_empty() { audio } else { video };
        out.extend(self.tracks.chunk(group, None, bytes.into()));
        Ok(())
    }

    /// A message, or as many as the length field asks for, of sound alone, which plays for `millis` in all.
    fn write_sound(
        &mut self,
        group: &[AccessUnit],
        millis: i64,
        out: &mut VecDeque<Chunk>,
    ) -> Result<(), MuxError> {
        let end = self.audio.played + millis;
        let mut rest = group;
        while !rest.is_empty() {
            let mut size = 0;
            let fits = rest.iter().take_while(|unit| {
                size += if unit.track.kind() == MediaKind::Audio { ADTS_HEADER + unit.data.len() } else { 0 };
                size <= usize::from(u16::MAX)
            });
            let (now, later) = rest.split_at(fits.count().max(1));
            let part = self.audio.played + (end - self.audio.played) * length(now) / length(rest);
            let duration = self.audio.play_until(part);
            self.write_message(duration, now, &[], out)?;
            rest = later;
        }
        Ok(())
    }
}

impl GroupWriter for EnvelopeWriter {
    const PAIRED: bool = true;

    fn carries(codec: Codec) -> bool {
        match codec {
            Codec::H264 | Codec::Aac => true,
            Codec::H265
            | Codec::Av1
            | Codec::Vp8
            | Codec::Vp9
            | Codec::Jpeg
            | Codec::MpegVideo
            | Codec::Opus
            | Codec::G711
            | Codec::MpegAudio => false,
        }
    }

    fn start(&mut self, tracks: &Tracks) -> Result<(), MuxError> {
        self.pictures.start(tracks);
        self.tracks = tracks.clone();
        Ok(())
    }

    fn write(&mut self, group: &[AccessUnit], out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        let Some(video_end) = self.video.end(of_kind(group, MediaKind::Video)) else {
            let end = self.audio.end(of_kind(group, MediaKind::Audio)).unwrap_or(0);
            return self.write_sound(group, end - self.audio.played, out);
        };
        let duration = self.video.play_until(video_end);
        let Some(audio_end) = self.audio.end(of_kind(group, MediaKind::Audio)) else {
            return self.write_message(duration, &[], group, out);
        };
        self.audio.played += i64::from(duration);
        let is_sound = |unit: &AccessUnit| unit.track.kind() == MediaKind::Audio;
        let first = group.iter().position(is_sound).unwrap_or(0);
        let last = group.iter().rposition(is_sound).unwrap_or(0);
        let lag = audio_end - self.audio.played;
        let size: usize = of_kind(group, MediaKind::Audio).map(|unit| ADTS_HEADER + unit.data.len()).sum();
        if first < last && (lag > TOLERANCE || size > usize::from(u16::MAX)) {
            self.write_sound(&group[first..last], lag, out)?;
            self.write_message(duration, &group[last..=last], group, out)
        } else if lag > LOST {
            self.audio.played -= i64::from(duration);
            self.write_message(duration, &[], group, out)?;
            self.write_sound(&group[last..=last], lag + i64::from(duration), out)
        } else {
            self.write_message(duration, group, group, out)
        }
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
        CodecParameters::H264(_)
        | CodecParameters::H265(_)
        | CodecParameters::Av1(_)
        | CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_) => 33_333,
        CodecParameters::Aac(parameters) => 1_024_000_000 / i64::from(parameters.sample_rate()),
        CodecParameters::Opus(_) | CodecParameters::G711(_) | CodecParameters::MpegAudio(_) => 20_000,
    }
}

fn length(units: &[AccessUnit]) -> i64 {
    i64::try_from(units.len()).unwrap_or(i64::MAX)
}

fn micros(time: MediaTime) -> i64 {
    time.ticks_in(Timescale::MICROS)
}

fn of_kind(group: &[AccessUnit], kind: MediaKind) -> impl Iterator<Item = &AccessUnit> + Clone {
    group.iter().filter(move |unit| unit.track.kind() == kind)
}

/// The header that makes `unit` an ADTS frame.
pub(crate) fn adts_header(
    parameters: &AacParameters,
    unit: &AccessUnit,
) -> Result<[u8; ADTS_HEADER], MuxError> {
    codec::aac::adts_header(parameters, unit.data.len())
        .map_err(|error| MuxError::Malformed(error.to_string()))
}

pub(crate) const ADTS_HEADER: usize = 7;

/// Milliseconds by which sound may lag in a message it shares with pictures: a little over one unit of AAC, which is what
/// the sound that rides with a picture varies by.
const TOLERANCE: i64 = 30;

/// A lag that is worth a picture: sound was away and came back.
const LOST: i64 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annexb::DELIMITER;
    use crate::samples::{aac, mux, opus, picture, sound, video};
    use crate::{Format, FormatOptions};

    /// Duration, bytes of sound, bytes of picture.
    fn read(chunk: &Chunk) -> (u16, usize, usize) {
        let [d0, d1, a0, a1, rest @ ..] = &chunk.bytes[..] else { panic!("too short") };
        let audio = usize::from(u16::from_le_bytes([*a0, *a1]));
        // Parameter sets between delimiters are no picture.
        let video = if rest[audio..].starts_with(&DELIMITER) { 0 } else { rest.len() - audio };
        (u16::from_le_bytes([*d0, *d1]), audio, video)
    }

    fn envelopes(units: &[AccessUnit]) -> Vec<(u16, usize, usize)> {
        let options = FormatOptions { ending: Ending::None, ..FormatOptions::default() };
        mux(Format::Av, &options, &[video(), aac()], units).iter().map(read).collect()
    }

    #[test]
    fn sound_comes_before_the_picture_with_one_duration() {
        let (v, a) = (video(), aac());
        let units = [
            picture(&v, 0, false, 10),
            sound(&a, 0, 20),
            sound(&a, 21, 20),
            picture(&v, 40, false, 10),
            picture(&v, 80, false, 10),
            picture(&v, 120, false, 10),
            sound(&a, 125, 20),
        ];
        assert_eq!(envelopes(&units), [(33, 27, 14), (47, 27, 14), (80, 27, 28)]);
    }

    /// Pictures and AAC as a camera gives them for `seconds`, ordered by time.
    fn presentation(seconds: i64, pictures_per_second: i64) -> Vec<AccessUnit> {
        let (v, a) = (video(), aac());
        let pictures = (0..seconds * pictures_per_second).map(|n| {
            let mut unit = picture(&v, 0, false, 5);
            unit.dts = MediaTime::new(n * 90_000 / pictures_per_second, v.timescale);
            unit.pts = unit.dts;
            unit
        });
        let sounds = (0..seconds * 48_000 / 1_024).map(|n| {
            let mut unit = sound(&a, 0, 5);
            unit.dts = MediaTime::new(n * 1_024, a.timescale);
            unit.pts = unit.dts;
            unit
        });
        let mut units: Vec<_> = pictures.chain(sounds).collect();
        units.sort_by_key(|unit| (unit.dts, unit.track.id));
        units
    }

    #[test]
    fn durations_follow_the_true_clock_for_an_hour() {
        for pictures_per_second in [25, 30, 60] {
            let (mut pictures, mut sounds) = ((0, 0), (0, 0));
            for (duration, audio, video) in envelopes(&presentation(3_600, pictures_per_second)) {
                let frames = i64::try_from(audio / 12).unwrap();
                if audio > 0 {
                    sounds = (sounds.0 + i64::from(duration), sounds.1 + frames);
                    let true_millis = sounds.1 * 1_024_000 / 48_000;
                    let strays = sounds.0 - true_millis;
                    // Sound goes with the picture after it: up to a picture and a unit of sound apart, and never more.
                    let bound = 1_000 / pictures_per_second + 22;
                    assert!(strays.abs() <= bound, "{sounds:?} strays {strays} ms at {pictures_per_second}");
                }
                if video > 0 {
                    pictures =
                        (pictures.0 + i64::from(duration), pictures.1 + i64::try_from(video / 9).unwrap());
                    let true_millis = pictures.1 * 1_000 / pictures_per_second;
                    // How long the first picture lasts nobody knows before the second.
                    assert!(
                        pictures.1 == 1 || (pictures.0 - true_millis).abs() <= 1,
                        "{pictures:?} at {pictures_per_second}"
                    );
                }
            }
            // The last pictures wait for sound.
            assert!((0..4).contains(&(3_600 * pictures_per_second - pictures.1)));
        }
    }

    #[test]
    fn sound_beyond_the_length_field_is_split() {
        let (v, a) = (video(), aac());
        let mut units: Vec<_> = (0..12).map(|n| sound(&a, n * 2, 8_000)).collect();
        units.push(picture(&v, 33, true, 10));
        let envelopes = envelopes(&units);
        assert_eq!(
            envelopes.iter().map(|e| (e.1, e.2 > 0)).collect::<Vec<_>>(),
            [(8 * 8_007, false), (3 * 8_007, false), (8_007, true)]
        );
    }

    #[test]
    fn opus_has_no_place_in_it() {
        let muxer = Format::Av.muxer(&FormatOptions::default());
        assert!(muxer.accepts(&aac()) && !muxer.accepts(&opus()));
    }
}
