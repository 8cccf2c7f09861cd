//! Giving a connection away in place of an answer's body.
//!
//! A body that is a live stream is not for HTTP to carry: each piece would wake a task and pass through its buffers. So an answer may
//! carry a [`Takeover`]: the server sends its head, with `Connection: close` and no length (RFC 9112 §6.3: the body ends with the
//! connection), and hands the socket over, with its place among the connections.
//!
//! Not here: what is done with the connection.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::connection::Connection;

type Taker = Box<dyn FnOnce(Connection) + Send>;

/// In the extensions of a response: who takes the connection once the head is out.
#[derive(Clone)]
pub struct Takeover {
    taker: Arc<Mutex<Option<Taker>>>,
}

impl Takeover {
    /// Hands the connection to `taker`, which must not block; it is called at most once, and not at all if the peer goes before.
    pub fn new(taker: impl FnOnce(Connection) + Send + 'static) -> Self {
        Self { taker: Arc::new(Mutex::new(Some(Box::new(taker)))) }
    }

    /// Hands the connection over.
    pub fn take(&self, connection: Connection) {
        let taker = self.taker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(taker) = taker {
            taker(connection);
        }
    }
}

impl fmt::Debug for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Takeover").finish_non_exhaustive()
    }
}
