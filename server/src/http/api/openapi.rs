//! The description of the API (OpenAPI 3.1), made from the handlers and types that answer.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;

use super::{events, publishers, server, streams, viewers, webrtc};
use crate::http::problem::Problem;
use crate::http::{links, login};

/// The description. A test holds it against the route table.
#[derive(Debug, OpenApi)]
#[openapi(
    info(
        title = "firstlight",
        description = "What runs, who watches, and how that is changed.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        document,
        login::session,
        links::sign,
        server::show,
        server::reload,
        events::follow,
        viewers::list,
        viewers::dismiss,
        publishers::list,
        publishers::dismiss,
        webrtc::show,
        webrtc::begin,
        streams::list,
        streams::create,
        streams::show,
        streams::replace,
        streams::change,
        streams::remove,
    ),
    components(schemas(events::StreamEvent, Problem))
)]
pub struct Description;

#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "getDescription", tag = "server", summary = "This description",
    responses((status = 200, body = serde_json::Value, content_type = "application/json")))]
pub(super) async fn document() -> Response {
    let text = Description::openapi().to_json().unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}
