//! One track of sound to another codec: decoded, brought to 48 kHz, encoded.
//!
//! What is heard at a time goes on being heard at that time: the delays of decoder, filter and encoder are taken off the units' times, and
//! within 20 ms the samples are counted, so that nothing drifts however long it runs. Mono stays mono; all else becomes stereo, whatever
//! the units turn out to hold, so that the track is known before the first of them.
//!
//! Not here: threads, and who wants it (`server`).

use std::sync::Arc;

use media::{AccessUnit, Codec, CodecParameters, MediaTime, OpusParameters, Timescale, Track};

use crate::EncodeError;
use crate::aac::{AacEncoder, AacEncoderConfig};
use crate::opus::{OpusEncoder, OpusEncoderConfig};
use crate::pcm::Pcm;
use crate::resample::Resampler;
use crate::sound_decoder::SoundDecoder;

/// Makes a track of sound from another.
pub struct SoundConverter {
    from: Arc<Track>,
    track: Arc<Track>,
    decoder: SoundDecoder,
    /// For a rate; none while that is 48 kHz already.
    resampler: Option<(Timescale, Resampler)>,
    encoder: Encoder,
    channels: usize,
    coded: Vec<AccessUnit>,
}

enum Encoder {
    Aac(Box<AacEncoder>),
    /// And by how much its sound comes late.
    Opus(Box<OpusEncoder>, MediaTime),
}

impl SoundConverter {
    /// From a track to AAC-LC or Opus.
    ///
    /// # Errors
    /// [`EncodeError::NoSound`] for a track that is none, or a codec that none is made of; any other if there is no codec to be had.
    pub fn new(from: &Arc<Track>, to: Codec) -> Result<Self, EncodeError> {
        let channels = from.parameters.channels().unwrap_or(2).clamp(1, 2);
        let decoder = SoundDecoder::new(from, channels.into())?;
        let (encoder, parameters) = match to {
            Codec::Aac => {
                let bitrate = 64_000 * u32::from(channels);
                let config = AacEncoderConfig { channels, bitrate, ..AacEncoderConfig::default() };
                let encoder = AacEncoder::new(&config)?;
                let parameters = encoder.track().parameters.clone();
                (Encoder::Aac(Box::new(encoder)), parameters)
            }
            Codec::Opus => {
                let bitrate = if channels == 1 { 64_000 } else { 96_000 };
                let config = OpusEncoderConfig { channels, bitrate, ..OpusEncoderConfig::default() };
                let encoder = OpusEncoder::new(&config)?;
                let late = match &encoder.track().parameters {
                    CodecParameters::Opus(parameters) => parameters.pre_skip(),
                    _ => 0,
                };
                let late = MediaTime::new(late.into(), Timescale::AUDIO_48K);
                // The times say it already.
                let parameters = CodecParameters::Opus(OpusParameters::new(channels, 0)?);
                (Encoder::Opus(Box::new(encoder), late), parameters)
            }
            other => return Err(EncodeError::NoSound { codec: other.name() }),
        };
        let track = Arc::new(Track { id: from.id, timescale: Timescale::AUDIO_48K, parameters });
        Ok(Self {
            from: Arc::clone(from),
            track,
            decoder,
            resampler: None,
            encoder,
            channels: channels.into(),
            coded: Vec::new(),
        })
    }

    /// The track of the units that come out.
    pub const fn track(&self) -> &Arc<Track> {
        &self.track
    }

    /// Takes the next unit in; what is complete by it goes to the end of `out`. New parameters are followed.
    ///
    /// # Errors
    /// [`EncodeError`] if the unit cannot be decoded; the converter goes on with the next.
    pub fn push(&mut self, unit: &AccessUnit, out: &mut Vec<AccessUnit>) -> Result<(), EncodeError> {
        if !Arc::ptr_eq(&self.from, &unit.track) {
            self.follow(&unit.track)?;
        }
        let Some(decoded) = self.decoder.decode(unit)? else { return Ok(()) };
        let Self { resampler, encoder, channels, coded, track, .. } = self;
        // A block's wall clock is that of its first sample, as the unit's is.
        let captured = unit.captured;
        let pcm = Pcm { samples: decoded.samples, pts: decoded.pts, arrival: unit.arrival, captured };
        let pcm = if decoded.rate == Timescale::AUDIO_48K {
            *resampler = None;
            pcm
        } else {
            let known = resampler.take().filter(|(rate, _)| *rate == decoded.rate);
            let of_rate = match known {
                Some(known) => known,
                None => (decoded.rate, Resampler::new(*channels, decoded.rate, Timescale::AUDIO_48K)?),
            };
            resampler.insert(of_rate).1.push(pcm)
        };
        coded.clear();
        let result = match encoder {
            Encoder::Aac(encoder) => encoder.push(pcm, coded),
            Encoder::Opus(encoder, _) => encoder.push(pcm, coded),
        };
        let late = match encoder {
            Encoder::Aac(_) => MediaTime::zero(Timescale::AUDIO_48K),
            Encoder::Opus(_, late) => *late,
        };
        out.extend(coded.drain(..).map(|unit| {
            let pts = unit.pts.saturating_sub(late);
            AccessUnit { track: Arc::clone(track), dts: pts, pts, ..unit }
        }));
        result
    }

    /// The source sends otherwise from now on.
    fn follow(&mut self, track: &Arc<Track>) -> Result<(), EncodeError> {
        if *self.from == **track {
            self.from = Arc::clone(track);
            return Ok(());
        }
        let made = Self::new(track, self.track.parameters.codec())?;
        let before = std::mem::replace(self, made);
        if *before.track == *self.track {
            // Who listens need not know.
            self.track = before.track;
        }
        Ok(())
    }
}

impl std::fmt::Debug for SoundConverter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SoundConverter")
            .field("from", &self.from)
            .field("track", &self.track)
            .finish_non_exhaustive()
    }
}
