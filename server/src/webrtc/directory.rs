//! Which session a datagram is for, and which a request means.
//!
//! A binding request says by itself whose it is; the address it came from is known from then on, once the session has answered it, which
//! it does only to one that was made with its credentials. So nobody can take away another one's address, or claim one in advance.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hub::StreamName;

use super::port::Way;

/// A session's place: which worker has it, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) worker: usize,
    pub(super) number: u64,
}

/// What a session was opened for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    /// The stream.
    pub stream: StreamName,
    /// Whether it publishes there; else it watches.
    pub publishes: bool,
}

/// Everybody there is.
#[derive(Debug, Default)]
pub(super) struct Directory {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_way: HashMap<Way, Place>,
    by_fragment: HashMap<String, Place>,
    by_id: HashMap<String, (Place, Purpose)>,
}

impl Directory {
    /// Enters a session: the id that requests name it by, and the username fragment that its peer asks for.
    pub(super) fn enter(&self, id: &str, fragment: &str, place: Place, purpose: Purpose) {
        let mut known = self.lock();
        known.by_fragment.insert(fragment.to_owned(), place);
        known.by_id.insert(id.to_owned(), (place, purpose));
    }

    /// Another username fragment of the same session: ICE began again.
    pub(super) fn rename(&self, old: &str, fragment: &str, place: Place) {
        let mut known = self.lock();
        known.by_fragment.remove(old);
        known.by_fragment.insert(fragment.to_owned(), place);
    }

    /// Forgets a session and its ways.
    pub(super) fn leave(&self, id: &str, fragment: &str, ways: &[Way], place: Place) {
        let mut known = self.lock();
        known.by_id.remove(id);
        known.by_fragment.remove(fragment);
        for way in ways {
            if let Entry::Occupied(entry) = known.by_way.entry(*way)
                && *entry.get() == place
            {
                entry.remove();
            }
        }
    }

    /// A session has answered on this way: what comes from there is for it.
    pub(super) fn learn(&self, way: Way, place: Place) {
        self.lock().by_way.insert(way, place);
    }

    /// Whose this is that came on a way, asking for a username fragment or not.
    pub(super) fn find(&self, way: &Way, asked_for: Option<&str>) -> Option<Place> {
        let known = self.lock();
        match asked_for {
            Some(fragment) => known.by_fragment.get(fragment).copied(),
            None => known.by_way.get(way).copied(),
        }
    }

    /// The session of this id, if it was opened for this.
    pub(super) fn named(&self, id: &str, purpose: &Purpose) -> Option<Place> {
        let known = self.lock();
        known.by_id.get(id).filter(|(_, known)| known == purpose).map(|(place, _)| *place)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().by_id.len()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(port: u16) -> Way {
        Way { is_tcp: false, local: ([192, 0, 2, 1], 8_555).into(), peer: ([192, 0, 2, 2], port).into() }
    }

    fn purpose(stream: &str) -> Purpose {
        Purpose { stream: StreamName::new(stream).unwrap(), publishes: false }
    }

    #[test]
    fn a_session_is_found_by_whom_is_asked_for_and_then_by_its_way() {
        let directory = Directory::default();
        let [one, two] = [1, 2].map(|number| Place { worker: 0, number });
        directory.enter("first", "aaaa", one, purpose("front"));
        directory.enter("second", "bbbb", two, purpose("yard"));
        assert_eq!(directory.find(&way(1), None), None);
        assert_eq!(directory.find(&way(1), Some("bbbb")), Some(two));
        directory.learn(way(1), two);
        assert_eq!(directory.find(&way(1), None), Some(two));
        // The same browser comes again from the same port.
        directory.learn(way(1), one);
        directory.leave("second", "bbbb", &[way(1)], two);
        assert_eq!(directory.find(&way(1), None), Some(one));
        assert_eq!(directory.find(&way(1), Some("bbbb")), None);
    }

    #[test]
    fn an_id_means_nothing_for_another_stream() {
        let directory = Directory::default();
        let place = Place { worker: 0, number: 1 };
        directory.enter("first", "aaaa", place, purpose("front"));
        assert_eq!(directory.named("first", &purpose("front")), Some(place));
        assert_eq!(directory.named("first", &purpose("yard")), None);
        assert_eq!(directory.named("first", &Purpose { publishes: true, ..purpose("front") }), None);
        directory.leave("first", "aaaa", &[], place);
        assert_eq!((directory.named("first", &purpose("front")), directory.count()), (None, 0));
    }
}
