//! Moving JPEGs (`multipart/x-mixed-replace`), part by part.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One who reads them; everything that is not as it should be fails the test.
#[derive(Debug)]
pub struct Parts {
    reader: BufReader<TcpStream>,
}

impl Parts {
    /// Asks for `path`.
    pub fn open(address: SocketAddr, path: &str) -> Self {
        let mut socket = TcpStream::connect(address).expect("the server listens");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a timeout");
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("the server reads");
        let mut parts = Self { reader: BufReader::new(socket) };
        let head = parts.head();
        assert_eq!(head[0], "HTTP/1.1 200 OK");
        let kind = "content-type: multipart/x-mixed-replace; boundary=picture".to_owned();
        assert!(head.contains(&kind), "{head:?}");
        assert_eq!(parts.line(), "--picture");
        parts
    }

    /// The next picture; the boundary behind it is read too.
    #[allow(clippy::should_implement_trait, reason = "it never ends: it fails")]
    pub fn next(&mut self) -> Vec<u8> {
        let head = self.head();
        assert_eq!(head[0], "Content-Type: image/jpeg");
        let length = head[1].strip_prefix("Content-Length: ").expect("a part has a length");
        let mut picture = vec![0; length.parse().expect("a length is a number")];
        self.reader.read_exact(&mut picture).expect("a part is whole");
        assert_eq!((self.line().as_str(), self.line().as_str()), ("", "--picture"));
        picture
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a line comes in time");
        line.trim_end().to_owned()
    }

    fn head(&mut self) -> Vec<String> {
        std::iter::from_fn(|| Some(self.line()).filter(|line| !line.is_empty())).collect()
    }
}
