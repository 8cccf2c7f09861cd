//! Who helps us to be found by peers that we call, where a router stands between.
//!
//! Not here: what peers are told who call us (`webrtc`), which have their own ways of finding out.

use std::io;
use std::sync::{Arc, OnceLock};

use peer::{IceServer, Sockets};
use tracing::warn;

use super::backoff::random;

/// The STUN and TURN servers of the configuration; none as long as it was not said. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct IceServers(Arc<OnceLock<Vec<IceServer>>>);

impl IceServers {
    /// Says which; what was said first stays.
    pub fn set(&self, servers: Vec<IceServer>) {
        let _ = self.0.set(servers);
    }

    /// Sockets for a call, as they are seen by the first of them that answers, and with an address at the first that gives one.
    ///
    /// # Errors
    /// What the system says.
    pub async fn sockets(&self) -> io::Result<Sockets> {
        let (sockets, failed) =
            Sockets::open_helped_by(self.0.get().map_or(&[], Vec::as_slice), random).await?;
        for unhelpful in failed {
            warn!(server = %unhelpful, "an ICE server does not help: a call goes on without it");
        }
        Ok(sockets)
    }
}
