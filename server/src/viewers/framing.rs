//! What stands around a chunk on the wire: the same for everybody in a group, so made once for all of them.

use bytes::{Bytes, BytesMut};

use crate::ws::frame::{Header, Opcode};

/// What stands around a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A WebSocket message each.
    Messages {
        /// An init segment is text: it is JSON.
        text_init: bool,
    },
    /// Nothing, and no place for a second init segment: the first change of parameters is the end (the body of an HTTP answer).
    File,
    /// Nothing: the chunks are whole units of the protocol, and so is an init segment, which may come again before any of them.
    Stream,
}

impl Framing {
    /// Whether a new init segment may follow in the same connection.
    pub(super) const fn takes_another_init(self) -> bool {
        !matches!(self, Self::File)
    }

    /// A chunk as it goes out, and a new init segment's bytes before it.
    pub(super) fn message(self, init: Option<&Bytes>, payload: &Bytes) -> Bytes {
        let init = init.filter(|bytes| !bytes.is_empty());
        if init.is_none() && !matches!(self, Self::Messages { .. }) {
            return payload.clone();
        }
        let mut message = BytesMut::with_capacity(payload.len() + init.map_or(0, Bytes::len) + 20);
        if let Some(init) = init {
            message.extend_from_slice(head_bytes(&self.head(true, init.len())));
            message.extend_from_slice(init);
        }
        message.extend_from_slice(head_bytes(&self.head(false, payload.len())));
        message.extend_from_slice(payload);
        message.freeze()
    }

    /// What goes before an init segment or a chunk of `len` bytes.
    pub(super) fn head(self, init: bool, len: usize) -> Option<Header> {
        match self {
            Self::Messages { text_init: true } if init => Some(Header::new(Opcode::Text, len)),
            Self::Messages { .. } => Some(Header::new(Opcode::Binary, len)),
            Self::File | Self::Stream => None,
        }
    }
}

/// The bytes of a head, if there is one.
pub(super) fn head_bytes(head: &Option<Header>) -> &[u8] {
    head.as_ref().map_or(&[], Header::as_bytes)
}
