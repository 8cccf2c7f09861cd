//! What is said over a connection's data channel `default`, to and from those of a stream (see [`crate::supervise::data`]), and the end
//! of it.
//!
//! RTCBot's rules, which are the stream's as well: what goes out is JSON, and what comes in and is none is a string. What is said on
//! other channels is nothing to us. Not here: who may say something, and offers and answers.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::auth::Identity;
use crate::supervise::cameras::Camera;
use crate::supervise::data::{Party, Side};
use crate::webrtc::{Heard, Message, Session};

/// A connection that goes on, as far as is not media.
#[derive(Debug)]
pub struct Talk<Kept> {
    /// Whose messages they hear, and on which side they are; none for those who may say nothing.
    pub with: Option<(Arc<Camera>, Side)>,
    /// Who they are.
    pub identity: Option<Identity>,
    /// What goes with the connection: the stream of what they send, their place among those that nobody else counts.
    pub kept: Kept,
}

impl<Kept: Send> Talk<Kept> {
    /// Until either side ends the connection, or the server does.
    pub async fn run(self, session: Session, mut heard: mpsc::Receiver<Heard>, stop: &CancellationToken) {
        let Self { with, identity, kept } = self;
        let mut party: Option<Party> = None;
        let removed = with.as_ref().map_or(stop, |(camera, _)| camera.stop()).clone();
        loop {
            tokio::select! {
                said = heard.recv() => match said {
                    None => break,
                    Some(Heard::Opened(label)) if label == DEFAULT => {
                        let joined = with.as_ref();
                        party = joined.map(|(camera, side)| camera.data().join(*side, identity.clone()));
                    }
                    // Whoever closes it closes all of it, as RTCBot does.
                    Some(Heard::Closed(label)) if label == DEFAULT => break,
                    Some(Heard::Message(message)) if message.label == DEFAULT => say(party.as_ref(), &message),
                    Some(Heard::Opened(_) | Heard::Closed(_) | Heard::Message(_)) => {}
                },
                message = hear(party.as_ref()) => match message {
                    Some(bytes) => {
                        session.say(Message { label: DEFAULT.to_owned(), is_text: true, bytes }).await;
                    }
                    // Too far behind, or no longer allowed: what they see they may go on seeing.
                    None => party = None,
                },
                () = removed.cancelled() => break,
            }
        }
        session.close().await;
        // Their stream has no publisher any more when it goes.
        while heard.recv().await.is_some() {}
        drop(kept);
    }
}

fn say(party: Option<&Party>, message: &Message) {
    // Bytes may be text as well: Python's json reads them.
    let (Some(party), Ok(text)) = (party, std::str::from_utf8(&message.bytes)) else { return };
    if let Err(reason) = party.say(text) {
        debug!(reason, "a message of a data channel is left out");
    }
}

async fn hear(party: Option<&Party>) -> Option<bytes::Bytes> {
    match party {
        Some(party) => party.hear().await,
        None => std::future::pending().await,
    }
}

/// The channel that every connection of RTCBot has.
const DEFAULT: &str = "default";

/// So many may be connected for messages alone, for whom no stream counts a viewer or a publisher.
pub const MOST_TALKERS: usize = 64;

/// Messages that may wait for [`Talk::run`].
pub const UNHEARD: usize = 256;
