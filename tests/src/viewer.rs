//! A WebSocket client that counts (RFC 6455), as slow or as rude as a test wants it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::Response;
use crate::{Server, within};

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// A binary message.
    Binary(Vec<u8>),
    /// A text message.
    Text(String),
    /// A close frame: code and reason.
    Close(u16, String),
    /// The connection is over.
    End,
}

/// A viewer, or one who was refused (see its `response`).
#[derive(Debug)]
pub struct Viewer {
    socket: TcpStream,
    buffer: Vec<u8>,
    response: Response,
}

/// How long a viewer waits for a message before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

impl Viewer {
    /// Connects to a path of a server.
    pub fn open(server: &Server, path: &str) -> Self {
        Self::open_with(server.address(), path, &[])
    }

    /// Connects with more header lines; the answer may be a refusal.
    pub fn open_with(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut socket = TcpStream::connect(address).expect("the server listens");
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        socket.write_all(format!("{request}\r\n").as_bytes()).expect("the server reads");
        let response = Response { status: 0, headers: Vec::new(), body: String::new(), bytes: Vec::new() };
        let mut viewer = Self { socket, buffer: Vec::new(), response };
        let end = Instant::now() + PATIENCE;
        let head = loop {
            if let Some(at) = viewer.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break viewer.buffer.drain(..at + 4).collect::<Vec<u8>>();
            }
            assert!(viewer.fill(end), "no answer to the handshake");
        };
        let head = String::from_utf8_lossy(&head);
        viewer.response = Response::parse_head(head.trim_end()).expect("the answer is HTTP");
        viewer
    }

    /// The answer to the handshake.
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// The connection, to do what no client should.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The next message.
    pub fn message(&mut self) -> Message {
        self.message_within(PATIENCE).expect("a message comes in time")
    }

    /// The next message, if one comes in time.
    pub fn message_within(&mut self, limit: Duration) -> Option<Message> {
        let end = Instant::now() + limit;
        loop {
            match self.take_frame() {
                Some((0x1, payload)) => {
                    return Some(Message::Text(String::from_utf8(payload).expect("text is UTF-8")));
                }
                Some((0x2, payload)) => return Some(Message::Binary(payload)),
                Some((0x8, payload)) => {
                    let (code, reason) = payload.split_first_chunk().expect("a close frame has a code");
                    let reason = String::from_utf8_lossy(reason).into_owned();
                    return Some(Message::Close(u16::from_be_bytes(*code), reason));
                }
                Some((0x9 | 0xa, _)) => {}
                Some((opcode, _)) => panic!("a frame of opcode {opcode}"),
                None if self.fill(end) => {}
                None if Instant::now() >= end => return None,
                None => return Some(Message::End),
            }
        }
    }

    /// The next binary message; text on the way is passed over.
    pub fn binary(&mut self) -> Vec<u8> {
        loop {
            match self.message() {
                Message::Binary(bytes) => return bytes,
                Message::Text(_) => {}
                other => panic!("{other:?} instead of media"),
            }
        }
    }

    /// So many binary messages.
    pub fn binaries(&mut self, count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.binary()).collect()
    }

    /// The next text message of this `type`.
    pub fn control(&mut self, kind: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.message() {
                Message::Text(text) => {
                    let value: Value = serde_json::from_str(&text).expect("control messages are JSON");
                    if value["type"] == kind {
                        return value;
                    }
                }
                Message::Binary(_) => {}
                other => panic!("{other:?} instead of {kind}"),
            }
        }
        panic!("no {kind} in {PATIENCE:?}")
    }

    /// Reads to the end; gives the close frame's code and reason.
    pub fn close_code(&mut self) -> (u16, String) {
        loop {
            match self.message() {
                Message::Close(code, reason) => return (code, reason),
                Message::End => panic!("the connection ended without a close frame"),
                Message::Binary(_) | Message::Text(_) => {}
            }
        }
    }

    /// Sends a text message.
    pub fn say(&mut self, text: &str) {
        assert!(self.write(text), "the server reads");
    }

    /// Sends a text message; `false` if the server no longer reads.
    pub fn write(&mut self, text: &str) -> bool {
        self.send(0x1, text.as_bytes())
    }

    /// Sends a binary message, as a publisher does; `false` if the server no longer reads.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        self.send(0x2, bytes)
    }

    fn send(&mut self, opcode: u8, payload: &[u8]) -> bool {
        const MASK: [u8; 4] = [0x5a, 0x01, 0xff, 0x80];
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            len @ 0..=125 => frame.push(0x80 | len as u8),
            len => {
                frame.push(0x80 | 127);
                frame.extend((len as u64).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        self.socket.write_all(&frame).is_ok()
    }

    /// Goes on watching in a thread, until asked for what it saw.
    pub fn watch(mut self) -> Watching {
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&count));
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let Some(message) = self.message_within(Duration::from_millis(50)) else { continue };
                let over = !matches!(message, Message::Binary(_) | Message::Text(_));
                seen.push((Instant::now(), message));
                counted.store(seen.len(), Ordering::Relaxed);
                if over {
                    break;
                }
            }
            seen
        });
        Watching { stop, count, thread }
    }

    /// Reads what is there; `false` at the end of the connection or of the time.
    fn fill(&mut self, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        self.socket.set_read_timeout(Some(left)).expect("a socket takes a timeout");
        let mut bytes = [0; 64 * 1_024];
        match self.socket.read(&mut bytes) {
            Ok(0) => false,
            Ok(len) => {
                self.buffer.extend_from_slice(&bytes[..len]);
                true
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
            Err(error) => panic!("reading from the server: {error}"),
        }
    }

    /// One whole frame of a message that is not fragmented; the server sends no others.
    fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let bytes = &self.buffer;
        let (short, at) = (usize::from(*bytes.get(1)?), 2);
        let (len, at) = match short {
            126 => (usize::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?)), at + 2),
            127 => (usize::try_from(u64::from_be_bytes(*bytes.get(at..)?.first_chunk()?)).ok()?, at + 8),
            _ => (short, at),
        };
        assert!(bytes[0] & 0xf0 == 0x80 && short < 128, "a frame is whole, without extensions and unmasked");
        let payload = bytes.get(at..at.checked_add(len)?)?.to_vec();
        let opcode = bytes[0] & 0x0f;
        self.buffer.drain(..at + len);
        Some((opcode, payload))
    }
}

/// A viewer that watches in a thread.
#[derive(Debug)]
pub struct Watching {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<(Instant, Message)>>,
}

impl Watching {
    /// Ends watching and tells what was seen and when.
    pub fn stop(self) -> Vec<(Instant, Message)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("a viewer does not fail")
    }

    /// Ends watching and gives the binary messages; fails if the server closed.
    pub fn binaries(self) -> Vec<Vec<u8>> {
        let seen = self.stop().into_iter();
        seen.filter_map(|(_, message)| match message {
            Message::Binary(bytes) => Some(bytes),
            Message::Text(_) => None,
            other => panic!("{other:?} while watching"),
        })
        .collect()
    }

    /// Watches ten messages more, for what happened just now to show, and ends; fails if it was disturbed: if the
    /// server closed, or left it without a message for `limit`.
    pub fn undisturbed(self, limit: Duration) {
        let enough = self.count.load(Ordering::Relaxed) + 10;
        within(Duration::from_secs(20), "ten messages more", || {
            (self.count.load(Ordering::Relaxed) >= enough || self.thread.is_finished()).then_some(())
        });
        let seen = self.stop();
        for (_, message) in &seen {
            assert!(matches!(message, Message::Binary(_) | Message::Text(_)), "{message:?} while watching");
        }
        let gap = seen.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap_or_default();
        assert!(gap <= limit, "nothing came for {gap:?}");
    }
}
