//! The place of the one publisher of a stream that has no source of its own.
//!
//! Whoever comes to publish takes the seat and keeps the [`Occupation`] as long as it publishes. A second one is refused or takes
//! over, as the stream says; the first one's door is opened then, and what it still pushes is refused by the stream itself. While the seat
//! is free a filler may play ([`fill`]); it gives way at once.
//!
//! Not here: the bytes (see `ingest` and the endpoint), who may publish (see `auth`).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{Extensions, StatusCode, header};
use hub::{PublishError, Publisher, StreamName};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::cameras::Camera;
use super::source::supervise;
use crate::auth::Identity;
use crate::endpoint::Source;
use crate::net::peer::Peer;
use crate::telemetry::{Throttle, unix_micros};

/// What happens to somebody who comes to publish while another does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondPublisher {
    /// The first one stays.
    #[default]
    Refuse,
    /// The first one has to go.
    TakeOver,
}

/// One stream's place for a publisher.
#[derive(Debug)]
pub struct Seat {
    state: Mutex<State>,
    taken: watch::Sender<bool>,
    /// A publisher that fails and comes again at once does not fill the log.
    notes: Throttle,
    /// Nor does one that is refused.
    refusals: Throttle,
}

#[derive(Debug, Default)]
struct State {
    second: SecondPublisher,
    numbers: u64,
    occupant: Option<Arc<Occupant>>,
}

/// Somebody who publishes.
#[derive(Debug)]
pub struct Occupant {
    number: u64,
    /// How, for people: `MPEG-TS over HTTP`.
    pub way: String,
    /// From where.
    pub peer: Option<SocketAddr>,
    /// Who, if they had to say.
    pub user: Option<Arc<str>>,
    /// Since when: Unix microseconds.
    pub since: i64,
    identity: Option<Identity>,
    door: CancellationToken,
}

/// A publisher's hold of the seat; free again with its end.
#[derive(Debug)]
pub struct Occupation {
    occupant: Arc<Occupant>,
    camera: Arc<Camera>,
}

/// Why somebody may not publish now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The stream is filled by a source.
    #[error("{stream} has a source of its own ({label}); only a stream without one can be published to")]
    HasSource {
        /// The stream.
        stream: StreamName,
        /// Its source.
        label: String,
    },
    /// Somebody publishes already.
    #[error("{0} has a publisher already, and takes no second one beside it")]
    Taken(StreamName),
    /// The server has used up its budget.
    #[error("{0}")]
    Busy(String),
    /// The stream or the server ends.
    #[error(transparent)]
    Stream(#[from] PublishError),
}

impl Refused {
    /// The HTTP status that says the same.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::HasSource { .. } | Self::Taken(_) => StatusCode::CONFLICT,
            Self::Busy(_) | Self::Stream(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl axum::response::IntoResponse for Refused {
    /// The status that says the same, and when to come back where that may help.
    fn into_response(self) -> axum::response::Response {
        let (status, words) = (self.status(), format!("{self}\n"));
        match self {
            Self::Busy(_) => (status, [(header::RETRY_AFTER, "5")], words).into_response(),
            Self::HasSource { .. } | Self::Taken(_) | Self::Stream(_) => (status, words).into_response(),
        }
    }
}

impl Default for Seat {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            taken: watch::Sender::default(),
            notes: Throttle::new(Duration::from_secs(1)),
            refusals: Throttle::new(Duration::from_secs(1)),
        }
    }
}

impl Seat {
    /// Takes the seat of a camera for somebody whose request had these extensions.
    ///
    /// # Errors
    /// [`Refused`], in words for them.
    pub fn take(
        camera: &Arc<Camera>,
        way: impl Into<String>,
        request: &Extensions,
    ) -> Result<(Publisher, Occupation), Refused> {
        let (way, peer) = (way.into(), request.get::<Peer>().map(|peer| peer.0));
        let taken = Self::take_as(camera, way.clone(), peer, request);
        if let Err(refused) = &taken
            && let Some(held) = camera.seat().refusals.allow()
        {
            warn!(stream = %camera.stream().name(), %way, peer = peer.map(display), held, "a publisher was turned away: {refused}");
        }
        taken
    }

    fn take_as(
        camera: &Arc<Camera>,
        way: String,
        peer: Option<SocketAddr>,
        request: &Extensions,
    ) -> Result<(Publisher, Occupation), Refused> {
        let stream = camera.stream().name();
        if let Some(label) = camera.label() {
            return Err(Refused::HasSource { stream: stream.clone(), label: label.to_owned() });
        }
        let seat = camera.seat();
        let mut state = seat.lock();
        if state.occupant.is_some() && state.second == SecondPublisher::Refuse {
            return Err(Refused::Taken(stream.clone()));
        }
        // Whoever takes over costs what the one before did.
        if state.occupant.is_none() {
            camera.house().admit().map_err(Refused::Busy)?;
        }
        let publisher = camera.stream().take_over()?;
        state.numbers += 1;
        let occupant = Arc::new(Occupant {
            number: state.numbers,
            way,
            peer,
            user: request.get::<Identity>().and_then(|identity| identity.name().cloned()),
            since: unix_micros(),
            identity: request.get::<Identity>().cloned(),
            door: CancellationToken::new(),
        });
        if let Some(last) = state.occupant.replace(Arc::clone(&occupant)) {
            last.door.cancel();
        }
        camera.set_published(true);
        drop(state);
        seat.taken.send_replace(true);
        if let Some(held) = seat.notes.allow() {
            info!(%stream, way = %occupant.way, peer = occupant.peer.map(display), held, "a publisher begins");
        }
        Ok((publisher, Occupation { occupant, camera: Arc::clone(camera) }))
    }

    /// Says what happens to second publishers from now on.
    pub fn set_second(&self, second: SecondPublisher) {
        self.lock().second = second;
    }

    /// Shows the door to a publisher who may no longer be one.
    pub fn recheck(&self, may: impl Fn(&Identity) -> bool) {
        if let Some(occupant) = self.occupant()
            && occupant.identity.as_ref().is_some_and(|identity| !may(identity))
        {
            occupant.dismiss();
        }
    }

    /// Who publishes now.
    pub fn occupant(&self) -> Option<Arc<Occupant>> {
        self.lock().occupant.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Occupant {
    /// Shows them the door.
    pub fn dismiss(&self) {
        self.door.cancel();
    }
}

impl Occupation {
    /// Ends it, saying why in the log.
    pub fn end(self, reason: &str) {
        if let Some(held) = self.camera.seat().notes.allow() {
            info!(stream = %self.camera.stream().name(), way = %self.occupant.way, reason, held, "a publisher ended");
        }
    }

    /// Cancelled when the publisher is to go: another one took over, or the operator says so.
    pub fn door(&self) -> &CancellationToken {
        &self.occupant.door
    }

    /// Whether another one has the seat now.
    pub fn is_replaced(&self) -> bool {
        let seated = self.camera.seat().lock().occupant.as_ref().map(|occupant| occupant.number);
        seated != Some(self.occupant.number)
    }
}

impl Drop for Occupation {
    fn drop(&mut self) {
        let seat = self.camera.seat();
        let mut state = seat.lock();
        if state.occupant.take_if(|occupant| occupant.number == self.occupant.number).is_some() {
            self.camera.set_published(false);
            drop(state);
            seat.taken.send_replace(false);
        }
    }
}

/// Plays a filler whenever nobody publishes (and, on demand, somebody watches), until the camera is removed.
pub async fn fill(camera: Arc<Camera>, filler: Arc<dyn Source>) {
    let mut taken = camera.seat().taken.subscribe();
    let stop = camera.stop().clone();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = turned(&mut taken, false) => {}
        }
        tokio::select! {
            () = supervise(Arc::clone(&camera), Arc::clone(&filler)) => return,
            // Dropped in the middle: the stream no longer takes what it makes.
            () = turned(&mut taken, true) => {}
        }
    }
}

/// Until the seat is taken, or free.
async fn turned(taken: &mut watch::Receiver<bool>, to: bool) {
    // The camera holds the other end, and whoever waits here holds the camera.
    if taken.wait_for(|taken| *taken == to).await.is_err() {
        std::future::pending::<()>().await;
    }
}
