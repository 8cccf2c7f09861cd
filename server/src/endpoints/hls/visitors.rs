//! Who watches by requests that come and go.
//!
//! HTTP has no viewer, only requests: those of one address, one user and one program are one viewer, from the first of them until none has come for a while.
//! Behind a cache many are one, which is what they cost us.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::auth::Identity;
use crate::net::peer::Peer;
use crate::supervise::audience::{Admission, Audience};
use crate::supervise::cameras::Camera;

/// The viewers of one stream.
#[derive(Debug, Default)]
pub(super) struct Visitors {
    known: Mutex<HashMap<Key, Arc<Visitor>>>,
}

/// By which requests are taken for one viewer's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    address: Option<IpAddr>,
    user: Option<Arc<str>>,
    /// Of the program's name.
    program: u64,
}

/// A viewer.
#[derive(Debug)]
pub(super) struct Visitor {
    admission: Admission,
    here: Mutex<Here>,
}

#[derive(Debug)]
struct Here {
    seen: Instant,
    /// Requests that are answered now; one may be held for long.
    asking: usize,
    served: bool,
}

/// One request of a viewer's, while it is answered.
#[derive(Debug)]
pub(super) struct Visit {
    visitor: Arc<Visitor>,
}

impl Visitors {
    /// Notes a request.
    ///
    /// # Errors
    /// The answer to a viewer who is not admitted, or was shown the door.
    #[allow(clippy::result_large_err)] // a response, made once a request
    pub(super) fn enter(
        &self,
        audience: &Audience,
        camera: &Camera,
        request: &Parts,
    ) -> Result<Visit, Response> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let visitor = match known.entry(Key::of(request)) {
            Entry::Occupied(visitor) => Arc::clone(visitor.get()),
            Entry::Vacant(place) => {
                let admission = audience
                    .admit(camera, "hls", &request.extensions)
                    .map_err(IntoResponse::into_response)?;
                let here = Mutex::new(Here { seen: Instant::now(), asking: 0, served: false });
                Arc::clone(place.insert(Arc::new(Visitor { admission, here })))
            }
        };
        // Counted before it could be let go.
        let visit = Visit::new(visitor);
        drop(known);
        visit.ok_or_else(|| (StatusCode::FORBIDDEN, "the operator has ended this\n").into_response())
    }

    /// Lets those go who have asked for nothing for so long.
    pub(super) fn expire(&self, after: Duration) {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, visitor| {
            let here = visitor.here();
            here.asking > 0 || now.saturating_duration_since(here.seen) <= after
        });
    }
}

impl Visitor {
    fn here(&self) -> MutexGuard<'_, Here> {
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    /// Another request of a viewer's, unless they are here no more or were shown the door.
    pub(super) fn again(visitor: &Weak<Visitor>) -> Option<Self> {
        Self::new(visitor.upgrade()?)
    }

    /// Whose it is.
    pub(super) fn visitor(&self) -> Weak<Visitor> {
        Arc::downgrade(&self.visitor)
    }

    /// Media goes out in answer.
    pub(super) fn served(&self) {
        let mut here = self.visitor.here();
        if !here.served {
            here.served = true;
            self.visitor.admission.served();
        }
    }

    fn new(visitor: Arc<Visitor>) -> Option<Self> {
        if visitor.admission.door().is_cancelled() {
            return None;
        }
        visitor.here().asking += 1;
        Some(Self { visitor })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut here = self.visitor.here();
        here.asking -= 1;
        here.seen = Instant::now();
    }
}

impl Key {
    fn of(request: &Parts) -> Self {
        let mut program = DefaultHasher::new();
        request.headers.get(header::USER_AGENT).map(|name| name.as_bytes()).hash(&mut program);
        let extensions = &request.extensions;
        Self {
            address: extensions.get::<Peer>().map(|peer| peer.0.ip()),
            user: extensions.get::<Identity>().and_then(|identity| identity.name().cloned()),
            program: program.finish(),
        }
    }
}
