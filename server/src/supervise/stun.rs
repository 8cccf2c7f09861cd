//! Who says how others see this machine, where a router stands between and peers are to be called.
//!
//! Not here: what peers are told who call us (`webrtc`), which have their own ways of finding out.

use std::io;
use std::sync::{Arc, OnceLock};

use peer::{Sockets, StunServer};

use super::backoff::random;

/// The STUN servers of the configuration; none as long as it was not said. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct StunServers(Arc<OnceLock<Vec<StunServer>>>);

impl StunServers {
    /// Says which; what was said first stays.
    pub fn set(&self, servers: Vec<StunServer>) {
        let _ = self.0.set(servers);
    }

    /// Sockets for a call, as they are seen by the first of them that answers.
    ///
    /// # Errors
    /// What the system says.
    pub async fn sockets(&self) -> io::Result<Sockets> {
        Sockets::open_seen_by(self.0.get().map_or(&[], Vec::as_slice), random).await
    }
}
