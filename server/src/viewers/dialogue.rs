//! What a viewer and the server say to each other besides the media.
//!
//! A session moves chunks; a [`Dialogue`] knows the protocol around them: it hears what the peer sends while it watches, and what it
//! answers goes out between two chunks, never inside one. It does not wait and does not send.

use std::time::Duration;

use bytes::BytesMut;
use media::Chunk;

/// The protocol of one viewer. The defaults are those of one that says nothing and is told nothing: the body of an HTTP answer.
pub trait Dialogue: Send {
    /// The peer sent these bytes; answers are added to `say`.
    ///
    /// # Errors
    /// [`End`] if that was the end, or must be.
    fn hear(&mut self, bytes: &[u8], say: &mut BytesMut) -> Result<(), End> {
        let _ = (bytes, say);
        Ok(())
    }

    /// The viewer is about to get this chunk as its first: what must be said before.
    fn begin(&mut self, first: &Chunk, say: &mut BytesMut) {
        let _ = (first, say);
    }

    /// So many chunks were left out for a viewer who is slow.
    fn skipped(&mut self, items: u64, say: &mut BytesMut) {
        let _ = (items, say);
    }

    /// Whether the viewer wants nothing for now. When it goes on it does so as it began, at [`begin`](Self::begin).
    fn is_paused(&self) -> bool {
        false
    }

    /// How often [`tick`](Self::tick) is called.
    fn every(&self) -> Duration {
        Duration::from_secs(10)
    }

    /// Time has passed.
    ///
    /// # Errors
    /// [`End`] if the peer has been silent for too long.
    fn tick(&mut self, now: &Tick, say: &mut BytesMut) -> Result<(), End> {
        let _ = (now, say);
        Ok(())
    }

    /// The session ends: the last words.
    fn farewell(&mut self, code: u16, reason: &str, say: &mut BytesMut) {
        let _ = (code, reason, say);
    }
}

/// The body of an HTTP answer.
#[derive(Debug)]
pub struct Silent;

impl Dialogue for Silent {}

/// Why a session ended.
#[derive(Debug)]
pub enum End {
    /// We close: with a status code of RFC 6455 §7.4, which other protocols put in their own words, and a reason.
    Close(u16, String),
    /// The peer closed, or its connection broke.
    Gone,
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> Self {
        Self::Gone
    }
}

/// How a session stands.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    /// For how long the peer has been sent nothing.
    pub unsent: Duration,
    /// For how long nothing was heard from it.
    pub unheard: Duration,
    /// How far behind the newest chunk it is; `None` before its first.
    pub lag: Option<Duration>,
}
