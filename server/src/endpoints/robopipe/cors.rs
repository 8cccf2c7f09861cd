//! Which pages of other servers may use Robopipe's addresses: those that may use ours, and those of `[robopipe] cors`.
//!
//! Robopipe's own server lets every page in the world read and set everything. Here a page must be listed, for reading (the browser is
//! told so), for changing and for the sockets (the server refuses). Cookies count only for pages listed by name: `*` shows every page
//! what anybody may see.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::net::origin::OriginPolicy;

/// The two lists of pages.
#[derive(Debug)]
pub(super) struct Cors {
    server: Arc<OriginPolicy>,
    own: OriginPolicy,
}

/// What the browser of an allowed page is told.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    origin: HeaderValue,
    credentials: bool,
}

/// As Robopipe's server lists them.
const METHODS: &str = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
/// Seconds for which a browser need not ask again.
const MAX_AGE: &str = "600";

impl Cors {
    /// Pages allowed by the server, and more for Robopipe's addresses.
    pub(super) fn new(server: Arc<OriginPolicy>, own: Vec<String>) -> Self {
        Self { server, own: OriginPolicy::new(own) }
    }

    /// The policy that lets a request in, if either does.
    pub(super) fn policy(&self, request: &HeaderMap) -> &OriginPolicy {
        if self.own.allows(request) { &self.own } else { &self.server }
    }

    /// What to tell the browser; `None` for requests of no page, and of pages that are not allowed.
    pub(super) fn grant(&self, request: &HeaderMap) -> Option<Grant> {
        let origin = self.policy(request).cors(request)?;
        let credentials = self.own.trusts(request) || self.server.trusts(request);
        let origin = if credentials { origin.clone() } else { HeaderValue::from_static("*") };
        Some(Grant { origin, credentials })
    }

    /// The answer to a preflight (Fetch §4.9).
    pub(super) fn preflight(&self, request: &HeaderMap) -> Response {
        let Some(grant) = self.grant(request) else {
            let text = "Disallowed CORS origin: list it in [robopipe] cors\n";
            return (StatusCode::BAD_REQUEST, [(header::VARY, "Origin")], text).into_response();
        };
        let mut response = "OK".into_response();
        grant.apply(&mut response);
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        response
    }
}

impl Grant {
    /// Writes it into an answer.
    pub(super) fn apply(self, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin);
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}
