//! What of `[webrtc]` concerns every peer.

use std::net::IpAddr;

/// What peers are told.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Addresses by which others reach us, where a router stands between.
    pub public_addresses: Vec<IpAddr>,
    /// Servers that tell a peer its own addresses, or pass on its packets.
    pub ice_servers: Vec<IceServer>,
}

/// A STUN or TURN server, as peers are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:host:port`, `turn:host:port?transport=tcp`.
    pub url: String,
    /// For TURN: the user, and the password.
    pub credentials: Option<(String, String)>,
}

impl IceServer {
    /// As it is asked when we call others; `None` if it is one that only browsers ask (by TCP or TLS).
    pub fn for_calls(&self) -> Option<peer::IceServer> {
        match &self.credentials {
            Some((user, password)) => peer::IceServer::turn(&self.url, user, password),
            None => peer::IceServer::stun(&self.url),
        }
    }
}
