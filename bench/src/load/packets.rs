//! A UDP socket that is read in one of two ways.
//!
//! As browsers do it: packet by packet. On this machine the kernel then cuts apart what a server sends in one piece, in that server's time.
//!
//! Or together: packets that came in one piece are taken so (UDP GRO), each with the time at which the kernel had it. Then nobody cuts
//! anything apart, for which a machine with a network card has that card, and a crowd of a thousand costs less than what serves it.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use quinn_udp::{RecvMeta, UdpSocketState};

/// One socket of this machine's.
#[derive(Debug)]
pub(super) struct Packets {
    socket: UdpSocket,
    /// Of one that is read together.
    state: Option<UdpSocketState>,
}

impl Packets {
    /// On a port of its own.
    pub(super) fn bind(together: bool) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        // What a viewer is sent at first is a second of the stream, all at once.
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVED)?;
        socket.set_nonblocking(true)?;
        let state = together.then(|| UdpSocketState::new((&socket).into())).transpose()?;
        Ok(Self { socket, state })
    }

    pub(super) fn port(&self) -> u16 {
        self.socket.local_addr().map_or(0, |address| address.port())
    }

    /// The same one, to be waited for.
    pub(super) fn handle(&self) -> io::Result<UdpSocket> {
        self.socket.try_clone()
    }

    /// Gives each packet there is, with the time (since 1970) at which it came; gives how many bytes there were.
    pub(super) fn receive(&self, buffer: &mut [u8], mut take: impl FnMut(&[u8], Duration)) -> usize {
        let mut bytes = 0;
        let Some(state) = &self.state else {
            let at = now();
            while let Ok(count) = self.socket.recv(buffer) {
                bytes += count;
                take(&buffer[..count], at);
            }
            return bytes;
        };
        loop {
            let mut meta = [RecvMeta::default(); AT_ONCE];
            let mut parts: Vec<IoSliceMut<'_>> =
                buffer.chunks_mut(LARGEST).take(AT_ONCE).map(IoSliceMut::new).collect();
            let parts_there = parts.len();
            let Ok(count) = state.recv((&self.socket).into(), &mut parts, &mut meta) else { break };
            for (part, meta) in buffer.chunks(LARGEST).zip(&meta[..count]) {
                bytes += meta.len;
                let at = meta.timestamp.unwrap_or_else(now);
                part[..meta.len.min(part.len())]
                    .chunks(meta.stride.max(1))
                    .for_each(|packet| take(packet, at));
            }
            if count < parts_there {
                break;
            }
        }
        bytes
    }

    /// Sends one; lost, as on any network, if it does not go.
    pub(super) fn send(&self, packet: &[u8], to: SocketAddr) {
        let _ = self.socket.send_to(packet, to);
    }
}

fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// As large as packets that were put together are.
const LARGEST: usize = 64 * 1024;
const AT_ONCE: usize = 4;
const RECEIVED: usize = 2 << 20;
