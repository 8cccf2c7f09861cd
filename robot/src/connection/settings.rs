//! How a connection is made.

use std::sync::Arc;

use peer::{IceServer, Sockets};

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
    /// Who passes packets on where both sides are behind routers that let nothing in. One that gives no address is done without, and logged.
    pub turn_servers: Vec<TurnServer>,
}

/// A TURN server (RFC 8656), asked by UDP.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnServer {
    /// `turn:HOST` or `turn:HOST:PORT`.
    pub url: String,
    /// Who may use it.
    pub user: String,
    /// With what.
    pub password: String,
}

impl std::fmt::Debug for TurnServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TurnServer")
            .field("url", &self.url)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Default for ConnectionSettings {
    /// In their order, and nobody is asked.
    fn default() -> Self {
        Self { default_channel_ordered: true, stun_servers: Vec::new(), turn_servers: Vec::new() }
    }
}

impl ConnectionSettings {
    /// Sockets of which it is known how others see them.
    pub(super) async fn sockets(&self) -> Result<Sockets, Error> {
        let stun = |url: &String| IceServer::stun(url).ok_or_else(|| Error::StunServer(url.clone()));
        let turn = |server: &TurnServer| {
            let TurnServer { url, user, password } = server;
            IceServer::turn(url, user, password).ok_or_else(|| Error::TurnServer(url.clone()))
        };
        let servers = self.stun_servers.iter().map(stun).chain(self.turn_servers.iter().map(turn));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        let opened = Sockets::open_helped_by(&servers, chance).await;
        let (sockets, failed) = opened.map_err(|error| Error::Socket(Arc::new(error)))?;
        for unhelpful in failed {
            tracing::warn!(server = %unhelpful, "an ICE server does not help: the connection goes on without it");
        }
        Ok(sockets)
    }
}
