//! What an encoder in a browser sends: a configuration in JSON, then messages of units (`publish=webcodecs`, see
//! `docs/ref/websocket.md`).
//!
//! The messages are read by `container`; here is the JSON, and the way into the stream.

use std::collections::VecDeque;
use std::time::Instant;

use base64::Engine;
use container::demux::{ConfiguredTrack, UnitsDemuxer};
use hub::Publisher;
use media::AccessUnit;
use serde::Deserialize;
use tracing::warn;

use crate::error::SourceError;
use crate::ingest::SILENCE;

/// What a publisher says in text. Other types are passed over.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Said {
    /// The tracks that follow.
    Configuration(Configuration),
    /// What time is it?
    Ping {
        /// Given back.
        t: serde_json::Number,
    },
    /// Something newer than we are.
    #[serde(other)]
    Unknown,
}

/// The tracks that follow.
#[derive(Debug, Deserialize)]
pub(super) struct Configuration {
    version: u32,
    tracks: Vec<Track>,
    /// It makes a random access point when it is asked to.
    #[serde(default)]
    keyframes: bool,
}

#[derive(Debug, Deserialize)]
struct Track {
    id: u32,
    codec: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    channels: Option<u8>,
}

/// One publisher's units.
#[derive(Debug)]
pub(super) struct Units {
    demuxer: UnitsDemuxer,
    publisher: Publisher,
    units: VecDeque<AccessUnit>,
    configured: bool,
    /// When units last came.
    heard: Instant,
}

impl Units {
    /// Before the configuration.
    pub(super) fn new(publisher: Publisher) -> Self {
        let now = Instant::now();
        Self {
            demuxer: UnitsDemuxer::new(now),
            publisher,
            units: VecDeque::new(),
            configured: false,
            heard: now,
        }
    }

    /// Takes a configuration in: the first one, or one for what follows.
    ///
    /// # Errors
    /// [`SourceError::Media`] naming what cannot be published.
    pub(super) fn configure(&mut self, configuration: &Configuration) -> Result<(), SourceError> {
        if configuration.version != 1 {
            return Err(SourceError::Media(format!("version {} instead of 1", configuration.version)));
        }
        let descriptions: Vec<Option<Vec<u8>>> =
            configuration.tracks.iter().map(Track::description).collect::<Result<_, _>>()?;
        let tracks: Vec<ConfiguredTrack<'_>> = configuration
            .tracks
            .iter()
            .zip(&descriptions)
            .map(|(track, description)| track.configured(description.as_deref()))
            .collect::<Result<_, _>>()?;
        self.demuxer.configure(&tracks).map_err(|e| SourceError::Media(e.to_string()))?;
        if configuration.keyframes {
            self.publisher.answer_keyframe_requests();
        }
        self.configured = true;
        Ok(())
    }

    /// Takes a message in and publishes its units.
    ///
    /// # Errors
    /// [`SourceError::Media`] if it cannot be read, [`SourceError::Publish`] if the stream takes no more.
    pub(super) fn push(&mut self, message: &[u8]) -> Result<(), SourceError> {
        if !self.configured {
            return Err(SourceError::Media("units before their configuration".to_owned()));
        }
        let read = self.demuxer.push(message, Instant::now(), &mut self.units);
        for note in self.demuxer.notes() {
            warn!(stream = %self.publisher.stream().name(), "{note}");
        }
        if !self.units.is_empty() {
            self.heard = Instant::now();
            self.publisher.set_tracks(self.demuxer.tracks().to_vec());
            self.units.drain(..).try_for_each(|unit| self.publisher.publish(unit))?;
        }
        read.map_err(|e| SourceError::Media(e.to_string()))
    }

    /// Whether a random access point is wanted now.
    pub(super) fn take_keyframe_request(&mut self) -> bool {
        self.publisher.take_keyframe_request(Instant::now())
    }

    /// To be awaited while nothing comes: ends, with the reason, when that takes too long. Cancel-safe.
    pub(super) async fn silence(&self) -> SourceError {
        tokio::time::sleep(SILENCE.saturating_sub(self.heard.elapsed())).await;
        SourceError::Ended(format!("no units came for {} s", SILENCE.as_secs()))
    }
}

impl Track {
    fn description(&self) -> Result<Option<Vec<u8>>, SourceError> {
        let decode = |text| base64::engine::general_purpose::STANDARD.decode(text);
        self.description.as_ref().map(decode).transpose().map_err(|error| self.wrong(&error.to_string()))
    }

    fn configured<'a>(&self, description: Option<&'a [u8]>) -> Result<ConfiguredTrack<'a>, SourceError> {
        let codec = self.codec.as_str();
        let (id, track) = if codec.starts_with("avc1.") || codec.starts_with("avc3.") {
            (1, ConfiguredTrack::H264 { record: description })
        } else if codec.starts_with("hvc1.") || codec.starts_with("hev1.") {
            (1, ConfiguredTrack::H265 { record: description })
        } else if codec.starts_with("av01.") {
            (1, ConfiguredTrack::Av1 { record: description })
        } else if codec.starts_with("mp4a.40.") {
            let config = description.ok_or_else(|| self.wrong("a description is needed"))?;
            (2, ConfiguredTrack::Aac { config })
        } else if codec == "opus" {
            (2, ConfiguredTrack::Opus { channels: self.channels.unwrap_or(2) })
        } else {
            return Err(self.wrong("avc1, hvc1, av01, mp4a.40 and opus can be published"));
        };
        if self.id == id { Ok(track) } else { Err(self.wrong("video is track 1 and sound track 2")) }
    }

    fn wrong(&self, why: &str) -> SourceError {
        // What a stranger wrote may be long.
        let codec: String = self.codec.chars().take(40).collect();
        SourceError::Media(format!("track {} ({codec:?}): {why}", self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configure(tracks: &str) -> Result<(), String> {
        let text = format!(r#"{{"type":"configuration","version":1,"tracks":[{tracks}],"new":true}}"#);
        let Ok(Said::Configuration(configuration)) = serde_json::from_str(&text) else {
            panic!("{text} is no configuration")
        };
        let hub = hub::Hub::default();
        let stream = hub.create("guest".parse().unwrap(), hub::RingLimits::default()).unwrap();
        Units::new(stream.publish().unwrap()).configure(&configuration).map_err(|e| e.to_string())
    }

    #[test]
    fn a_configuration_as_the_viewers_format_has_it_is_taken() {
        let video = r#"{"id":1,"kind":"video","codec":"avc1.42c00d","description":"AULADf/hABZnQsAN2gUH7ARAAAADAEAAAAyDxQqoAQAEaM4PyA==","width":320,"height":240}"#;
        let sound = r#"{"id":2,"kind":"audio","codec":"mp4a.40.2","description":"EZA=","sampleRate":48000,"channels":2}"#;
        assert_eq!(configure(&format!("{video},{sound}")), Ok(()));
        assert_eq!(
            configure(r#"{"id":1,"codec":"avc1.42001f"},{"id":2,"codec":"opus","channels":1}"#),
            Ok(())
        );
    }

    #[test]
    fn tracks_that_cannot_be_published_are_named() {
        for (tracks, words) in [
            (r#"{"id":1,"codec":"vp8"}"#, "\"vp8\""),
            (r#"{"id":2,"codec":"avc1.42001f"}"#, "video is track 1"),
            (r#"{"id":2,"codec":"mp4a.40.2"}"#, "description"),
            (r#"{"id":1,"codec":"avc1.42001f","description":"?"}"#, "track 1"),
            ("", "no track"),
        ] {
            let error = configure(tracks).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn what_is_newer_than_we_are_is_passed_over() {
        assert!(matches!(serde_json::from_str(r#"{"type":"bitrate","bps":5}"#), Ok(Said::Unknown)));
        assert!(matches!(serde_json::from_str(r#"{"type":"ping","t":1.5}"#), Ok(Said::Ping { .. })));
    }
}
