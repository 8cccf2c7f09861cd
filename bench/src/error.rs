//! What can go wrong while measuring, with enough context to repeat it by hand.
//!
//! Not here: what went wrong on a viewer's socket; that is counted (see `load::seen`), not raised.

use std::io;
use std::path::PathBuf;

/// A measurement that could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("cannot use the URL {url}: {why}")]
    Url { url: String, why: &'static str },
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("{path}, line {line}: {why}")]
    Schedule { path: PathBuf, line: usize, why: &'static str },
    #[error("{program} ended with {status}: {stderr}")]
    Child { program: String, status: String, stderr: String },
    #[error(
        "only {ready} of {wanted} viewers were served within {seconds} s; {failed} were refused, {closed} closed ({reason})"
    )]
    NotReady { ready: usize, wanted: usize, failed: u64, closed: u64, seconds: u64, reason: String },
    #[error("a load thread ended early")]
    Thread,
}

/// Names the attempted action of an I/O error.
pub(crate) trait Context<T> {
    /// Says what was attempted.
    fn context(self, what: impl Into<String>) -> Result<T, BenchError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, what: impl Into<String>) -> Result<T, BenchError> {
        self.map_err(|source| BenchError::Io { what: what.into(), source: source.into() })
    }
}
