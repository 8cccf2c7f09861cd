//! Refusals in the shape that an endpoint's clients know: what was refused before the endpoint was asked (no such address, no right, a body too
//! long) is put into it. What the endpoint says itself passes as it is; it is known by its media type.
//!
//! Not here: which shape; see [`Refusals`]. The API's own is in [`super::problem`].

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use super::problem::PROBLEM_JSON;
use crate::endpoint::Refusals;

/// How the refusal of one request is to be written.
pub(super) struct Dialect {
    write: fn(&HeaderMap, StatusCode, &str) -> Response,
    asked: HeaderMap,
}

impl Dialect {
    /// The one of the request's address, if it has one of its own.
    pub(super) fn of(request: &Request, dialects: &[Refusals]) -> Option<Self> {
        let first = request.uri().path().split('/').nth(1).unwrap_or_default();
        let found = dialects.iter().find(|dialect| dialect.below.contains(&first))?;
        Some(Self { write: found.write, asked: request.headers().clone() })
    }

    /// Writes the answer so, if it is a refusal.
    pub(super) async fn translate(self, response: Response) -> Response {
        let status = response.status();
        let kind = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_own = kind.is_some_and(|kind| kind.starts_with(b"application/json"));
        if is_own || !(status.is_client_error() || status.is_server_error()) {
            return response;
        }
        let is_problem = kind == Some(PROBLEM_JSON.as_bytes());
        let (mut head, body) = response.into_parts();
        let words = to_bytes(body, MAX_WORDS).await.unwrap_or_default();
        let words = if is_problem {
            let problem: Value = serde_json::from_slice(&words).unwrap_or_default();
            problem["detail"].as_str().unwrap_or_default().to_owned()
        } else {
            String::from_utf8_lossy(&words).trim().to_owned()
        };
        let (shape, body) = (self.write)(&self.asked, status, &words).into_parts();
        head.status = shape.status;
        head.headers.remove(header::CONTENT_LENGTH);
        head.headers.remove(header::CONTENT_TYPE);
        head.headers.extend(shape.headers);
        Response::from_parts(head, body)
    }
}

/// A refusal is a sentence.
const MAX_WORDS: usize = 4_096;
