//! Streams made from others: `source = { from = "front", video = { width = 640 } }`.
//!
//! Judges what is asked for; decoding, scaling and encoding are `transcode`'s.

use std::str::FromStr;

use encode::H264Encoder;
use hub::StreamName;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::config::file::Section;
use crate::config::values::Bitrate;
use crate::endpoint::{Endpoint, Source};
use crate::error::ConfigError;
use crate::transcode::{Budget, Gop, Target, Transcode};

/// The derived streams.
#[derive(Debug)]
pub struct Derived;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    from: Name,
    #[serde(default)]
    video: Video,
    #[serde(default = "passed_through")]
    audio: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Video {
    codec: Codec,
    width: Option<u32>,
    height: Option<u32>,
    fps: Option<f32>,
    bitrate: Option<Bitrate>,
    gop: Option<u32>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Codec {
    #[default]
    H264,
}

#[derive(Debug)]
struct Name(StreamName);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        StreamName::from_str(&text).map(Self).map_err(D::Error::custom)
    }
}

/// Bits a pixel where no bit rate is given: good to look at in small sizes.
const BITS_PER_PIXEL: f64 = 0.1;
/// What stands for a side that is not given while the rest is judged; any that the encoder takes will do.
const SOME_SIDE: u32 = 360;

impl Endpoint for Derived {
    fn name(&self) -> &'static str {
        "derived"
    }

    fn schemes(&self) -> &'static [&'static str] {
        &["from"]
    }

    fn key(&self) -> Option<&'static str> {
        Some("from")
    }

    fn examples(&self) -> &'static [&'static str] {
        &[
            r#""from:front""#,
            r#"{ derived = { from = "front", video = { codec = "h264", width = 640, height = 360, fps = 15, bitrate = "500k", gop = 15 }, audio = false } }"#,
            r#"{ from = "front", video = { width = 640, bitrate = "500k" } }"#,
        ]
    }

    /// What it is made from is a stream, and `roster::judge` asks whether whoever makes it may see that one.
    fn is_open_to_api(&self) -> bool {
        true
    }

    fn source(&self, spec: Section<'_>) -> Result<Box<dyn Source>, ConfigError> {
        let place = spec.clone();
        let spec = match spec.as_str() {
            Some(url) => {
                let name = url.split_once(':').map_or("", |(_, name)| name);
                let from = StreamName::from_str(name).map_err(|e| place.error(e.to_string()))?;
                Spec { from: Name(from), video: Video::default(), audio: true }
            }
            None => spec.parse::<Spec>()?,
        };
        let Video { codec: Codec::H264, width, height, fps, bitrate, gop } = spec.video;
        let target = Target {
            width,
            height,
            fps,
            budget: bitrate.map_or(Budget::PerPixel(BITS_PER_PIXEL), |bitrate| Budget::PerSecond(bitrate.0)),
            gop: gop.map_or(Gop::TwoSeconds, Gop::Pictures),
            audio: spec.audio,
        };
        // Making an encoder tells whether it takes these values; the one that runs is made when it runs.
        let size = (width.or(height).unwrap_or(SOME_SIDE), height.or(width).unwrap_or(SOME_SIDE));
        H264Encoder::new(&target.encoder(size, fps.unwrap_or(30.0)))
            .map_err(|e| place.error(e.to_string()))?;
        Ok(Box::new(Transcode::new("derived", spec.from.0, target)))
    }
}

const fn passed_through() -> bool {
    true
}
