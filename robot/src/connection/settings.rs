//! How a connection is made.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use peer::Sockets;

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
        let mut sockets = Sockets::open().map_err(|error| Error::Socket(Arc::new(error)))?;
        for url in &self.stun_servers {
            let place = place(url).ok_or_else(|| Error::StunServer(url.clone()))?;
            // Without a network there may be others on this machine.
            let found: Vec<SocketAddr> =
                match tokio::time::timeout(PATIENCE, tokio::net::lookup_host(&place)).await {
                    Ok(Ok(found)) => found.collect(),
                    Ok(Err(_)) | Err(_) => continue,
                };
            for is_v4 in [true, false] {
                if let Some(server) = found.iter().find(|address| address.is_ipv4() == is_v4) {
                    sockets.ask(*server, transaction(), PATIENCE).await;
                }
            }
        }
        Ok(sockets)
    }
}

/// Host and port of a STUN server (RFC 7064).
fn place(url: &str) -> Option<String> {
    let rest =
        url.strip_prefix("stun:").filter(|rest| !rest.is_empty() && !rest.contains(['/', '?', '@']))?;
    let has_port = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.1.starts_with(':'),
        None => rest.contains(':'),
    };
    Some(if has_port { rest.to_owned() } else { format!("{rest}:{PORT}") })
}

fn transaction() -> [u8; 12] {
    let mut all = [0; 12];
    all[..8].copy_from_slice(&chance().to_be_bytes());
    all[8..].copy_from_slice(&chance().to_be_bytes()[..4]);
    all
}

/// The port of STUN.
const PORT: u16 = 3_478;
/// A description waits this long for a server.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stun_server_is_a_host_and_perhaps_a_port() {
        for (url, expected) in [
            ("stun:stun.example.org", Some("stun.example.org:3478")),
            ("stun:192.0.2.1:19302", Some("192.0.2.1:19302")),
            ("stun:[2001:db8::1]", Some("[2001:db8::1]:3478")),
            ("stun:[2001:db8::1]:5", Some("[2001:db8::1]:5")),
            ("stun:", None),
            ("stun.example.org", None),
            ("turn:turn.example.org", None),
            ("stun://stun.example.org", None),
        ] {
            assert_eq!(place(url).as_deref(), expected, "{url}");
        }
    }
}
