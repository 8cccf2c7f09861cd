//! How Robopipe's API says that it will not: `null` for what is not there, and what is wrong with a request in the shape of FastAPI.

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

/// Why an operation has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such camera or stream, or it is not active: 404 `null`.
    Missing,
    /// All that is wrong with the request: 422.
    Invalid(Vec<Wrong>),
    /// Whoever asks may not, with the reason: 403.
    Forbidden(&'static str),
    /// What is asked for is no part of this server, in words: 501.
    NotOffered(&'static str),
    /// It cannot be had now, in words: 503.
    Unavailable(String),
}

/// One thing that is wrong with a request.
#[derive(Debug, Serialize)]
pub(super) struct Wrong {
    /// What kind of mistake, as pydantic names them where it knows it.
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// Where: `body`, `path` or `query`, and the way from there.
    pub(super) loc: Vec<Value>,
    /// For people.
    pub(super) msg: Box<str>,
    /// What was sent.
    pub(super) input: Value,
    /// The bounds that were not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ctx: Option<Value>,
}

/// The kind of a value that is good in itself, and that this stream's source cannot obey.
pub(super) const NOT_SETTABLE: &str = "not_settable";

impl Wrong {
    /// Something wrong at a place of the request.
    pub(super) fn new(kind: &'static str, loc: &[&str], msg: impl Into<String>, input: Value) -> Self {
        let loc = loc.iter().map(|part| Value::from(*part)).collect();
        Self { kind, loc, msg: msg.into().into(), input, ctx: None }
    }

    /// With the bounds that were not kept.
    pub(super) fn with(mut self, ctx: Value) -> Self {
        self.ctx = Some(ctx);
        self
    }
}

impl From<Wrong> for Failure {
    fn from(wrong: Wrong) -> Self {
        Self::Invalid(vec![wrong])
    }
}

/// What was refused before an operation was asked, as FastAPI writes it: its own words for an address or a method that is not there.
/// A socket has no body to read words in, and the original has one status for every address that is none.
pub(super) fn refused(asked: &HeaderMap, status: StatusCode, words: &str) -> Response {
    let for_socket = asked.contains_key(header::UPGRADE);
    let words = match status {
        StatusCode::NOT_FOUND if for_socket => return StatusCode::FORBIDDEN.into_response(),
        StatusCode::FORBIDDEN if for_socket && words.is_empty() => return status.into_response(),
        StatusCode::NOT_FOUND => "Not Found",
        StatusCode::METHOD_NOT_ALLOWED => "Method Not Allowed",
        _ if words.is_empty() => status.canonical_reason().unwrap_or("Refused"),
        _ => words,
    };
    (status, Json(json!({ "detail": words }))).into_response()
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let detail = |status, text: &str| (status, Json(json!({ "detail": text }))).into_response();
        match self {
            Self::Missing => (StatusCode::NOT_FOUND, Json(Value::Null)).into_response(),
            Self::Invalid(wrongs) => {
                let body = json!({ "detail": wrongs });
                (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
            }
            Self::Forbidden(reason) => detail(StatusCode::FORBIDDEN, reason),
            Self::NotOffered(reason) => detail(StatusCode::NOT_IMPLEMENTED, reason),
            Self::Unavailable(reason) => detail(StatusCode::SERVICE_UNAVAILABLE, &reason),
        }
    }
}
