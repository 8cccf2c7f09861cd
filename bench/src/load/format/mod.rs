//! What a message says about itself: is it the first decodable one, is one missing, when was its picture captured.
//!
//! One file per format. A reader looks at the first bytes of a message only; it checks nothing else: judging the bytes
//! is the work of the tests, not of the load client.

mod annexb;
mod fmp4;
mod mpegts;
mod opaque;
mod webcodecs;

use std::str::FromStr;

pub(crate) use self::webcodecs::{Arrival, Arrivals, WebCodecs};
use super::seen::{Moment, Seen};
use super::target::{Scheme, Target};

/// The kind of a WebSocket message; HTTP has binary ones only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKind {
    Text,
    Binary,
}

/// A reader of messages of one format.
pub(crate) trait Format: Send {
    /// A message begins; its length, where it is known.
    fn begin(&mut self, kind: MessageKind, length: Option<u64>);
    /// The next bytes of it.
    fn payload(&mut self, bytes: &[u8]);
    /// It is complete.
    fn end(&mut self, at: &Moment, seen: &mut Seen);
}

/// The formats of `docs/ref/websocket.md`, and one that knows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FormatKind {
    Fmp4,
    AnnexB,
    Av,
    MpegTs,
    WebCodecs,
    /// Any bytes: the first message counts as decodable.
    Opaque,
}

impl FormatKind {
    /// The format that firstlight sends at this URL.
    pub(crate) fn guess(target: &Target) -> Self {
        let (path, query) = target.path.split_once('?').unwrap_or((&target.path, ""));
        if let Some(name) = query.split('&').find_map(|pair| pair.strip_prefix("format=")) {
            return name.parse().unwrap_or(Self::Opaque);
        }
        match target.scheme {
            Scheme::WebSocket if path.ends_with("/ws/") => Self::AnnexB,
            Scheme::WebSocket if path.ends_with("/video") => Self::Fmp4,
            Scheme::Http if path.ends_with(".mp4") => Self::Fmp4,
            _ => Self::Opaque,
        }
    }

    /// A reader for a viewer who joined at `joined`.
    pub(crate) fn reader(self, joined: &Moment) -> Box<dyn Format> {
        match self {
            Self::Fmp4 => Box::new(fmp4::Fmp4::default()),
            Self::AnnexB => Box::new(annexb::AnnexB::new(false)),
            Self::Av => Box::new(annexb::AnnexB::new(true)),
            Self::MpegTs => Box::new(mpegts::MpegTs::default()),
            Self::WebCodecs => Box::new(WebCodecs::new(joined.unix_us)),
            Self::Opaque => Box::new(opaque::Opaque),
        }
    }
}

impl FromStr for FormatKind {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Ok(match name {
            "fmp4" => Self::Fmp4,
            "annexb" => Self::AnnexB,
            "av" => Self::Av,
            "mpegts" => Self::MpegTs,
            "webcodecs" => Self::WebCodecs,
            "opaque" => Self::Opaque,
            _ => return Err("one of fmp4, annexb, av, mpegts, webcodecs, opaque"),
        })
    }
}

/// The first bytes of a message, up to a limit.
#[derive(Debug, Default)]
struct Head {
    bytes: Vec<u8>,
    limit: usize,
}

impl Head {
    fn begin(&mut self, limit: usize) {
        self.bytes.clear();
        self.limit = limit;
    }

    fn extend(&mut self, bytes: &[u8]) {
        let part = bytes.len().min(self.limit - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..part]);
    }
}

/// Four bytes at `at`, big-endian.
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_tells_the_format() {
        let guess = |url| FormatKind::guess(&Target::parse(url).unwrap());
        assert_eq!(guess("ws://127.0.0.1:1/a/ws?format=webcodecs&group_ms=0"), FormatKind::WebCodecs);
        assert_eq!(guess("ws://127.0.0.1:1/a/ws/"), FormatKind::AnnexB);
        assert_eq!(guess("ws://127.0.0.1:1/cameras/a/streams/b/video"), FormatKind::Fmp4);
        assert_eq!(guess("http://127.0.0.1:1/live.flv"), FormatKind::Opaque);
    }
}
