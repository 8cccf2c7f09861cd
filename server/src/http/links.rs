//! `POST /api/v1/sign/NAME`: a link that lets whoever has it watch one stream for a while (see `auth`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{self, Body};
use axum::extract::{Path, Request, State};
use axum::http::{Method, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use hub::StreamName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Refusal;
use super::refusal::problem;
use crate::auth::{Guard, Right};
use crate::endpoint::{Context, Route, StreamOf};
use crate::telemetry::unix_micros;

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wish {
    /// How long the link is good.
    #[schema(minimum = 1, maximum = 31_536_000)]
    seconds: u64,
}

/// A link.
#[derive(Debug, Serialize, ToSchema)]
struct Signed {
    /// The stream's page.
    path: String,
    /// What goes behind any address of the stream.
    query: String,
    /// Until when it is good: Unix seconds.
    expires: u64,
}

pub(super) fn routes(context: &Context) -> Vec<Route> {
    let named: StreamOf = Arc::new(|path| StreamName::new(path.first()?).ok());
    let handler = post(sign).with_state(Arc::clone(&context.guard));
    vec![Route::of_stream(Method::POST, "/api/v1/sign/{*name}", Right::Admin, named, handler)]
}

#[utoipa::path(post, path = "/api/v1/sign/{name}", operation_id = "signLink", tag = "streams", summary = "A link that lets watch",
    params(("name" = String, Path, description = "A stream's name; it may have slashes")), request_body = Wish,
    responses((status = 200, body = Signed), Refusal))]
pub(super) async fn sign(
    State(guard): State<Arc<Guard>>,
    Path(name): Path<String>,
    request: Request,
) -> Response<Body> {
    let Ok(name) = StreamName::new(&name) else {
        return problem(StatusCode::NOT_FOUND, "no such stream", "this is no stream's name");
    };
    let body = tokio::time::timeout(BODY_TIMEOUT, body::to_bytes(request.into_body(), MAX_BODY)).await;
    let wish: Option<Wish> =
        body.ok().and_then(Result::ok).and_then(|body| serde_json::from_slice(&body).ok());
    let Some(Wish { seconds }) = wish.filter(|wish| (1..=LONGEST).contains(&wish.seconds)) else {
        let detail = format!("expected {{\"seconds\": …}}, from 1 to {LONGEST}");
        return problem(StatusCode::BAD_REQUEST, "for how long?", &detail);
    };
    let now = u64::try_from(unix_micros() / 1_000_000).unwrap_or(0);
    let query = guard.link(&name, now + seconds);
    let link = Signed { path: format!("/{name}/?{query}"), query, expires: now + seconds };
    ([(header::CACHE_CONTROL, "no-store")], axum::Json(link)).into_response()
}

const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BODY: usize = 1_024;
/// A year.
const LONGEST: u64 = 365 * 86_400;
