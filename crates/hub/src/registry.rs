//! All streams by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use crate::{Reason, RingLimits, Stream, StreamName};

/// The streams of one server. Cheap to share: keep it in an `Arc`.
#[derive(Debug, Default)]
pub struct Hub {
    streams: Arc<Streams>,
}

/// The streams by name; each of them knows it, weakly.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    by_name: Mutex<BTreeMap<StreamName, Arc<Stream>>>,
}

/// Why a stream could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HubError {
    /// The name is taken.
    #[error("there is already a stream named {0}")]
    Exists(StreamName),
}

impl Hub {
    /// Makes a stream.
    ///
    /// # Errors
    /// [`HubError::Exists`] if the name is taken.
    pub fn create(&self, name: StreamName, limits: RingLimits) -> Result<Arc<Stream>, HubError> {
        let mut streams = self.streams.lock();
        if streams.contains_key(&name) {
            return Err(HubError::Exists(name));
        }
        let stream = Stream::new(name.clone(), limits, Arc::downgrade(&self.streams));
        streams.insert(name, Arc::clone(&stream));
        Ok(stream)
    }

    /// Forgets a stream and closes it for its readers.
    pub fn remove(&self, name: &str, reason: Reason) -> Option<Arc<Stream>> {
        let stream = self.streams.lock().remove(name)?;
        stream.close(reason);
        Some(stream)
    }

    /// The stream of that name.
    pub fn get(&self, name: &str) -> Option<Arc<Stream>> {
        self.streams.get(name)
    }

    /// All streams, by name.
    pub fn list(&self) -> Vec<Arc<Stream>> {
        self.streams.lock().values().cloned().collect()
    }

    /// Closes every stream for its readers.
    pub fn close(&self, reason: Reason) {
        for stream in self.list() {
            stream.close(reason);
        }
    }
}

impl Streams {
    pub(crate) fn get(&self, name: &str) -> Option<Arc<Stream>> {
        self.lock().get(name).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<StreamName, Arc<Stream>>> {
        // The map is valid after every statement that changes it, so a panic elsewhere leaves nothing half done.
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
