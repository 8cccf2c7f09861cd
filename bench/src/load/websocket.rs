//! The viewer's side of WebSocket (RFC 6455): handshake, frame headers, pong. Server frames are not masked.
//!
//! The key is constant (the RFC's own example): this client only measures, and the floor server can then answer
//! with a constant. The accept value is therefore not checked.

use super::format::{Format, MessageKind};
use super::protocol::{Ended, Protocol, status_line, take_head};
use super::seen::{Moment, Seen};
use super::target::Target;

/// One WebSocket connection.
pub(crate) struct WebSocket {
    request: Vec<u8>,
    format: Box<dyn Format>,
    head: Vec<u8>,
    established: bool,
    frame: Frame,
    /// A message is open: its last frame had no FIN.
    fragmented: bool,
}

/// The frame being received.
#[derive(Default)]
struct Frame {
    header: [u8; 10],
    have: usize,
    fin: bool,
    opcode: u8,
    left: u64,
    /// Payload of a control frame.
    control: Vec<u8>,
}

impl WebSocket {
    pub(crate) fn new(target: &Target, format: Box<dyn Format>) -> Self {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n",
            target.path, target.authority
        );
        Self {
            request: request.into_bytes(),
            format,
            head: Vec::new(),
            established: false,
            frame: Frame::default(),
            fragmented: false,
        }
    }

    /// A frame header is complete.
    fn begin(&mut self) -> Result<(), Ended> {
        match self.frame.opcode {
            CONTINUATION if self.fragmented => {}
            TEXT | BINARY if !self.fragmented => {
                let kind = if self.frame.opcode == TEXT { MessageKind::Text } else { MessageKind::Binary };
                self.format.begin(kind, self.frame.fin.then_some(self.frame.left));
            }
            CLOSE | PING | PONG if self.frame.left <= 125 => self.frame.control.clear(),
            _ => return Err(Ended::Broken("unexpected opcode")),
        }
        Ok(())
    }

    /// A frame is complete.
    fn end(&mut self, at: &Moment, seen: &mut Seen, reply: &mut Vec<u8>) -> Result<(), Ended> {
        self.frame.have = 0;
        match self.frame.opcode {
            CLOSE => {
                let code = self.frame.control.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                return Err(Ended::Closed(code));
            }
            PING => {
                // Client frames are masked; a mask of zero leaves the payload as it is.
                reply.extend([0x80 | PONG, 0x80 | self.frame.control.len() as u8, 0, 0, 0, 0]);
                reply.extend(&self.frame.control);
            }
            PONG => {}
            _ if self.frame.fin => {
                self.fragmented = false;
                seen.messages += 1;
                self.format.end(at, seen);
            }
            _ => self.fragmented = true,
        }
        Ok(())
    }
}

impl Protocol for WebSocket {
    fn request(&self) -> Vec<u8> {
        self.request.clone()
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        at: &Moment,
        seen: &mut Seen,
        reply: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        let mut rest = bytes;
        if !self.established {
            let Some(taken) = take_head(&mut self.head, rest)? else { return Ok(()) };
            if !self.head.starts_with(b"HTTP/1.1 101") {
                return Err(Ended::Refused(status_line(&self.head)));
            }
            self.established = true;
            self.head = Vec::new();
            rest = &rest[taken..];
        }
        loop {
            if self.frame.left == 0 {
                let Some(taken) = self.frame.read_header(rest)? else { return Ok(()) };
                rest = &rest[taken..];
                self.begin()?;
                if self.frame.left == 0 {
                    self.end(at, seen, reply)?;
                    continue;
                }
            }
            let part = rest.len().min(usize::try_from(self.frame.left).unwrap_or(usize::MAX));
            if part == 0 {
                return Ok(());
            }
            if self.frame.opcode >= CLOSE {
                self.frame.control.extend_from_slice(&rest[..part]);
            } else {
                self.format.payload(&rest[..part]);
            }
            rest = &rest[part..];
            self.frame.left -= part as u64;
            if self.frame.left == 0 {
                self.end(at, seen, reply)?;
            }
        }
    }

    fn established(&self) -> bool {
        self.established
    }
}

impl Frame {
    /// Takes the frame header off the front of `bytes`. `None`: all of them were taken and more are needed.
    fn read_header(&mut self, bytes: &[u8]) -> Result<Option<usize>, Ended> {
        let mut taken = 0;
        loop {
            let need = match (self.have, self.header[1] & 0x7f) {
                (0 | 1, _) => 2,
                (_, 126) => 4,
                (_, 127) => 10,
                _ => 2,
            };
            if self.have == need {
                break;
            }
            let part = (need - self.have).min(bytes.len() - taken);
            if part == 0 {
                return Ok(None);
            }
            self.header[self.have..self.have + part].copy_from_slice(&bytes[taken..taken + part]);
            self.have += part;
            taken += part;
        }
        if self.header[1] & 0x80 != 0 {
            return Err(Ended::Broken("a server frame is masked"));
        }
        if self.header[0] & 0x70 != 0 {
            return Err(Ended::Broken("a reserved bit is set"));
        }
        self.fin = self.header[0] & 0x80 != 0;
        self.opcode = self.header[0] & 0x0f;
        let h = &self.header;
        self.left = match self.have {
            4 => u64::from(u16::from_be_bytes([h[2], h[3]])),
            10 => u64::from_be_bytes([h[2], h[3], h[4], h[5], h[6], h[7], h[8], h[9]]),
            _ => u64::from(h[1]),
        };
        Ok(Some(taken))
    }
}

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

#[cfg(test)]
mod tests {
    use super::super::format::FormatKind;
    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

    fn socket() -> WebSocket {
        let target = Target::parse("ws://127.0.0.1:1/x").unwrap();
        WebSocket::new(&target, FormatKind::Opaque.reader(&Moment::now()))
    }

    fn feed(socket: &mut WebSocket, bytes: &[u8], step: usize) -> (Seen, Vec<u8>, Option<Ended>) {
        let (mut seen, mut reply) = (Seen::default(), Vec::new());
        for part in bytes.chunks(step) {
            if let Err(ended) = socket.receive(part, &Moment::now(), &mut seen, &mut reply) {
                return (seen, reply, Some(ended));
            }
        }
        (seen, reply, None)
    }

    #[test]
    fn messages_are_counted_however_the_bytes_are_split() {
        let mut bytes = HEAD.to_vec();
        bytes.extend([0x82, 3, 1, 2, 3]);
        bytes.extend([0x82, 126, 1, 0]);
        bytes.extend([7; 256]);
        bytes.extend([0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        bytes.extend([7; 65536]);
        bytes.extend([0x82, 0]);
        for step in [1, 2, 3, 7, 100, 100_000] {
            let (seen, _, ended) = feed(&mut socket(), &bytes, step);
            assert!(ended.is_none());
            assert_eq!(seen.messages, 4);
        }
    }

    #[test]
    fn a_fragmented_message_is_one() {
        let mut bytes = HEAD.to_vec();
        bytes.extend([0x02, 1, 9, 0x89, 0, 0x00, 1, 9, 0x80, 1, 9]);
        let (seen, reply, ended) = feed(&mut socket(), &bytes, 4);
        assert!(ended.is_none());
        assert_eq!(seen.messages, 1);
        assert_eq!(reply, [0x8a, 0x80, 0, 0, 0, 0]);
    }

    #[test]
    fn a_close_frame_ends_with_its_code() {
        let mut bytes = HEAD.to_vec();
        bytes.extend([0x88, 2, 0x03, 0xf5]);
        assert!(matches!(feed(&mut socket(), &bytes, 100).2, Some(Ended::Closed(1013))));
    }

    #[test]
    fn another_status_is_a_refusal_with_its_line() {
        let ended = feed(&mut socket(), b"HTTP/1.1 404 Not Found\r\n\r\n", 5).2;
        assert!(matches!(ended, Some(Ended::Refused(line)) if line == "HTTP/1.1 404 Not Found"));
    }
}
