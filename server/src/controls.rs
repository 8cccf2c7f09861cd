//! What of a source can be set while it exists: its size, its pace, how bright it is.
//!
//! A source names its [`Dial`]s and obeys all of a request or none of it, with a reason in words: nothing that somebody asked for is
//! swallowed. What is set is kept as long as the stream, and not written anywhere.
//!
//! Not here: how a face of the server names these things (Robopipe's `resolution`, `contrast` from -10 to 10), who may set them.

use std::fmt;
use std::ops::RangeInclusive;

/// Something that can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Control {
    /// Width of the picture, in pixels.
    Width,
    /// Height of the picture, in pixels.
    Height,
    /// Pictures a second.
    FrameRate,
    /// From -1, darkest, to 1; 0 is the picture as it is.
    Brightness,
    /// From -1, flattest, to 1; 0 is the picture as it is.
    Contrast,
    /// From -1, grey, to 1; 0 is the picture as it is.
    Saturation,
}

/// A control that a source has: where it stands, and how far it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Dial {
    /// What it sets.
    pub control: Control,
    /// Where it stands.
    pub value: f64,
    /// How far it goes.
    pub range: RangeInclusive<f64>,
}

/// What has to happen for new settings to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: they are seen at once.
    Live,
    /// The source must be started again.
    Restart,
}

/// Why a source does not obey; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// What could not be set.
    pub control: Control,
    /// Why, for whoever asked.
    pub reason: String,
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Width => "width",
            Self::Height => "height",
            Self::FrameRate => "frame rate",
            Self::Brightness => "brightness",
            Self::Contrast => "contrast",
            Self::Saturation => "saturation",
        })
    }
}
