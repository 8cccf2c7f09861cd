//! How many connections there are, in all and from each address.
//!
//! A connection has a [`Permit`] for as long as it lives, also as a WebSocket. This machine's own addresses are not counted one by one:
//! behind a proxy on it they are everybody.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::peer::Peer;
use crate::metrics::Refused;

/// The connections there are.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    most_per_address: usize,
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
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

impl Connections {
    /// At most so many at once, in all and from one address.
    pub fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_address, now: Mutex::default() })
    }

    /// Lets one more connection in.
    ///
    /// # Errors
    /// Which limit it would pass.
    pub fn admit(self: &Arc<Self>, peer: Peer) -> Result<Permit, Refused> {
        let address = Some(peer.bucket()).filter(|address| !address.is_loopback());
        let mut now = self.lock();
        if now.all >= self.most {
            return Err(Refused::Connections);
        }
        if let Some(address) = address {
            let count = now.by_address.entry(address).or_default();
            if *count >= self.most_per_address {
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
        self.most
    }

    /// Why somebody is not let in, in words.
    pub fn words(&self, why: Refused) -> String {
        match why {
            Refused::ConnectionsOfAddress => format!(
                "too many connections from your address: {} are allowed at once ([limits] connections_per_address)\n",
                self.most_per_address
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
    fn only_so_many_are_told_why_at_once() {
        let connections = Connections::new(1, 1);
        let told: Vec<Permit> = std::iter::from_fn(|| connections.refuse()).collect();
        assert_eq!(told.len(), MAX_REFUSALS);
        drop(told);
        assert!(connections.refuse().is_some());
    }
}
