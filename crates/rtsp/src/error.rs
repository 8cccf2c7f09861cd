//! The one error of this crate.

use thiserror::Error;

/// Why bytes or an answer are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RtspError {
    /// Bytes that are no message. Nothing that follows can be read.
    #[error("no RTSP message: {problem}")]
    Message {
        /// What is wrong.
        problem: String,
    },
    /// More than a message may have.
    #[error("an RTSP message whose {what} exceeds {limit} bytes")]
    TooLarge {
        /// What grew too large.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// The server refused.
    #[error("{method}: the server answered {status} {reason}")]
    Refused {
        /// What was asked.
        method: &'static str,
        /// Its status code.
        status: u16,
        /// In its words.
        reason: String,
    },
    /// The server's answer cannot be used.
    #[error("{method}: {problem}")]
    Answer {
        /// What was asked.
        method: &'static str,
        /// What is wrong with the answer.
        problem: String,
    },
}
