//! The chunk stream (§5.3): messages cut into pieces that take turns on one connection.
//!
//! Read in every form there is, from bytes in any pieces; written in one form alone, with the whole header before each message, so that what
//! is written for one player is right for all others too.
//!
//! Invariant: what is held is at most one header and, of messages that are not complete, as many bytes as the limit says.

use crate::error::RtmpError;
use crate::message::{Message, MessageType};

/// Puts chunks together to messages.
#[derive(Debug)]
pub struct ChunkReader {
    /// Bytes that are not used yet.
    buffer: Vec<u8>,
    /// From here on.
    at: usize,
    streams: Vec<ChunkStream>,
    chunk_size: usize,
    /// The chunk stream whose chunk is being read, and how much of the chunk is to come.
    current: Option<(usize, usize)>,
    limit: usize,
    /// Bytes of messages that are not complete.
    held: usize,
    /// Bytes used so far.
    used: u64,
}

/// What the last chunk of a chunk stream left for the next one's header.
#[derive(Debug)]
struct ChunkStream {
    id: u32,
    timestamp: u32,
    /// What is added for a message without a time of its own.
    delta: u32,
    /// Whether times are beyond 24 bits, and stand behind the header.
    extended: bool,
    /// As it was written: repeated in each chunk of the message.
    field: u32,
    length: usize,
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
    /// In the middle of a message.
    open: bool,
}

/// The header of a chunk.
struct Header {
    length: usize,
    form: u8,
    id: u32,
}

impl ChunkReader {
    /// For messages that together have at most `limit` bytes while they are not complete.
    pub const fn new(limit: usize) -> Self {
        Self {
            buffer: Vec::new(),
            at: 0,
            streams: Vec::new(),
            chunk_size: DEFAULT_CHUNK_SIZE,
            current: None,
            limit,
            held: 0,
            used: 0,
        }
    }

    /// Takes another bound for messages from the next one on.
    pub const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes used so far.
    pub const fn used(&self) -> u64 {
        self.used
    }

    /// Gives back what memory is not needed for what has come.
    pub fn shrink(&mut self) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.shrink_to_fit();
        self.streams.shrink_to_fit();
    }

    /// Takes bytes in; ask for [`next`](Self::next) until there is none.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        if self.buffer.is_empty() {
            self.buffer.shrink_to(KEPT); // a peer that is silent holds no memory
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message that is complete. Chunk sizes and aborts are obeyed here, and given as well.
    ///
    /// # Errors
    /// [`RtmpError`] for a chunk that cannot be; nothing more can be read then.
    #[allow(clippy::should_implement_trait)] // it fails
    pub fn next(&mut self) -> Result<Option<Message>, RtmpError> {
        loop {
            let Some((index, left)) = self.current else {
                if !self.begin()? {
                    return Ok(None);
                }
                continue;
            };
            let rest = &self.buffer[self.at..];
            let taken = left.min(rest.len());
            let stream = &mut self.streams[index];
            stream.payload.extend_from_slice(&rest[..taken]);
            self.held += taken;
            self.advance(taken);
            if taken < left {
                self.current = Some((index, left - taken));
                return Ok(None);
            }
            self.current = None;
            let stream = &mut self.streams[index];
            if stream.payload.len() < stream.length {
                continue;
            }
            stream.open = false;
            let message = Message {
                kind: MessageType::from_number(stream.kind),
                timestamp: stream.timestamp,
                stream: stream.stream,
                payload: std::mem::take(&mut stream.payload),
            };
            self.held -= message.payload.len();
            self.obey(&message)?;
            return Ok(Some(message));
        }
    }

    fn obey(&mut self, message: &Message) -> Result<(), RtmpError> {
        let value = message.payload.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes));
        match (message.kind, value) {
            (MessageType::SetChunkSize, Some(size)) if size & !CHUNK_SIZE == 0 && size != 0 => {
                // No message is longer than 24 bits can say.
                self.chunk_size = (size as usize).min(MAX_LENGTH);
            }
            (MessageType::SetChunkSize, _) => return Err(self.error("a chunk size of nothing")),
            (MessageType::Abort, Some(id)) => {
                if let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) {
                    self.held -= stream.payload.len();
                    stream.payload = Vec::new();
                    stream.open = false;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads a chunk's header; `false` if it is not all there.
    fn begin(&mut self) -> Result<bool, RtmpError> {
        let Some(basic) = basic_header(&self.buffer[self.at..]) else { return Ok(false) };
        let index = match self.streams.iter().position(|stream| stream.id == basic.id) {
            Some(index) => index,
            None if basic.form != FULL => return Err(self.error("a chunk stream that begins in the middle")),
            None if self.streams.len() >= MAX_STREAMS => return Err(self.error("too many chunk streams")),
            None => {
                self.streams.push(ChunkStream::new(basic.id));
                self.streams.len() - 1
            }
        };
        let rest = &self.buffer[self.at + basic.length..];
        let stream = &self.streams[index];
        let length = [11, 7, 3, 0][usize::from(basic.form)];
        let Some(fields) = rest.get(..length) else { return Ok(false) };
        let (field, extended) = match fields {
            [a, b, c, ..] => {
                let field = u32::from_be_bytes([0, *a, *b, *c]);
                (field, field == EXTENDED)
            }
            _ => (stream.field, stream.extended),
        };
        let (mut field, mut used) = (field, basic.length + length);
        if extended {
            let Some(bytes) = rest[length..].first_chunk::<4>() else { return Ok(false) };
            let value = u32::from_be_bytes(*bytes);
            // Some writers leave it out where a message goes on.
            if basic.form != CONTINUED || value == stream.field {
                field = value;
                used += 4;
            }
        }
        if stream.open && basic.form != CONTINUED {
            // What has come of the message before is lost with it.
            self.held -= stream.payload.len();
            self.streams[index].payload = Vec::new();
            self.streams[index].open = false;
        }
        let (kind, message_length) = match fields {
            [_, _, _, l0, l1, l2, kind, ..] => (*kind, u32::from_be_bytes([0, *l0, *l1, *l2]) as usize),
            _ => (self.streams[index].kind, self.streams[index].length),
        };
        let stream = &mut self.streams[index];
        if !stream.open {
            if self.held + message_length > self.limit {
                let (offset, limit) = (self.used, self.limit - self.held.min(self.limit));
                return Err(RtmpError::TooLong { offset, length: message_length, limit });
            }
            stream.open = true;
            (stream.kind, stream.length) = (kind, message_length);
            (stream.field, stream.extended) = (field, extended);
            match basic.form {
                FULL => (stream.timestamp, stream.delta) = (field, field),
                CONTINUED => stream.timestamp = stream.timestamp.wrapping_add(stream.delta),
                _ => {
                    stream.delta = field;
                    stream.timestamp = stream.timestamp.wrapping_add(field);
                }
            }
            if let [.., s0, s1, s2, s3] = fields
                && basic.form == FULL
            {
                stream.stream = u32::from_le_bytes([*s0, *s1, *s2, *s3]);
            }
        }
        let left = (stream.length - stream.payload.len()).min(self.chunk_size);
        self.current = Some((index, left));
        self.advance(used);
        Ok(true)
    }

    fn advance(&mut self, bytes: usize) {
        self.at += bytes;
        self.used += bytes as u64;
    }

    const fn error(&self, problem: &'static str) -> RtmpError {
        RtmpError::Chunk { offset: self.used, problem }
    }
}

impl ChunkStream {
    const fn new(id: u32) -> Self {
        Self {
            id,
            timestamp: 0,
            delta: 0,
            extended: false,
            field: 0,
            length: 0,
            kind: 0,
            stream: 0,
            payload: Vec::new(),
            open: false,
        }
    }
}

/// The first one to three bytes (§5.3.1.1).
fn basic_header(bytes: &[u8]) -> Option<Header> {
    let first = *bytes.first()?;
    let (length, id) = match first & 0x3f {
        0 => (2, 64 + u32::from(*bytes.get(1)?)),
        1 => (3, 64 + u32::from(*bytes.get(1)?) + 256 * u32::from(*bytes.get(2)?)),
        id => (1, u32::from(id)),
    };
    Some(Header { length, form: first >> 6, id })
}

/// Writes a message whose payload is `parts`, in chunks of [`CHUNK_SIZE_OUT`] bytes at most on a chunk stream from 2 to 63.
pub fn write_message(
    (chunk_stream, chunk_size): (u8, usize),
    (kind, timestamp, stream): (MessageType, u32, u32),
    parts: &[&[u8]],
    out: &mut Vec<u8>,
) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    debug_assert!((2..64).contains(&chunk_stream) && chunk_size > 0 && length <= MAX_LENGTH);
    let short = if timestamp >= EXTENDED { EXTENDED } else { timestamp };
    let [_, t0, t1, t2] = short.to_be_bytes();
    let [.., l0, l1, l2] = length.to_be_bytes();
    out.extend([chunk_stream, t0, t1, t2, l0, l1, l2, kind.number()]);
    out.extend(stream.to_le_bytes());
    let extended = timestamp.to_be_bytes();
    let extended = if short == EXTENDED { &extended[..] } else { &[] };
    out.extend_from_slice(extended);
    let mut room = chunk_size;
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            if room == 0 {
                out.push(CONTINUED << 6 | chunk_stream);
                out.extend_from_slice(extended);
                room = chunk_size;
            }
            let (now, later) = rest.split_at(room.min(rest.len()));
            out.extend_from_slice(now);
            room -= now.len();
            rest = later;
        }
    }
}

/// The form of header with everything.
const FULL: u8 = 0;
/// The form with nothing: the same as before, or the message goes on.
const CONTINUED: u8 = 3;
/// A time that stands behind the header.
const EXTENDED: u32 = 0xff_ffff;
/// What a chunk has until it is said otherwise.
pub(crate) const DEFAULT_CHUNK_SIZE: usize = 128;
/// What a chunk of ours has: a message of most sounds and pictures is one, and no player is known to take less.
pub(crate) const CHUNK_SIZE_OUT: usize = 65_536;
/// The bits of a chunk size.
const CHUNK_SIZE: u32 = 0x7fff_ffff;
/// What 24 bits can say.
const MAX_LENGTH: usize = 0xff_ffff;
/// Chunk streams of one peer; programs use four to six.
const MAX_STREAMS: usize = 64;
/// Memory kept from one read to the next.
const KEPT: usize = 4_096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], piece: usize) -> Result<Vec<Message>, RtmpError> {
        let mut reader = ChunkReader::new(1 << 20);
        let mut messages = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            while let Some(message) = reader.next()? {
                messages.push(message);
            }
        }
        assert_eq!(reader.used() as usize, bytes.len() - (reader.buffer.len() - reader.at));
        Ok(messages)
    }

    fn times(messages: &[Message]) -> Vec<u32> {
        messages.iter().map(|message| message.timestamp).collect()
    }

    #[test]
    fn every_form_of_header_is_read() {
        let mut bytes = vec![4, 0, 0, 100, 0, 0, 2, 8, 1, 0, 0, 0, 1, 2]; // full: at 100
        bytes.extend([0x44, 0, 0, 20, 0, 0, 1, 9, 3]); // 20 later, a picture of one byte
        bytes.extend([0x84, 0, 0, 30, 4]); // 30 later
        bytes.extend([0xc4, 5]); // as much again
        bytes.extend([0, 0, 0, 0, 1, 0, 0, 1, 18, 0, 0, 0, 0, 6]); // chunk stream 64
        bytes.extend([1, 0, 1, 0, 0, 1, 0, 0, 1, 18, 0, 0, 0, 0, 7]); // chunk stream 320
        for piece in 1..bytes.len() {
            let messages = read(&bytes, piece).unwrap();
            assert_eq!(times(&messages), [100, 120, 150, 180, 1, 1]);
            assert_eq!(messages[0].payload, [1, 2]);
            assert_eq!(
                (messages[3].kind, messages[3].stream, messages[3].payload[0]),
                (MessageType::Video, 1, 5)
            );
        }
    }

    #[test]
    fn after_a_full_header_the_time_is_the_step() {
        let bytes = [3, 0, 0, 40, 0, 0, 1, 8, 1, 0, 0, 0, 1, 0xc3, 2];
        assert_eq!(times(&read(&bytes, 99).unwrap()), [40, 80]);
    }

    #[test]
    fn messages_take_turns_and_one_can_be_given_up() {
        let mut bytes = vec![4, 0, 0, 0, 0, 1, 0, 8, 1, 0, 0, 0];
        bytes.extend([1; 128]);
        bytes.extend([2, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 4]); // give up chunk stream 4
        bytes.extend([5, 0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0]);
        bytes.extend([2; 128]);
        bytes.extend([4, 0, 0, 9, 0, 0, 1, 8, 1, 0, 0, 0, 7]);
        bytes.push(0xc5);
        bytes.extend([3; 128]);
        let messages = read(&bytes, 50).unwrap();
        assert_eq!(messages.iter().map(|m| m.kind.number()).collect::<Vec<_>>(), [2, 8, 9]);
        assert_eq!(messages[2].payload, [[2; 128], [3; 128]].concat());
    }

    #[test]
    fn the_time_behind_the_header_is_read_with_and_without_repetition() {
        let time = 0x0123_4567_u32;
        for repeated in [true, false] {
            let mut bytes = vec![4, 0xff, 0xff, 0xff, 0, 0, 130, 8, 1, 0, 0, 0];
            bytes.extend(time.to_be_bytes());
            bytes.extend([1; 128]);
            bytes.push(0xc4);
            bytes.extend(if repeated { time.to_be_bytes().to_vec() } else { Vec::new() });
            bytes.extend([2, 3]);
            // Four bytes are looked at for the time, so a reader may wait for the next chunk.
            bytes.extend([3, 0, 0, 5, 0, 0, 1, 8, 1, 0, 0, 0, 9]);
            for piece in [1, 7, 500] {
                let messages = read(&bytes, piece).unwrap();
                assert_eq!(times(&messages), [time, 5]);
                assert_eq!(messages[0].payload[126..], [1, 1, 2, 3]);
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        let problem = |bytes: &[u8]| read(bytes, 99).unwrap_err().to_string();
        assert_eq!(problem(&[0xc5, 1, 2, 3]), "byte 0: a chunk stream that begins in the middle");
        let size = |bytes: [u8; 4]| [&[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0][..], &bytes].concat();
        assert!(problem(&size([0; 4])).ends_with("a chunk size of nothing"));
        assert!(problem(&size([0x80, 0, 0, 0])).ends_with("a chunk size of nothing"));
        let long = [4, 0, 0, 0, 0xff, 0xff, 0xff, 8, 1, 0, 0, 0];
        assert_eq!(problem(&long), "byte 0: a message of 16777215 bytes, where 1048576 are taken");
        let many: Vec<u8> = (0..70)
            .flat_map(|id| [0, id, 0, 0, 0, 0, 0, 9, 8, 0, 0, 0, 0].into_iter().chain([0; 9]))
            .collect();
        assert!(problem(&many).contains("too many chunk streams"));
    }

    #[test]
    fn messages_that_are_not_complete_are_bounded_together() {
        let mut reader = ChunkReader::new(1_000);
        for id in 3..8 {
            reader.push(&[id, 0, 0, 0, 0, 2, 0, 8, 0, 0, 0, 0]);
            reader.push(&[0; 128]);
            match reader.next() {
                Ok(message) => assert_eq!(message, None),
                Err(error) => {
                    assert_eq!(
                        (id, error.to_string().contains("a message of 512 bytes, where 488")),
                        (7, true)
                    );
                    return;
                }
            }
        }
        panic!("more is held than may be");
    }

    fn message() -> impl Strategy<Value = (u8, u8, u32, u32, Vec<u8>)> {
        let time = prop_oneof![any::<u32>(), 0xff_fff0..0x0100_0010_u32, 0..10_000_u32];
        (2..64_u8, 7..30_u8, time, 0..4_u32, prop::collection::vec(any::<u8>(), 0..700))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_in_any_pieces(
            messages in prop::collection::vec(message(), 1..8),
            size in 1..400_usize,
            piece in 1..600_usize,
        ) {
            let mut bytes = Vec::new();
            let size_as_u32 = u32::try_from(size).unwrap();
            write_message((2, DEFAULT_CHUNK_SIZE), (MessageType::SetChunkSize, 0, 0), &[&size_as_u32.to_be_bytes()], &mut bytes);
            for (id, kind, timestamp, stream, payload) in &messages {
                let (head, rest) = payload.split_at(payload.len() / 3);
                let kind = MessageType::from_number(*kind);
                write_message((*id, size), (kind, *timestamp, *stream), &[head, rest], &mut bytes);
            }
            let read = read(&bytes, piece).unwrap();
            let expected = messages.iter().map(|(_, kind, timestamp, stream, payload)| Message {
                kind: MessageType::from_number(*kind),
                timestamp: *timestamp,
                stream: *stream,
                payload: payload.clone(),
            });
            prop_assert_eq!(&read[1..], &expected.collect::<Vec<_>>()[..]);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600), piece in 1..50_usize) {
            let whole = read(&bytes, 600);
            prop_assert_eq!(read(&bytes, piece).is_ok(), whole.is_ok());
        }
    }
}
