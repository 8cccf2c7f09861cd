//! Tracks and units for the tests of the muxers. The picture's bytes mean nothing; its framing is right.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{
    AacParameters, AccessUnit, Chunk, CodecParameters, H264Parameters, MediaTime, OpusParameters, Timescale,
    Track, TrackId, Wallclock,
};

use crate::{Format, FormatOptions};

/// x264's for 320x240 at 25, Constrained Baseline, which promises no reordering.
pub(crate) const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00,
    0x0c, 0x83, 0xc5, 0x0a, 0xa8,
];
pub(crate) const PPS: &[u8] = &[0x68, 0xce, 0x0f, 0xc8];

pub(crate) fn video_sized(width: u32, height: u32) -> Arc<Track> {
    let (sps, pps) = (Bytes::from_static(SPS), vec![Bytes::from_static(PPS)]);
    let parameters = H264Parameters::new(sps, pps, (width, height), Some(0)).unwrap();
    let parameters = CodecParameters::H264(parameters);
    Arc::new(Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO_90K, parameters })
}

pub(crate) fn video() -> Arc<Track> {
    video_sized(320, 240)
}

/// AAC-LC, 48 kHz, stereo.
pub(crate) fn aac() -> Arc<Track> {
    let parameters = AacParameters::new(Bytes::from_static(&[0x11, 0x90]), 2, 48_000, 2).unwrap();
    let parameters = CodecParameters::Aac(parameters);
    Arc::new(Track { id: TrackId::AUDIO, timescale: Timescale::AUDIO_48K, parameters })
}

pub(crate) fn opus() -> Arc<Track> {
    let parameters = CodecParameters::Opus(OpusParameters::new(2, 312).unwrap());
    Arc::new(Track { id: TrackId::AUDIO, timescale: Timescale::AUDIO_48K, parameters })
}

/// A moment `millis` after the one moment of the test run.
#[allow(clippy::disallowed_methods)] // an `Instant` comes from nowhere else
pub(crate) fn moment(millis: u64) -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now) + Duration::from_millis(millis)
}

/// A picture of one NAL unit of `size` bytes at `millis`.
pub(crate) fn picture(track: &Arc<Track>, millis: u64, random_access: bool, size: usize) -> AccessUnit {
    let mut data = u32::try_from(size).unwrap().to_be_bytes().to_vec();
    data.push(if random_access { 0x65 } else { 0x41 });
    data.extend((1..size).map(|i| u8::try_from(i % 251).unwrap() | 1));
    unit(track, millis, random_access, data)
}

/// A sound of `size` bytes at `millis`.
pub(crate) fn sound(track: &Arc<Track>, millis: u64, size: usize) -> AccessUnit {
    unit(track, millis, true, vec![0x21; size])
}

fn unit(track: &Arc<Track>, millis: u64, random_access: bool, data: Vec<u8>) -> AccessUnit {
    let at = MediaTime::from_duration(Duration::from_millis(millis), track.timescale);
    AccessUnit {
        track: Arc::clone(track),
        dts: at,
        pts: at,
        random_access,
        disposable: false,
        lost_before: 0,
        data: data.into(),
        captured: Some(Wallclock::from_unix_micros(i64::try_from(millis).unwrap() * 1_000)),
        arrival: moment(millis),
    }
}

/// Everything the format makes of these units.
pub(crate) fn mux(
    format: Format,
    options: &FormatOptions,
    tracks: &[Arc<Track>],
    units: &[AccessUnit],
) -> Vec<Chunk> {
    let mut muxer = format.muxer(options);
    muxer.tracks(tracks);
    let mut out = VecDeque::new();
    for unit in units {
        muxer.push(unit, &mut out).unwrap();
    }
    out.into()
}
