//! Sound to AAC-LC (ISO/IEC 14496-3) in pure Rust (`syom`).
//!
//! An AAC decoder gives the sound of block *n* − 1 when it is fed unit *n* (the 1024 samples of priming). Live formats have no edit
//! list to say so, therefore the unit is stamped with the time of the sound it completes and the very first one, which completes
//! nothing, is left out: what is heard at `pts` is what was pushed at `pts`.

use std::sync::Arc;

use bytes::Bytes;
use media::{AacParameters, AccessUnit, Codec, CodecParameters, MediaTime, Timescale, Track, TrackId};
use syom::{EncodeOptions, Encoder};

use crate::EncodeError;
use crate::pcm::{FrameTime, Framer, Pcm};

/// What to encode and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacEncoderConfig {
    /// Samples per second: one of the table of ISO/IEC 14496-3 (8,000 … 96,000).
    pub sample_rate: u32,
    /// 1 or 2.
    pub channels: u8,
    /// Bits per second, all channels together.
    pub bitrate: u32,
}

impl Default for AacEncoderConfig {
    /// 48 kHz stereo at 128 kbit/s.
    fn default() -> Self {
        Self { sample_rate: 48_000, channels: 2, bitrate: 128_000 }
    }
}

/// An AAC-LC encoder.
pub struct AacEncoder {
    encoder: Encoder,
    framer: Framer,
    track: Arc<Track>,
    planes: Vec<Vec<f32>>,
    previous: Option<FrameTime>,
}

impl AacEncoder {
    /// An encoder.
    ///
    /// # Errors
    /// [`EncodeError::Config`] or [`EncodeError::Library`] when the layout or the bitrate is beyond AAC-LC.
    pub fn new(config: &AacEncoderConfig) -> Result<Self, EncodeError> {
        let wrong = |what, value: u32, reason| EncodeError::Config { what, value: value.to_string(), reason };
        if !(1..=2).contains(&config.channels) {
            return Err(wrong("number of channels", config.channels.into(), "it must be 1 or 2"));
        }
        let timescale = Timescale::new(config.sample_rate)
            .ok_or_else(|| wrong("sample rate", config.sample_rate, "it must not be zero"))?;
        let channels = usize::from(config.channels);
        let options = EncodeOptions::raw().with_bitrate_bps(config.bitrate);
        let encoder =
            Encoder::new(config.sample_rate, channels, &options).map_err(|e| library("set-up", e))?;
        let asc = Bytes::copy_from_slice(encoder.asc());
        let parameters = AacParameters::new(asc, AAC_LC, config.sample_rate, config.channels)?;
        Ok(Self {
            encoder,
            framer: Framer::new(channels, timescale, FRAME),
            track: Arc::new(Track {
                id: TrackId::AUDIO,
                timescale,
                parameters: CodecParameters::Aac(parameters),
            }),
            planes: vec![vec![0.0; FRAME]; channels],
            previous: None,
        })
    }

    /// Codes a block of any length; units of 1024 samples go to the end of `out`, about one unit behind the sound.
    ///
    /// # Errors
    /// [`EncodeError::Samples`] for a broken block, [`EncodeError::Library`] when the codec fails; the frame is lost then.
    pub fn push(&mut self, pcm: Pcm<'_>, out: &mut Vec<AccessUnit>) -> Result<(), EncodeError> {
        let Self { encoder, framer, track, planes, previous } = self;
        let arrival = pcm.arrival;
        framer.push(pcm, |samples, time| {
            deinterleave(samples, planes);
            let completes = previous.replace(time);
            let planes: [&[f32]; 2] = [&planes[0], planes.last().map_or(&[], Vec::as_slice)];
            let planes = if track.parameters.channels() == Some(1) { &planes[..1] } else { &planes[..] };
            let fed = encoder.feed(planes, |frame| {
                if let Some(time) = completes {
                    out.push(unit(track, time, Bytes::copy_from_slice(frame.payload), arrival));
                }
                Ok(())
            });
            if let Err(error) = fed {
                *previous = None;
                encoder.reset().map_err(|e| library("reset", e))?;
                return Err(library("encoding", error));
            }
            Ok(())
        })
    }

    /// The track of the units.
    pub fn track(&self) -> &Arc<Track> {
        &self.track
    }
}

impl std::fmt::Debug for AacEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AacEncoder").field("track", &self.track).finish_non_exhaustive()
    }
}

/// One unit of sound; `time.pts` is already in the track's timescale.
pub(crate) fn unit(
    track: &Arc<Track>,
    time: FrameTime,
    data: Bytes,
    arrival: std::time::Instant,
) -> AccessUnit {
    let pts: MediaTime = time.pts;
    AccessUnit {
        track: Arc::clone(track),
        dts: pts,
        pts,
        random_access: true,
        disposable: true,
        lost_before: 0,
        data,
        captured: time.captured,
        arrival,
    }
}

fn deinterleave(samples: &[f32], planes: &mut [Vec<f32>]) {
    let channels = planes.len();
    for (channel, plane) in planes.iter_mut().enumerate() {
        for (to, from) in plane.iter_mut().zip(samples[channel..].iter().step_by(channels)) {
            *to = *from;
        }
    }
}

fn library(action: &'static str, error: syom::AacError) -> EncodeError {
    EncodeError::Library { codec: Codec::Aac, action, source: Box::new(error) }
}

const AAC_LC: u8 = 2;
/// Samples per channel in one raw data block.
const FRAME: usize = 1024;
