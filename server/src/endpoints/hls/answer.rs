//! Answers and what caches may do with them (draft-pantos-hls-rfc8216bis appendix B.1).
//!
//! What anybody may see, any cache may keep; what somebody had to say who they are for, only theirs. Files never change, so they are kept
//! for long; a playlist that was waited for will not be asked for again but by those who are late, and one that was not is old at once.

use std::time::Duration;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

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

/// A playlist.
pub(super) fn playlist(
    text: &Text,
    freshness: Freshness,
    request: &Parts,
    origins: &OriginPolicy,
) -> Response {
    let compressed = takes_gzip(&request.headers);
    let bytes = if compressed { text.compressed() } else { text.plain() };
    let mut response = with_body(bytes.clone(), PLAYLIST, freshness, request, origins);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("origin, accept-encoding"));
    if compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// A file of media.
pub(super) fn media(bytes: Bytes, request: &Parts, origins: &OriginPolicy) -> Response {
    with_body(bytes, "video/mp4", Freshness::Immutable, request, origins)
}

/// A refusal in words, to be read by pages that may.
pub(super) fn refusal(
    status: StatusCode,
    words: String,
    request: &Parts,
    origins: &OriginPolicy,
) -> Response {
    let mut response = (status, [(header::CACHE_CONTROL, "no-store")], words + "\n").into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    origins.share(&request.headers, response.headers_mut());
    response
}

fn with_body(
    bytes: Bytes,
    kind: &'static str,
    freshness: Freshness,
    request: &Parts,
    origins: &OriginPolicy,
) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, caching(freshness, is_private(request)));
    origins.share(&request.headers, headers);
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

/// Whether the answer is for one who had to say who they are.
fn is_private(request: &Parts) -> bool {
    request.extensions.get::<Identity>().is_none_or(|identity| identity.name().is_some())
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
