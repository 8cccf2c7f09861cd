//! Everybody who watches, in whatever format.
//!
//! An endpoint admits a viewer before it sends anything, and keeps the [`Admission`] for as long as it sends: that is the list of
//! viewers, their number for limits, and the way to show one the door.
//!
//! Not here: the demand that keeps a source running (each viewer's subscription), how a format tells its viewer goodbye.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{Extensions, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub::StreamName;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::budget::Budget;
use super::cameras::Camera;
use crate::auth::Identity;
use crate::config::limits::LiveLimits;
use crate::metrics::{Metrics, Refused, Timings};
use crate::net::peer::Peer;
use crate::telemetry::{Throttle, unix_micros};

/// The viewers there are.
#[derive(Debug, Clone)]
pub struct Audience {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: LiveLimits,
    budget: Arc<Budget>,
    metrics: Arc<Metrics>,
    refusals: Throttle,
    numbers: AtomicU64,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    viewers: BTreeMap<u64, Arc<Viewer>>,
    by_stream: HashMap<StreamName, usize>,
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
    identity: Option<Identity>,
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
    /// The server has used up its budget.
    #[error("{0}")]
    Busy(String),
}

impl Audience {
    /// Nobody yet; at most as many as `limits` and `budget` allow.
    pub fn new(limits: LiveLimits, budget: Arc<Budget>, metrics: Arc<Metrics>) -> Self {
        let (numbers, present) = (AtomicU64::new(0), Mutex::default());
        let refusals = Throttle::new(Duration::from_secs(10));
        Self { shared: Arc::new(Shared { limits, budget, metrics, refusals, numbers, present }) }
    }

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
            identity: request.get::<Identity>().cloned(),
            door: CancellationToken::new(),
        });
        if let Err((why, refusal)) = self.shared.let_in(&viewer) {
            self.shared.metrics.refused(why);
            if let Some(held) = self.shared.refusals.allow() {
                warn!(stream = %viewer.stream, reason = why.name(), held, "a viewer was turned away: {refusal}");
            }
            return Err(refusal);
        }
        let timings = Arc::clone(camera.timings());
        Ok(Admission { viewer, admitted: Instant::now(), timings, shared: Arc::clone(&self.shared) })
    }

    /// Everybody, in the order in which they came.
    pub fn list(&self) -> Vec<Arc<Viewer>> {
        self.shared.lock().viewers.values().cloned().collect()
    }

    /// The viewer of that number.
    pub fn get(&self, id: u64) -> Option<Arc<Viewer>> {
        self.shared.lock().viewers.get(&id).cloned()
    }

    /// Shows the door to everybody who may no longer watch what they watch.
    pub fn recheck(&self, may: impl Fn(&Identity, &StreamName) -> bool) {
        for viewer in self.list() {
            if viewer.identity.as_ref().is_some_and(|identity| !may(identity, &viewer.stream)) {
                viewer.dismiss();
            }
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.shared.lock().viewers.len()
    }

    /// Why one more viewer of this stream would not be admitted now, if so.
    pub fn would_refuse(&self, stream: &StreamName) -> Option<Refusal> {
        let busy = self.shared.budget.look().map_err(|(_, words)| Refusal::Busy(words));
        let full = || self.shared.has_place(&self.shared.lock(), stream).map_err(|(_, refusal)| refusal);
        busy.and_then(|()| full()).err()
    }

    /// What the server may use before it turns viewers away, and what it uses.
    pub fn budget(&self) -> &Budget {
        &self.shared.budget
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
    fn let_in(&self, viewer: &Arc<Viewer>) -> Result<(), (Refused, Refusal)> {
        let mut present = self.lock();
        self.has_place(&present, &viewer.stream)?;
        self.budget.admit().map_err(|(why, words)| (why, Refusal::Busy(words)))?;
        *present.by_stream.entry(viewer.stream.clone()).or_default() += 1;
        present.viewers.insert(viewer.id, Arc::clone(viewer));
        Ok(())
    }

    fn has_place(&self, present: &Present, stream: &StreamName) -> Result<(), (Refused, Refusal)> {
        let limits = self.limits.now();
        let (all, each) = (limits.viewers, limits.viewers_per_stream());
        if present.viewers.len() >= all {
            let words =
                format!("this server is full: as many watch as may ({all}); please try again in a while");
            return Err((Refused::Viewers, Refusal::Full(words)));
        }
        if present.by_stream.get(stream).is_some_and(|count| *count >= each) {
            let words =
                format!("{stream} is full: as many watch as may ({each}); please try again in a while");
            return Err((Refused::ViewersOfStream, Refusal::Full(words)));
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut present = self.shared.lock();
        present.viewers.remove(&self.viewer.id);
        if let Some(count) = present.by_stream.get_mut(&self.viewer.stream) {
            *count -= 1;
            if *count == 0 {
                present.by_stream.remove(&self.viewer.stream);
            }
        }
    }
}
