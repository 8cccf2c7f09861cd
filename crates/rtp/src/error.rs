//! The one error of this crate.

use codec::CodecError;
use thiserror::Error;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RtpError {
    /// No RTP packet.
    #[error("no RTP packet: {problem}, at byte {at}")]
    Packet {
        /// What is wrong.
        problem: &'static str,
        /// Where.
        at: usize,
    },
    /// No RTCP packet.
    #[error("no RTCP packet: {problem}, at byte {at}")]
    Rtcp {
        /// What is wrong.
        problem: &'static str,
        /// Where, in the datagram.
        at: usize,
    },
    /// The payload breaks the rules of its format.
    #[error("{format} payload in packet {sequence}: {problem}")]
    Payload {
        /// The payload format.
        format: &'static str,
        /// The packet's sequence number.
        sequence: u16,
        /// What is wrong.
        problem: String,
    },
    /// What the packets carry cannot be read.
    #[error("{format}, up to packet {sequence}: {source}")]
    Codec {
        /// The payload format.
        format: &'static str,
        /// The last packet's sequence number.
        sequence: u16,
        /// Why.
        source: CodecError,
    },
    /// A unit that has no form in its payload format.
    #[error("{format} cannot carry this unit: {problem}")]
    Unit {
        /// The payload format.
        format: &'static str,
        /// Why not.
        problem: String,
    },
    /// A line of a session description is not what it should be.
    #[error("session description, line {line}: {problem}")]
    Sdp {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A medium of a session description that we do not take.
    #[error("{what} is not taken: {why}")]
    Unsupported {
        /// The medium, as described.
        what: String,
        /// Why not.
        why: String,
    },
}
