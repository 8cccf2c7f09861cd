//! Sound to Opus and back, on the connection's task: it takes a fraction of a millisecond.

use std::sync::Arc;
use std::time::Instant;

use encode::{OpusEncoder, OpusEncoderConfig, Pcm, SoundDecoder};
use media::{AccessUnit, MediaTime, Timescale, Track};

use crate::outlet::Outlet;
use crate::subscription::Subscription;
use crate::{Error, Sound};

/// Sound that is sent.
#[derive(Debug)]
pub(super) struct Speaking {
    sound: Subscription<Sound>,
    encoder: Option<(u8, OpusEncoder)>,
    began: Instant,
    /// Samples of each channel since then.
    said: i64,
}

impl Speaking {
    pub(super) fn new(sound: Subscription<Sound>) -> Self {
        Self { sound, encoder: None, began: Instant::now(), said: 0 }
    }

    /// The next units.
    pub(super) async fn next(&mut self) -> Result<Vec<AccessUnit>, Error> {
        let Some(sound) = self.sound.get().await else {
            // Nothing is put in any more; the connection goes on.
            return std::future::pending().await;
        };
        let channels = sound.channels();
        if self.encoder.as_ref().is_none_or(|(known, _)| *known != channels) {
            let config = OpusEncoderConfig { channels, ..OpusEncoderConfig::default() };
            self.encoder = Some((channels, OpusEncoder::new(&config)?));
        }
        let (mut units, pts) = (Vec::new(), self.time(&sound));
        if let Some((_, encoder)) = &mut self.encoder {
            let pcm = Pcm { samples: sound.samples(), pts, arrival: sound.at(), captured: None };
            encoder.push(pcm, &mut units)?;
        }
        Ok(units)
    }

    /// When a piece is heard: behind the one before it, unless there was a pause.
    fn time(&mut self, sound: &Sound) -> MediaTime {
        let since = sound.at().saturating_duration_since(self.began);
        let clock = MediaTime::from_duration(since, Timescale::AUDIO_48K).ticks();
        if (clock - self.said).abs() > PAUSE {
            self.said = clock;
        }
        let pts = MediaTime::new(self.said, Timescale::AUDIO_48K);
        self.said += i64::try_from(sound.samples().len() / usize::from(sound.channels())).unwrap_or(0);
        pts
    }
}

/// Sound that comes.
#[derive(Debug)]
pub(super) struct Hearing {
    outlet: Outlet<Sound>,
    decoder: Option<(Arc<Track>, SoundDecoder)>,
}

impl Hearing {
    pub(super) fn new(outlet: Outlet<Sound>) -> Self {
        Self { outlet, decoder: None }
    }

    /// Takes a unit; what cannot be decoded is not heard.
    pub(super) fn push(&mut self, unit: &AccessUnit) {
        if !self.outlet.has_subscribers() {
            return;
        }
        if self.decoder.as_ref().is_none_or(|(track, _)| !Arc::ptr_eq(track, &unit.track)) {
            let made = SoundDecoder::new(&unit.track, CHANNELS.into());
            self.decoder = made.ok().map(|decoder| (Arc::clone(&unit.track), decoder));
        }
        if let Some((_, decoder)) = &mut self.decoder
            && let Ok(Some(decoded)) = decoder.decode(unit)
            && let Ok(sound) = Sound::new(decoded.samples, CHANNELS)
        {
            self.outlet.put(&sound);
        }
    }
}

/// Opus says nothing of its channels that would have to be known (RFC 7587 §4.1): it is decoded to two.
const CHANNELS: u8 = 2;
/// Samples: 200 ms. A device's pieces come less evenly than they are heard.
const PAUSE: i64 = 9_600;
