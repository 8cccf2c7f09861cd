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
