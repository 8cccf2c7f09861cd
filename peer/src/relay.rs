//! An address on a TURN server (RFC 8656), whose packets it passes on to us and ours to peers: where both sides are behind routers that let
//! nothing in, or where nothing but that server is reached.
//!
//! The protocol is `turn-client-proto`'s, which does nothing by itself: what comes and what time it is are handed in, and what is to be sent
//! is taken out. Not here: sockets (see [`crate::Sockets`]).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use turn_client_proto::api::{Transmit, TurnConfig, TurnPollRet, TurnRecvRet};
use turn_client_proto::prelude::TurnClientApi;
use turn_client_proto::stun::Instant as TurnInstant;
use turn_client_proto::types::{AddressFamily, TransportType, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

/// Who may have addresses there.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// One address there, or the wish to have one.
#[derive(Debug)]
pub(crate) struct Relay {
    client: TurnClientUdp,
    /// What the client's times count from.
    began: Instant,
    own: SocketAddr,
    server: SocketAddr,
    address: Option<SocketAddr>,
    is_over: bool,
}

/// What a datagram from the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// Between it and us.
    Handled,
    /// So many bytes of a peer, which now stand at the beginning.
    FromPeer(usize, SocketAddr),
    /// Nothing of TURN's.
    Nothing,
}

impl Relay {
    /// By this socket of ours. What it has to say first is had by [`Self::advance`].
    pub(crate) fn new(own: SocketAddr, server: SocketAddr, account: &Account) -> Self {
        let mut config = TurnConfig::new(TurnCredentials::new(&account.user, &account.password));
        // A relay speaks to peers of its own kind, and those who are asked by one kind are reached by it.
        config.set_address_family(match server {
            SocketAddr::V4(_) => AddressFamily::IPV4,
            SocketAddr::V6(_) => AddressFamily::IPV6,
        });
        let client = TurnClientUdp::allocate(own, server, config);
        Self { client, began: Instant::now(), own, server, address: None, is_over: false }
    }

    /// Our socket that it is spoken to by.
    pub(crate) const fn own(&self) -> SocketAddr {
        self.own
    }

    /// The server.
    pub(crate) const fn server(&self) -> SocketAddr {
        self.server
    }

    /// Where peers find us, as soon as the server has said so.
    pub(crate) const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The server gave none, or takes it back.
    pub(crate) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Lets time pass: sends the server what there is to say, and says when to come again.
    pub(crate) fn advance(&mut self, mut send: impl FnMut(&[u8])) -> Instant {
        let start = self.now();
        let mut next = start;
        for _ in 0..MOST_STEPS {
            while self.client.poll_event().is_some() {}
            while let Some(transmit) = self.client.poll_transmit(start) {
                send(&transmit.data);
            }
            match self.client.poll(start) {
                TurnPollRet::WaitUntil(at) => next = at,
                TurnPollRet::Closed => self.is_over = true,
                // Of TURN over TCP.
                TurnPollRet::AllocateTcpSocket { .. } | TurnPollRet::TcpClose { .. } => {}
            }
            if next > start || self.is_over {
                break;
            }
        }
        if self.address.is_none() {
            self.address = self.client.relayed_addresses().next().map(|(_, address)| address);
        }
        Instant::now() + next.duration_since(start).max(SHORTEST)
    }

    /// Takes a datagram from the server.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) -> Said {
        let now = self.now();
        let transmit = Transmit::new(&*buffer, TransportType::Udp, self.server, self.own);
        let (bytes, peer) = match self.client.recv(transmit, now) {
            TurnRecvRet::PeerData(said) => (said.data().to_vec(), said.peer),
            TurnRecvRet::Ignored(_) => return Said::Nothing,
            TurnRecvRet::Handled | TurnRecvRet::PeerIcmp { .. } => return Said::Handled,
        };
        // It stands further behind in what came.
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Said::FromPeer(bytes.len(), peer)
    }

    /// What the server is sent so that a peer gets this; `None` as long as it does not let that peer through, which it is asked for.
    pub(crate) fn wrap(&mut self, peer: SocketAddr, datagram: &[u8]) -> Option<Vec<u8>> {
        let now = self.now();
        if !self.client.have_permission(TransportType::Udp, peer.ip()) {
            // Asked for already, or never to be had: a check that is lost comes again, and where none gets through another way is taken.
            let _ = self.client.create_permission(TransportType::Udp, peer.ip(), now);
            return None;
        }
        if datagram.first().is_none_or(|first| *first > LAST_OF_STUN) {
            // More than checks: four bytes around each from then on, and not 36. There is one already, from the second time on.
            let _ = self.client.bind_channel(TransportType::Udp, peer, now);
        }
        let transmit = self.client.send_to(TransportType::Udp, peer, datagram, now).ok()??;
        Some(transmit.build().data)
    }

    /// Gives the address back.
    pub(crate) fn end(&mut self, send: impl FnMut(&[u8])) {
        let now = self.now();
        // One that was never had need not be given back.
        if self.client.delete(now).is_ok() {
            self.advance(send);
        }
    }

    fn now(&self) -> TurnInstant {
        TurnInstant::from_std(self.began)
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

/// STUN's messages begin with at most this, DTLS's and SRTP's with more (RFC 7983 §7).
const LAST_OF_STUN: u8 = 3;
/// Nothing is to be said as often in a row.
const MOST_STEPS: usize = 16;
/// Before that nobody comes again.
const SHORTEST: Duration = Duration::from_millis(1);
