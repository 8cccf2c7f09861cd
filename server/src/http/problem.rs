//! Refusals as problem details (RFC 9457): how everything below `/api/` says no.
//!
//! A handler returns a [`Problem`]; what others refuse on the way there (no such address, wrong method, no right) is put into the same shape by
//! [`in_api`]. Which kind has which status stands in one place, [`Problem::from`].

use axum::body::to_bytes;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::error::ConfigError;
use crate::roster::Refused;

/// Why a request is refused (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// The status in words.
    title: String,
    /// The status.
    status: u16,
    /// What is wrong with this request, in words.
    detail: String,
    /// Each thing that is wrong with what was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<WrongKey>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WrongKey {
    /// The dotted key; empty for the whole.
    key: String,
    /// What is wrong and what was expected.
    message: String,
    /// File and line, where it stands in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
}

/// What any answer may be instead, for the description.
#[derive(Debug, IntoResponses)]
#[allow(dead_code)] // for the description only
pub(super) enum Refusal {
    /// A refusal, in words
    #[response(status = "default", content_type = "application/problem+json")]
    Any(Problem),
}

/// Refusals of what is asked of one thing by its name.
#[derive(Debug, IntoResponses)]
#[allow(dead_code)] // as above
pub(super) enum Unknown {
    /// There is none, or none that you may see
    #[response(status = 404, content_type = "application/problem+json")]
    Missing(Problem),
}

/// Refusals of a change of a stream that there may be already.
#[derive(Debug, IntoResponses)]
#[allow(dead_code)] // as above
pub(super) enum Unchangeable {
    /// It is defined in the configuration, or the name is taken
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// It was changed since its ETag was read
    #[response(status = 412, content_type = "application/problem+json")]
    Changed(Problem),
}

/// Refusals of a stream's definition.
#[derive(Debug, IntoResponses)]
#[allow(dead_code)] // as above
pub(super) enum Undefinable {
    /// No right, or a source that only the configuration may have, or one made from a stream that you may not see
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// The definition is wrong
    #[response(status = 422, content_type = "application/problem+json")]
    Wrong(Problem),
}

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

impl Problem {
    /// A problem with a status and words.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::titled(status, status.canonical_reason().unwrap_or("Refused"), detail)
    }

    /// A problem with a title of its own.
    pub fn titled(status: StatusCode, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { title: title.into(), status: status.as_u16(), detail: detail.into(), errors: Vec::new() }
    }

    /// 422 for one key of what was sent.
    pub fn key(key: impl Into<String>, message: impl Into<String>) -> Self {
        let (key, message) = (key.into(), message.into());
        let detail = if key.is_empty() { message.clone() } else { format!("{key}: {message}") };
        let errors = vec![WrongKey { key, message, place: None }];
        Self { errors, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail) }
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let status = match &refused {
            Refused::Missing(_) => StatusCode::NOT_FOUND,
            Refused::Exists { .. } | Refused::Fixed { .. } | Refused::Full(_) | Refused::NoConfiguration => {
                StatusCode::CONFLICT
            }
            Refused::Changed(_) => StatusCode::PRECONDITION_FAILED,
            Refused::Forbidden(_) => StatusCode::FORBIDDEN,
            Refused::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refused::NotKept { .. } | Refused::Unreadable { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Refused::Ending => StatusCode::SERVICE_UNAVAILABLE,
        };
        let detail = refused.to_string();
        let errors = match refused {
            Refused::Wrong(errors) => errors,
            _ => Vec::new(),
        };
        let detail = match errors.as_slice() {
            [ConfigError { key, message, line: None, .. }] if !key.is_empty() => format!("{key}: {message}"),
            [ConfigError { message, line: None, .. }] => message.clone(),
            _ => detail,
        };
        let errors = errors.into_iter().map(|error| WrongKey {
            place: error.line.map(|line| format!("{}:{line}", error.origin)),
            key: error.key,
            message: error.message,
        });
        Self { errors: errors.collect(), ..Self::new(status, detail) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        let headers = [(header::CONTENT_TYPE, PROBLEM_JSON), (header::CACHE_CONTROL, "no-store")];
        (status, headers, body).into_response()
    }
}

/// Gives the refusal of an API request that was made by others the shape of those of the API.
pub(super) async fn in_api(method: &Method, response: Response) -> Response {
    let status = response.status();
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_JSON);
    if is_problem || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let words = to_bytes(body, MAX_WORDS).await.unwrap_or_default();
    let words = String::from_utf8_lossy(&words).trim().to_owned();
    let detail = match status {
        StatusCode::METHOD_NOT_ALLOWED => format!("{method} is not answered here"),
        _ if !words.is_empty() && !words.starts_with(['{', '[', '<']) => words,
        StatusCode::NOT_FOUND => "there is nothing at this address".to_owned(),
        _ => "the request is refused".to_owned(),
    };
    let body = Problem::new(status, detail).into_response().into_body();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    Response::from_parts(head, body)
}

/// A refusal is a sentence.
const MAX_WORDS: usize = 4_096;
