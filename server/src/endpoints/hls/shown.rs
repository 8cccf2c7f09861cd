//! What is shown of a stream until the next part comes, with what is answered of it: each playlist and each answer once, when it is first
//! asked for.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::http::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hls::playlist::{Kind, media};
use hls::{FileName, Found, Reload, Skip, Snapshot, Verdict};

use super::answer::{self, Freshness, Reader};
use crate::net::ready::Ready;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// The low-latency playlist.
    Playlist(Reload),
    /// A file of media.
    File(FileName),
}

/// What there is of it.
#[derive(Debug)]
pub(super) enum Look {
    /// The answer.
    Ready(Arc<Ready>),
    /// It comes.
    Wait,
    /// Nothing, or something that must not be asked.
    Nothing,
}

/// A window at one moment, and what is answered of it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) snapshot: Snapshot,
    whole: OnceLock<Text>,
    delta: OnceLock<Text>,
    classic: OnceLock<Text>,
    /// For those whose credentials stand in the addresses.
    named: Mutex<Vec<(Kind, String, Text)>>,
    ready: Mutex<Vec<Answer>>,
}

/// What was asked for, by readers of which kind, and what they get.
type Answer = (Ask, Arc<Reader>, Arc<Ready>);

/// A playlist's text, plain and compressed. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Text {
    made: Arc<Made>,
}

#[derive(Debug)]
struct Made {
    plain: Bytes,
    compressed: OnceLock<Bytes>,
}

impl Shown {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            whole: OnceLock::new(),
            delta: OnceLock::new(),
            classic: OnceLock::new(),
            named: Mutex::default(),
            ready: Mutex::default(),
        }
    }

    /// The answer for this reader, the same one for all who are alike.
    pub(super) fn look(&self, ask: Ask, reader: &Arc<Reader>) -> Look {
        let mut all = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = |known: &Arc<Reader>| Arc::ptr_eq(known, reader) || known == reader;
        if let Some((_, _, ready)) = all.iter().find(|(known, of, _)| *known == ask && alike(of)) {
            return Look::Ready(Arc::clone(ready));
        }
        let response = match ask {
            Ask::Playlist(reload) => match self.snapshot.judge(&reload) {
                Verdict::Ready => self.playlist_answer(reload, reader),
                Verdict::Wait => return Look::Wait,
                Verdict::TooFar => return Look::Nothing,
            },
            Ask::File(name) => match self.snapshot.find(name) {
                Found::Bytes(bytes) => answer::media(bytes, reader),
                Found::Wait => return Look::Wait,
                Found::Nothing => return Look::Nothing,
            },
        };
        let ready = Arc::new(Ready::new(response));
        if all.len() < MOST_READY {
            all.push((ask, Arc::clone(reader), Arc::clone(&ready)));
        }
        Look::Ready(ready)
    }

    fn playlist_answer(&self, reload: Reload, reader: &Reader) -> Response<Bytes> {
        let text = self.playlist(Kind::LowLatency(reload.skip), &reader.suffix);
        answer::playlist(&text, self.freshness(reload.until.is_some()), reader)
    }

    /// How long a playlist stays right.
    pub(super) fn freshness(&self, waited_for: bool) -> Freshness {
        let target = self.snapshot.plan.target;
        Freshness::For(if waited_for { target * 6 } else { target / 2 })
    }

    /// The playlist of this kind, with `suffix` behind its addresses.
    pub(super) fn playlist(&self, kind: Kind, suffix: &str) -> Text {
        if suffix.is_empty() {
            let place = match kind {
                Kind::LowLatency(Skip::Nothing) => &self.whole,
                Kind::LowLatency(Skip::Segments) => &self.delta,
                Kind::Classic => &self.classic,
            };
            return place.get_or_init(|| Text::new(media(&self.snapshot, kind, BASE, ""))).clone();
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, text)) = named.iter().find(|(of, with, _)| (*of, with.as_str()) == (kind, suffix))
        {
            return text.clone();
        }
        let text = Text::new(media(&self.snapshot, kind, BASE, suffix));
        if named.len() < MOST_NAMED {
            named.push((kind, suffix.to_owned(), text.clone()));
        }
        text
    }
}

impl Text {
    pub(super) fn new(text: String) -> Self {
        Self { made: Arc::new(Made { plain: text.into(), compressed: OnceLock::new() }) }
    }

    pub(super) fn plain(&self) -> &Bytes {
        &self.made.plain
    }

    /// RFC 1952.
    pub(super) fn compressed(&self) -> &Bytes {
        self.made.compressed.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::with_capacity(1_024), Compression::fast());
            // Writing into memory cannot fail.
            let _ = encoder.write_all(&self.made.plain);
            encoder.finish().unwrap_or_default().into()
        })
    }
}

/// Where the files are, from a playlist's address.
const BASE: &str = "hls/";
/// Playlists kept for different credentials; beyond that each is made when it is asked for.
const MOST_NAMED: usize = 16;
/// Answers kept, most of them small; beyond that each is made when it is asked for.
const MOST_READY: usize = 32;
