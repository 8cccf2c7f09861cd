//! Units in messages, each with a header: the format `webcodecs` of `docs/ref/websocket.md`, read instead of written.
//!
//! What an encoder in a browser gives is units already; a header says whose they are and when. The configuration comes apart
//! from them (it is JSON, which is not read here) and may come again when the parameters change.
//!
//! Invariant: a message is taken whole or the input is over; nothing of it is kept. There is no decoding time: pictures come in the order in
//! which they are shown.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use codec::{CodecError, aac};
use media::{AccessUnit, CodecParameters, MediaTime, OpusParameters, Timescale, Track, TrackId, Wallclock};

use super::collector::Collector;
use super::video::VideoUnits;
use super::{DemuxError, DemuxStats};

/// A track that the configuration names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfiguredTrack<'a> {
    /// H.264.
    H264 {
        /// The AVC decoder configuration record, for length-prefixed units; without it they are in the byte stream format.
        record: Option<&'a [u8]>,
    },
    /// H.265.
    H265 {
        /// The HEVC decoder configuration record, for length-prefixed units; without it they are in the byte stream format.
        record: Option<&'a [u8]>,
    },
    /// AV1.
    Av1 {
        /// The codec configuration record; without it the sequence header is in band.
        record: Option<&'a [u8]>,
    },
    /// AAC.
    Aac {
        /// AudioSpecificConfig.
        config: &'a [u8],
    },
    /// Opus.
    Opus {
        /// One or two.
        channels: u8,
    },
}

/// Turns messages into access units.
#[derive(Debug)]
pub struct UnitsDemuxer {
    video: Option<VideoUnits>,
    audio: Option<Arc<Track>>,
    collector: Collector,
}

impl UnitsDemuxer {
    /// Without tracks yet; `now` is when the input begins.
    pub fn new(now: Instant) -> Self {
        Self { video: None, audio: None, collector: Collector::new(now) }
    }

    /// The tracks there are from now on, at most one of each kind.
    ///
    /// # Errors
    /// [`DemuxError::Message`] for parameters that cannot be read, a second track of a kind, or no track at all.
    pub fn configure(&mut self, tracks: &[ConfiguredTrack<'_>]) -> Result<(), DemuxError> {
        let wrong = |problem: String| DemuxError::Message { position: 0, problem };
        let unreadable = |error: CodecError| wrong(error.to_string());
        let (mut video, mut audio) = (None, None);
        for track in tracks {
            let parameters = match *track {
                ConfiguredTrack::H264 { record }
                | ConfiguredTrack::H265 { record }
                | ConfiguredTrack::Av1 { record } => {
                    let units = match (track, record) {
                        (ConfiguredTrack::Av1 { .. }, Some(record)) => VideoUnits::av1(record),
                        (ConfiguredTrack::Av1 { .. }, None) => Ok(VideoUnits::av1_in_band()),
                        (ConfiguredTrack::H265 { .. }, Some(record)) => {
                            VideoUnits::h265_length_prefixed(record)
                        }
                        (ConfiguredTrack::H265 { .. }, None) => Ok(VideoUnits::h265_annexb()),
                        (_, Some(record)) => VideoUnits::h264_length_prefixed(record),
                        (_, None) => Ok(VideoUnits::h264_annexb()),
                    };
                    let units = units.map_err(unreadable)?;
                    if video.replace(units).is_some() {
                        return Err(wrong("two tracks of video".to_owned()));
                    }
                    continue;
                }
                ConfiguredTrack::Aac { config } => {
                    CodecParameters::Aac(aac::parse_config(config).map_err(unreadable)?)
                }
                ConfiguredTrack::Opus { channels } => {
                    CodecParameters::Opus(OpusParameters::new(channels, 0).map_err(|e| wrong(e.to_string()))?)
                }
            };
            let timescale = parameters.sample_rate().and_then(Timescale::new).unwrap_or(Timescale::AUDIO_48K);
            if audio.replace(Arc::new(Track { id: TrackId::AUDIO, timescale, parameters })).is_some() {
                return Err(wrong("two tracks of sound".to_owned()));
            }
        }
        let ids: Vec<TrackId> =
            [video.as_ref().map(|_| TrackId::VIDEO), audio.as_ref().map(|_| TrackId::AUDIO)]
                .into_iter()
                .flatten()
                .collect();
        if ids.is_empty() {
            return Err(wrong("no track".to_owned()));
        }
        self.collector.announce(&ids);
        for track in [video.as_ref().and_then(VideoUnits::track), audio.as_ref()].into_iter().flatten() {
            self.collector.track(track);
        }
        (self.video, self.audio) = (video, audio);
        Ok(())
    }

    /// Takes a message that came at `arrival`; its units go to the end of `out`.
    ///
    /// # Errors
    /// [`DemuxError::Message`] for a header that cannot be; nothing more can be read then.
    pub fn push(
        &mut self,
        message: &[u8],
        arrival: Instant,
        out: &mut VecDeque<AccessUnit>,
    ) -> Result<(), DemuxError> {
        self.collector.arrival = arrival;
        self.collector.stats.bytes += message.len() as u64;
        let mut rest = message;
        let mut read = Ok(());
        while !rest.is_empty() && read.is_ok() {
            let position = message.len() - rest.len();
            read = match Unit::split(rest) {
                Ok((unit, after)) => {
                    rest = after;
                    self.unit(&unit)
                }
                Err(problem) => Err(problem),
            }
            .map_err(|problem| DemuxError::Message { position: position as u64, problem });
        }
        self.collector.release(out);
        read
    }

    /// The tracks known so far, by id.
    pub fn tracks(&self) -> &[Arc<Track>] {
        self.collector.tracks()
    }

    /// What has come so far.
    pub const fn stats(&self) -> DemuxStats {
        self.collector.stats
    }

    /// Takes out what the operator should know, each once.
    pub fn notes(&mut self) -> Vec<String> {
        self.collector.take_notes()
    }

    fn unit(&mut self, unit: &Unit<'_>) -> Result<(), String> {
        self.collector.captured = unit.captured;
        match (unit.track, &mut self.video, &self.audio) {
            (VIDEO, Some(video), _) => {
                let time = unit.time.rescale(Timescale::VIDEO_90K);
                video.unit(unit.payload, time, time, 0, &mut self.collector);
            }
            (AUDIO, _, Some(track)) => {
                let track = Arc::clone(track);
                self.collector.sound(&track, unit.time, 0, Bytes::copy_from_slice(unit.payload));
            }
            (id, ..) => return Err(format!("a unit of track {id}, which the configuration does not name")),
        }
        Ok(())
    }
}

/// One unit of a message.
struct Unit<'a> {
    track: u8,
    time: MediaTime,
    captured: Option<Wallclock>,
    payload: &'a [u8],
}

impl<'a> Unit<'a> {
    /// The first unit of `bytes`, and what follows it.
    fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), String> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(format!("{} bytes are no header of {HEADER}", bytes.len()));
        };
        let [version, track, _flags, _reserved, lengths @ ..] = *header;
        if version != VERSION {
            return Err(format!("version {version} instead of {VERSION}"));
        }
        let [l0, l1, l2, l3, times @ ..] = lengths;
        let length = u32::from_be_bytes([l0, l1, l2, l3]);
        let payload = usize::try_from(length).ok().and_then(|length| rest.split_at_checked(length));
        let Some((payload, rest)) = payload.filter(|(payload, _)| !payload.is_empty()) else {
            return Err(format!("a unit of {length} bytes, where {} follow", rest.len()));
        };
        let mut numbers = times.chunks_exact(8).map(|b| i64::from_be_bytes(b.try_into().unwrap_or_default()));
        let time = MediaTime::new(numbers.next().unwrap_or_default(), Timescale::MICROS);
        let captured = numbers.next().filter(|micros| *micros > 0).map(Wallclock::from_unix_micros);
        Ok((Self { track, time, captured, payload }, rest))
    }
}

const VERSION: u8 = 1;
const HEADER: usize = 24;
const VIDEO: u8 = 1;
const AUDIO: u8 = 2;

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test needs some instant to count from
mod tests {
    use super::*;
    use crate::samples::{aac, mux, picture, sound, video};
    use crate::{Format, FormatOptions};

    fn record() -> Vec<u8> {
        let CodecParameters::H264(parameters) = &video().parameters else { panic!("the sample is H.264") };
        crate::parameters::avc_configuration(parameters).unwrap().to_vec()
    }

    fn header(track: u8, length: u32, micros: i64) -> Vec<u8> {
        let mut bytes = vec![VERSION, track, 0, 0];
        bytes.extend(length.to_be_bytes());
        bytes.extend(micros.to_be_bytes());
        bytes.extend(5i64.to_be_bytes());
        bytes
    }

    #[test]
    fn what_the_format_writes_is_read_again() {
        let (v, a) = (video(), aac());
        let mut units = [picture(&v, 1_000, true, 3), sound(&a, 1_000, 3), picture(&v, 1_040, false, 4)];
        let chunks = mux(Format::Webcodecs, &FormatOptions::default(), &[v, a], &units);
        let mut demuxer = UnitsDemuxer::new(Instant::now());
        let record = record();
        demuxer
            .configure(&[
                ConfiguredTrack::H264 { record: Some(&record) },
                ConfiguredTrack::Aac { config: &[0x11, 0x90] },
            ])
            .unwrap();
        let mut out = VecDeque::new();
        for chunk in &chunks {
            demuxer.push(&chunk.bytes, Instant::now(), &mut out).unwrap();
        }
        assert_eq!(out.len(), units.len());
        // A picture goes before the sound that rides in its message.
        units.sort_by_key(|unit| (unit.track.id, unit.pts));
        out.make_contiguous().sort_by_key(|unit| (unit.track.id, unit.pts));
        for (read, written) in out.iter().zip(&units) {
            assert_eq!(read.track.parameters.rfc6381(), written.track.parameters.rfc6381());
            assert_eq!((read.pts, read.random_access), (written.pts, written.random_access));
            assert_eq!((&read.data, read.captured), (&written.data, written.captured));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        let mut demuxer = UnitsDemuxer::new(Instant::now());
        demuxer.configure(&[ConfiguredTrack::Opus { channels: 2 }]).unwrap();
        let mut refused =
            |bytes: &[u8]| demuxer.push(bytes, Instant::now(), &mut VecDeque::new()).unwrap_err().to_string();
        assert_eq!(refused(&[1, 2, 3]), "broken message at byte 0: 3 bytes are no header of 24");
        let good = [header(2, 1, 0), vec![0xfc]].concat();
        let second = [good.clone(), header(2, 9, 0), vec![0]].concat();
        assert_eq!(refused(&second), "broken message at byte 25: a unit of 9 bytes, where 1 follow");
        let other = [header(1, 1, 0), vec![0]].concat();
        assert!(refused(&other).contains("track 1"));
        let mut old = good;
        old[0] = 0;
        assert!(refused(&old).contains("version 0"));
    }

    #[test]
    fn a_configuration_names_each_kind_once() {
        let mut demuxer = UnitsDemuxer::new(Instant::now());
        assert!(demuxer.configure(&[]).is_err());
        let opus = ConfiguredTrack::Opus { channels: 1 };
        assert!(demuxer.configure(&[opus, opus]).is_err());
        assert!(demuxer.configure(&[ConfiguredTrack::Opus { channels: 9 }]).is_err());
        assert!(demuxer.configure(&[ConfiguredTrack::H264 { record: Some(&[1, 2]) }]).is_err());
        assert!(demuxer.configure(&[ConfiguredTrack::H264 { record: None }, opus]).is_ok());
    }
}
