//! Sound to Opus (RFC 6716) by libopus.
//!
//! Always 48 kHz. Times follow RFC 7845 §4.3: a unit's `pts` counts the samples a decoder gives out, so the sound pushed at
//! `pts` is heard `pre_skip` samples later, and a player that honours `pre_skip` takes just that away again.

use std::sync::Arc;

use bytes::Bytes;
use media::{AccessUnit, Codec, CodecParameters, OpusParameters, Timescale, Track, TrackId};
use opusic_c::{Application, Bitrate, Channels, Encoder, ErrorCode, SampleRate};

use crate::EncodeError;
use crate::aac::unit;
use crate::pcm::{Framer, Pcm};

/// What to encode and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpusEncoderConfig {
    /// 1 or 2.
    pub channels: u8,
    /// Bits per second, all channels together; 6,000 … 510,000.
    pub bitrate: u32,
    /// Length of a unit in milliseconds: 5, 10, 20, 40 or 60.
    pub frame_ms: u32,
}

impl Default for OpusEncoderConfig {
    /// Stereo at 96 kbit/s, 20 ms.
    fn default() -> Self {
        Self { channels: 2, bitrate: 96_000, frame_ms: 20 }
    }
}

/// An Opus encoder for 48 kHz sound.
pub struct OpusEncoder {
    encoder: Encoder,
    framer: Framer,
    track: Arc<Track>,
    packet: Vec<u8>,
}

impl OpusEncoder {
    /// An encoder.
    ///
    /// # Errors
    /// [`EncodeError::Config`] or [`EncodeError::Library`] when the configuration is beyond Opus.
    pub fn new(config: &OpusEncoderConfig) -> Result<Self, EncodeError> {
        let wrong = |what, value: u32, reason| EncodeError::Config { what, value: value.to_string(), reason };
        let channels = match config.channels {
            1 => Channels::Mono,
            2 => Channels::Stereo,
            other => return Err(wrong("number of channels", other.into(), "it must be 1 or 2")),
        };
        if ![5, 10, 20, 40, 60].contains(&config.frame_ms) {
            return Err(wrong("frame length", config.frame_ms, "it must be 5, 10, 20, 40 or 60 ms"));
        }
        if !(6_000..=510_000).contains(&config.bitrate) {
            return Err(wrong("bitrate", config.bitrate, "it must be within 6 and 510 kbit/s"));
        }
        let failed = |e| library("set-up", e);
        let mut encoder = Encoder::new(channels, SampleRate::Hz48000, Application::Audio).map_err(failed)?;
        encoder.set_bitrate(Bitrate::Value(config.bitrate)).map_err(failed)?;
        let look_ahead = encoder.get_look_ahead().map_err(failed)?;
        let parameters =
            OpusParameters::new(config.channels, u16::try_from(look_ahead).unwrap_or(DEFAULT_PRE_SKIP))?;
        // 48 samples a millisecond; the frame is at most 60 ms.
        let frame = config.frame_ms as usize * 48;
        Ok(Self {
            encoder,
            framer: Framer::new(usize::from(config.channels), Timescale::AUDIO_48K, frame),
            track: Arc::new(Track {
                id: TrackId::AUDIO,
                timescale: Timescale::AUDIO_48K,
                parameters: CodecParameters::Opus(parameters),
            }),
            packet: vec![0; MAX_PACKET],
        })
    }

    /// Codes a block of any length; one unit per whole frame goes to the end of `out`.
    ///
    /// # Errors
    /// [`EncodeError::Samples`] for a broken block, [`EncodeError::Library`] when the codec fails; the frame is lost then.
    pub fn push(&mut self, pcm: Pcm<'_>, out: &mut Vec<AccessUnit>) -> Result<(), EncodeError> {
        let Self { encoder, framer, track, packet } = self;
        let arrival = pcm.arrival;
        framer.push(pcm, |samples, time| {
            let length =
                encoder.encode_float_to_slice(samples, packet).map_err(|e| library("encoding", e))?;
            out.push(unit(track, time, Bytes::copy_from_slice(&packet[..length]), arrival));
            Ok(())
        })
    }

    /// The track of the units.
    pub fn track(&self) -> &Arc<Track> {
        &self.track
    }
}

impl std::fmt::Debug for OpusEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpusEncoder").field("track", &self.track).finish_non_exhaustive()
    }
}

fn library(action: &'static str, error: ErrorCode) -> EncodeError {
    EncodeError::Library { codec: Codec::Opus, action, source: error.message().into() }
}

/// The largest packet RFC 6716 §3.4 allows for one frame of 20 ms, with room for 60 ms.
const MAX_PACKET: usize = 4_000;
/// libopus's look-ahead at 48 kHz.
const DEFAULT_PRE_SKIP: u16 = 312;
