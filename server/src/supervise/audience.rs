//! Everybody who watches, in whatever format.
//!
//! An endpoint admits a viewer before it sends anything, and keeps the [`Admission`] for as long as it sends: that is the list of
//! viewers, their number for limits, and the way to show one the door.
//!
//! Not here: the demand that keeps a source running (each viewer's subscription), how a format tells its viewer goodbye.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::http::{Extensions, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub::StreamName;
use tokio_util::sync::CancellationToken;

use super::cameras::Camera;
use crate::auth::Identity;
use crate::metrics::Timings;
use crate::net::peer::Peer;
use crate::telemetry::unix_micros;

/// The viewers there are.
#[derive(Debug, Clone, Default)]
pub struct Audience {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    numbers: AtomicU64,
    viewers: Mutex<BTreeMap<u64, Arc<Viewer>>>,
}

/// Somebody who watches.
#[derive(Debug)]
pub struct Viewer {
    /// Told apart by this number as long as the server runs.
    pub id: u64,
    /// What they watch.
    pub stream: StreamName,
    /// In which format, as the format's packaging is named.
    pub format: String,
    /// Where they are; `None` where the endpoint cannot know.
    pub peer: Option<SocketAddr>,
    /// Who they are, if they had to say.
    pub user: Option<Arc<str>>,
    /// Since when: Unix microseconds.
    pub since: i64,
    door: CancellationToken,
}

/// A viewer's place in the audience; leaves with it.
#[derive(Debug)]
pub struct Admission {
    viewer: Arc<Viewer>,
    admitted: Instant,
    timings: Arc<Timings>,
    shared: Arc<Shared>,
}

/// Why a viewer is not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// As many watch as may.
    #[error("{0}")]
    Full(String),
}

impl Audience {
    /// Admits a viewer whose request had these extensions.
    ///
    /// # Errors
    /// [`Refusal`], in words for the viewer.
    pub fn admit(
        &self,
        camera: &Camera,
        format: impl Into<String>,
        request: &Extensions,
    ) -> Result<Admission, Refusal> {
        let viewer = Arc::new(Viewer {
            id: self.shared.numbers.fetch_add(1, Ordering::Relaxed) + 1,
            stream: camera.stream().name().clone(),
            format: format.into(),
            peer: request.get::<Peer>().map(|peer| peer.0),
            user: request.get::<Identity>().and_then(|identity| identity.name().cloned()),
            since: unix_micros(),
            door: CancellationToken::new(),
        });
        self.shared.lock().insert(viewer.id, Arc::clone(&viewer));
        let timings = Arc::clone(camera.timings());
        Ok(Admission { viewer, admitted: Instant::now(), timings, shared: Arc::clone(&self.shared) })
    }

    /// Everybody, in the order in which they came.
    pub fn list(&self) -> Vec<Arc<Viewer>> {
        self.shared.lock().values().cloned().collect()
    }

    /// The viewer of that number.
    pub fn get(&self, id: u64) -> Option<Arc<Viewer>> {
        self.shared.lock().get(&id).cloned()
    }
}

impl IntoResponse for Refusal {
    /// 503, to be tried again: whoever leaves makes room.
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], format!("{self}\n")).into_response()
    }
}

impl Viewer {
    /// Shows them the door: their session says goodbye and ends.
    pub fn dismiss(&self) {
        self.door.cancel();
    }
}

impl Admission {
    /// To be said once, when the first media was written.
    pub fn served(&self) {
        self.timings.join.observe(self.admitted.elapsed());
    }

    /// Where to count how long what arrived took until it was written.
    pub fn timings(&self) -> &Arc<Timings> {
        &self.timings
    }

    /// Cancelled when the viewer is to go.
    pub fn door(&self) -> &CancellationToken {
        &self.viewer.door
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Arc<Viewer>>> {
        self.viewers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.shared.lock().remove(&self.viewer.id);
    }
}
