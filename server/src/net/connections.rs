//! How many connections there are, in all and from each address.
//!
//! A connection has a [`Permit`] for as long as it lives, also as a WebSocket. This machine's own addresses, and those of proxies that are
//! trusted, are not counted one by one: behind a proxy they are everybody.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, HeaderName, header};
use tracing::warn;

use super::peer::Peer;
use super::proxies::Proxies;
use crate::metrics::{Refused, process};

/// The connections there are.
#[derive(Debug)]
pub struct Connections {
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    most: usize,
    most_per_address: usize,
    trusted: Arc<Proxies>,
    all: usize,
    refusals: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub struct Permit {
    connections: Arc<Connections>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Served(Option<IpAddr>),
    Refused,
}

/// So many who are turned away at once are told why; more are let go without a word.
const MAX_REFUSALS: usize = 64;

/// Descriptors that are needed besides those of connections: files, pipes, the runtime's own.
const OTHER_DESCRIPTORS: usize = 256;
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Asks the system for a descriptor for each connection, and says how many there can be.
pub fn room_for(connections: usize) -> usize {
    let most = process::allow_descriptors(connections.saturating_add(OTHER_DESCRIPTORS));
    let room = most.saturating_sub(OTHER_DESCRIPTORS).max(most / 2);
    if room < connections {
        warn!(connections, room, "the system allows fewer descriptors than [limits] connections needs");
    }
    room.min(connections)
}

impl Connections {
    /// At most so many at once, in all and from one address.
    pub fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        let connections = Self { now: Mutex::default() };
        connections.set(most, most_per_address);
        Arc::new(connections)
    }

    /// At most so many from now on; those there are stay.
    pub fn set(&self, most: usize, most_per_address: usize) {
        let mut now = self.lock();
        (now.most, now.most_per_address) = (most, most_per_address);
    }

    /// Believes these proxies from now on.
    pub fn trust(&self, proxies: Proxies) {
        self.lock().trusted = Arc::new(proxies);
    }

    /// Who made a request that came over a connection from `peer`: the peer, or whom a trusted proxy speaks for.
    pub fn client(&self, peer: Peer, headers: &HeaderMap) -> Peer {
        let trusted = Arc::clone(&self.lock().trusted);
        let lines = |name| headers.get_all(name).into_iter().map(|line| line.to_str().unwrap_or_default());
        Peer(trusted.client(peer.0, lines(X_FORWARDED_FOR), lines(header::FORWARDED)))
    }

    /// Lets one more connection in.
    ///
    /// # Errors
    /// Which limit it would pass.
    pub fn admit(self: &Arc<Self>, peer: Peer) -> Result<Permit, Refused> {
        let mut now = self.lock();
        let now = &mut *now;
        let counted = |address: &IpAddr| !address.is_loopback() && !now.trusted.trust(peer.0.ip());
        let address = Some(peer.bucket()).filter(counted);
        if now.all >= now.most {
            return Err(Refused::Connections);
        }
        if let Some(address) = address {
            let count = now.by_address.entry(address).or_default();
            if *count >= now.most_per_address {
                return Err(Refused::ConnectionsOfAddress);
            }
            *count += 1;
        }
        now.all += 1;
        Ok(Permit { connections: Arc::clone(self), kind: Kind::Served(address) })
    }

    /// A place for a connection that is told why it is not let in; `None` if too many are told at once.
    pub fn refuse(self: &Arc<Self>) -> Option<Permit> {
        let mut now = self.lock();
        if now.refusals >= MAX_REFUSALS {
            return None;
        }
        now.refusals += 1;
        Some(Permit { connections: Arc::clone(self), kind: Kind::Refused })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.lock().all
    }

    /// How many there may be.
    pub fn most(&self) -> usize {
        self.lock().most
    }

    /// Why somebody is not let in, in words.
    pub fn words(&self, why: Refused) -> String {
        match why {
            Refused::ConnectionsOfAddress => format!(
                "too many connections from your address: {} are allowed at once ([limits] connections_per_address)\n",
                self.lock().most_per_address
            ),
            _ => "this server has as many connections as it takes; please try again in a while\n".to_owned(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut now = self.connections.lock();
        match self.kind {
            Kind::Refused => now.refusals -= 1,
            Kind::Served(address) => {
                now.all -= 1;
                if let Some(address) = address
                    && let Some(count) = now.by_address.get_mut(&address)
                {
                    *count -= 1;
                    if *count == 0 {
                        now.by_address.remove(&address);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn peer(address: &str) -> Peer {
        Peer(SocketAddr::new(address.parse().unwrap(), 1))
    }

    #[test]
    fn an_address_may_have_only_so_many_and_others_are_let_in() {
        let connections = Connections::new(10, 2);
        let first = connections.admit(peer("10.0.0.1")).unwrap();
        let _second = connections.admit(peer("::ffff:10.0.0.1")).unwrap();
        assert_eq!(connections.admit(peer("10.0.0.1")).unwrap_err(), Refused::ConnectionsOfAddress);
        let _other = connections.admit(peer("10.0.0.2")).unwrap();
        drop(first);
        assert!(connections.admit(peer("10.0.0.1")).is_ok());
    }

    #[test]
    fn there_are_only_so_many_in_all_and_this_machine_is_not_counted_by_address() {
        let connections = Connections::new(3, 1);
        let permits: Vec<Permit> = (0..3).map(|_| connections.admit(peer("127.0.0.1")).unwrap()).collect();
        assert_eq!(connections.admit(peer("10.0.0.1")).unwrap_err(), Refused::Connections);
        drop(permits);
        assert_eq!(connections.count(), 0);
        assert!(connections.admit(peer("10.0.0.1")).is_ok());
        assert!(connections.lock().by_address.is_empty(), "nothing is kept of who left");
    }

    #[test]
    fn a_trusted_proxy_is_everybody_and_says_who_asks() {
        let connections = Connections::new(10, 1);
        let proxy = || peer("10.0.0.1");
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "1.1.1.1, 192.0.2.1".parse().unwrap());
        assert_eq!(connections.client(proxy(), &headers), proxy());
        connections.trust(Proxies::new(vec!["10.0.0.1".parse().unwrap()]));
        let asks = connections.client(proxy(), &headers);
        assert_eq!(asks.bucket(), peer("192.0.2.1").bucket());
        let _many: Vec<Permit> = (0..5).map(|_| connections.admit(proxy()).unwrap()).collect();
        let _one = connections.admit(peer("192.0.2.2")).unwrap();
        assert!(connections.admit(peer("192.0.2.2")).is_err());
        connections.set(10, 2);
        assert!(connections.admit(peer("192.0.2.2")).is_ok(), "another limit counts at once");
    }

    #[test]
    fn only_so_many_are_told_why_at_once() {
        let connections = Connections::new(1, 1);
        let told: Vec<Permit> = std::iter::from_fn(|| connections.refuse()).collect();
        assert_eq!(told.len(), MAX_REFUSALS);
        drop(told);
        assert!(connections.refuse().is_some());
    }
}
