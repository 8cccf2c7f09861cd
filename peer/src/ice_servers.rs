//! Who helps peers to find each other where a router stands between: STUN servers (RFC 7064), which say how others see this machine, and TURN
//! servers (RFC 7065), which pass packets on; and sockets that they were asked of.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::Sockets;
use crate::relay::Account;

/// A STUN or TURN server, asked by UDP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceServer {
    /// Host and port.
    place: String,
    /// For TURN.
    account: Option<Account>,
}

/// A server did not help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhelpful {
    url: String,
    why: String,
}

impl IceServer {
    /// `stun:HOST` or `stun:HOST:PORT`; `None` if it is neither.
    pub fn stun(url: &str) -> Option<Self> {
        Some(Self { place: place(url.strip_prefix("stun:")?)?, account: None })
    }

    /// `turn:HOST` or `turn:HOST:PORT`, also with `?transport=udp`; `None` if it is neither, or is asked by TCP or TLS alone.
    pub fn turn(url: &str, user: &str, password: &str) -> Option<Self> {
        let rest = url.strip_prefix("turn:")?;
        let place = place(rest.strip_suffix("?transport=udp").unwrap_or(rest))?;
        Some(Self { place, account: Some(Account { user: user.to_owned(), password: password.to_owned() }) })
    }

    async fn lookup(&self) -> Result<Vec<SocketAddr>, String> {
        match tokio::time::timeout(PATIENCE, tokio::net::lookup_host(&self.place)).await {
            Ok(Ok(found)) => Ok(found.collect()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("its name is not found in time".to_owned()),
        }
    }
}

/// `HOST` or `HOST:PORT`, with a port.
fn place(rest: &str) -> Option<String> {
    if rest.is_empty() || rest.contains(['/', '?', '@']) {
        return None;
    }
    let has_port = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.1.starts_with(':'),
        None => rest.contains(':'),
    };
    Some(if has_port { rest.to_owned() } else { format!("{rest}:{PORT}") })
}

impl fmt::Display for IceServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.account.is_some() { "turn" } else { "stun" };
        write!(formatter, "{scheme}:{}", self.place)
    }
}

impl fmt::Display for Unhelpful {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.url, self.why)
    }
}

impl Sockets {
    /// One for each address of this machine. Of these servers, STUN's are asked how others see them, one after the other until one has said so,
    /// and TURN's for an address there, until there is one. One that does not help is done without, and told. `chance` gives numbers that nobody
    /// guesses.
    ///
    /// # Errors
    /// As [`Sockets::open`].
    pub async fn open_helped_by(
        servers: &[IceServer],
        chance: fn() -> u64,
    ) -> io::Result<(Self, Vec<Unhelpful>)> {
        let (mut sockets, mut failed) = (Self::open()?, Vec::new());
        for server in servers {
            // Without a network there may be others on this machine.
            let helped = match server.lookup().await {
                Ok(found) => sockets.be_helped(&found, server.account.as_ref(), chance).await,
                Err(why) => Err(why),
            };
            failed.extend(helped.err().map(|why| Unhelpful { url: server.to_string(), why }));
        }
        Ok((sockets, failed))
    }

    async fn be_helped(
        &mut self,
        found: &[SocketAddr],
        account: Option<&Account>,
        chance: fn() -> u64,
    ) -> Result<(), String> {
        // Names have addresses of both kinds, of which this machine may reach one: it helps if one helps.
        let (mut helped, mut failed) = (false, None);
        for is_v4 in [true, false] {
            let Some(server) = found.iter().find(|address| address.is_ipv4() == is_v4) else { continue };
            match account {
                Some(_) if self.relayed().any(|(address, _)| address.is_ipv4() == is_v4) => helped = true,
                Some(account) => match self.relay_by(*server, account, PATIENCE).await {
                    Ok(()) => helped = true,
                    Err(why) => failed = failed.or(Some(why)),
                },
                None => {
                    helped = true;
                    if !self.seen().any(|seen| seen.address.is_ipv4() == is_v4) {
                        // What it does not say is done without: it may see what we see.
                        self.ask(*server, transaction(chance), PATIENCE).await;
                    }
                }
            }
        }
        failed.filter(|_| !helped).map_or(Ok(()), Err)
    }
}

fn transaction(chance: fn() -> u64) -> [u8; 12] {
    let mut all = [0; 12];
    all[..8].copy_from_slice(&chance().to_be_bytes());
    all[8..].copy_from_slice(&chance().to_be_bytes()[..4]);
    all
}

/// The port of STUN, and of TURN.
const PORT: u16 = 3_478;
/// A description waits this long for a server.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_perhaps_a_port() {
        for (url, expected) in [
            ("stun:stun.example.org", Some("stun:stun.example.org:3478")),
            ("stun:192.0.2.1:19302", Some("stun:192.0.2.1:19302")),
            ("stun:[2001:db8::1]", Some("stun:[2001:db8::1]:3478")),
            ("stun:[2001:db8::1]:5", Some("stun:[2001:db8::1]:5")),
            ("stun:", None),
            ("stun.example.org", None),
            ("turn:turn.example.org", None),
            ("stun://stun.example.org", None),
        ] {
            assert_eq!(IceServer::stun(url).map(|server| server.to_string()).as_deref(), expected, "{url}");
        }
        for (url, expected) in [
            ("turn:turn.example.org", Some("turn:turn.example.org:3478")),
            ("turn:turn.example.org:5?transport=udp", Some("turn:turn.example.org:5")),
            ("turn:turn.example.org?transport=tcp", None),
            ("turns:turn.example.org", None),
            ("stun:turn.example.org", None),
        ] {
            let server = IceServer::turn(url, "anna", "secret");
            assert_eq!(server.map(|server| server.to_string()).as_deref(), expected, "{url}");
        }
        assert!(!format!("{:?}", IceServer::turn("turn:a", "anna", "secret")).contains("secret"));
    }
}
