//! How a connection is made.

use std::sync::Arc;

use peer::{Sockets, StunServer};

use super::chance;
use crate::Error;

/// How a connection is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// Messages come in their order or, without, as soon as they can; all of them come.
    pub default_channel_ordered: bool,
    /// Whom to ask by which address others see this machine, where a router stands between: `stun:HOST` or `stun:HOST:PORT`. One that does
    /// not answer is done without.
    pub stun_servers: Vec<String>,
}

impl Default for ConnectionSettings {
    /// In their order, and nobody is asked.
    fn default() -> Self {
        Self { default_channel_ordered: true, stun_servers: Vec::new() }
    }
}

impl ConnectionSettings {
    /// Sockets of which it is known how others see them.
    pub(super) async fn sockets(&self) -> Result<Sockets, Error> {
        let server = |url: &String| StunServer::parse(url).ok_or_else(|| Error::StunServer(url.clone()));
        let servers = self.stun_servers.iter().map(server).collect::<Result<Vec<_>, _>>()?;
        let opened = Sockets::open_seen_by(&servers, chance).await;
        opened.map_err(|error| Error::Socket(Arc::new(error)))
    }
}
