//! Why an input cannot be followed any further.
//!
//! Damage that a format can step over (a lost packet, a torn picture) is no error: it is counted in
//! [`DemuxStats`](super::DemuxStats). What stands here ends the input.

use thiserror::Error;

/// A box type of ISO/IEC 14496-12, four bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

impl std::fmt::Display for FourCc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl std::fmt::Debug for FourCc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FourCc({self})")
    }
}

/// The input ends here; the demuxer takes no more bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DemuxError {
    /// The first bytes belong to no format we read.
    #[error("unknown input format after {looked} bytes{}, first bytes: {first}", .resembles.map(|r| format!(" (looks like {r}, which is not supported)")).unwrap_or_default())]
    Unrecognised {
        /// How many bytes were looked at.
        looked: usize,
        /// The first of them in hexadecimal.
        first: String,
        /// A format we know by sight but cannot read.
        resembles: Option<&'static str>,
    },
    /// The first bytes are not those of the format that the input was said to be.
    #[error("this is not {stated}{}", .resembles.map(|r| format!(": it looks like {r}, which is not supported")).unwrap_or_default())]
    Mistaken {
        /// What it was said to be.
        stated: &'static str,
        /// A format we know by sight but cannot read.
        resembles: Option<&'static str>,
    },
    /// The box structure of an MP4 input is broken.
    #[error("broken mp4 at byte {offset}, in box {kind}: {problem}")]
    Mp4 {
        /// Byte position: from the start of the input, or of the `moov` box where that was given alone.
        offset: u64,
        /// The box being read.
        kind: FourCc,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The framing of an FLV input is broken.
    #[error("broken flv at byte {offset}: {problem}")]
    Flv {
        /// Byte position from the start of the input.
        offset: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// A message of units, or their configuration, is not as it should be.
    #[error("broken message at byte {position}: {problem}")]
    Message {
        /// Byte position in the message.
        position: u64,
        /// What is wrong.
        problem: String,
    },
    /// There is no track we can play.
    #[error("no playable track: {found}")]
    NoTrack {
        /// What was found instead.
        found: String,
    },
    /// More bytes were pushed after an error.
    #[error("the input has already failed")]
    Failed,
}
