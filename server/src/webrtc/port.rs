//! The UDP ports that all peers are on, and packets in a row that leave together.
//!
//! A port may stand for every address of the machine: what comes says which of them it was sent to, and what goes says which one it comes
//! from, since a peer takes only what comes from where it sent to.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// One socket.
#[derive(Debug)]
pub(super) struct Port {
    io: UdpSocket,
    state: UdpSocketState,
    address: SocketAddr,
}

/// A way between two addresses: ours, and a peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Way {
    /// By TCP, not by UDP.
    pub(super) is_tcp: bool,
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
}

impl Port {
    /// Of a socket that is bound.
    pub(super) fn new(io: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&io).into())?;
        let address = io.local_addr()?;
        Ok(Self { io, state, address })
    }

    /// Waits until the system takes packets.
    #[cfg(test)]
    pub(super) async fn writable(&self) {
        self.io.writable().await.unwrap();
    }

    /// Whether what comes from this address of ours goes through it.
    fn serves(&self, local: SocketAddr) -> bool {
        let own = self.address.ip().to_canonical();
        local.port() == self.address.port()
            && (own == local.ip() || own.is_unspecified() && (self.address.is_ipv6() || local.is_ipv4()))
    }

    /// Sends packets that lie side by side, each `segment` bytes but the last; what the kernel does not take at once is lost.
    fn send(&self, way: &Way, segment: usize, bytes: &[u8]) {
        let Self { io, state, address } = self;
        let at_once = state.max_gso_segments().min(MOST_BYTES / segment.max(1)).max(1);
        let destination = SocketAddr::new(as_of(address, way.peer.ip()), way.peer.port());
        let src_ip = address.ip().is_unspecified().then(|| as_of(address, way.local.ip()));
        for contents in bytes.chunks(segment.max(1) * at_once) {
            let segment_size = (contents.len() > segment).then_some(segment);
            let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip };
            // Full, or nobody there: WebRTC asks again for what is lost.
            if io.try_io(Interest::WRITABLE, || state.try_send(io.into(), &transmit)).is_err() {
                return;
            }
        }
    }

    /// Gives every datagram to `take` until the end.
    pub(super) async fn receive(&self, take: impl Fn(Way, &[u8]), end: CancellationToken) {
        let (mut buffer, Self { io, state, address }) = (vec![0; MOST_BYTES], self);
        loop {
            let ready = tokio::select! {
                ready = io.readable() => ready,
                () = end.cancelled() => return,
            };
            if ready.is_err() {
                return;
            }
            let mut meta = [RecvMeta::default()];
            let received = io.try_io(Interest::READABLE, || {
                let mut buffers = [IoSliceMut::new(&mut buffer)];
                state.recv(io.into(), &mut buffers, &mut meta)
            });
            // An error is about some peer that is gone, or says that there is nothing; not about the socket.
            let [RecvMeta { addr, len, stride, dst_ip, .. }] = meta;
            if received.is_err() || stride == 0 {
                continue;
            }
            let local =
                if address.ip().is_unspecified() { dst_ip.unwrap_or(address.ip()) } else { address.ip() };
            let local = SocketAddr::new(local.to_canonical(), address.port());
            let peer = SocketAddr::new(addr.ip().to_canonical(), addr.port());
            let way = Way { is_tcp: false, local, peer };
            // The kernel puts together what came at once.
            buffer[..len.min(MOST_BYTES)].chunks(stride).for_each(|datagram| take(way, datagram));
        }
    }
}

/// An address as the socket's family writes it.
fn as_of(socket: &SocketAddr, address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) if socket.is_ipv6() => IpAddr::V6(address.to_ipv6_mapped()),
        other => other,
    }
}

/// Packets on their way out: those that follow each other on one way leave in one call, cut apart by the kernel (UDP segmentation
/// offload).
#[derive(Debug, Default)]
pub(super) struct Outbox {
    way: Option<Way>,
    segment: usize,
    bytes: Vec<u8>,
    /// A shorter packet ended the row.
    is_closed: bool,
}

impl Outbox {
    /// Puts a packet to the others, or sends those first.
    pub(super) fn push(&mut self, way: Way, packet: &[u8], ports: &[Port]) {
        let _ = self.place(way, packet.len(), ports, |bytes| {
            bytes.extend_from_slice(packet);
            Ok::<(), ()>(())
        });
    }

    /// Has a packet of so many bytes written behind the others; those are sent first if it cannot follow them. If it fails, there is none.
    pub(super) fn place<E>(
        &mut self,
        way: Way,
        length: usize,
        ports: &[Port],
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let follows = self.way == Some(way)
            && !self.is_closed
            && length <= self.segment
            && self.bytes.len() + length <= MOST_BYTES;
        if !follows {
            self.flush(ports);
            self.way = Some(way);
            self.segment = length;
        }
        self.is_closed = length < self.segment;
        let before = self.bytes.len();
        let written = write(&mut self.bytes);
        if written.is_err() || self.bytes.len() != before + length {
            self.bytes.truncate(before);
            // The next one begins a row.
            self.is_closed = true;
        }
        written
    }

    /// Sends what waits.
    pub(super) fn flush(&mut self, ports: &[Port]) {
        if let Some(way) = self.way.take().filter(|_| !self.bytes.is_empty())
            && let Some(port) = ports.iter().find(|port| port.serves(way.local))
        {
            port.send(&way, self.segment, &self.bytes);
        }
        self.bytes.clear();
        self.is_closed = false;
    }
}

/// A datagram has no more, and neither has what is cut into some.
const MOST_BYTES: usize = 65_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn bound(address: &str) -> (Port, SocketAddr) {
        let socket = std::net::UdpSocket::bind(address).unwrap();
        socket.set_nonblocking(true).unwrap();
        let port = Port::new(UdpSocket::from_std(socket).unwrap()).unwrap();
        let address = port.address;
        (port, address)
    }

    #[tokio::test]
    async fn packets_in_a_row_arrive_as_they_were() {
        // Every address of this machine, as it listens by default.
        let (port, address) = bound("0.0.0.0:0");
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let local = SocketAddr::from(([127, 0, 0, 1], address.port()));
        let way = Way { is_tcp: false, local, peer: peer.local_addr().unwrap() };
        let mut outbox = Outbox::default();
        port.writable().await;
        let ports = [port];
        let packets: Vec<Vec<u8>> =
            [1_100, 1_100, 1_100, 30, 30, 700, 900].map(|len| vec![len as u8; len]).into();
        packets.iter().for_each(|packet| outbox.push(way, packet, &ports));
        outbox.flush(&ports);
        for packet in &packets {
            let mut buffer = [0; 2_000];
            let (len, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..len], from), (&packet[..], local));
        }
    }

    #[tokio::test]
    async fn what_comes_says_which_address_it_was_sent_to() {
        let (port, address) = bound("[::]:0");
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = SocketAddr::from(([127, 0, 0, 1], address.port()));
        peer.send_to(b"hello", local).unwrap();
        let (end, from) = (CancellationToken::new(), peer.local_addr().unwrap());
        let take = |way: Way, datagram: &[u8]| {
            assert_eq!((way.local, way.peer, datagram), (local, from, &b"hello"[..]));
            end.cancel();
        };
        tokio::time::timeout(Duration::from_secs(5), port.receive(take, end.clone())).await.unwrap();
    }
}
