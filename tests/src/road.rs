//! The road between peers of WebRTC and a server: what goes over it is lost, late, out of order, too much, or comes again, as a test says.
//!
//! It passes on datagrams of UDP, both ways, for any number of peers, each of whom has a port of their own towards the server. The kernel's
//! own emulator is not everywhere. What comes from the server suffers; what goes to it is few, and only lost. For peers who publish it
//! is the other way round.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::random::Random;

/// How bad it is.
#[derive(Debug, Clone, Copy)]
pub struct Quality {
    /// Of a thousand datagrams so many are lost.
    pub lost: usize,
    /// Each takes up to so much longer than another.
    pub jitter: Duration,
    /// Bytes a second, and how long a datagram may wait for its turn; then it is lost.
    pub rate: Option<(f64, Duration)>,
}

/// Nothing is wrong with it.
pub const GOOD: Quality = Quality { lost: 0, jitter: Duration::ZERO, rate: None };

/// A road; it is closed when it is dropped.
#[derive(Debug)]
pub struct Road {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    quality: Quality,
    /// So many large datagrams from the server are lost next.
    losing: usize,
    /// What was lost, and what passed.
    counts: [usize; 2],
    /// The longest that one waited for its turn.
    longest: Duration,
    /// The newest datagrams that went to the server.
    heard: Vec<Vec<u8>>,
    is_open: bool,
    /// What goes to the server suffers.
    is_upward: bool,
}

/// What is on its way: when it arrives, and to whom.
type Late = Reverse<(Instant, u64, To, Vec<u8>)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum To {
    Peer(SocketAddr),
    /// By this socket.
    Server(usize),
}

impl Road {
    /// To this address of a server.
    pub fn to(server: SocketAddr, quality: Quality, seed: u64) -> Self {
        Self::open(server, quality, seed, false)
    }

    /// To this address of a server, for peers who publish.
    pub fn upward(server: SocketAddr, quality: Quality, seed: u64) -> Self {
        Self::open(server, quality, seed, true)
    }

    fn open(server: SocketAddr, quality: Quality, seed: u64, is_upward: bool) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
        let address = socket.local_addr().expect("it is bound");
        let state = State {
            quality,
            losing: 0,
            counts: [0; 2],
            longest: Duration::ZERO,
            heard: Vec::new(),
            is_open: true,
            is_upward,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        thread::spawn(move || pass(&socket, server, &shared, Random::new(seed)));
        Self { address, state }
    }

    /// Where peers send to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it is like this.
    pub fn become_like(&self, quality: Quality) {
        self.state().quality = quality;
    }

    /// The next so many large datagrams from the server are lost.
    pub fn lose(&self, count: usize) {
        self.state().losing = count;
    }

    /// How many were lost, and how many passed.
    pub fn counts(&self) -> (usize, usize) {
        let [lost, passed] = self.state().counts;
        (lost, passed)
    }

    /// The longest that a datagram waited for its turn since this was asked before.
    pub fn longest_wait(&self) -> Duration {
        std::mem::take(&mut self.state().longest)
    }

    /// The newest datagrams that peers sent to the server.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.state().heard.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics")
    }
}

impl State {
    /// When a datagram of that length is through, if the one before it is at `free`; `None` if it is lost.
    fn through(&mut self, length: usize, free: Instant, luck: &mut Random) -> Option<Instant> {
        let now = Instant::now();
        let is_next = length > LARGE && self.losing > 0;
        if is_next {
            self.losing -= 1;
        }
        if is_next || luck.below(1_000) < self.quality.lost {
            self.counts[0] += 1;
            return None;
        }
        let mut due = now + self.quality.jitter.mul_f64(luck.below(1_000) as f64 / 1_000.0);
        if let Some((rate, room)) = self.quality.rate {
            let turn = free.max(now);
            if turn > now + room {
                self.counts[0] += 1;
                return None;
            }
            self.longest = self.longest.max(turn - now);
            due = turn + Duration::from_secs_f64(length as f64 / rate);
        }
        self.counts[1] += 1;
        Some(due)
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        self.state().is_open = false;
    }
}

fn pass(socket: &UdpSocket, server: SocketAddr, state: &Mutex<State>, mut luck: Random) {
    // Each peer's socket towards the server, and when the last datagram of those that suffer is through.
    let mut peers: HashMap<SocketAddr, (usize, Instant)> = HashMap::new();
    let mut upward: Vec<(UdpSocket, SocketAddr)> = Vec::new();
    let mut late: BinaryHeap<Late> = BinaryHeap::new();
    let (mut buffer, mut count) = (vec![0; 65_536], 0);
    socket.set_read_timeout(Some(Duration::from_millis(1))).expect("it is not zero");
    loop {
        let mut next = socket.recv_from(&mut buffer).ok();
        socket.set_nonblocking(true).expect("a socket can be that");
        while let Some((length, peer)) = next {
            let (at, free) = *peers.entry(peer).or_insert_with(|| {
                let own = UdpSocket::bind("127.0.0.1:0").expect("there is a free port");
                own.set_nonblocking(true).expect("a socket can be that");
                upward.push((own, peer));
                (upward.len() - 1, Instant::now())
            });
            let mut state = state.lock().expect("nobody panics");
            if state.is_upward {
                if let Some(due) = state.through(length, free, &mut luck) {
                    peers.insert(peer, (at, due));
                    count += 1;
                    late.push(Reverse((due, count, To::Server(at), buffer[..length].to_vec())));
                }
            } else if luck.below(1_000) < state.quality.lost {
                state.counts[0] += 1;
            } else {
                let _ = upward[at].0.send_to(&buffer[..length], server);
            }
            if state.heard.len() == HEARD {
                state.heard.remove(0);
            }
            state.heard.push(buffer[..length].to_vec());
            next = socket.recv_from(&mut buffer).ok();
        }
        socket.set_nonblocking(false).expect("a socket can be that");
        for (own, peer) in &upward {
            while let Ok(length) = own.recv(&mut buffer) {
                let mut state = state.lock().expect("nobody panics");
                if state.is_upward {
                    let _ = socket.send_to(&buffer[..length], peer);
                    continue;
                }
                let (at, free) = peers[peer];
                let Some(due) = state.through(length, free, &mut luck) else { continue };
                peers.insert(*peer, (at, due));
                count += 1;
                late.push(Reverse((due, count, To::Peer(*peer), buffer[..length].to_vec())));
            }
        }
        while late.peek().is_some_and(|Reverse((due, ..))| *due <= Instant::now()) {
            let Some(Reverse((_, _, to, bytes))) = late.pop() else { break };
            let _ = match to {
                To::Peer(peer) => socket.send_to(&bytes, peer),
                To::Server(at) => upward[at].0.send_to(&bytes, server),
            };
        }
        if !state.lock().expect("nobody panics").is_open {
            return;
        }
    }
}

/// Datagrams of pictures are larger.
const LARGE: usize = 500;
const HEARD: usize = 200;
