//! What a browser is told about pages of other servers (Fetch §4.9).
//!
//! Robopipe's own server lets every page in the world read and set everything. Here a page must be one that `[http] allow_origins` lists:
//! for reading, of which the browser is told here, and for changing and the socket, which the server refuses to others. Cookies count only
//! for pages listed by name: `*` shows every page what anybody may see.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::net::origin::OriginPolicy;

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

impl Grant {
    /// For the page that a request comes from; `None` for requests of no page, and of pages that are not allowed.
    pub(super) fn to(request: &HeaderMap, origins: &OriginPolicy) -> Option<Self> {
        let origin = origins.cors(request)?;
        let credentials = origins.trusts(request);
        let origin = if credentials { origin.clone() } else { HeaderValue::from_static("*") };
        Some(Self { origin, credentials })
    }

    /// Writes it into an answer.
    pub(super) fn apply(self, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, self.origin);
        if self.credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

/// The answer to a preflight.
pub(super) fn preflight(request: &HeaderMap, origins: &OriginPolicy) -> Response {
    let Some(grant) = Grant::to(request, origins) else {
        let text = "Disallowed CORS origin: list it in [http] allow_origins\n";
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
