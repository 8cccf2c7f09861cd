//! Why a change of the streams is refused; nothing has changed then.

use hub::StreamName;
use thiserror::Error;

use crate::error::ConfigError;

/// Why a change is refused.
#[derive(Debug, Error)]
pub enum Refused {
    /// There is no such stream.
    #[error("there is no stream named {0}")]
    Missing(StreamName),
    /// The name is taken.
    #[error("there is already a stream named {name}, defined in {place}")]
    Exists {
        /// The name.
        name: StreamName,
        /// Where the other one is defined.
        place: String,
    },
    /// The stream is not the API's.
    #[error("the stream {name} is defined in {place}: it is changed there, and not by the API")]
    Fixed {
        /// Its name.
        name: StreamName,
        /// Where it is defined.
        place: String,
    },
    /// It was changed since it was read.
    #[error("the stream {0} is not what it was when its ETag was read")]
    Changed(StreamName),
    /// Only the configuration may have that.
    #[error("{0}")]
    Forbidden(String),
    /// The definition is wrong; all that is wrong with it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Wrong(Vec<ConfigError>),
    /// There are as many as may be.
    #[error("the API has {0} streams, and may have no more")]
    Full(usize),
    /// The change could not be kept, so it was not made.
    #[error("the change was not made, because it cannot be kept in {file}: {reason}")]
    NotKept {
        /// The streams file.
        file: String,
        /// The system's answer.
        reason: String,
    },
    /// The server was started without a configuration file.
    #[error("there is no configuration file to read again")]
    NoConfiguration,
    /// The configuration file cannot be read.
    #[error("cannot read {file}: {reason}")]
    Unreadable {
        /// The file.
        file: String,
        /// The system's answer.
        reason: String,
    },
    /// The server ends.
    #[error("the server ends")]
    Ending,
}
