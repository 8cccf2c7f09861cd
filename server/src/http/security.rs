//! Headers that every answer carries: what a browser must not do with it.
//!
//! Not here: which pages may connect (`net::origin`), what a page may load (each page's own Content-Security-Policy).

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use tracing::info;

use crate::net::origin::OriginPolicy;
use crate::telemetry::Throttle;

/// What of a request they depend on.
#[derive(Debug)]
pub(super) struct Asking {
    /// The origin of a page that may connect.
    origin: Option<HeaderValue>,
    /// The origin of one that may not.
    foreign: Option<HeaderValue>,
}

impl Asking {
    /// Reads it.
    pub(super) fn of(request: &Request, origins: &OriginPolicy) -> Self {
        let Some(said) = request.headers().get(header::ORIGIN) else {
            return Self { origin: None, foreign: None };
        };
        let origin = origins.cors(request.headers()).cloned();
        let foreign = origin.is_none().then(|| said.clone());
        Self { origin, foreign }
    }

    /// Adds them. A page that is refused for where it comes from is logged, `throttle` permitting: its owner sees nothing but a page that
    /// does not work.
    pub(super) fn complete(self, response: &mut Response<Body>, throttle: &Throttle) {
        let Self { origin, foreign } = self;
        if let Some(origin) = foreign.as_ref().and_then(|origin| origin.to_str().ok())
            && !response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
            && let Some(held) = throttle.allow()
        {
            info!(%origin, held, "a page was refused; to allow it: [http] allow_origins = [\"{origin}\"]");
        }
        let status = response.status();
        add(origin, status, response.headers_mut());
    }
}

/// Adds them to the headers of an answer with this status; `origin` is that of a page that may connect.
pub(super) fn add(origin: Option<HeaderValue>, status: StatusCode, headers: &mut HeaderMap) {
    let refused =
        matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS);
    let mut unless_said = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    unless_said(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // An address may hold a token.
    unless_said(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // A page elsewhere that embeds a stream learns that it has to say who it is.
    if let Some(origin) = origin.filter(|_| refused) {
        unless_said(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    let (is_page, is_data) = kind(headers);
    let mut unless_said = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    if is_page {
        unless_said(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NOTHING));
    }
    // Pictures, films and the player's modules are made to be embedded; what is read by scripts is not, and CORS opens it where it may.
    let policy = if is_page || is_data { "same-origin" } else { "cross-origin" };
    unless_said(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static(policy));
}

/// Whether it is a page, and whether it is data.
fn kind(headers: &HeaderMap) -> (bool, bool) {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    (
        kind == "text/html",
        kind.ends_with("json") || kind.starts_with("text/plain") || kind == "text/event-stream",
    )
}

/// For a page that says nothing of what it needs.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
