//! Delivery directives (draft-pantos-hls-rfc8216bis §6.2.5): what a client adds to a playlist's address.

use thiserror::Error;

/// A playlist request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reload {
    /// `_HLS_msn`, and `_HLS_part` if there is one: not before this is in the playlist.
    pub until: Option<(u64, Option<u64>)>,
    /// `_HLS_skip`.
    pub skip: Skip,
}

/// Whether the client takes a delta update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Skip {
    /// The whole playlist.
    #[default]
    Nothing,
    /// `YES` or `v2`: a Playlist Delta Update will do. There are no date ranges that `v2` could leave out besides.
    Segments,
}

/// A request that the document forbids; the answer is 400.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadReload {
    /// A value that is none.
    #[error("{name}: {value:?} is not {expected}")]
    Value {
        /// The directive.
        name: &'static str,
        /// As it came, cut short.
        value: String,
        /// What there may be.
        expected: &'static str,
    },
    /// A directive stands twice.
    #[error("{0} stands twice")]
    Twice(&'static str),
    /// A part of no segment.
    #[error("_HLS_part needs _HLS_msn")]
    PartAlone,
}

impl Reload {
    /// Reads the query of an address; names that are not of the document are passed over.
    ///
    /// # Errors
    /// [`BadReload`].
    pub fn parse(query: &str) -> Result<Self, BadReload> {
        let (mut segment, mut part, mut skip) = (None, None, None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "_HLS_msn" => set(&mut segment, "_HLS_msn", integer("_HLS_msn", value)?)?,
                "_HLS_part" => set(&mut part, "_HLS_part", integer("_HLS_part", value)?)?,
                "_HLS_skip" if matches!(value, "YES" | "v2") => set(&mut skip, "_HLS_skip", Skip::Segments)?,
                "_HLS_skip" => return Err(wrong("_HLS_skip", value, "YES or v2")),
                _ => {}
            }
        }
        let until = match (segment, part) {
            (None, Some(_)) => return Err(BadReload::PartAlone),
            (segment, part) => segment.map(|segment| (segment, part)),
        };
        Ok(Self { until, skip: skip.unwrap_or_default() })
    }
}

fn set<T>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), BadReload> {
    if place.replace(value).is_some() { Err(BadReload::Twice(name)) } else { Ok(()) }
}

/// A decimal-integer (§4.2).
fn integer(name: &'static str, value: &str) -> Result<u64, BadReload> {
    let digits = (1..=20).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|_| digits);
    number.ok_or_else(|| wrong(name, value, "a decimal integer"))
}

fn wrong(name: &'static str, value: &str, expected: &'static str) -> BadReload {
    BadReload::Value { name, value: value.chars().take(40).collect(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_among_others() {
        assert_eq!(Reload::parse(""), Ok(Reload::default()));
        assert_eq!(
            Reload::parse("token=x&_HLS_msn=12"),
            Ok(Reload { until: Some((12, None)), skip: Skip::Nothing })
        );
        let all = Reload { until: Some((12, Some(3))), skip: Skip::Segments };
        assert_eq!(Reload::parse("_HLS_part=3&_HLS_msn=12&_HLS_skip=v2"), Ok(all));
        assert_eq!(Reload::parse("_HLS_push=1&_HLS_skip=YES").map(|read| read.skip), Ok(Skip::Segments));
    }

    #[test]
    fn what_the_document_forbids_is_named() {
        for (query, says) in [
            ("_HLS_part=1", "_HLS_part needs _HLS_msn"),
            ("_HLS_msn=", "_HLS_msn: \"\" is not a decimal integer"),
            ("_HLS_msn=-1", "_HLS_msn: \"-1\" is not a decimal integer"),
            ("_HLS_msn=+1", "_HLS_msn: \"+1\" is not a decimal integer"),
            ("_HLS_msn=1.5", "_HLS_msn: \"1.5\" is not a decimal integer"),
            ("_HLS_msn=99999999999999999999", "_HLS_msn: \"99999999999999999999\" is not a decimal integer"),
            ("_HLS_msn=1&_HLS_msn=1", "_HLS_msn stands twice"),
            ("_HLS_skip=no", "_HLS_skip: \"no\" is not YES or v2"),
        ] {
            assert_eq!(Reload::parse(query).unwrap_err().to_string(), says, "{query}");
        }
    }
}
