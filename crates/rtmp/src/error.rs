//! Why a peer cannot be understood any further.

use container::flv::amf0::Amf0Error;
use thiserror::Error;

/// The connection ends here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RtmpError {
    /// The first byte is no version of RTMP that is spoken here.
    #[error("not RTMP: the first byte is {0} and should be 3")]
    Version(u8),
    /// A chunk that cannot be.
    #[error("byte {offset}: {problem}")]
    Chunk {
        /// Bytes behind the handshake.
        offset: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A message longer than is taken now.
    #[error("byte {offset}: a message of {length} bytes, where {limit} are taken")]
    TooLong {
        /// Bytes behind the handshake.
        offset: u64,
        /// What it says it has.
        length: usize,
        /// What it may have, with others that are not complete.
        limit: usize,
    },
    /// The values of a command cannot be read.
    #[error("a command that cannot be read: {0}")]
    Command(#[from] Amf0Error),
    /// A command at a time when it has no meaning.
    #[error("{command} {problem}")]
    Order {
        /// The command's name.
        command: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The server does not want it so.
    #[error("the server refused {what}: {code} {description}")]
    Refused {
        /// What was asked of it.
        what: &'static str,
        /// Its code, as `NetStream.Publish.BadName`.
        code: String,
        /// Its words.
        description: String,
    },
}
