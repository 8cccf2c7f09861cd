//! One viewer: a socket and its protocol.
//!
//! Not here: when it joins, how fast it reads, when it leaves (see `group`).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use super::format::FormatKind;
use super::protocol::{self, Protocol};
use super::seen::{Moment, Seen};
use super::target::Target;

/// A connected viewer.
pub(crate) struct Viewer {
    socket: TcpStream,
    datagrams: Vec<UdpSocket>,
    protocol: Box<dyn Protocol>,
    joined: Instant,
    decodable: bool,
    hung_up: bool,
}

impl Viewer {
    /// Connects and sends the request. The receive buffer is made small for a viewer that is to be slow: else the
    /// kernel would read for it.
    pub(crate) fn join(target: &Target, format: FormatKind, small_buffer: bool) -> io::Result<Self> {
        let joined = Moment::now();
        let mut socket = connect(target.address, small_buffer)?;
        let mut protocol = protocol::open(target, format, &joined);
        let datagrams = protocol.take_sockets();
        datagrams.iter().try_for_each(|socket| socket.set_nonblocking(true))?;
        socket.write_all(&protocol.request())?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, datagrams, protocol, joined: joined.instant, decodable: false, hung_up: false })
    }

    /// Reads once, at most as much as the buffer holds. `Err` with the reason: the connection is over.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        reply: &mut Vec<u8>,
        seen: &mut Seen,
    ) -> Result<usize, String> {
        let count = match self.socket.read(buffer) {
            Ok(0) if self.protocol.outlives_connection() => {
                self.hung_up = true;
                return Ok(0);
            }
            Ok(0) => return Err("the server closed the connection".into()),
            Ok(count) => count,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(0);
            }
            Err(error) => return Err(error.to_string()),
        };
        let now = Moment::now();
        seen.bytes += count as u64;
        seen.decodable = false;
        let was_established = self.protocol.established();
        let result = self.protocol.receive(&buffer[..count], &now, seen, reply);
        if !was_established && self.protocol.established() {
            acknowledge_when_read(&self.socket);
        }
        if seen.decodable && !self.decodable {
            self.decodable = true;
            seen.join(self.joined, now.instant);
        }
        result.map_err(|ended| ended.to_string())?;
        if !reply.is_empty() {
            // Pongs are a few bytes: a socket that cannot take them is not being read at the other end.
            let sent = self.socket.write_all(reply);
            reply.clear();
            sent.map_err(|error| error.to_string())?;
        }
        Ok(count)
    }

    /// Reads the datagrams that are there; each counts as a message. `Err` with the reason: it is over.
    pub(crate) fn read_datagrams(&mut self, buffer: &mut [u8], seen: &mut Seen) -> Result<(), String> {
        seen.decodable = false;
        if let Some(outcome) = self.protocol.read_datagrams(buffer, seen) {
            if seen.decodable && !self.decodable {
                self.decodable = true;
                seen.join(self.joined, Instant::now());
            }
            return outcome.map_err(|ended| ended.to_string());
        }
        for socket in &self.datagrams {
            while let Ok(count) = socket.recv(buffer) {
                seen.bytes += count as u64;
                seen.messages += 1;
                if !self.decodable && self.protocol.established() {
                    self.decodable = true;
                    seen.join(self.joined, Instant::now());
                }
            }
        }
        Ok(())
    }

    /// Says what is to be said now and then.
    pub(crate) fn advance(&mut self, now: Instant) -> Result<(), String> {
        self.protocol.advance(now).map_err(|ended| ended.to_string())
    }

    /// The connection is closed, which for this protocol is not the end.
    pub(crate) fn hung_up(&self) -> bool {
        self.hung_up
    }

    /// Sockets whose datagrams are to be read.
    pub(crate) fn datagrams(&self) -> &[UdpSocket] {
        &self.datagrams
    }

    /// The handshake is over.
    pub(crate) fn established(&self) -> bool {
        self.protocol.established()
    }

    /// A decodable picture has come.
    pub(crate) fn decodable(&self) -> bool {
        self.decodable
    }
}

impl AsFd for Viewer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn connect(address: SocketAddr, small_buffer: bool) -> io::Result<TcpStream> {
    if !small_buffer {
        return TcpStream::connect(address);
    }
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_recv_buffer_size(&socket, SMALL_BUFFER)?;
    net::connect(&socket, &address)?;
    Ok(TcpStream::from(socket))
}

/// A connection on which much was said back and forth is taken for a dialogue by the kernel: it acknowledges late then, and does so while the
/// sender sends, on whose account that is. From now on every connection acknowledges as it is read, as one does that only ever asked once; so a
/// protocol is not charged for having greeted at length.
fn acknowledge_when_read(socket: &TcpStream) {
    // Without it there is a difference of a microsecond a message, and no more.
    let _ = sockopt::set_tcp_quickack(socket, true);
}

const SMALL_BUFFER: usize = 32 * 1024;
