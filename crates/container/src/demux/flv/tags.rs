//! Tags into access units.
//!
//! Time stamps are milliseconds of 32 bits that may wrap, jump and run back; here they are only made continuous where they wrap. AAC and
//! Opus follow their own samples while the stamps say nearly the same, so that sound stays continuous under whole milliseconds.
//!
//! `onMetaData` is believed in one thing: which kinds will come. Many writers leave it out or have it wrong, so everything else is taken from
//! the sequence headers, which may come again at any time with other parameters.

use std::sync::Arc;

use bytes::Bytes;
use codec::{CodecError, aac, opus};
use media::{CodecParameters, MediaTime, Timescale, Track, TrackId};

use super::super::audio::follow;
use super::super::collector::Collector;
use super::super::video::VideoUnits;
use super::body::{self, AAC, AVC, HEVC, Named, Part, Unreadable};
use crate::flv::TagKind;
use crate::flv::amf0::{self, Value};

/// Makes the units of one input's tags.
#[derive(Debug, Default)]
pub(super) struct TagUnits {
    video: Option<Video>,
    audio: Option<Audio>,
    /// The last time, in milliseconds that do not wrap.
    clock: Option<i64>,
    /// The kinds that are to come.
    promised: Vec<TrackId>,
}

#[derive(Debug)]
struct Video {
    units: VideoUnits,
    /// The sequence header it was made from.
    header: Vec<u8>,
}

#[derive(Debug)]
struct Audio {
    track: Arc<Track>,
    /// Where the next unit follows.
    next: Option<MediaTime>,
    header: Vec<u8>,
}

impl TagUnits {
    /// One tag.
    pub(super) fn push(&mut self, kind: TagKind, timestamp: u32, body: &[u8], collector: &mut Collector) {
        let tag = match kind {
            TagKind::Script => return self.script(body, collector),
            // Some writers mark a pause so.
            TagKind::Video | TagKind::Audio if body.is_empty() => return,
            TagKind::Video => body::video(body),
            TagKind::Audio => body::audio(body),
        };
        let time = self.time(timestamp);
        match (tag, kind) {
            (Ok((Named::Number(AVC), part)), TagKind::Video) => {
                self.picture(part, time, VideoUnits::h264_length_prefixed, collector);
            }
            (Ok((Named::Number(HEVC), part)), TagKind::Video) => {
                self.picture(part, time, VideoUnits::h265_length_prefixed, collector);
            }
            (Ok((Named::FourCc(name), part)), TagKind::Video) if name.0 == *b"avc1" => {
                self.picture(part, time, VideoUnits::h264_length_prefixed, collector);
            }
            (Ok((Named::FourCc(name), part)), TagKind::Video) if name.0 == *b"hvc1" => {
                self.picture(part, time, VideoUnits::h265_length_prefixed, collector);
            }
            (Ok((Named::FourCc(name), part)), TagKind::Video) if name.0 == *b"av01" => {
                self.picture(part, time, VideoUnits::av1, collector);
            }
            (Ok((Named::Number(AAC), part)), TagKind::Audio) => {
                self.sound(part, time, aac_parameters, collector);
            }
            (Ok((Named::FourCc(name), part)), TagKind::Audio) if name.0 == *b"mp4a" => {
                self.sound(part, time, aac_parameters, collector);
            }
            (Ok((Named::FourCc(name), part)), TagKind::Audio) if name.0 == *b"Opus" => {
                self.sound(part, time, opus_parameters, collector);
            }
            (Ok((name, _)), _) => {
                let what = if kind == TagKind::Video { "pictures" } else { "sound" };
                collector.note(format!("{what} in {} are left out", describe(kind, name)));
                collector.discarded(body.len());
            }
            (Err(Unreadable::Form(what)), _) => {
                collector.note(format!("{what} are left out"));
                collector.discarded(body.len());
            }
            (Err(Unreadable::Short), _) => collector.damaged(body.len()),
        }
    }

    fn script(&mut self, body: &[u8], collector: &mut Collector) {
        let Ok(values) = amf0::read_all(body) else { return collector.damaged(body.len()) };
        // A publisher asks the server to set it, with the same behind.
        let values = match values.first().and_then(Value::as_str) {
            Some("@setDataFrame") => &values[1..],
            _ => &values[..],
        };
        let [name, metadata, ..] = values else { return };
        if name.as_str() != Some("onMetaData") {
            return;
        }
        for (id, codec, has) in
            [(TrackId::VIDEO, "videocodecid", "hasVideo"), (TrackId::AUDIO, "audiocodecid", "hasAudio")]
        {
            let named =
                metadata.get(codec).is_some_and(|codec| !matches!(codec, Value::Null | Value::Undefined));
            match metadata.get(has) {
                Some(Value::Boolean(false)) => {}
                Some(Value::Boolean(true)) => self.promise(id, collector),
                _ if named && metadata.get(codec).and_then(Value::as_number) != Some(0.0) => {
                    self.promise(id, collector);
                }
                _ => {}
            }
        }
    }

    fn picture(
        &mut self,
        part: Part<'_>,
        time: i64,
        units: fn(&[u8]) -> Result<VideoUnits, CodecError>,
        collector: &mut Collector,
    ) {
        match part {
            Part::SequenceHeader(header) => {
                self.promise(TrackId::VIDEO, collector);
                if self.video.as_ref().is_some_and(|video| video.header == header) {
                    return;
                }
                match units(header) {
                    Ok(units) => {
                        units.track().into_iter().for_each(|track| collector.track(track));
                        self.video = Some(Video { units, header: header.to_vec() });
                    }
                    Err(error) => {
                        collector.note(format!("a sequence header of pictures that cannot be read: {error}"));
                        collector.damaged(header.len());
                    }
                }
            }
            Part::Coded { composition, data } => match &mut self.video {
                Some(video) => {
                    let (dts, pts) = (millis(time), millis(time.saturating_add(i64::from(composition))));
                    video.units.unit(data, dts, pts, 0, collector);
                }
                None => {
                    collector.note("pictures before their sequence header are left out");
                    collector.discarded(data.len());
                }
            },
            Part::Other => {}
        }
    }

    fn sound(
        &mut self,
        part: Part<'_>,
        time: i64,
        parameters: fn(&[u8]) -> Result<CodecParameters, CodecError>,
        collector: &mut Collector,
    ) {
        match part {
            Part::SequenceHeader(header) => {
                self.promise(TrackId::AUDIO, collector);
                if self.audio.as_ref().is_some_and(|audio| audio.header == header) {
                    return;
                }
                match parameters(header) {
                    Ok(parameters) => {
                        let hz = parameters.sample_rate().and_then(Timescale::new);
                        let timescale = hz.unwrap_or(Timescale::AUDIO_48K);
                        let track = Arc::new(Track { id: TrackId::AUDIO, timescale, parameters });
                        collector.track(&track);
                        self.audio = Some(Audio { track, next: None, header: header.to_vec() });
                    }
                    Err(error) => {
                        collector.note(format!("a sequence header of sound that cannot be read: {error}"));
                        collector.damaged(header.len());
                    }
                }
            }
            Part::Coded { data: [], .. } | Part::Other => {}
            Part::Coded { data, .. } => match &mut self.audio {
                Some(audio) => {
                    let timescale = audio.track.timescale;
                    let at = follow(audio.next, millis(time).rescale(timescale));
                    let samples = samples(&audio.track.parameters, data);
                    audio.next = Some(MediaTime::new(at.ticks().saturating_add(samples), timescale));
                    collector.sound(&audio.track, at, 0, Bytes::copy_from_slice(data));
                }
                None => {
                    collector.note("sound before its sequence header is left out");
                    collector.discarded(data.len());
                }
            },
        }
    }

    fn promise(&mut self, id: TrackId, collector: &mut Collector) {
        if !self.promised.contains(&id) {
            self.promised.push(id);
            collector.announce(&self.promised);
        }
    }

    /// The stamp as it goes on from the last one.
    fn time(&mut self, timestamp: u32) -> i64 {
        let time = match self.clock {
            None => i64::from(timestamp),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // its low 32 bits
            Some(last) => last + i64::from(timestamp.wrapping_sub(last as u32).cast_signed()),
        };
        self.clock = Some(time);
        time
    }
}

fn aac_parameters(header: &[u8]) -> Result<CodecParameters, CodecError> {
    aac::parse_config(header).map(CodecParameters::Aac)
}

fn opus_parameters(header: &[u8]) -> Result<CodecParameters, CodecError> {
    opus::parse_head(header).map(CodecParameters::Opus)
}

/// Samples that a unit of sound decodes to.
fn samples(parameters: &CodecParameters, data: &[u8]) -> i64 {
    match parameters {
        CodecParameters::Aac(parameters) => i64::from(aac::samples_per_unit(parameters)),
        CodecParameters::Opus(_) => opus::packet_duration(data).map_or(0, MediaTime::ticks),
        CodecParameters::H264(_)
        | CodecParameters::H265(_)
        | CodecParameters::Av1(_)
        | CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_)
        | CodecParameters::G711(_)
        | CodecParameters::MpegAudio(_) => 0,
    }
}

fn millis(time: i64) -> MediaTime {
    MediaTime::new(time, Timescale::MILLIS)
}

/// A codec that is left out, for people.
fn describe(kind: TagKind, name: Named) -> String {
    let known = match (kind, name) {
        (_, Named::FourCc(name)) => return name.to_string(),
        (TagKind::Video, Named::Number(2)) => "Sorenson H.263",
        (TagKind::Video, Named::Number(4 | 5)) => "VP6",
        (TagKind::Audio, Named::Number(2 | 14)) => "MP3",
        (TagKind::Audio, Named::Number(7 | 8)) => "G.711",
        (TagKind::Audio, Named::Number(0 | 1 | 3)) => "PCM",
        (TagKind::Audio, Named::Number(11)) => "Speex",
        (_, Named::Number(number)) => return format!("codec {number} of FLV"),
    };
    known.to_owned()
}
