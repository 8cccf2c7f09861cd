//! A UDP socket for each address of this machine: so what comes says by itself which of them it came to.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::ReadBuf;
use tokio::net::UdpSocket;

use crate::{addresses, stun};

/// The sockets of one connection.
#[derive(Debug)]
pub struct Sockets {
    all: Vec<Socket>,
    seen: Vec<Seen>,
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
        Ok(Self { all, seen: Vec::new() })
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
                asked.iter().for_each(|own| self.send(*own, server, &question));
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

    /// How others see those that were asked for.
    pub(crate) fn seen(&self) -> impl Iterator<Item = Seen> {
        self.seen.iter().copied()
    }

    /// Where they are.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.all.iter().map(|socket| socket.address)
    }

    /// Sends a datagram; lost, as on any network, if it does not go.
    pub(crate) fn send(&self, local: SocketAddr, peer: SocketAddr, datagram: &[u8]) {
        if let Some(socket) = self.all.iter().find(|socket| socket.address == local) {
            let _ = socket.out.send_to(datagram, peer);
        }
    }

    /// Waits for the next datagram; nothing is lost if this is dropped before.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> Came {
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
        let (one, other) = (Sockets::at(&loopback[..1]).unwrap(), Sockets::at(&loopback).unwrap());
        let from = one.addresses().next().unwrap();
        for to in other.addresses() {
            one.send(from, to, b"hello");
            let mut buffer = [0; 100];
            assert_eq!(other.receive(&mut buffer).await, Came { length: 5, local: to, peer: from });
        }
        assert!(Sockets::at(&[]).is_err());
    }
}
