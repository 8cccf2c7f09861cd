//! The one error of this crate.

use media::ParametersError;
use thiserror::Error;

/// Why bytes are not what they should be. Positions are counted from the start of what `what` names.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodecError {
    /// A structure ends before its last field.
    #[error("{what} ends early, at bit {bit}")]
    Truncated {
        /// The structure being read.
        what: &'static str,
        /// Where more bits were wanted; emulation prevention bytes are not counted.
        bit: usize,
    },
    /// A field has a value that the standard, or a bound of ours, does not allow.
    #[error("{what}: {field} may not be {value}, before bit {bit}")]
    Invalid {
        /// The structure being read.
        what: &'static str,
        /// The field by its name in the standard.
        field: &'static str,
        /// Its value.
        value: u64,
        /// Where reading stood; emulation prevention bytes are not counted.
        bit: usize,
    },
    /// A length-prefixed NAL unit does not fit into its access unit.
    #[error(
        "NAL unit of {length} bytes at byte {position} runs past the end of the access unit ({available} left)"
    )]
    Length {
        /// Where its length field starts.
        position: usize,
        /// What it says.
        length: usize,
        /// Bytes left behind the length field.
        available: usize,
    },
    /// More bytes than any access unit or parameter set may have.
    #[error("{what} at byte {position} exceeds {limit} bytes and was left out")]
    TooLarge {
        /// What grew too large.
        what: &'static str,
        /// The bound.
        limit: usize,
        /// Offset in the stream of bytes at which the bound was passed.
        position: u64,
    },
    /// Bytes that are no ADTS frame were skipped.
    #[error("no ADTS frame at byte {position}: {skipped} bytes skipped")]
    LostSync {
        /// Offset in the stream of bytes at which the frame was expected.
        position: u64,
        /// How many bytes were passed over.
        skipped: u64,
    },
    /// The stream is legal but its layout cannot be expressed, or is not supported.
    #[error("{what} cannot express {value}")]
    Unsupported {
        /// The format.
        what: &'static str,
        /// What it has no place for.
        value: String,
    },
    /// The values were read but no decoder could use them.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
}
