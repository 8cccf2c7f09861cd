//! RTP and RTCP over UDP: a pair of sockets for each local address, shared by all sessions that came to it.
//!
//! The sockets are there only while a session needs them. What comes is for whoever was registered for the address it came from, and for
//! nobody else. A publisher that is sent more than it takes up loses packets, as UDP does.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use rtsp::Run;
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::supervise::tasks::Tasks;

/// The pairs of sockets there are.
#[derive(Debug)]
pub(super) struct Datagrams {
    port: Option<u16>,
    tasks: Tasks,
    by_address: Mutex<HashMap<IpAddr, Weak<Pair>>>,
}

/// A port for RTP, and the next one for RTCP.
#[derive(Debug)]
pub(super) struct Pair {
    sockets: [Arc<Socket>; 2],
    port: u16,
    _end: DropGuard,
}

/// A socket that packets are sent from, as many at once as the kernel cuts apart.
#[derive(Debug)]
pub(super) struct Port {
    io: UdpSocket,
    state: UdpSocketState,
}

#[derive(Debug)]
struct Socket {
    port: Port,
    peers: Mutex<HashMap<SocketAddr, Inlet>>,
}

/// A datagram that came.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) track: usize,
    pub(super) is_report: bool,
    pub(super) bytes: Bytes,
    pub(super) arrival: Instant,
}

#[derive(Debug, Clone)]
struct Inlet {
    track: usize,
    to: mpsc::Sender<Datagram>,
}

/// One track of a session: where its packets go, and a claim on what comes from there.
#[derive(Debug)]
pub(super) struct Way {
    peer: Peer,
}

/// Where a track's packets go.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pair: Arc<Pair>,
    /// For RTP and RTCP.
    addresses: [SocketAddr; 2],
}

impl Datagrams {
    /// None yet. With a port, every address uses that one and the next.
    pub(super) fn new(port: Option<u16>, tasks: Tasks) -> Self {
        Self { port, tasks, by_address: Mutex::default() }
    }

    /// The sockets of a local address.
    pub(super) fn pair(&self, local: IpAddr) -> io::Result<Arc<Pair>> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = by_address.get(&local).and_then(Weak::upgrade) {
            return Ok(pair);
        }
        let (sockets, port) = bind(local, self.port)?;
        let end = CancellationToken::new();
        for (is_report, socket) in [false, true].into_iter().zip(&sockets) {
            self.tasks.spawn("rtsp-datagrams", receive(Arc::clone(socket), is_report, end.clone()));
        }
        let pair = Arc::new(Pair { sockets, port, _end: end.drop_guard() });
        by_address.retain(|_, known| known.strong_count() > 0);
        by_address.insert(local, Arc::downgrade(&pair));
        Ok(pair)
    }
}

impl Pair {
    /// Registers a track of a session whose peer has these ports: what comes from there goes `to` it. `None` if another session has them.
    pub(super) fn register(
        self: &Arc<Self>,
        peer: IpAddr,
        ports: (u16, u16),
        track: usize,
        to: &mpsc::Sender<Datagram>,
    ) -> Option<Way> {
        let addresses = [SocketAddr::new(peer, ports.0), SocketAddr::new(peer, ports.1)];
        for (at, (socket, address)) in self.sockets.iter().zip(addresses).enumerate() {
            let mut peers = socket.lock();
            if peers.contains_key(&address) {
                drop(peers);
                if at == 1 {
                    self.sockets[0].lock().remove(&addresses[0]);
                }
                return None;
            }
            peers.insert(address, Inlet { track, to: to.clone() });
        }
        Some(Way { peer: Peer { pair: Arc::clone(self), addresses } })
    }
}

impl Way {
    /// Our port for RTP.
    pub(super) fn port(&self) -> u16 {
        self.peer.pair.port
    }

    /// Where its packets go, for whoever sends them.
    pub(super) const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Sends one report.
    pub(super) fn report(&self, bytes: Vec<u8>) {
        self.peer.send(true, &Run { channel: 0, segment: bytes.len(), bytes: bytes.into() });
    }
}

impl Peer {
    /// Sends packets that lie side by side; what the kernel does not take at once is lost.
    pub(super) fn send(&self, is_report: bool, run: &Run) {
        let at = usize::from(is_report);
        self.pair.sockets[at].port.send(self.addresses[at], run);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let Peer { pair, addresses } = &self.peer;
        for (socket, address) in pair.sockets.iter().zip(addresses) {
            socket.lock().remove(address);
        }
    }
}

impl Port {
    /// Of a socket that does not block.
    pub(super) fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let io = UdpSocket::from_std(socket)?;
        let state = UdpSocketState::new((&io).into())?;
        Ok(Self { io, state })
    }

    /// Sends packets that lie side by side; what the kernel does not take at once is lost. Past the runtime's book-keeping: a socket for UDP is
    /// hardly ever full, and who finds it so does not wait.
    pub(super) fn send(&self, destination: SocketAddr, run: &Run) {
        let Self { io, state } = self;
        let at_once = state.max_gso_segments().min(MOST_BYTES / run.segment.max(1)).max(1);
        for contents in run.bytes.chunks(run.segment * at_once) {
            let segment_size = (contents.len() > run.segment).then_some(run.segment);
            let transmit = Transmit { destination, ecn: None, contents, segment_size, src_ip: None };
            if state.try_send(io.into(), &transmit).is_err() {
                return;
            }
        }
    }
}

impl Socket {
    fn new(address: SocketAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        // A publisher's keyframe comes at once. What the system does not give is done without.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
        let _ = socket2::SockRef::from(&socket).set_send_buffer_size(RECEIVE_BUFFER);
        Ok(Self { port: Port::new(socket)?, peers: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Inlet>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Two ports side by side, the first even.
fn bind(local: IpAddr, port: Option<u16>) -> io::Result<([Arc<Socket>; 2], u16)> {
    let pair = |port: u16| {
        let next = port.checked_add(1).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let rtp = Socket::new(SocketAddr::new(local, port))?;
        let rtcp = Socket::new(SocketAddr::new(local, next))?;
        Ok(([Arc::new(rtp), Arc::new(rtcp)], port))
    };
    if let Some(port) = port {
        return pair(port);
    }
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let free = std::net::UdpSocket::bind(SocketAddr::new(local, 0))?.local_addr()?.port();
        match pair(free & !1) {
            Ok(pair) => return Ok(pair),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn receive(socket: Arc<Socket>, is_report: bool, end: CancellationToken) {
    let (mut buffer, Port { io, state }) = (vec![0; MOST_BYTES], &socket.port);
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
        let [RecvMeta { addr, len, stride, .. }] = meta;
        if received.is_err() || stride == 0 {
            continue;
        }
        let Some(Inlet { track, to }) = socket.lock().get(&addr).cloned() else { continue };
        // The kernel puts together what came at once.
        for bytes in buffer[..len.min(MOST_BYTES)].chunks(stride) {
            let bytes = Bytes::copy_from_slice(bytes);
            // Full: it is lost.
            let _ = to.try_send(Datagram { track, is_report, bytes, arrival: Instant::now() });
        }
    }
}

/// A datagram has no more, and neither has what is cut into some.
const MOST_BYTES: usize = 65_000;
/// Holds a second of 16 Mbit/s.
const RECEIVE_BUFFER: usize = 2 << 20;
/// Pairs of ports that are tried.
const TRIES: usize = 64;
/// Datagrams that wait for a session to take them up.
pub(super) const QUEUE: usize = 1_024;
