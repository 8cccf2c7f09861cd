//! Units of sound to samples: AAC (`syom`), Opus (libopus), G.711.
//!
//! What comes out is mono or stereo, as asked: more channels are mixed down. Whatever a unit holds, the decoder stays usable; what cannot be
//! decoded is an error, and nothing of it is heard.

use media::{AccessUnit, Codec, CodecParameters, G711Parameters, MediaTime, Timescale, Track};
use opusic_c::{Channels, Decoder as Opus, ErrorCode, SampleRate};
use syom::{AacError, Channel, DecodeOptions, Decoder as Aac, Frame};

use crate::EncodeError;
use crate::g711;

/// A decoder of one track of sound.
pub struct SoundDecoder {
    channels: usize,
    inner: Inner,
    samples: Vec<f32>,
}

enum Inner {
    Aac { decoder: Box<Aac>, config: bytes::Bytes },
    Opus { decoder: Opus, pre_skip: MediaTime },
    G711(G711Parameters),
}

/// What a unit decodes to.
#[derive(Debug)]
pub struct Decoded<'d> {
    /// Interleaved.
    pub samples: &'d [f32],
    /// How many a second of each channel.
    pub rate: Timescale,
    /// When the first of them is heard.
    pub pts: MediaTime,
}

impl SoundDecoder {
    /// For units of this track, to so many channels: 1 or 2.
    ///
    /// # Errors
    /// [`EncodeError`] if there is no decoder for them.
    pub fn new(track: &Track, channels: usize) -> Result<Self, EncodeError> {
        let inner = match &track.parameters {
            CodecParameters::Aac(parameters) => Inner::Aac {
                decoder: Box::new(aac(parameters.config()).map_err(|e| library("set-up", e))?),
                config: parameters.config().clone(),
            },
            CodecParameters::Opus(parameters) => {
                let layout = if channels == 1 { Channels::Mono } else { Channels::Stereo };
                let decoder = Opus::new(layout, SampleRate::Hz48000).map_err(|e| of_opus("set-up", e))?;
                let pre_skip = MediaTime::new(parameters.pre_skip().into(), Timescale::AUDIO_48K);
                Inner::Opus { decoder, pre_skip }
            }
            CodecParameters::G711(parameters) => Inner::G711(*parameters),
            other => return Err(EncodeError::NoSound { codec: other.codec().name() }),
        };
        Ok(Self { channels, inner, samples: Vec::new() })
    }

    /// Decodes a unit; `None` if nothing is heard of it yet.
    ///
    /// # Errors
    /// [`EncodeError`] if it cannot be decoded.
    pub fn decode(&mut self, unit: &AccessUnit) -> Result<Option<Decoded<'_>>, EncodeError> {
        let Self { channels, inner, samples } = self;
        samples.clear();
        let (rate, pts) = match inner {
            Inner::Aac { decoder, config } => {
                let mut rate = 0;
                let decoded = decoder.decode_au(&unit.data, |frame| {
                    rate = frame.sample_rate;
                    mix(&frame, *channels, samples);
                    Ok(())
                });
                if let Err(error) = decoded {
                    samples.clear();
                    **decoder = aac(config).map_err(|e| library("set-up", e))?;
                    return Err(library("decoding", error));
                }
                let Some(rate) = Timescale::new(rate) else { return Ok(None) };
                (rate, unit.pts)
            }
            Inner::Opus { decoder, pre_skip } => {
                let packet = codec::opus::packet_duration(&unit.data)?;
                let length = usize::try_from(packet.ticks()).unwrap_or(0) * *channels;
                samples.resize(length, 0.0);
                let decoded = decoder.decode_float_to_slice(&unit.data, samples, false);
                let decoded = decoded.map_err(|e| of_opus("decoding", e))?;
                samples.truncate(decoded * *channels);
                // RFC 7845 §4.3: so much of what comes out lies before the sound that went in.
                (Timescale::AUDIO_48K, unit.pts.rescale(Timescale::AUDIO_48K).saturating_sub(*pre_skip))
            }
            Inner::G711(parameters) => {
                let rate = Timescale::new(parameters.sample_rate())
                    .ok_or(EncodeError::NoSound { codec: Codec::G711.name() })?;
                let law = parameters.law();
                for frame in unit.data.chunks_exact(usize::from(parameters.channels())) {
                    let (left, right) = (frame[0], frame[frame.len() - 1]);
                    let (left, right) = (g711::sample(law, left), g711::sample(law, right));
                    match *channels {
                        1 => samples.push((left + right) / 2.0),
                        _ => samples.extend([left, right]),
                    }
                }
                (rate, unit.pts)
            }
        };
        Ok((!samples.is_empty()).then_some(Decoded { samples, rate, pts }))
    }
}

impl std::fmt::Debug for SoundDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SoundDecoder").field("channels", &self.channels).finish_non_exhaustive()
    }
}

/// A decoder of raw data blocks without an end.
fn aac(config: &[u8]) -> Result<Aac, AacError> {
    Aac::from_asc(config, DecodeOptions::audio().with_max_duration_secs(f64::INFINITY))
}

/// Any layout to one channel or two, interleaved: what is in the middle or behind is heard on both sides or its own, 3 dB lower (ITU-R
/// BS.775), and nothing clips.
fn mix(frame: &Frame<'_>, channels: usize, out: &mut Vec<f32>) {
    let planes = frame.planar;
    let labels: Vec<Channel> = frame.meta.labels().collect();
    let weights: Vec<[f32; 2]> = match (planes.len(), channels) {
        (1, _) => vec![[1.0, 1.0]],
        (2, _) => vec![[1.0, 0.0], [0.0, 1.0]],
        (count, _) => {
            (0..count).map(|index| weight(labels.get(index).copied().unwrap_or_default())).collect()
        }
    };
    let loudest = |side: usize| weights.iter().map(|weight| weight[side]).sum::<f32>();
    let scale = 1.0 / loudest(0).max(loudest(1)).max(1.0);
    let begin = out.len();
    out.resize(begin + frame.samples * channels, 0.0);
    for (plane, [left, right]) in planes.iter().zip(&weights) {
        for (to, sample) in out[begin..].chunks_exact_mut(channels).zip(*plane) {
            match to {
                [mono] => *mono += sample * scale * (left + right) / 2.0,
                [to_left, to_right, ..] => {
                    *to_left += sample * scale * left;
                    *to_right += sample * scale * right;
                }
                [] => {}
            }
        }
    }
}

/// How loud a channel is on the left and on the right.
const fn weight(channel: Channel) -> [f32; 2] {
    const LOWER: f32 = std::f32::consts::FRAC_1_SQRT_2;
    match channel {
        Channel::FrontLeft => [1.0, 0.0],
        Channel::FrontRight => [0.0, 1.0],
        Channel::BackLeft | Channel::SideLeft => [LOWER, 0.0],
        Channel::BackRight | Channel::SideRight => [0.0, LOWER],
        Channel::Lfe => [0.0, 0.0],
        _ => [LOWER, LOWER],
    }
}

fn library(action: &'static str, error: AacError) -> EncodeError {
    EncodeError::Library { codec: Codec::Aac, action, source: Box::new(error) }
}

fn of_opus(action: &'static str, error: ErrorCode) -> EncodeError {
    EncodeError::Library { codec: Codec::Opus, action, source: error.message().into() }
}
