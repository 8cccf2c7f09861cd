//! A bad network between an RTSP client and a server: what goes over UDP loses some packets, and delays each by another time, so that they
//! overtake each other.
//!
//! It stands on the way as a proxy does: it reads the messages of the RTSP connection and puts ports of its own into their `Transport`. The kernel's
//! own emulator is not everywhere.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::random::Random;

/// The network; it is gone when it is dropped.
#[derive(Debug)]
pub struct BadNetwork {
    address: SocketAddr,
    common: Arc<Common>,
}

#[derive(Debug)]
struct Common {
    server: SocketAddr,
    seed: AtomicU64,
    passed: AtomicU64,
    lost: AtomicU64,
    over: AtomicBool,
}

/// Of a hundred packets so many are lost.
const LOST: usize = 2;
/// A packet is delayed by up to this.
const JITTER: Duration = Duration::from_millis(30);

impl BadNetwork {
    /// Between clients and this server.
    pub fn before(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (passed, lost, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let common = Arc::new(Common { server, seed: AtomicU64::new(seed), passed, lost, over });
        let shared = Arc::clone(&common);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect(shared.server) else { return };
                connect(&shared, client, server);
            }
        });
        Self { address, common }
    }

    /// The URL of a stream through it.
    pub fn url(&self, name: &str) -> String {
        format!("rtsp://{}/{name}", self.address)
    }

    /// How many packets came through, and how many did not.
    pub fn counts(&self) -> (u64, u64) {
        (self.common.passed.load(Ordering::Relaxed), self.common.lost.load(Ordering::Relaxed))
    }
}

impl Drop for BadNetwork {
    fn drop(&mut self) {
        self.common.over.store(true, Ordering::Relaxed);
        // Wakes whoever accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// One track on its way: where the client is, and our ports towards it and towards the server.
#[derive(Debug, Clone)]
struct Track {
    client: String,
    towards_client: u16,
    towards_server: u16,
    /// Where the server's two ports begin, once they are known.
    server: Arc<AtomicU16>,
}

fn connect(common: &Arc<Common>, client: TcpStream, server: TcpStream) {
    // Tracks that were asked for and not answered yet.
    let asked: Arc<Mutex<Vec<Track>>> = Arc::default();
    let (from_client, to_server) = (client.try_clone(), server.try_clone());
    let (Ok(from_client), Ok(to_server)) = (from_client, to_server) else { return };
    let (tracks, network) = (Arc::clone(&asked), Arc::clone(common));
    let request = move |line: &str| {
        let ports = parameter(line, "client_port=")?;
        let first: u16 = ports.split('-').next()?.parse().ok()?;
        let track = Track::open(&network, ports, first);
        let line = line.replace(ports, &range(track.towards_server));
        tracks.lock().expect("nobody panics").push(track);
        Some(line)
    };
    let response = move |line: &str| {
        let ports = parameter(line, "server_port=")?;
        let mut asked = asked.lock().expect("nobody panics");
        let at = asked.iter().position(|track| line.contains(&range(track.towards_server)))?;
        let track = asked.remove(at);
        track.server.store(ports.split('-').next()?.parse().ok()?, Ordering::Relaxed);
        let line = line.replace(
            &format!("server_port={ports}"),
            &format!("server_port={}", range(track.towards_client)),
        );
        Some(line.replace(&range(track.towards_server), &track.client))
    };
    thread::spawn(move || copy(from_client, to_server, request));
    thread::spawn(move || copy(server, client, response));
}

/// Copies messages, their `Transport` as `change` says.
fn copy(from: TcpStream, mut to: TcpStream, change: impl Fn(&str) -> Option<String>) {
    let mut from = BufReader::new(from);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if !from.read_line(&mut line).is_ok_and(|read| read > 0) {
            break;
        }
        if let Some(bytes) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = bytes.trim().parse().expect("a length is a number");
        }
        let is_transport = line.to_ascii_lowercase().starts_with("transport:");
        let line = if is_transport { change(&line).unwrap_or(line) } else { line };
        let mut bytes = line.into_bytes();
        if bytes == b"\r\n" {
            let head = bytes.len();
            bytes.resize(head + std::mem::take(&mut length), 0);
            if from.read_exact(&mut bytes[head..]).is_err() {
                break;
            }
        }
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

fn parameter<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (_, rest) = line.split_once(name)?;
    rest.split([';', ',', '\r', '\n']).next()
}

fn range(first: u16) -> String {
    format!("{first}-{}", first + 1)
}

impl Track {
    fn open(common: &Arc<Common>, client: &str, first: u16) -> Self {
        let (inner, towards_client) = pair();
        let (outer, towards_server) = pair();
        let server = Arc::new(AtomicU16::new(0));
        let clients = Arc::new(AtomicU16::new(first));
        for (at, (inner, outer)) in (0u16..).zip(inner.into_iter().zip(outer)) {
            let (inner, outer) = (Arc::new(inner), Arc::new(outer));
            relay(common, &outer, &inner, &clients, at);
            relay(common, &inner, &outer, &server, at);
        }
        Self { client: client.to_owned(), towards_client, towards_server, server }
    }
}

/// Two ports side by side, the first even.
fn pair() -> ([UdpSocket; 2], u16) {
    loop {
        let first = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let first = first.expect("a port is free").port() & !1;
        let bind = |port| UdpSocket::bind(("127.0.0.1", port));
        if let (Ok(rtp), Ok(rtcp)) = (bind(first), bind(first + 1)) {
            return ([rtp, rtcp], first);
        }
    }
}

/// Sends what comes in `from` out of `out`, to this port and so many further: later, or never.
fn relay(
    common: &Arc<Common>,
    from: &Arc<UdpSocket>,
    out: &Arc<UdpSocket>,
    to: &Arc<AtomicU16>,
    further: u16,
) {
    let (common, from, out, to) = (Arc::clone(common), Arc::clone(from), Arc::clone(out), Arc::clone(to));
    let mut luck = Random::new(common.seed.fetch_add(1, Ordering::Relaxed));
    from.set_read_timeout(Some(Duration::from_millis(2))).expect("it is not zero");
    thread::spawn(move || {
        let mut waiting: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>> = BinaryHeap::new();
        let (mut datagram, mut count) = (vec![0; 65_536], 0);
        while !common.over.load(Ordering::Relaxed) {
            if let Ok(length) = from.recv(&mut datagram) {
                if luck.below(100) < LOST {
                    common.lost.fetch_add(1, Ordering::Relaxed);
                } else {
                    let late = JITTER.mul_f64(luck.below(1_000) as f64 / 1_000.0);
                    count += 1;
                    waiting.push(Reverse((Instant::now() + late, count, datagram[..length].to_vec())));
                }
            }
            while waiting.peek().is_some_and(|Reverse((due, ..))| *due <= Instant::now()) {
                let Some(Reverse((_, _, bytes))) = waiting.pop() else { break };
                let port = to.load(Ordering::Relaxed);
                if port != 0 && out.send_to(&bytes, ("127.0.0.1", port + further)).is_ok() {
                    common.passed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    });
}
