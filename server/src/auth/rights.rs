//! What somebody may do, and with which streams.

use hub::StreamName;
use serde::Deserialize;
use serde::Serialize;
use serde::de::{Deserializer, Error};

use super::Right;

/// Streams by their names: `*` stands for any run of characters, slashes too, and everything else for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Pattern(String);

/// Which streams somebody has each right on.
///
/// [`Right::Admin`] on a stream brings the others with it; publishing does not bring viewing, viewing not controlling.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rights {
    view: Vec<Pattern>,
    publish: Vec<Pattern>,
    control: Vec<Pattern>,
    admin: Vec<Pattern>,
    /// Read what is counted, of all streams.
    metrics: bool,
}

impl Rights {
    /// This right on every stream there is and will be.
    pub fn everywhere(rights: &[Right]) -> Self {
        let every = |right| rights.contains(&right).then(|| Pattern("*".to_owned())).into_iter().collect();
        let (view, publish, control) = (every(Right::View), every(Right::Publish), every(Right::Control));
        Self { view, publish, control, admin: every(Right::Admin), metrics: false }
    }

    /// To view one stream and nothing else.
    pub fn to_view(stream: &StreamName) -> Self {
        Self { view: vec![Pattern(stream.to_string())], ..Self::default() }
    }

    /// Whether they hold this right on this stream.
    pub fn on(&self, right: Right, stream: &StreamName) -> bool {
        self.patterns(right).any(|pattern| pattern.matches(stream.as_str()))
    }

    /// Whether they hold this right on any stream there could be.
    pub fn on_any(&self, right: Right) -> bool {
        self.patterns(right).next().is_some()
    }

    /// Whether they hold this right on every stream there could be.
    pub fn on_all(&self, right: Right) -> bool {
        self.patterns(right).any(|pattern| pattern.0.bytes().all(|byte| byte == b'*'))
    }

    /// Whether they may read what is counted: by that right, or since they may do everything.
    pub fn to_metrics(&self) -> bool {
        self.metrics || self.on_all(Right::Admin)
    }

    fn patterns(&self, right: Right) -> impl Iterator<Item = &Pattern> {
        let own = match right {
            Right::View => &self.view[..],
            Right::Publish => &self.publish[..],
            Right::Control => &self.control[..],
            Right::Admin => &[],
        };
        own.iter().chain(&self.admin)
    }
}

impl Pattern {
    /// Whether a name is meant; in time linear in the name for each `*`, whatever the pattern.
    fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut at, mut seen) = (0, 0);
        // Where to go on if what follows the last `*` does not fit: the `*` takes one more character.
        let mut star: Option<(usize, usize)> = None;
        while seen < name.len() {
            if pattern.get(at) == Some(&b'*') {
                star = Some((at, seen));
                at += 1;
            } else if pattern.get(at) == Some(&name[seen]) {
                (at, seen) = (at + 1, seen + 1);
            } else if let Some((before, taken)) = star {
                star = Some((before, taken + 1));
                (at, seen) = (before + 1, taken + 1);
            } else {
                return false;
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }
}

impl std::str::FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_.~@/*".contains(c);
        if text.is_empty() || text.len() > MAX_PATTERN || !text.chars().all(legal) {
            return Err(format!(
                "{text:?} names no stream: write a name, or a pattern such as \"*\", \"guest/*\" or \"*/CAM_A\""
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// As long as the longest name.
const MAX_PATTERN: usize = 520;

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(name)
    }

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name) in [
            ("*", "front"),
            ("*", "OAK1/CAM_A"),
            ("front", "front"),
            ("guest/*", "guest/a/b"),
            ("*/CAM_A", "OAK1/CAM_A"),
            ("a*b*c", "aXbbYc"),
            ("f*t", "ft"),
            ("**", "x"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("front", "front2"),
            ("front", "fron"),
            ("guest/*", "guest"),
            ("*/CAM_A", "CAM_A"),
            ("a*b", "abc"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        for wrong in ["", "a b", "fr?nt", "ä"] {
            assert!(wrong.parse::<Pattern>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_no_trap() {
        let pattern = "*a".repeat(250);
        assert!(!matches(&pattern, &"a".repeat(200)));
    }

    #[test]
    fn an_admin_may_view_and_publish_and_a_publisher_may_not_view() {
        let front = StreamName::new("front").unwrap();
        let admin = Rights { admin: vec!["front".parse().unwrap()], ..Rights::default() };
        assert!(admin.on(Right::View, &front) && admin.on(Right::Publish, &front));
        assert!(!admin.on_all(Right::Admin));
        let publisher = Rights { publish: vec!["*".parse().unwrap()], ..Rights::default() };
        assert!(publisher.on(Right::Publish, &front) && !publisher.on(Right::View, &front));
        assert!(!publisher.on_any(Right::View));
        assert!(Rights::everywhere(&[Right::Admin]).on_all(Right::Admin));
    }
}
