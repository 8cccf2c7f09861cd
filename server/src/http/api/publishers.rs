//! Who publishes, and how one is shown the door.

#![allow(unused_qualifications)] // in what utoipa makes of parameters

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, answer};
use crate::auth::{Identity, Right};
use crate::http::problem::{Problem, Refusal, Unknown};

/// Somebody who publishes.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PublisherInfo {
    /// To which stream: each has one publisher at most.
    stream: String,
    /// How, as `HTTP` or `WebSocket`.
    way: String,
    /// Since when: Unix microseconds.
    since: i64,
    /// Address and port; only for those who may change the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// The user's name, if they had to say; only for those who may change the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

#[utoipa::path(get, path = "/api/v1/publishers", operation_id = "listPublishers", tag = "publishers", summary = "Who publishes to the streams that you may see",
    responses((status = 200, body = [PublisherInfo]), Refusal))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Identity>,
    headers: HeaderMap,
) -> Response {
    let cameras = api.context.cameras.list();
    let seen = cameras.iter().filter(|camera| identity.may(Right::View, camera.stream().name()));
    let publishers = seen.filter_map(|camera| Some((camera.stream().name(), camera.seat().occupant()?)));
    let list: Vec<PublisherInfo> = publishers
        .map(|(stream, publisher)| {
            let admin = identity.may(Right::Admin, stream);
            PublisherInfo {
                stream: stream.to_string(),
                way: publisher.way.clone(),
                since: publisher.since,
                address: publisher.peer.filter(|_| admin).map(|peer| peer.to_string()),
                user: publisher.user.as_ref().filter(|_| admin).map(|user| user.to_string()),
            }
        })
        .collect();
    answer(&api, &headers, Json(list))
}

#[utoipa::path(delete, path = "/api/v1/publishers/{name}", operation_id = "dismissPublisher", tag = "publishers",
    summary = "End what is published to a stream; nothing keeps its publisher from coming again",
    params(("name" = String, Path, description = "The stream's name, slashes and all")),
    responses((status = 204, description = "They were told to go"), Unknown, Refusal))]
pub(super) async fn dismiss(
    State(api): State<Arc<Api>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    let camera = api.context.cameras.get(&name);
    let publisher = camera.and_then(|camera| camera.seat().occupant());
    let missing =
        || Problem::new(StatusCode::NOT_FOUND, format!("nobody publishes to a stream named {name:?}"));
    publisher.ok_or_else(missing)?.dismiss();
    Ok(StatusCode::NO_CONTENT)
}
