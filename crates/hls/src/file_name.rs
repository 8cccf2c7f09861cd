//! The names of media files: `{epoch}-{segment}.m4s`, `{epoch}-{segment}.{part}.m4s`, `{epoch}-init{number}.mp4`.
//!
//! The epoch is another for each window, so that a name never means two things and what is cached stays right.

use std::fmt;

/// What a media file's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileName {
    /// A Media Initialization Section.
    Init {
        /// Whose window.
        epoch: u64,
        /// Which.
        number: u64,
    },
    /// A Media Segment.
    Segment {
        /// Whose window.
        epoch: u64,
        /// Its Media Sequence Number.
        number: u64,
    },
    /// A Partial Segment.
    Part {
        /// Whose window.
        epoch: u64,
        /// Media Sequence Number of its segment.
        number: u64,
        /// Its place in it.
        part: u64,
    },
}

impl FileName {
    /// Reads a name; `None` for whatever [`fmt::Display`] would not have written.
    pub fn parse(name: &str) -> Option<Self> {
        let (epoch, rest) = name.split_once('-')?;
        let epoch = u64::from_str_radix(epoch, 16).ok()?;
        let read = if let Some(number) = rest.strip_prefix("init") {
            Self::Init { epoch, number: number.strip_suffix(".mp4")?.parse().ok()? }
        } else {
            let rest = rest.strip_suffix(".m4s")?;
            match rest.split_once('.') {
                Some((number, part)) => {
                    Self::Part { epoch, number: number.parse().ok()?, part: part.parse().ok()? }
                }
                None => Self::Segment { epoch, number: rest.parse().ok()? },
            }
        };
        // One file has one name: no leading zeros or signs.
        (read.to_string() == name).then_some(read)
    }

    /// Whose window it is of.
    pub const fn epoch(self) -> u64 {
        match self {
            Self::Init { epoch, .. } | Self::Segment { epoch, .. } | Self::Part { epoch, .. } => epoch,
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init { epoch, number } => write!(f, "{epoch:x}-init{number}.mp4"),
            Self::Segment { epoch, number } => write!(f, "{epoch:x}-{number}.m4s"),
            Self::Part { epoch, number, part } => write!(f, "{epoch:x}-{number}.{part}.m4s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let names = [
            FileName::Init { epoch: 0xabc, number: 0 },
            FileName::Segment { epoch: 1, number: 12 },
            FileName::Part { epoch: u64::MAX, number: u64::MAX, part: 3 },
        ];
        for name in names {
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
        for wrong in [
            "",
            "-",
            "1-",
            "1-2",
            "1-2.mp4",
            "1-02.m4s",
            "1-2.+3.m4s",
            "A-2.m4s",
            "1-init.mp4",
            "1-2.3.4.m4s",
        ] {
            assert_eq!(FileName::parse(wrong), None, "{wrong}");
        }
    }
}
