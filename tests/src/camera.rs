//! Cameras that push, or wait for us, in real time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use codec::nal::annexb;

use crate::byte_stream::{access_units, nal_type, without_parameter_sets};
use crate::http::Upload;
use crate::viewer::{Message, Viewer};

/// What a camera sends: pieces (pictures), one each `period`, again and again; `first` before all.
#[derive(Debug, Clone)]
pub struct Film {
    /// Sent once at the start, as parameter sets by encoders that send them once.
    pub first: Vec<u8>,
    /// Pictures, or packets.
    pub pieces: Vec<Vec<u8>>,
    /// From one to the next.
    pub period: Duration,
}

impl Film {
    /// 25 pictures a second of a byte stream.
    pub fn h264(bytes: &[u8]) -> Self {
        let pieces = access_units(bytes);
        Self { first: Vec::new(), pieces, period: Duration::from_millis(40) }
    }

    /// The same with parameter sets only once, at the start.
    pub fn h264_with_parameter_sets_once(bytes: &[u8]) -> Self {
        let mut film = Self::h264(bytes);
        let mut first = Vec::new();
        let parameters = annexb::split(bytes).filter(|nal| matches!(nal_type(nal), 7 | 8)).take(2);
        for nal in parameters {
            annexb::write(nal, &mut first);
        }
        film.first = first;
        for piece in &mut film.pieces {
            *piece = without_parameter_sets(piece);
        }
        film
    }

    /// A file of `seconds` cut into pieces of `size` bytes, sent evenly.
    pub fn cut(bytes: &[u8], size: usize, seconds: u32) -> Self {
        let pieces: Vec<Vec<u8>> = bytes.chunks(size).map(<[u8]>::to_vec).collect();
        let count = u32::try_from(pieces.len()).expect("a clip is short");
        Self { first: Vec::new(), pieces, period: Duration::from_secs(seconds.into()) / count }
    }

    /// Gives each piece at its time to `send` until that fails.
    fn run(&self, mut send: impl FnMut(&[u8]) -> bool) {
        let start = Instant::now();
        if !self.first.is_empty() && !send(&self.first) {
            return;
        }
        for (piece, count) in self.pieces.iter().cycle().zip(0..) {
            let due = start + self.period * count;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if !send(piece) {
                return;
            }
        }
    }
}

/// A camera that sends until it is dropped, or until its client leaves.
#[derive(Debug)]
pub struct Camera {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Camera {
    /// As `libcamera-vid --listen`: takes one client, stops listening, ends when the client leaves.
    pub fn listen(address: SocketAddr, film: Film) -> Self {
        let listener = TcpListener::bind(address).expect("the camera's port is free");
        let address = listener.local_addr().expect("a socket has an address");
        listener.set_nonblocking(true).expect("a listener can be asked");
        Self::start(address, move |stop| {
            let mut client = loop {
                match listener.accept() {
                    Ok((client, _)) => break client,
                    Err(_) if stop() => return,
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            drop(listener);
            client.set_nonblocking(false).expect("a socket can wait");
            film.run(|piece| !stop() && !has_left(&client) && client.write_all(piece).is_ok());
        })
    }

    /// Connects to a server and pushes.
    pub fn connect(address: SocketAddr, film: Film) -> Self {
        let mut socket =
            crate::eventually("the server waits for the camera", || TcpStream::connect(address).ok());
        Self::start(address, move |stop| film.run(|piece| !stop() && socket.write_all(piece).is_ok()))
    }

    /// Publishes by HTTP, as the body of one request.
    pub fn upload(address: SocketAddr, path: &str, film: Film) -> Self {
        let mut upload = Upload::begin(address, "POST", path, &[]);
        Self::start(address, move |stop| {
            film.run(|piece| !stop() && upload.send(piece));
        })
    }

    /// Publishes by WebSocket, a piece a message.
    pub fn socket(address: SocketAddr, path: &str, film: Film) -> Self {
        let mut publisher = Viewer::open_with(address, path, &[]);
        publisher.control("accepted");
        Self::start(address, move |stop| {
            film.run(|piece| !stop() && publisher.push(piece));
        })
    }

    /// Publishes at `to` what a viewer gets at `from`, message by message.
    pub fn relay(address: SocketAddr, from: &str, to: &str) -> Self {
        let mut viewer = Viewer::open_with(address, from, &[]);
        let mut publisher = Viewer::open_with(address, to, &[]);
        publisher.control("accepted");
        Self::start(address, move |stop| {
            while !stop() {
                let goes_on = match viewer.message_within(Duration::from_millis(50)) {
                    None => true,
                    Some(Message::Text(text)) => publisher.write(&text),
                    Some(Message::Binary(bytes)) => publisher.push(&bytes),
                    Some(Message::Close(..) | Message::End) => false,
                };
                if !goes_on {
                    return;
                }
            }
        })
    }

    /// Sends datagrams of at most 1,316 bytes.
    pub fn datagrams(address: SocketAddr, film: Film) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        Self::start(address, move |stop| {
            film.run(|piece| {
                for datagram in piece.chunks(1_316) {
                    // Nobody may be listening yet; datagrams are lost then.
                    let _ = socket.send_to(datagram, address);
                }
                !stop()
            });
        })
    }

    /// Where it listens, or pushes to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it still sends, or waits for its client.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn start(address: SocketAddr, work: impl FnOnce(&dyn Fn() -> bool) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || work(&|| stopped.load(Ordering::Relaxed)));
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its own failure has been told already.
            let _ = thread.join();
        }
    }
}

/// A loopback port nobody listens on now.
pub fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("a socket has an address")
}

/// Whether the client has closed its side.
fn has_left(mut client: &TcpStream) -> bool {
    client.set_nonblocking(true).expect("a socket can be asked");
    let left = matches!(client.read(&mut [0; 16]), Ok(0));
    client.set_nonblocking(false).expect("a socket can wait");
    left
}
