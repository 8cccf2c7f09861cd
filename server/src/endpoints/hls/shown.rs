//! What is shown of a stream until the next part comes, with the playlists made of it: each once, when it is first asked for, and its
//! compressed form with it.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hls::playlist::{Kind, media};
use hls::{Skip, Snapshot};

/// A window at one moment, and its playlists.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) snapshot: Snapshot,
    whole: OnceLock<Text>,
    delta: OnceLock<Text>,
    classic: OnceLock<Text>,
    /// For those whose credentials stand in the addresses.
    named: Mutex<Vec<(Kind, String, Text)>>,
}

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
        }
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
