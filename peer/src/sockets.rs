//! A UDP socket for each address of this machine: so what comes says by itself which of them it came to.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use crate::relay::{Account, Relay, Said};
use crate::{addresses, stun};

/// The sockets of one connection, and addresses on TURN servers that are as good as sockets.
#[derive(Debug)]
pub struct Sockets {
    all: Vec<Socket>,
    seen: Vec<Seen>,
    relays: Vec<Relay>,
}

/// How others see a socket, where a router stands between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) address: SocketAddr,
    pub(crate) own: SocketAddr,
}

#[derive(Debug)]
struct Socket {
    address: SocketAddr,
    io: UdpSocket,
    /// The same, to send at once: tokio would first have to hear that it may.
    out: std::net::UdpSocket,
}

/// A datagram that came: how long it is, where to, and from whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) length: usize,
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
}

impl Sockets {
    /// One for each address of this machine, at ports the system chooses.
    ///
    /// # Errors
    /// What the system says, if there is none to be had.
    pub fn open() -> io::Result<Self> {
        Self::at(&addresses::of_this_machine())
    }

    /// One for each of these addresses.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn at(addresses: &[IpAddr]) -> io::Result<Self> {
        let (mut all, mut failed) = (Vec::new(), None);
        for address in addresses {
            match open(*address) {
                Ok(socket) => all.push(socket),
                // One that has just gone, or is not ready yet.
                Err(error) => failed = Some(error),
            }
        }
        if all.is_empty() {
            return Err(failed.unwrap_or_else(|| io::Error::other("this machine has no address")));
        }
        Ok(Self { all, seen: Vec::new(), relays: Vec::new() })
    }

    /// Asks a STUN server (RFC 8489) how others see these sockets, and waits this long for it at most: whatever it does not say is done
    /// without. `transaction` is what nobody guesses. To be called before there is a connection.
    pub async fn ask(&mut self, server: SocketAddr, transaction: [u8; 12], patience: Duration) {
        let question = stun::question(transaction);
        let reaches = |own: &SocketAddr| {
            own.is_ipv4() == server.is_ipv4() && own.ip().is_loopback() == server.ip().is_loopback()
        };
        let mut asked: Vec<SocketAddr> = self.addresses().filter(reaches).collect();
        let mut end = Instant::now() + patience;
        let (mut due, mut pause) = (Instant::now(), AGAIN);
        let mut buffer = [0; 2_048];
        while !asked.is_empty() && Instant::now() < end {
            if Instant::now() >= due {
                asked.iter().for_each(|own| put(&self.all, *own, server, &question));
                due = Instant::now() + pause;
                pause *= 2;
            }
            let Ok(came) = tokio::time::timeout_at(due.min(end).into(), self.receive(&mut buffer)).await
            else {
                continue;
            };
            let said = stun::answer(&buffer[..came.length], transaction).filter(|_| came.peer == server);
            if let Some(address) = said
                && let Some(at) = asked.iter().position(|own| *own == came.local)
            {
                let own = asked.swap_remove(at);
                self.seen.extend((address != own).then_some(Seen { address, own }));
                // Machines have addresses that reach nobody; the others are answered about as fast.
                end = end.min(Instant::now() + AGAIN);
            }
        }
    }

    /// Asks a TURN server for an address there, which it passes packets on from, and waits this long for it at most. To be called before there
    /// is a connection.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(crate) async fn relay_by(
        &mut self,
        server: SocketAddr,
        account: &Account,
        patience: Duration,
    ) -> Result<(), String> {
        let from = towards(server).map_err(|error| error.to_string())?;
        let own = self.addresses().find(|own| own.ip() == from);
        let own = own.ok_or_else(|| format!("no socket at {from}, by which it would be reached"))?;
        let end = Instant::now() + patience;
        let mut buffer = vec![0; 2_048];
        let at = self.relays.len();
        self.relays.push(Relay::new(own, server, account));
        let mut is_heard = false;
        loop {
            let wake = self.advance().unwrap_or(end).min(end);
            let why = match &self.relays[at] {
                relay if relay.address().is_some() => return Ok(()),
                // That it does not know us anybody could say, so that is not believed, and asked again.
                relay if relay.is_over() || is_heard && Instant::now() >= end => {
                    "it gives no address: is the user known there, and the password right?"
                }
                _ if Instant::now() >= end => "it does not answer",
                _ => {
                    if let Ok(came) = tokio::time::timeout_at(wake.into(), self.next(&mut buffer)).await
                        && (came.local, came.peer) == (own, server)
                    {
                        is_heard = true;
                        self.relays[at].take(&mut buffer[..came.length]);
                    }
                    continue;
                }
            };
            self.relays.truncate(at);
            return Err(why.to_owned());
        }
    }

    /// Addresses on TURN servers, each with the socket of ours that it is reached by.
    pub(crate) fn relayed(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
        self.relays.iter().filter_map(|relay| Some((relay.address()?, relay.own())))
    }

    /// How others see those that were asked for.
    pub(crate) fn seen(&self) -> impl Iterator<Item = Seen> {
        self.seen.iter().copied()
    }

    /// Where they are.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.all.iter().map(|socket| socket.address)
    }

    /// Sends a datagram; lost, as on any network, if it does not go.
    pub(crate) fn send(&mut self, local: SocketAddr, peer: SocketAddr, datagram: &[u8]) {
        let Self { all, relays, .. } = self;
        match relays.iter_mut().find(|relay| relay.address() == Some(local)) {
            None => put(all, local, peer, datagram),
            Some(relay) => {
                if let Some(wrapped) = relay.wrap(peer, datagram) {
                    put(all, relay.own(), relay.server(), &wrapped);
                }
            }
        }
    }

    /// Waits for the next datagram; nothing is lost if this is dropped before.
    pub(crate) async fn receive(&mut self, buffer: &mut [u8]) -> Came {
        loop {
            let came = match self.advance() {
                None => self.next(buffer).await,
                Some(wake) => match tokio::time::timeout_at(wake.into(), self.next(buffer)).await {
                    Ok(came) => came,
                    Err(_) => continue,
                },
            };
            let is_between = |relay: &&mut Relay| relay.own() == came.local && relay.server() == came.peer;
            let Some(relay) = self.relays.iter_mut().find(is_between) else { return came };
            match (relay.take(&mut buffer[..came.length]), relay.address()) {
                (Said::FromPeer(length, peer), Some(local)) => return Came { length, local, peer },
                (Said::Nothing, _) => return came,
                (Said::FromPeer(..) | Said::Handled, _) => {}
            }
        }
    }

    /// Lets time pass for the relays; when to do so again, if there are any.
    fn advance(&mut self) -> Option<Instant> {
        let Self { all, relays, .. } = self;
        let advance = |relay: &mut Relay| {
            let (own, server) = (relay.own(), relay.server());
            relay.advance(|datagram| put(all, own, server, datagram))
        };
        // Whoever is over has nothing more to say; peers find another way, or none.
        relays.iter_mut().filter(|relay| !relay.is_over()).map(advance).min()
    }

    async fn next(&self, buffer: &mut [u8]) -> Came {
        poll_fn(|context| {
            for Socket { address, io, .. } in &self.all {
                if let Poll::Ready((length, peer)) = poll(io, buffer, context) {
                    return Poll::Ready(Came { length, local: *address, peer });
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for Sockets {
    /// Whoever gives addresses out has only so many.
    fn drop(&mut self) {
        let Self { all, relays, .. } = self;
        for relay in relays {
            let (own, server) = (relay.own(), relay.server());
            relay.end(|datagram| put(all, own, server, datagram));
        }
    }
}

fn put(all: &[Socket], local: SocketAddr, peer: SocketAddr, datagram: &[u8]) {
    if let Some(socket) = all.iter().find(|socket| socket.address == local) {
        let _ = socket.out.send_to(datagram, peer);
    }
}

/// Which address of ours the system reaches this one by; nothing is sent.
fn towards(server: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = std::net::UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    Ok(socket.local_addr()?.ip())
}

fn open(address: IpAddr) -> io::Result<Socket> {
    let out = std::net::UdpSocket::bind((address, 0))?;
    out.set_nonblocking(true)?;
    Ok(Socket { address: out.local_addr()?, io: UdpSocket::from_std(out.try_clone()?)?, out })
}

fn poll(socket: &UdpSocket, buffer: &mut [u8], context: &mut Context<'_>) -> Poll<(usize, SocketAddr)> {
    loop {
        let mut read = ReadBuf::new(buffer);
        match socket.poll_recv_from(context, &mut read) {
            Poll::Ready(Ok(peer)) => return Poll::Ready((read.filled().len(), peer)),
            // That somebody it was sent to is not there; each is told once.
            Poll::Ready(Err(_)) => {}
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// So long an answer may take before it is asked again; then twice as long each time (RFC 8489 §6.2.1).
const AGAIN: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_says_where_it_came_to_and_what_goes_where_it_came_from() {
        let loopback: [IpAddr; 2] = [[127, 0, 0, 1].into(), [127, 0, 0, 2].into()];
        let (mut one, mut other) = (Sockets::at(&loopback[..1]).unwrap(), Sockets::at(&loopback).unwrap());
        let from = one.addresses().next().unwrap();
        for to in other.addresses().collect::<Vec<_>>() {
            one.send(from, to, b"hello");
            let mut buffer = [0; 100];
            assert_eq!(other.receive(&mut buffer).await, Came { length: 5, local: to, peer: from });
        }
        assert!(Sockets::at(&[]).is_err());
    }
}
