//! Before the first tag of FLV stands the header of a file, which says what the tags will be; it is no part of the init segment, which may
//! come again.

use std::time::Duration;

use bytes::BytesMut;
use container::flv;
use media::Chunk;

use super::dialogue::{Dialogue, End, Tick};
use super::framing::{Framing, head_bytes};

/// Another dialogue, with that header before the first chunk.
#[derive(Debug)]
pub(super) struct FlvDialogue<D> {
    inner: D,
    framing: Framing,
}

impl<D> FlvDialogue<D> {
    /// For chunks in this framing.
    pub(super) const fn new(inner: D, framing: Framing) -> Self {
        Self { inner, framing }
    }
}

impl<D: Dialogue> Dialogue for FlvDialogue<D> {
    fn hear(&mut self, bytes: &[u8], say: &mut BytesMut) -> Result<(), End> {
        self.inner.hear(bytes, say)
    }

    fn begin(&mut self, first: &Chunk, say: &mut BytesMut) {
        self.inner.begin(first, say);
        if let Some(init) = &first.init {
            let header = flv::file_header(&init.bytes);
            say.extend_from_slice(head_bytes(&self.framing.head(false, header.len())));
            say.extend_from_slice(&header);
        }
    }

    fn skipped(&mut self, items: u64, say: &mut BytesMut) {
        self.inner.skipped(items, say);
    }

    fn every(&self) -> Duration {
        self.inner.every()
    }

    fn tick(&mut self, now: &Tick, say: &mut BytesMut) -> Result<(), End> {
        self.inner.tick(now, say)
    }

    fn farewell(&mut self, code: u16, reason: &str, say: &mut BytesMut) {
        self.inner.farewell(code, reason, say);
    }
}
