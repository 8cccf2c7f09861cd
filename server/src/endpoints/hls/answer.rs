//! Answers and what caches may do with them (draft-pantos-hls-rfc8216bis appendix B.1).
//!
//! What anybody may see, any cache may keep; what somebody had to say who they are for, only theirs. Files never change, so they are kept
//! for long; a playlist that was waited for will not be asked for again but by those who are late, and one that was not is old at once.

use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;

use super::query;
use super::shown::Text;
use crate::auth::Identity;
use crate::net::origin::OriginPolicy;

/// How long what is answered stays right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    /// For ever.
    Immutable,
    /// So long.
    For(Duration),
}

/// What an answer depends on besides what it is an answer to: those who are alike in this get the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reader {
    takes_gzip: bool,
    /// They had to say who they are.
    is_private: bool,
    /// The origin of a page that may read it.
    origin: Option<HeaderValue>,
    /// What stands behind the addresses in playlists.
    pub(super) suffix: String,
}

impl Reader {
    /// Whoever made this request.
    pub(super) fn of(request: &Parts, origins: &OriginPolicy) -> Self {
        let named = |identity: &Identity| identity.name().is_some();
        Self {
            takes_gzip: takes_gzip(&request.headers),
            is_private: request.extensions.get::<Identity>().is_none_or(named),
            origin: origins.cors(&request.headers).cloned(),
            suffix: query::suffix(request.uri.query().unwrap_or_default()),
        }
    }

    fn answer(&self, bytes: Bytes, kind: &'static str, freshness: Freshness) -> Response<Bytes> {
        let mut response = Response::new(bytes);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CACHE_CONTROL, caching(freshness, self.is_private));
        self.share(headers);
        response
    }

    /// Lets a page of another origin read it, if it may.
    fn share(&self, headers: &mut HeaderMap) {
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = &self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }
}

/// A playlist.
pub(super) fn playlist(text: &Text, freshness: Freshness, reader: &Reader) -> Response<Bytes> {
    let bytes = if reader.takes_gzip { text.compressed() } else { text.plain() };
    let mut response = reader.answer(bytes.clone(), PLAYLIST, freshness);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("origin, accept-encoding"));
    if reader.takes_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// A file of media.
pub(super) fn media(bytes: Bytes, reader: &Reader) -> Response<Bytes> {
    reader.answer(bytes, "video/mp4", Freshness::Immutable)
}

/// A refusal in words, to be read by pages that may.
pub(super) fn refusal(status: StatusCode, words: String, reader: &Reader) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(words + "\n"));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    reader.share(headers);
    response
}

fn caching(freshness: Freshness, private: bool) -> HeaderValue {
    match (freshness, private) {
        (Freshness::Immutable, false) => HeaderValue::from_static("public, max-age=3600, immutable"),
        (Freshness::Immutable, true) => HeaderValue::from_static("private, max-age=3600, immutable"),
        (Freshness::For(span), private) => {
            let who = if private { "private" } else { "public" };
            let text = format!("{who}, max-age={}", span.as_secs().max(1));
            HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("no-store"))
        }
    }
}

/// Whether `gzip` is among the codings that are taken, and not refused (RFC 9110 §12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = matches!(weight.trim().strip_prefix("q="), Some(q) if q.parse() == Ok(0.0f32));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

const PLAYLIST: &str = "application/vnd.apple.mpegurl";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_take_it() {
        let takes = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            takes_gzip(&headers)
        };
        assert!(takes("gzip") && takes("deflate, GZIP;q=0.5, br"));
        assert!(!takes("identity") && !takes("gzip;q=0") && !takes("gzip; q=0.0, br"));
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn what_is_private_is_kept_by_no_shared_cache() {
        let text = |freshness, private| caching(freshness, private).to_str().unwrap().to_owned();
        assert_eq!(text(Freshness::Immutable, false), "public, max-age=3600, immutable");
        assert_eq!(text(Freshness::For(Duration::from_millis(500)), false), "public, max-age=1");
        assert_eq!(text(Freshness::For(Duration::from_secs(6)), true), "private, max-age=6");
    }
}
