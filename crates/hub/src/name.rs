//! The name of a stream, checked once where it enters.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// A stream's name: segments joined by `/`, as in `front` or `OAK1/CAM_A`.
///
/// A segment is 1 to 64 characters of `A–Z a–z 0–9 - _ . ~ @`, and is not `.` or `..`; there are at most 8 segments. So a name is
/// always usable as it is in a URL path and as a relative file path, and the two can never disagree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(Arc<str>);

/// Why a text is no stream name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing between two slashes, or nothing at all.
    #[error("a stream name has no empty segment")]
    EmptySegment,
    /// `.` or `..`.
    #[error("a stream name has no dot segment ('.' or '..')")]
    DotSegment,
    /// Another character.
    #[error("a stream name has letters, digits, '-', '_', '.', '~', '@' and '/' only, not {0:?}")]
    Character(char),
    /// Too long.
    #[error("a stream name has at most 8 segments of at most 64 characters")]
    TooLong,
}

impl StreamName {
    /// Checks and takes a name.
    ///
    /// # Errors
    /// [`NameError`] saying which rule it breaks.
    pub fn new(name: &str) -> Result<Self, NameError> {
        for (index, segment) in name.split('/').enumerate() {
            if segment.is_empty() {
                return Err(NameError::EmptySegment);
            }
            if segment == "." || segment == ".." {
                return Err(NameError::DotSegment);
            }
            if let Some(other) = segment.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.~@".contains(*c))
            {
                return Err(NameError::Character(other));
            }
            if index >= 8 || segment.len() > 64 {
                return Err(NameError::TooLong);
            }
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for StreamName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for StreamName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_and_of_several_segments_are_taken() {
        for name in ["front", "OAK1/CAM_A", "channel/7f3a", "a.b~c@d"] {
            assert_eq!(StreamName::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_could_leave_their_place_are_refused() {
        assert_eq!(StreamName::new(""), Err(NameError::EmptySegment));
        assert_eq!(StreamName::new("/front"), Err(NameError::EmptySegment));
        assert_eq!(StreamName::new("a//b"), Err(NameError::EmptySegment));
        assert_eq!(StreamName::new("a/../b"), Err(NameError::DotSegment));
        assert_eq!(StreamName::new("a b"), Err(NameError::Character(' ')));
        assert_eq!(StreamName::new("a<b"), Err(NameError::Character('<')));
        assert_eq!(StreamName::new(&"a".repeat(65)), Err(NameError::TooLong));
        assert_eq!(StreamName::new("a/a/a/a/a/a/a/a/a"), Err(NameError::TooLong));
    }
}
