//! Streams of what connections send: made when one begins, like any other while it lasts, gone when it ends.

use std::str::FromStr;
use std::sync::Arc;

use hub::StreamName;

use crate::config::reserved::name_conflict;
use crate::supervise::cameras::{Camera, Cameras};

/// How such streams are called: a name in which `{id}` stands for the lowest number that is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(String);

/// The stream of a connection; gone with it, unless it was there before.
#[derive(Debug)]
pub(super) struct Incoming {
    camera: Arc<Camera>,
    /// Takes it away again; none for one that stays.
    cameras: Option<Arc<Cameras>>,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = StreamName::new(&text.replace(ID, "1")).map_err(|error| error.to_string())?;
        match name_conflict(&name) {
            Some(conflict) => Err(conflict),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl Pattern {
    /// Whether somebody may have such a stream, if one is free.
    pub(super) fn is_for(&self, may: impl Fn(&StreamName) -> bool) -> bool {
        self.names().any(|name| may(&name))
    }

    /// A stream for a connection of somebody: the one of this name, or one that is made for it; `None` if there are as many as there may be.
    pub(super) fn open(&self, cameras: &Arc<Cameras>, may: impl Fn(&StreamName) -> bool) -> Option<Incoming> {
        for name in self.names().filter(|name| may(name)) {
            if !self.0.contains(ID)
                && let Some(camera) = cameras.get(name.as_str())
            {
                return Some(Incoming { camera, cameras: None });
            }
            if let Ok(camera) = cameras.add(name, None) {
                return Some(Incoming { camera, cameras: Some(Arc::clone(cameras)) });
            }
        }
        None
    }

    fn names(&self) -> impl Iterator<Item = StreamName> {
        let count = if self.0.contains(ID) { MOST } else { 1 };
        (1..=count).filter_map(|number| StreamName::new(&self.0.replace(ID, &number.to_string())).ok())
    }

    /// Whether a stream may be one of a connection.
    pub(super) fn is(&self, name: &StreamName) -> bool {
        let Some((before, after)) = self.0.split_once(ID) else { return name.as_str() == self.0 };
        let number = name.as_str().strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        number.is_some_and(|number| number.parse::<usize>().is_ok())
    }
}

impl Incoming {
    pub(super) const fn camera(&self) -> &Arc<Camera> {
        &self.camera
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(cameras) = &self.cameras {
            cameras.remove(&self.camera);
        }
    }
}

const ID: &str = "{id}";
/// So many of them there may be.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_have_the_lowest_numbers_that_are_free_and_leave_nothing() {
        let cameras = Arc::new(Cameras::default());
        let pattern: Pattern = "connect/{id}".parse().unwrap();
        let open = || pattern.open(&cameras, |_| true).unwrap();
        let name = |incoming: &Incoming| incoming.camera().stream().name().to_string();
        let (one, two) = (open(), open());
        assert_eq!((name(&one), name(&two)), ("connect/1".to_owned(), "connect/2".to_owned()));
        drop(one);
        assert!(cameras.get("connect/1").is_none() && cameras.get("connect/2").is_some());
        let again = open();
        assert_eq!(name(&again), "connect/1");
        let theirs = |name: &StreamName| name.as_str() == "connect/2";
        assert!(pattern.is_for(theirs) && pattern.open(&cameras, theirs).is_none());
        let rest: Vec<_> = std::iter::from_fn(|| pattern.open(&cameras, |_| true)).collect();
        assert_eq!(rest.len(), MOST - 2);
        drop((rest, again, two));
        assert!(cameras.list().is_empty());
    }

    #[test]
    fn a_stream_that_was_there_before_stays() {
        let cameras = Arc::new(Cameras::default());
        cameras.add(StreamName::new("guest").unwrap(), None).unwrap();
        drop("guest".parse::<Pattern>().unwrap().open(&cameras, |_| true));
        assert!(cameras.get("guest").is_some());
    }

    #[test]
    fn a_connections_stream_is_known_by_its_name() {
        let is = |pattern: &str, name: &str| {
            pattern.parse::<Pattern>().unwrap().is(&StreamName::new(name).unwrap())
        };
        assert!(is("connect/{id}", "connect/12") && is("guest", "guest"));
        assert!(!is("connect/{id}", "connect/x") && !is("connect/{id}", "front") && !is("guest", "guest/1"));
    }
}
