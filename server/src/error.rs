//! The server's errors, one kind for each reader: who wrote the configuration, who waits for a source, who started us.

use std::fmt;
use std::io;
use std::path::PathBuf;

use hub::PublishError;
use thiserror::Error;

/// Something in the configuration is wrong: where, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// File, or "command line".
    pub origin: String,
    /// Line, counted from 1, if the text has it.
    pub line: Option<usize>,
    /// Dotted key, empty for the whole file.
    pub key: String,
    /// What is wrong and what was expected.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

/// Why a source stopped. The supervisor logs it, shows it, and tries again.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The other side could not be reached, or the connection broke.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the address or path.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The source ended although it was still wanted.
    #[error("{0}")]
    Ended(String),
    /// The bytes are not what they should be.
    #[error("{0}")]
    Media(String),
    /// The stream does not take the units.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl SourceError {
    /// An [`SourceError::Io`] that says what was tried.
    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        Self::Io { what: what.into(), source }
    }
}

/// Why a stream is no longer sent to another server. The supervisor logs it, shows it, and tries again.
#[derive(Debug, Error)]
pub enum EgressError {
    /// The other server could not be reached, or the connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It does not want the stream, or no more of it; or there is something else that is told in words.
    #[error("{0}")]
    Ended(String),
    /// It does not take the stream as it is, and will not the next time either, unless something is changed.
    #[error("{0}")]
    Refused(String),
}

/// Why the server did not start, or ended badly.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration is wrong; all that is wrong with it.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<ConfigError>),
    /// The configuration could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// What was given on the command line is neither a file nor a source.
    #[error(
        "there is no file {path}; a source is the path of a file, or begins with {schemes} (see firstlight --help)"
    )]
    NoFile {
        /// What was given.
        path: String,
        /// What sources begin with.
        schemes: String,
    },
    /// An address could not be listened on.
    #[error("cannot listen on {address}: {source}{}", if source.kind() == io::ErrorKind::AddrInUse { "; another program has that port: say another one, as in --listen 127.0.0.1:8081" } else { "" })]
    Listen {
        /// The address.
        address: String,
        /// The system's answer.
        source: io::Error,
    },
    /// There is no certificate for TLS.
    #[error("TLS: {0}")]
    Tls(String),
    /// Other machines could do everything.
    #[error(
        "it would listen on {address}, where other machines reach it, and nothing says who may do what. \
         Write users into the configuration ([users.NAME]; `firstlight hash-password` makes the password's hash), \
         or use --lan, which prints an address with a token in it, \
         or write auth = \"open\" in the first line of the configuration to let everybody do everything"
    )]
    Exposed {
        /// The address.
        address: String,
    },
    /// What was typed is no password.
    #[error("{0}")]
    Password(String),
    /// No link can be signed.
    #[error("{0}")]
    Link(String),
    /// The runtime could not be made.
    #[error("cannot start: {0}")]
    Runtime(#[from] io::Error),
}

/// An error with what caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
