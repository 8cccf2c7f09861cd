//! A connection's bytes into messages and interleaved packets (RFC 2326 §10.12), whatever pieces they come in.
//!
//! What is buffered is bounded: a head, a body or a packet that would be larger is an error, and so is what is none of them. After an
//! error nothing more can be read from the connection.

use bytes::{Buf, Bytes, BytesMut};

use crate::message::Head;
use crate::{Request, Response, RtspError};

/// Reads one connection.
#[derive(Debug, Default)]
pub struct Reader {
    buffer: BytesMut,
    /// How much of the buffer was looked through for the end of a head.
    searched: usize,
}

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
    /// A packet, or what there is on this channel.
    Data(u8, Bytes),
}

impl Reader {
    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether nothing is waiting for its end.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next whole item.
    ///
    /// # Errors
    /// [`RtspError`] if what comes cannot be read.
    pub fn pull(&mut self) -> Result<Option<Item>, RtspError> {
        // Between messages there may be empty lines; some clients send them to keep a connection alive.
        while self.searched == 0 && self.buffer.first().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            self.buffer.advance(1);
        }
        match self.buffer.first() {
            None => Ok(None),
            Some(b'$') => Ok(self.data()),
            Some(_) => self.message(),
        }
    }

    fn data(&mut self) -> Option<Item> {
        let [_, channel, high, low] = *self.buffer.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if self.buffer.len() < 4 + length {
            return None;
        }
        self.buffer.advance(4);
        Some(Item::Data(channel, self.buffer.split_to(length).freeze()))
    }

    fn message(&mut self) -> Result<Option<Item>, RtspError> {
        let Some(length) = self.head_length()? else { return Ok(None) };
        let head = std::str::from_utf8(&self.buffer[..length])
            .map_err(|_| RtspError::Message { problem: "a head that is no text".to_owned() })?;
        let head = Head::parse(head)?;
        let body = match head.headers().get("Content-Length") {
            None => 0,
            Some(text) => text.parse().map_err(|_| RtspError::Message {
                problem: "a Content-Length that is no number".to_owned(),
            })?,
        };
        if body > MOST_BODY {
            return Err(RtspError::TooLarge { what: "body", limit: MOST_BODY });
        }
        if self.buffer.len() < length + body {
            self.searched = length - 1; // the end of the head is to be found again
            return Ok(None);
        }
        self.buffer.advance(length);
        self.searched = 0;
        let body = self.buffer.split_to(body).freeze();
        Ok(Some(match head {
            Head::Request(request) => Item::Request(Request { body, ..request }),
            Head::Response(response) => Item::Response(Response { body, ..response }),
        }))
    }

    /// Bytes of the head with the empty line behind it, once that is there.
    fn head_length(&mut self) -> Result<Option<usize>, RtspError> {
        let from = self.searched.saturating_sub(3);
        let rest = &self.buffer[from..];
        let end = (0..rest.len()).find_map(|at| {
            let rest = &rest[at..];
            let length = if rest.starts_with(b"\r\n\r\n") {
                4
            } else if rest.starts_with(b"\n\n") {
                2
            } else {
                return None;
            };
            Some(from + at + length)
        });
        self.searched = self.buffer.len();
        match end {
            Some(end) if end <= MOST_HEAD => Ok(Some(end)),
            None if self.buffer.len() < MOST_HEAD => Ok(None),
            _ => Err(RtspError::TooLarge { what: "head", limit: MOST_HEAD }),
        }
    }
}

/// Larger than any head with a JWT in it.
const MOST_HEAD: usize = 16 << 10;
/// Larger than any session description.
const MOST_BODY: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Method;
    use proptest::prelude::*;

    fn items(reader: &mut Reader) -> Vec<Item> {
        std::iter::from_fn(|| reader.pull().unwrap()).collect()
    }

    fn conversation() -> (Vec<u8>, Vec<Item>) {
        let mut request = Request::new(Method::Announce, "rtsp://h/a");
        request.headers.add("CSeq", "1");
        request.headers.add("Content-Length", "2");
        request.body = Bytes::from_static(b"v=");
        let response = Response::new(454).with("CSeq", "7");
        let text = b"\r\nANNOUNCE rtsp://h/a RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 2\r\n\r\nv=\r\n$\x03\0\x02$$RTSP/1.0 454 Session Not Found\nCSeq:7\n\n";
        let items =
            vec![Item::Request(request), Item::Data(3, Bytes::from_static(b"$$")), Item::Response(response)];
        (text.to_vec(), items)
    }

    #[test]
    fn a_length_that_no_message_has_is_refused_before_it_comes() {
        let mut reader = Reader::default();
        reader.push(b"ANNOUNCE rtsp://h/a RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n");
        assert_eq!(reader.pull(), Err(RtspError::TooLarge { what: "body", limit: MOST_BODY }));
        let mut reader = Reader::default();
        reader.push(b"DESCRIBE rtsp://h/a RTSP/1.0\r\nContent-Length: -1\r\n\r\n");
        assert!(matches!(reader.pull(), Err(RtspError::Message { .. })));
        let mut reader = Reader::default();
        reader.push(&[b'x'; MOST_HEAD]);
        assert_eq!(reader.pull(), Err(RtspError::TooLarge { what: "head", limit: MOST_HEAD }));
    }

    #[test]
    fn what_is_no_message_is_said() {
        for (text, problem) in [
            ("GET / HTTP/1.1\r\n\r\n", "no RTSP message: not of version 1.0: \"GET / HTTP/1.1\""),
            ("hello\n\n", "no RTSP message: no start line: \"hello\""),
            ("OPTIONS * RTSP/1.0\r\nx\r\n\r\n", "no RTSP message: a header without a colon: \"x\""),
        ] {
            let mut reader = Reader::default();
            reader.push(text.as_bytes());
            assert_eq!(reader.pull().unwrap_err().to_string(), problem);
        }
    }

    proptest! {
        #[test]
        fn a_conversation_is_read_in_any_pieces(cuts in proptest::collection::vec(1usize..40, 1..60)) {
            let (text, expected) = conversation();
            let (mut reader, mut read, mut rest) = (Reader::default(), Vec::new(), &text[..]);
            for cut in cuts.into_iter().chain([1_000]) {
                let (piece, tail) = rest.split_at(cut.min(rest.len()));
                reader.push(piece);
                read.extend(items(&mut reader));
                rest = tail;
            }
            prop_assert_eq!(read, expected);
            prop_assert!(reader.is_empty());
        }
    }
}
