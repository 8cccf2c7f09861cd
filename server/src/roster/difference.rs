//! What must be done so that one set of streams becomes another.
//!
//! Pure: two sets of definitions in, a list of changes out. A stream whose definition is equal is not in the list, so whoever
//! watches it notices nothing.

use std::collections::BTreeMap;

use hub::StreamName;

/// Streams by name, each as it was written.
pub type Definitions = BTreeMap<StreamName, toml::Table>;

/// One step from a set of streams to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is there no more: viewers are told so.
    Remove(StreamName),
    /// It is another one by the same name: viewers are told that the old one was removed.
    Replace(StreamName),
    /// Only when its source runs, who may take over from a publisher, or where it is sent to is different; viewers notice nothing.
    Retune(StreamName),
    /// It is new.
    Add(StreamName),
}

impl Change {
    /// The stream.
    pub fn name(&self) -> &StreamName {
        match self {
            Self::Remove(name) | Self::Replace(name) | Self::Retune(name) | Self::Add(name) => name,
        }
    }
}

/// The changes from `old` to `new`: first what goes, then what changes, then what comes, each by name.
pub fn difference(old: &Definitions, new: &Definitions) -> Vec<Change> {
    let gone = old.keys().filter(|name| !new.contains_key(*name)).cloned().map(Change::Remove);
    let changed = new.iter().filter_map(|(name, definition)| {
        let known = old.get(name).filter(|known| *known != definition)?;
        let retuned = without_demand(known) == without_demand(definition);
        Some(if retuned { Change::Retune(name.clone()) } else { Change::Replace(name.clone()) })
    });
    let come = new.keys().filter(|name| !old.contains_key(*name)).cloned().map(Change::Add);
    gone.chain(changed).chain(come).collect()
}

/// Keys that say when a source runs, not what it is, what becomes of a second publisher, where the stream is sent to besides, and who
/// is told what is said to it.
const DEMAND_KEYS: [&str; 5] = ["linger", "on_demand", "on_second_publisher", "push", "data"];

fn without_demand(definition: &toml::Table) -> Vec<(&String, &toml::Value)> {
    definition.iter().filter(|(key, _)| !DEMAND_KEYS.contains(&key.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> StreamName {
        StreamName::new(text).unwrap()
    }

    fn set(toml: &str) -> Definitions {
        let table: toml::Table = toml.parse().unwrap();
        table.into_iter().map(|(key, value)| (name(&key), value.as_table().unwrap().clone())).collect()
    }

    #[test]
    fn a_stream_that_is_written_the_same_is_not_touched() {
        let old = set("[a]\nsource = { test = { fps = 30, width = 640 } }\n[b]\n");
        let new = set("[b]\n\n[a]\nsource = { test = { width = 640, fps = 30 } } # moved\n");
        assert_eq!(difference(&old, &new), []);
    }

    #[test]
    fn what_goes_comes_before_what_changes_and_that_before_what_is_new() {
        let old = set("[a]\nsource = 'test'\n[b]\nsource = 'test'\n[c]\nsource = 'test'\n[z]\n");
        let new = set("[a]\nsource = 'tcp://h:1'\n[b]\nsource = 'test'\nlinger = '1s'\n[d]\n[z]\n");
        let changes = [
            Change::Remove(name("c")),
            Change::Replace(name("a")),
            Change::Retune(name("b")),
            Change::Add(name("d")),
        ];
        assert_eq!(difference(&old, &new), changes);
    }

    #[test]
    fn a_source_that_comes_or_goes_makes_another_stream() {
        let (without, with) = (set("[a]\n"), set("[a]\nsource = 'test'\n"));
        assert_eq!(difference(&without, &with), [Change::Replace(name("a"))]);
        assert_eq!(difference(&with, &without), [Change::Replace(name("a"))]);
        // Where it is sent to is nothing to those who watch.
        let sent = set("[a]\nsource = 'test'\npush = 'rtmp://host/a/b'\n");
        assert_eq!(difference(&with, &sent), [Change::Retune(name("a"))]);
    }
}
