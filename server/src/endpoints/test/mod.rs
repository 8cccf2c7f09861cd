//! The built-in camera: a moving pattern with a clock that people and programs can read, and a beep each second.
//!
//! Used when nothing is configured, and wherever latency is measured: the time in the picture is the time it was painted.

mod clock_code;
mod font;
mod pattern;
mod settings;
mod source;
mod tone;

use std::sync::{Arc, Mutex};

use serde::Deserialize;

use self::pattern::Grade;
use self::settings::Settings;
use self::source::{Coding, TestSource};
use crate::config::file::Section;
use crate::config::values::Bitrate;
use crate::endpoint::{Endpoint, Source};
use crate::error::ConfigError;

/// The built-in camera.
#[derive(Debug)]
pub struct Test;

/// How the sound is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Sound {
    Aac,
    Opus,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "\"aac\", \"opus\" or false")]
enum Audio {
    Codec(Sound),
    Switch(bool),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Spec {
    width: u32,
    height: u32,
    fps: f32,
    bitrate: Bitrate,
    /// Pictures from one random access point to the next; two seconds' worth if absent.
    gop: Option<u32>,
    intra_only: bool,
    audio: Audio,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            width: 1280,
            height: 720,
            fps: 30.0,
            bitrate: Bitrate(2_000_000),
            gop: None,
            intra_only: false,
            audio: Audio::Codec(Sound::Aac),
        }
    }
}

impl Endpoint for Test {
    fn name(&self) -> &'static str {
        "test"
    }

    fn is_open_to_api(&self) -> bool {
        true
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["test"]
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            r#""test""#,
            r#"{ test = { width = 1280, height = 720, fps = 30, bitrate = "2M", gop = 60, intra_only = false, audio = "aac" } }"#,
        ]
    }

    fn source(&self, spec: Section<'_>) -> Result<Box<dyn Source>, ConfigError> {
        let place = spec.clone();
        let spec = match spec.as_str() {
            Some("test" | "test:") => Spec::default(),
            Some(_) => return Err(place.error("write \"test\", or { test = { width = 640, height = 360 } }")),
            None => spec.parse::<Spec>()?,
        };
        if !(1.0..=240.0).contains(&spec.fps) {
            return Err(place.error(format!("fps must be from 1 to 240, not {}", spec.fps)));
        }
        if spec.width < 64 || spec.height < 64 {
            return Err(place.error("the pattern needs at least 64 x 64 pixels"));
        }
        let grade = Grade::default();
        let settings = Settings { width: spec.width, height: spec.height, frame_rate: spec.fps, grade };
        let coding = Coding { bitrate: spec.bitrate.0, gop: spec.gop, intra_only: spec.intra_only };
        coding.judge(&settings).map_err(|e| place.error(e.to_string()))?;
        let sound = match spec.audio {
            Audio::Codec(sound) => Some(sound),
            Audio::Switch(true) => Some(Sound::Aac),
            Audio::Switch(false) => None,
        };
        Ok(Box::new(TestSource { coding, sound, settings: Arc::new(Mutex::new(settings)) }))
    }
}
