//! How others see this machine where a router stands between: STUN servers by their addresses (RFC 7064), and sockets that they were asked of.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::Sockets;

/// A STUN server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StunServer {
    /// Host and port.
    place: String,
}

impl StunServer {
    /// `stun:HOST` or `stun:HOST:PORT`; `None` if it is neither.
    pub fn parse(url: &str) -> Option<Self> {
        let rest =
            url.strip_prefix("stun:").filter(|rest| !rest.is_empty() && !rest.contains(['/', '?', '@']))?;
        let has_port = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?.1.starts_with(':'),
            None => rest.contains(':'),
        };
        Some(Self { place: if has_port { rest.to_owned() } else { format!("{rest}:{PORT}") } })
    }
}

impl Sockets {
    /// One for each address of this machine. These servers are asked how others see them, one after the other until one has said so; one that does
    /// not answer is done without. `chance` gives numbers that nobody guesses.
    ///
    /// # Errors
    /// As [`Sockets::open`].
    pub async fn open_seen_by(servers: &[StunServer], chance: fn() -> u64) -> io::Result<Self> {
        let mut sockets = Self::open()?;
        for StunServer { place } in servers {
            // Without a network there may be others on this machine.
            let found: Vec<SocketAddr> =
                match tokio::time::timeout(PATIENCE, tokio::net::lookup_host(place)).await {
                    Ok(Ok(found)) => found.collect(),
                    Ok(Err(_)) | Err(_) => continue,
                };
            for is_v4 in [true, false] {
                let is_known = sockets.seen().any(|seen| seen.address.is_ipv4() == is_v4);
                if let Some(server) = found.iter().find(|address| address.is_ipv4() == is_v4 && !is_known) {
                    sockets.ask(*server, transaction(chance), PATIENCE).await;
                }
            }
        }
        Ok(sockets)
    }
}

fn transaction(chance: fn() -> u64) -> [u8; 12] {
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
            assert_eq!(StunServer::parse(url).map(|server| server.place).as_deref(), expected, "{url}");
        }
    }
}
