//! The floor server: the least program that sends given bytes at given times to N sockets.
//!
//! One thread, one epoll set, one `write` a message and viewer; no media, no state but what a short write left over.
//! A client that asks for datagrams gets each message as such, cut apart by the kernel (GSO); one that asks for SRTP gets it with a header
//! and AES-GCM for each packet (see `seal`).
//!
//! It answers a WebSocket handshake with a constant (see `load::websocket`), so the same client reads it and the real
//! server; whoever asks for `/bare` gets the same bytes as an endless body. The cost of a server is quoted as a multiple of this program's.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use quinn_udp::{Transmit, UdpSocketState};
use rustix::event::{Timespec, epoll};

use crate::error::{BenchError, Context};
use crate::schedule::Schedule;
use crate::seal::{PACKET, Sealer};

/// A viewer of the floor.
struct Client {
    socket: TcpStream,
    /// The handshake has been answered.
    watching: bool,
    /// What the last write left over. While there is some, whole messages are left out.
    rest: Vec<u8>,
    /// It wants datagrams, here.
    datagrams: Option<SocketAddr>,
    /// With AES-GCM.
    sealer: Option<Sealer>,
}

/// Serves until it is killed.
pub(crate) fn serve(address: SocketAddr, schedule: &Schedule) -> Result<(), BenchError> {
    let listener = TcpListener::bind(address).context(format!("listening on {address}"))?;
    listener.set_nonblocking(true).context("listening")?;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll_create")?;
    epoll::add(&epoll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)
        .context("epoll_ctl")?;

    let messages: Vec<(Duration, Vec<u8>)> =
        schedule.messages.iter().map(|message| (message.at, frame(message.bytes))).collect();
    let udp = UdpSocket::bind((address.ip(), 0)).context("binding a UDP socket")?;
    udp.set_nonblocking(true).context("binding a UDP socket")?;
    let state = UdpSocketState::new((&udp).into()).context("binding a UDP socket")?;
    let crypto = str0m::crypto::from_feature_flags();
    let mut sealed = Vec::new();
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut events: Vec<epoll::Event> = Vec::with_capacity(256);
    let mut round = Instant::now();
    let mut next = 0;
    loop {
        let due = round + messages[next].0;
        let wait = due.saturating_duration_since(Instant::now());
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        events.clear();
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("epoll_wait"),
        }
        for event in &events {
            match event.data.u64() {
                LISTENER => accept(&listener, &epoll, &mut clients)?,
                at => hear(&mut clients[at as usize], || Sealer::new(crypto.srtp_provider, at as u32)),
            }
        }
        while Instant::now() >= round + messages[next].0 {
            for client in &mut clients {
                match client {
                    Some(Client { datagrams: Some(to), sealer: Some(sealer), .. }) => {
                        sealer.seal(&messages[next].1, &mut sealed);
                        cast(&udp, &state, *to, &sealed, PACKET);
                    }
                    Some(Client { datagrams: Some(to), .. }) => {
                        cast(&udp, &state, *to, &messages[next].1, DATAGRAM);
                    }
                    client => send(client, &messages[next].1),
                }
            }
            next += 1;
            if next == messages.len() {
                next = 0;
                round += schedule.round;
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    epoll: &rustix::fd::OwnedFd,
    clients: &mut Vec<Option<Client>>,
) -> Result<(), BenchError> {
    while let Ok((socket, _)) = listener.accept() {
        socket.set_nonblocking(true).context("accept")?;
        socket.set_nodelay(true).context("accept")?;
        let at = clients.iter().position(Option::is_none).unwrap_or(clients.len());
        let data = epoll::EventData::new_u64(at as u64);
        epoll::add(epoll, &socket, data, epoll::EventFlags::IN).context("epoll_ctl")?;
        let client =
            Some(Client { socket, watching: false, rest: Vec::new(), datagrams: None, sealer: None });
        match clients.get_mut(at) {
            Some(place) => *place = client,
            None => clients.push(client),
        }
    }
    Ok(())
}

/// A request is taken to come in one piece, as our own client sends it.
fn hear(place: &mut Option<Client>, sealer: impl FnOnce() -> Sealer) {
    let Some(client) = place else { return };
    let mut buffer = [0; 2048];
    match client.socket.read(&mut buffer) {
        Ok(0) => *place = None,
        Ok(length) if !client.watching => {
            let sealed = buffer[..length].strip_prefix(b"SRTP ");
            client.sealer = sealed.map(|_| sealer());
            let port = sealed.or_else(|| buffer[..length].strip_prefix(b"UDP "));
            client.datagrams = port.and_then(|port| wanted(client, port));
            let answer = if buffer.starts_with(b"GET /bare ") { BARE } else { ANSWER };
            client.watching = client.socket.write(answer.as_bytes()).is_ok();
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
        Err(_) => *place = None,
    }
}

/// Where a client that names this port wants its datagrams.
fn wanted(client: &Client, port: &[u8]) -> Option<SocketAddr> {
    let port = std::str::from_utf8(port).ok()?.split(' ').next()?.parse().ok()?;
    Some(SocketAddr::new(client.socket.peer_addr().ok()?.ip(), port))
}

/// A message as datagrams of one size, cut apart by the kernel.
fn cast(udp: &UdpSocket, state: &UdpSocketState, destination: SocketAddr, message: &[u8], size: usize) {
    for contents in message.chunks(size * state.max_gso_segments().clamp(1, MOST_BYTES / size)) {
        let segment_size = (contents.len() > size).then_some(size);
        // What does not go is lost.
        let _ = state
            .try_send(udp.into(), &Transmit { destination, ecn: None, contents, segment_size, src_ip: None });
    }
}

fn send(place: &mut Option<Client>, message: &[u8]) {
    let Some(client) = place else { return };
    if !client.watching {
        return;
    }
    if !client.rest.is_empty() {
        if let Ok(count) = client.socket.write(&client.rest) {
            client.rest.drain(..count);
        }
        if !client.rest.is_empty() {
            return;
        }
    }
    match client.socket.write(message) {
        Ok(count) if count < message.len() => client.rest.extend_from_slice(&message[count..]),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
        Err(_) => *place = None,
    }
}

/// A WebSocket frame with a payload of so many bytes.
fn frame(bytes: usize) -> Vec<u8> {
    let mut frame = vec![0x82];
    match bytes {
        0..=125 => frame.push(bytes as u8),
        126..=0xffff => {
            frame.push(126);
            frame.extend((bytes as u16).to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend((bytes as u64).to_be_bytes());
        }
    }
    frame.resize(frame.len() + bytes, 0x55);
    frame
}

const LISTENER: u64 = u64::MAX;
/// As large as RTP packets are made.
const DATAGRAM: usize = 1_400;
/// No more than 64 KiB at once.
const MOST_BYTES: usize = 64_400;
const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
/// For a client that only counts what it reads.
const BARE: &str = "HTTP/1.1 200 OK\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_shortest_header() {
        assert_eq!(frame(125)[..2], [0x82, 125]);
        assert_eq!(frame(126)[..4], [0x82, 126, 0, 126]);
        assert_eq!(frame(65536)[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(frame(65536).len(), 65546);
    }
}
