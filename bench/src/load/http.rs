//! The viewer's side of an endless HTTP/1.1 response: chunked (RFC 9112, 7.1) or until the connection ends.
//!
//! Servers write one fragment a chunk, so a chunk counts as a message. A body without chunks has no messages: each
//! read counts as one.

use super::format::{Format, MessageKind};
use super::protocol::{Ended, Protocol, header, status_line, take_head};
use super::seen::{Moment, Seen};
use super::target::Target;

/// One HTTP request and its body.
pub(crate) struct Http {
    request: Vec<u8>,
    format: Box<dyn Format>,
    head: Vec<u8>,
    state: State,
}

enum State {
    Head,
    Identity,
    /// Reading a chunk's size line.
    Size(Vec<u8>),
    Data(u64),
    /// The line end after a chunk's data.
    DataEnd(u8),
}

impl Http {
    pub(crate) fn new(target: &Target, format: Box<dyn Format>) -> Self {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            target.path, target.authority
        );
        Self { request: request.into_bytes(), format, head: Vec::new(), state: State::Head }
    }
}

impl Protocol for Http {
    fn request(&self) -> Vec<u8> {
        self.request.clone()
    }

    fn receive(&mut self, bytes: &[u8], at: &Moment, seen: &mut Seen, _: &mut Vec<u8>) -> Result<(), Ended> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match &mut self.state {
                State::Head => {
                    let Some(taken) = take_head(&mut self.head, rest)? else { return Ok(()) };
                    let head = String::from_utf8_lossy(&self.head);
                    if head.split(' ').nth(1) != Some("200") {
                        return Err(Ended::Refused(status_line(&self.head)));
                    }
                    let chunked = header(&head, "transfer-encoding")
                        .is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
                    self.state = if chunked { State::Size(Vec::new()) } else { State::Identity };
                    rest = &rest[taken..];
                }
                State::Identity => {
                    self.format.begin(MessageKind::Binary, Some(rest.len() as u64));
                    self.format.payload(rest);
                    seen.messages += 1;
                    self.format.end(at, seen);
                    return Ok(());
                }
                State::Size(line) => {
                    let byte = rest[0];
                    rest = &rest[1..];
                    if byte != b'\n' {
                        line.push(byte);
                        if line.len() > MAX_SIZE_LINE {
                            return Err(Ended::Broken("the chunk's size line is too long"));
                        }
                        continue;
                    }
                    match chunk_size(line).ok_or(Ended::Broken("not a chunk size"))? {
                        0 => return Err(Ended::Finished),
                        size => {
                            self.format.begin(MessageKind::Binary, Some(size));
                            self.state = State::Data(size);
                        }
                    }
                }
                State::Data(left) => {
                    let part = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    self.format.payload(&rest[..part]);
                    *left -= part as u64;
                    rest = &rest[part..];
                    if *left == 0 {
                        seen.messages += 1;
                        self.format.end(at, seen);
                        self.state = State::DataEnd(2);
                    }
                }
                State::DataEnd(left) => {
                    rest = &rest[1..];
                    *left -= 1;
                    if *left == 0 {
                        self.state = State::Size(Vec::new());
                    }
                }
            }
        }
        Ok(())
    }

    fn established(&self) -> bool {
        !matches!(self.state, State::Head)
    }
}

/// The size in a chunk's first line; extensions are ignored.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(line).ok()?;
    u64::from_str_radix(text.split(';').next()?.trim(), 16).ok()
}

const MAX_SIZE_LINE: usize = 256;

#[cfg(test)]
mod tests {
    use super::super::format::FormatKind;
    use super::*;

    fn feed(bytes: &[u8], step: usize) -> (Seen, Option<Ended>) {
        let target = Target::parse("http://127.0.0.1:1/x").unwrap();
        let mut http = Http::new(&target, FormatKind::Opaque.reader(&Moment::now()));
        let (mut seen, mut reply) = (Seen::default(), Vec::new());
        for part in bytes.chunks(step) {
            if let Err(ended) = http.receive(part, &Moment::now(), &mut seen, &mut reply) {
                return (seen, Some(ended));
            }
        }
        (seen, None)
    }

    #[test]
    fn chunks_are_messages_however_the_bytes_are_split() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n";
        for step in [1, 2, 5, 1000] {
            let (seen, ended) = feed(bytes, step);
            assert_eq!(seen.messages, 2);
            assert!(matches!(ended, Some(Ended::Finished)));
        }
    }

    #[test]
    fn a_body_without_chunks_is_counted_by_reads() {
        let (seen, ended) = feed(b"HTTP/1.1 200 OK\r\n\r\nabcdef", 1000);
        assert_eq!(seen.messages, 1);
        assert!(ended.is_none());
    }

    #[test]
    fn another_status_is_refused() {
        assert!(matches!(feed(b"HTTP/1.1 404 Not Found\r\n\r\n", 1000).1, Some(Ended::Refused(_))));
    }
}
