//! The formats by name, and what a viewer may ask of them.
//!
//! A packaging is made once for all viewers who ask for the same, so [`Format`] and [`FormatOptions`] together are
//! its key: everything that changes a byte of the output is in them.

use std::num::NonZeroU32;
use std::str::FromStr;

use media::Muxer;
use thiserror::Error;

use crate::Grouping;
use crate::annexb::AnnexbWriter;
use crate::av::EnvelopeWriter;
use crate::flv::{FileFraming, TagWriter};
use crate::fmp4::{FragmentWriter, RobopipeWriter};
use crate::mpegts::TransportStreamWriter;
use crate::packager::Packager;
use crate::webcodecs::WebcodecsWriter;

/// How a stream is packaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The byte stream format of H.264, one picture a message: jmuxer.
    Annexb,
    /// The envelope of jmuxer's demo, with sound.
    Av,
    /// Movie fragments for Media Source Extensions.
    Fmp4,
    /// MPEG transport stream: mpegts.js, ffmpeg.
    Mpegts,
    /// The tags of FLV, behind a [`file_header`](crate::flv::file_header): mpegts.js, flv.js, ffmpeg.
    Flv,
    /// Our own framing for WebCodecs.
    Webcodecs,
    /// Movie fragments as Robopipe's players expect them, at this frame rate. Not chosen by name.
    Robopipe {
        /// Pictures a second; time is counted by it.
        frame_rate: NonZeroU32,
    },
}

/// What of a stream is packaged and in which portions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FormatOptions {
    /// Which units share a message.
    pub grouping: Grouping,
    /// Carry the picture.
    pub video: bool,
    /// Carry the sound.
    pub audio: bool,
    /// How a picture in the byte stream format ends (`annexb`, `av`).
    pub ending: Ending,
}

impl Default for FormatOptions {
    fn default() -> Self {
        Self { grouping: Grouping::default(), video: true, audio: true, ending: Ending::default() }
    }
}

/// What follows each picture in the byte stream format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ending {
    /// Access unit delimiter, SPS, PPS, delimiter: a parser that waits for the next unit's start (jmuxer) shows the
    /// picture at once.
    #[default]
    Delimited,
    /// Nothing.
    None,
}

/// No such format.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown format {0:?}: expected annexb, av, fmp4, mpegts, flv or webcodecs")]
pub struct UnknownFormat(String);

impl Format {
    /// Every format that a user may choose by name.
    pub const ALL: &[Self] = &[Self::Annexb, Self::Av, Self::Fmp4, Self::Mpegts, Self::Flv, Self::Webcodecs];

    /// As users write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Annexb => "annexb",
            Self::Av => "av",
            Self::Fmp4 => "fmp4",
            Self::Mpegts => "mpegts",
            Self::Flv => "flv",
            Self::Webcodecs => "webcodecs",
            Self::Robopipe { .. } => "robopipe",
        }
    }

    /// Whether it has a place for pictures that are shown in another order than they are decoded (B-frames).
    pub const fn carries_reordering(self) -> bool {
        match self {
            Self::Fmp4 | Self::Mpegts | Self::Flv | Self::Webcodecs => true,
            Self::Annexb | Self::Av | Self::Robopipe { .. } => false,
        }
    }

    /// A muxer of this format.
    pub fn muxer(self, options: &FormatOptions) -> Box<dyn Muxer> {
        // Formats of one picture a message.
        let single = FormatOptions { grouping: Grouping::EveryUnit, ..*options };
        match self {
            Self::Annexb => Box::new(Packager::new(AnnexbWriter::new(options.ending), &single)),
            Self::Av => Box::new(Packager::new(EnvelopeWriter::new(options.ending), options)),
            Self::Fmp4 => Box::new(Packager::new(FragmentWriter::default(), options)),
            Self::Mpegts => Box::new(Packager::new(TransportStreamWriter::default(), options)),
            Self::Flv => Box::new(Packager::new(TagWriter::new(FileFraming), options)),
            Self::Webcodecs => Box::new(Packager::new(WebcodecsWriter::default(), options)),
            Self::Robopipe { frame_rate } => {
                Box::new(Packager::new(RobopipeWriter::new(frame_rate), &single))
            }
        }
    }

    /// Format and options as text that differs wherever the output would: the key of a packaging, as users write it.
    pub fn key(self, options: &FormatOptions) -> String {
        let mut key = self.name().to_owned();
        if let Self::Robopipe { frame_rate } = self {
            key.push_str(&format!("&fps={frame_rate}"));
        }
        key.push_str(&options.grouping.to_string());
        for (on, off) in [(options.video, "&video=0"), (options.audio, "&audio=0")] {
            if !on {
                key.push_str(off);
            }
        }
        if options.ending == Ending::None {
            key.push_str("&ending=none");
        }
        key
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = Self::ALL.iter().find(|format| format.name() == name);
        found.copied().ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_understood_and_others_are_refused() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(*format));
        }
        let error = "robopipe".parse::<Format>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown format \"robopipe\": expected annexb, av, fmp4, mpegts, flv or webcodecs"
        );
    }

    #[test]
    fn keys_differ_with_the_output() {
        let plain = FormatOptions::default();
        let muted = FormatOptions { audio: false, ..plain };
        let robopipe = |frame_rate| Format::Robopipe { frame_rate: NonZeroU32::new(frame_rate).unwrap() };
        let keys = [
            Format::Av.key(&plain),
            Format::Av.key(&muted),
            robopipe(25).key(&plain),
            robopipe(30).key(&plain),
        ];
        assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), 4);
    }
}
