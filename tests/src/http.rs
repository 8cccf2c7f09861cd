//! The least HTTP client: one request a connection, the answer as it came.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header lines, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, as far as it is text.
    pub body: String,
    /// Body.
    pub bytes: Vec<u8>,
}

impl Response {
    /// Reads the head of an answer; `None` if it is no HTTP.
    pub fn parse_head(head: &str) -> Option<Self> {
        let mut lines = head.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let header = |line: &str| {
            line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Some(Self {
            status,
            headers: lines.filter_map(header).collect(),
            body: String::new(),
            bytes: Vec::new(),
        })
    }

    /// The first header of that name (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A request whose body is sent piece by piece (`Transfer-Encoding: chunked`).
#[derive(Debug)]
pub struct Upload {
    socket: TcpStream,
}

impl Upload {
    /// Sends the head of the request.
    pub fn begin(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut socket = TcpStream::connect(address).expect("the server listens");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a timeout");
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        socket.write_all(format!("{request}\r\n").as_bytes()).expect("the server reads");
        Self { socket }
    }

    /// Sends a piece of the body; `false` if the server no longer reads.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        let piece = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        bytes.is_empty() || self.socket.write_all(&piece).is_ok()
    }

    /// Ends the body and reads the answer.
    pub fn finish(mut self) -> Response {
        // The server may have answered before.
        let _ = self.socket.write_all(b"0\r\n\r\n");
        self.answer()
    }

    /// Reads the answer without ending the body.
    pub fn answer(self) -> Response {
        read_answer(self.socket)
    }
}

/// Asks for `path`, with more header lines if any.
pub fn get(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a timeout");
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    socket.write_all(format!("{request}\r\n").as_bytes()).expect("the server reads");
    read_answer(socket)
}

/// Any request with a body, sent whole.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a timeout");
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    socket.write_all(&[format!("{head}\r\n").as_bytes(), body].concat()).expect("the server reads");
    read_answer(socket)
}

fn read_answer(mut socket: TcpStream) -> Response {
    let mut answer = Vec::new();
    // What was answered before the connection broke is an answer too.
    if let Err(error) = socket.read_to_end(&mut answer) {
        assert!(!answer.is_empty(), "the server does not answer: {error}");
    }
    let end = answer.windows(4).position(|at| at == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8_lossy(&answer[..end]);
    let mut response = Response::parse_head(&head).expect("the answer is HTTP");
    response.bytes = answer.split_off(end + 4);
    response.body = String::from_utf8_lossy(&response.bytes).into_owned();
    response
}

/// A connection on which one request follows another.
#[derive(Debug)]
pub struct Kept {
    socket: TcpStream,
    read: Vec<u8>,
}

impl Kept {
    /// Connects.
    pub fn open(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the server listens");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a timeout");
        Self { socket, read: Vec::new() }
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("the server reads");
    }

    /// Sends the head of a request with these header lines.
    pub fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) {
        self.send(head(method, path, headers).as_bytes());
    }

    /// Asks with `GET` for a path, and reads the answer.
    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.ask("GET", path, headers);
        self.answer()
    }

    /// Reads the next answer, which must say how long it is.
    pub fn answer(&mut self) -> Response {
        let mut response = self.head();
        let length = response.header("content-length").expect("a length").parse().expect("a number");
        while self.read.len() < length {
            assert!(self.more(), "the body ends early");
        }
        let rest = self.read.split_off(length);
        response.bytes = std::mem::replace(&mut self.read, rest);
        response.body = String::from_utf8_lossy(&response.bytes).into_owned();
        response
    }

    /// Reads the next answer's head alone.
    pub fn head(&mut self) -> Response {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|at| at == b"\r\n\r\n") {
                break at;
            }
            assert!(self.more(), "the connection ends inside a head");
        };
        let rest = self.read.split_off(end + 4);
        let head = std::mem::replace(&mut self.read, rest);
        Response::parse_head(&String::from_utf8_lossy(&head[..end])).expect("the answer is HTTP")
    }

    /// The payload of the next WebSocket frame, which must be short; for a connection that was upgraded.
    pub fn frame(&mut self) -> Vec<u8> {
        while self.read.len() < 4 || self.read.len() < self.frame_length() {
            assert!(self.more(), "the connection ends inside a frame");
        }
        let rest = self.read.split_off(self.frame_length());
        let frame = std::mem::replace(&mut self.read, rest);
        frame[if frame[1] < 126 { 2 } else { 4 }..].to_vec()
    }

    fn frame_length(&self) -> usize {
        match self.read[1] {
            length @ ..126 => 2 + usize::from(length),
            _ => 4 + usize::from(u16::from_be_bytes([self.read[2], self.read[3]])),
        }
    }

    /// Whether the server has closed it, with nothing more to read.
    pub fn is_over(&mut self) -> bool {
        self.read.is_empty() && !self.more()
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 16_384];
        let read = self.socket.read(&mut buffer).expect("the server answers");
        self.read.extend_from_slice(&buffer[..read]);
        read > 0
    }
}

/// The head of a request without a body.
pub fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nHost: cam\r\n{lines}\r\n")
}
