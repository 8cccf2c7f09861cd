//! One elementary stream: PES packets to access units of its codec.
//!
//! Which stream types are played stands here: ISO/IEC 13818-1 table 2-34, and Opus by its registration descriptor.

use std::sync::Arc;

use bytes::Bytes;
use codec::opus;
use media::{CodecParameters, MediaTime, OpusParameters, Timescale, Track, TrackId};

use super::super::audio::AdtsUnits;
use super::super::collector::Collector;
use super::super::video::VideoUnits;
use super::opus::ControlHeaders;
use super::pes::Pes;
use super::section::StreamEntry;
use super::timestamp::Unwrapper;

/// What a program map says a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamKind {
    H264,
    H265,
    Adts,
    Opus { channels: u8 },
}

/// Turns the PES packets of one stream into units.
#[derive(Debug)]
pub(super) struct Elementary {
    codec: CodecState,
    /// Time of the last PES packet, for those that have none.
    last: Option<i64>,
}

#[derive(Debug)]
enum CodecState {
    Video(Box<VideoUnits>),
    Adts(AdtsUnits),
    Opus(Option<Arc<Track>>),
}

impl StreamKind {
    /// The error says what it is instead.
    pub(super) fn of(entry: &StreamEntry) -> Result<Self, String> {
        match (entry.stream_type, entry.registration) {
            (0x1b, _) => Ok(Self::H264),
            (0x24, _) => Ok(Self::H265),
            (0x0f, _) => Ok(Self::Adts),
            (0x06, Some(id)) if id == *b"Opus" => match entry.opus_channels {
                Some(0 | 2) | None => Ok(Self::Opus { channels: 2 }),
                Some(1) => Ok(Self::Opus { channels: 1 }),
                Some(code) => Err(format!("Opus with channel configuration {code} is not supported")),
            },
            (0x11, _) => Err("AAC as LATM is not supported, only as ADTS".to_owned()),
            (0x03 | 0x04, _) => Err("MPEG audio is not supported".to_owned()),
            (0x01 | 0x02, _) => Err("MPEG-1 and MPEG-2 video are not supported".to_owned()),
            (stream_type, None) => Err(format!("unknown stream type {stream_type:#04x}")),
            (stream_type, Some(id)) => {
                Err(format!("unknown stream type {stream_type:#04x} ({})", id.escape_ascii()))
            }
        }
    }

    pub(super) const fn track_id(self) -> TrackId {
        match self {
            Self::H264 | Self::H265 => TrackId::VIDEO,
            Self::Adts | Self::Opus { .. } => TrackId::AUDIO,
        }
    }
}

impl Elementary {
    pub(super) fn new(kind: StreamKind) -> Self {
        let codec = match kind {
            StreamKind::H264 => CodecState::Video(Box::new(VideoUnits::h264_annexb())),
            StreamKind::H265 => CodecState::Video(Box::new(VideoUnits::h265_annexb())),
            StreamKind::Adts => CodecState::Adts(AdtsUnits::new()),
            StreamKind::Opus { channels } => CodecState::Opus(opus_track(channels)),
        };
        Self { codec, last: None }
    }

    pub(super) fn pes(&mut self, pes: &Pes<'_>, time: &mut Unwrapper, collector: &mut Collector) {
        let dts = match (pes.dts.or(pes.pts), self.last) {
            (Some(stamp), _) => time.follow(stamp),
            (None, Some(last)) => last,
            (None, None) => {
                // Without any time there is no place for it.
                collector.damaged(pes.payload.len());
                return;
            }
        };
        self.last = Some(dts);
        let at = |ticks| MediaTime::new(ticks, Timescale::VIDEO_90K);
        match &mut self.codec {
            CodecState::Video(video) => {
                let pts = pes.pts.map_or(dts, |stamp| time.near(stamp));
                video.unit(pes.payload, at(dts), at(pts), pes.lost, collector);
            }
            CodecState::Adts(audio) => {
                let pts = pes.pts.map(|_| at(dts));
                audio.push(pes.payload, pts, pes.lost, collector);
            }
            CodecState::Opus(track) => {
                if let Some(track) = track {
                    opus_units(track, pes, at(dts), collector);
                }
            }
        }
    }
}

fn opus_units(track: &Arc<Track>, pes: &Pes<'_>, start: MediaTime, collector: &mut Collector) {
    let mut time = start.rescale(Timescale::AUDIO_48K);
    let mut lost = pes.lost;
    for packet in ControlHeaders::new(pes.payload) {
        let packet = match packet {
            Ok(packet) => packet,
            Err(len) => {
                collector.damaged(len);
                return;
            }
        };
        let Ok(samples) = opus::packet_duration(packet) else {
            collector.damaged(packet.len());
            continue;
        };
        collector.sound(track, time, std::mem::take(&mut lost), Bytes::copy_from_slice(packet));
        time = time.saturating_add(samples);
    }
}

fn opus_track(channels: u8) -> Option<Arc<Track>> {
    let parameters = CodecParameters::Opus(OpusParameters::new(channels, 0).ok()?);
    Some(Arc::new(Track { id: TrackId::AUDIO, timescale: Timescale::AUDIO_48K, parameters }))
}
