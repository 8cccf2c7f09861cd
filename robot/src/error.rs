//! What goes wrong, in words.

use std::sync::Arc;

use peer::PeerError;
use thiserror::Error;

/// Why something does not work, or ended.
#[derive(Debug, Clone, Error)]
pub enum Error {
    /// A device of this machine, or the program that reads it.
    #[error("{device}: {problem}")]
    Device {
        /// Which.
        device: String,
        /// What is wrong.
        problem: String,
    },
    /// A description that is none, or fits nothing here.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// A description of another kind than was expected.
    #[error("expected an {expected}, got an {got:?}")]
    Kind {
        /// `offer` or `answer`.
        expected: &'static str,
        /// What its `type` says.
        got: String,
    },
    /// There is an answer, and was no offer.
    #[error("there was no offer that could be answered")]
    NoOffer,
    /// A connection is made once.
    #[error("the connection has its descriptions already")]
    Twice,
    /// The connection broke.
    #[error("the connection ended: {0}")]
    Ended(#[from] peer::Ended),
    /// A codec cannot go on.
    #[error(transparent)]
    Codec(Arc<encode::EncodeError>),
    /// The address of a STUN server that is none.
    #[error("{0:?} is no STUN server: expected stun:HOST or stun:HOST:PORT")]
    StunServer(String),
    /// The address of a TURN server that is none.
    #[error("{0:?} is no TURN server: expected turn:HOST or turn:HOST:PORT")]
    TurnServer(String),
    /// There is no socket to be had.
    #[error("there is no socket to be had: {0}")]
    Socket(Arc<std::io::Error>),
}

impl Error {
    pub(crate) fn device(device: impl Into<String>, problem: &dyn std::fmt::Display) -> Self {
        Self::Device { device: device.into(), problem: problem.to_string() }
    }
}

impl PartialEq for Error {
    /// By their words.
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl From<encode::EncodeError> for Error {
    fn from(error: encode::EncodeError) -> Self {
        Self::Codec(Arc::new(error))
    }
}
