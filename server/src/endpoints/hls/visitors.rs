//! Who watches by requests that come and go.
//!
//! HTTP has no viewer, only requests: those of one address, one user and one program are one viewer, from the first of them until none has come for a while.
//! Behind a cache many are one, which is what they cost us.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
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
    known: Mutex<HashMap<Key, Visitor>>,
}

/// By which requests are taken for one viewer's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    address: Option<IpAddr>,
    user: Option<Arc<str>>,
    /// Of the program's name.
    program: u64,
}

#[derive(Debug)]
struct Visitor {
    admission: Admission,
    seen: Instant,
    /// Requests that are answered now; one may be held for long.
    asking: usize,
    served: bool,
}

/// One request of a viewer's, while it is answered.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    visitors: &'a Visitors,
    key: Key,
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
    ) -> Result<Visit<'_>, Response> {
        let (key, seen) = (Key::of(request), Instant::now());
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.entry(key.clone()) {
            Entry::Occupied(mut visitor) => {
                let visitor = visitor.get_mut();
                visitor.seen = seen;
                if visitor.admission.door().is_cancelled() {
                    return Err((StatusCode::FORBIDDEN, "the operator has ended this\n").into_response());
                }
                visitor.asking += 1;
            }
            Entry::Vacant(place) => {
                let admission = audience
                    .admit(camera, "hls", &request.extensions)
                    .map_err(IntoResponse::into_response)?;
                place.insert(Visitor { admission, seen, asking: 1, served: false });
            }
        }
        Ok(Visit { visitors: self, key })
    }

    /// Lets those go who have asked for nothing for so long.
    pub(super) fn expire(&self, after: Duration) {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, visitor| visitor.asking > 0 || now.saturating_duration_since(visitor.seen) <= after);
    }
}

impl Visit<'_> {
    /// Media goes out in answer.
    pub(super) fn served(&self) {
        let mut known = self.visitors.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(visitor) = known.get_mut(&self.key).filter(|visitor| !visitor.served) {
            visitor.served = true;
            visitor.admission.served();
        }
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut known = self.visitors.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(visitor) = known.get_mut(&self.key) {
            visitor.asking -= 1;
            visitor.seen = Instant::now();
        }
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
