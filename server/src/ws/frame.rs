//! WebSocket frames (RFC 6455 §5): headers we write, messages we read.
//!
//! A viewer sends control frames and short JSON at most, so what is read is bounded by [`MAX_PAYLOAD`]; a publisher's messages are
//! bounded by what `[limits]` says. A longer or malformed frame ends the session, and memory is taken for bytes that came, never for a length
//! that was only announced. Sans-IO; depends on nothing of the server.

use std::fmt;

/// The longest message a viewer may send, in bytes.
pub const MAX_PAYLOAD: usize = 4_096;

/// What a frame is (§5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// Goes on with a fragmented message.
    Continuation,
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
    /// The end, with a code and a reason.
    Close,
    /// Are you there?
    Ping,
    /// I am.
    Pong,
}

impl Opcode {
    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }

    const fn is_control(self) -> bool {
        self.bits() & 0x8 != 0
    }
}

/// The header of one whole, unmasked message.
#[derive(Clone, Copy)]
pub struct Header {
    bytes: [u8; 10],
    len: u8,
}

impl Header {
    /// For a message of `len` bytes.
    pub fn new(opcode: Opcode, len: usize) -> Self {
        let mut bytes = [0; 10];
        bytes[0] = 0x80 | opcode.bits();
        let used = match len {
            0..=125 => {
                bytes[1] = len as u8;
                2
            }
            126..=0xffff => {
                bytes[1] = 126;
                bytes[2..4].copy_from_slice(&(len as u16).to_be_bytes());
                4
            }
            _ => {
                bytes[1] = 127;
                bytes[2..10].copy_from_slice(&(len as u64).to_be_bytes());
                10
            }
        };
        Self { bytes, len: used }
    }

    /// The bytes to send before the message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({:02x?})", self.as_bytes())
    }
}

/// A message or control frame from the viewer, unmasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// `Text`, `Binary`, `Close`, `Ping` or `Pong`.
    pub opcode: Opcode,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// A frame that breaks the rules; the session ends with [`FrameError::close_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Reserved bits set although no extension was negotiated.
    ReservedBits,
    /// An opcode that does not exist.
    Opcode(u8),
    /// A client must mask (§5.1).
    Unmasked,
    /// A control frame that is fragmented or longer than 125 bytes (§5.5).
    Control,
    /// A continuation of nothing, or a new message inside a fragmented one (§5.4).
    Fragmentation,
    /// A message longer than the limit.
    TooLong {
        /// Bytes of the frame that is too much.
        len: u64,
        /// What a message may have.
        limit: usize,
    },
}

impl FrameError {
    /// The status code to close with (§7.4.1).
    pub const fn close_code(self) -> u16 {
        match self {
            Self::TooLong { .. } => 1009,
            _ => 1002,
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedBits => f.write_str("reserved bits are set"),
            Self::Opcode(bits) => write!(f, "unknown opcode {bits:#x}"),
            Self::Unmasked => f.write_str("a client's frame must be masked"),
            Self::Control => f.write_str("a control frame must be whole and at most 125 bytes long"),
            Self::Fragmentation => f.write_str("a fragment without its message"),
            Self::TooLong { len, limit } => write!(f, "a message of {len} bytes; at most {limit} are read"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Puts a viewer's bytes together into frames, whatever the chunks they come in.
#[derive(Debug)]
pub struct FrameReader {
    buffered: Vec<u8>,
    message: Option<Frame>,
    limit: usize,
}

impl Default for FrameReader {
    /// For a viewer.
    fn default() -> Self {
        Self::with_limit(MAX_PAYLOAD)
    }
}

impl FrameReader {
    /// For messages of at most `limit` bytes.
    pub const fn with_limit(limit: usize) -> Self {
        Self { buffered: Vec::new(), message: None, limit }
    }

    /// Takes bytes in and gives the frames that are complete; after an error nothing more may be read.
    ///
    /// # Errors
    /// [`FrameError`] at the first frame that breaks the rules.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
        self.buffered.extend_from_slice(bytes);
        let mut frames = Vec::new();
        let mut used = 0;
        while let Some((frame_len, frame)) = self.parse(used)? {
            used += frame_len;
            frames.extend(frame);
        }
        self.buffered.drain(..used);
        if self.buffered.is_empty() {
            self.buffered = Vec::new(); // a viewer that is silent holds no memory
        }
        Ok(frames)
    }

    fn parse(&mut self, start: usize) -> Result<Option<(usize, Option<Frame>)>, FrameError> {
        let bytes = &self.buffered[start..];
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(FrameError::ReservedBits);
        }
        let opcode = Opcode::from_bits(first & 0xf).ok_or(FrameError::Opcode(first & 0xf))?;
        let is_final = first & 0x80 != 0;
        if second & 0x80 == 0 {
            return Err(FrameError::Unmasked);
        }
        let (len, len_bytes) = match second & 0x7f {
            126 => match rest.first_chunk::<2>() {
                Some(len) => (u64::from(u16::from_be_bytes(*len)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(len) => (u64::from_be_bytes(*len), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        if opcode.is_control() && (!is_final || len > 125) {
            return Err(FrameError::Control);
        }
        let so_far = self.message.as_ref().map_or(0, |m| m.payload.len());
        let payload_len = usize::try_from(len)
            .ok()
            .filter(|len| len.saturating_add(so_far) <= self.limit)
            .ok_or(FrameError::TooLong { len, limit: self.limit })?;
        let rest = &rest[len_bytes..];
        let Some((mask, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let Some(masked) = rest.get(..payload_len) else { return Ok(None) };
        let payload = unmask(masked, *mask);
        let frame_len = 2 + len_bytes + 4 + payload_len;
        Ok(Some((frame_len, self.join(opcode, is_final, payload)?)))
    }

    /// Joins fragments into messages; control frames may stand between them.
    fn join(
        &mut self,
        opcode: Opcode,
        is_final: bool,
        payload: Vec<u8>,
    ) -> Result<Option<Frame>, FrameError> {
        if opcode.is_control() {
            return Ok(Some(Frame { opcode, payload }));
        }
        let mut message = match (opcode, self.message.take()) {
            (Opcode::Continuation, Some(mut message)) => {
                message.payload.extend_from_slice(&payload);
                message
            }
            (Opcode::Text | Opcode::Binary, None) => Frame { opcode, payload },
            _ => return Err(FrameError::Fragmentation),
        };
        if is_final {
            message.payload.shrink_to_fit();
            Ok(Some(message))
        } else {
            self.message = Some(message);
            Ok(None)
        }
    }
}

/// The payload of a frame (§5.3), eight bytes at a time: a publisher's are long.
fn unmask(masked: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut payload = masked.to_vec();
    let [a, b, c, d] = mask;
    let twice = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        if let Ok(bytes) = <[u8; 8]>::try_from(&*word) {
            word.copy_from_slice(&(u64::from_ne_bytes(bytes) ^ twice).to_ne_bytes());
        }
    }
    words.into_remainder().iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut bytes = vec![first];
        match payload.len() {
            len @ 0..=125 => bytes.push(0x80 | len as u8),
            len => {
                bytes.push(0x80 | 126);
                bytes.extend((len as u16).to_be_bytes());
            }
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
        bytes
    }

    #[test]
    fn a_message_is_read_whatever_the_chunks_it_comes_in() {
        let mut bytes = masked(0x81, b"{\"type\":\"ping\"}");
        bytes.extend(masked(0x89, b"hi"));
        for size in 1..bytes.len() {
            let mut reader = FrameReader::default();
            let frames: Vec<Frame> =
                bytes.chunks(size).flat_map(|chunk| reader.push(chunk).unwrap()).collect();
            assert_eq!(frames.len(), 2, "chunks of {size}");
            assert_eq!(frames[0], Frame { opcode: Opcode::Text, payload: b"{\"type\":\"ping\"}".to_vec() });
            assert_eq!(frames[1], Frame { opcode: Opcode::Ping, payload: b"hi".to_vec() });
        }
    }

    #[test]
    fn a_fragmented_message_is_joined_around_a_ping() {
        let mut reader = FrameReader::default();
        let bytes = [masked(0x01, b"ab"), masked(0x89, b""), masked(0x80, b"cd")].concat();
        let frames = reader.push(&bytes).unwrap();
        assert_eq!(frames[0].opcode, Opcode::Ping);
        assert_eq!(frames[1], Frame { opcode: Opcode::Text, payload: b"abcd".to_vec() });
    }

    #[test]
    fn frames_that_break_the_rules_are_refused() {
        let refused = |bytes: &[u8]| FrameReader::default().push(bytes).unwrap_err();
        assert_eq!(refused(&[0x81, 0x01, b'a']), FrameError::Unmasked);
        assert_eq!(refused(&[0xc1, 0x80]), FrameError::ReservedBits);
        assert_eq!(refused(&[0x83, 0x80]), FrameError::Opcode(3));
        assert_eq!(refused(&masked(0x09, b"")), FrameError::Control);
        assert_eq!(refused(&masked(0x80, b"")), FrameError::Fragmentation);
        assert_eq!(refused(&[0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0]).close_code(), 1009);
    }

    #[test]
    fn a_fragment_whose_length_would_wrap_is_refused() {
        let mut reader = FrameReader::default();
        assert_eq!(reader.push(&masked(0x01, b"a")), Ok(Vec::new()));
        let mut bytes = vec![0x80, 0xff];
        bytes.extend(u64::MAX.to_be_bytes());
        bytes.extend([0; 4]);
        let limit = MAX_PAYLOAD;
        assert_eq!(reader.push(&bytes), Err(FrameError::TooLong { len: u64::MAX, limit }));
    }

    #[test]
    fn endless_fragments_are_refused_before_they_grow() {
        let mut reader = FrameReader::default();
        reader.push(&masked(0x02, &[0; 4_000])).unwrap();
        assert_eq!(
            reader.push(&masked(0x00, &[0; 200])),
            Err(FrameError::TooLong { len: 200, limit: MAX_PAYLOAD })
        );
    }

    #[test]
    fn a_publishers_long_message_is_read_and_a_longer_one_is_not() {
        let payload: Vec<u8> = (0..50_003u32).map(|i| (i % 251) as u8).collect();
        let bytes = masked(0x82, &payload);
        let mut reader = FrameReader::with_limit(60_000);
        let frames: Vec<Frame> = bytes.chunks(1_000).flat_map(|chunk| reader.push(chunk).unwrap()).collect();
        assert_eq!(frames, [Frame { opcode: Opcode::Binary, payload }]);
        let mut reader = FrameReader::with_limit(50_000);
        assert_eq!(reader.push(&bytes), Err(FrameError::TooLong { len: 50_003, limit: 50_000 }));
    }

    #[test]
    fn headers_have_the_shortest_form() {
        assert_eq!(Header::new(Opcode::Binary, 125).as_bytes(), [0x82, 125]);
        assert_eq!(Header::new(Opcode::Text, 126).as_bytes(), [0x81, 126, 0, 126]);
        assert_eq!(Header::new(Opcode::Binary, 65_536).as_bytes(), [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
