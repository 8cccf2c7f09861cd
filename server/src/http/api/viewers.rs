//! Who watches, and how one is shown the door.

#![allow(unused_qualifications)] // in what utoipa makes of parameters

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Api, answer};
use crate::auth::{Identity, Right};
use crate::http::problem::{Problem, Refusal, Unknown};

/// Somebody who watches.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ViewerInfo {
    /// Told apart by this number as long as the server runs.
    id: u64,
    stream: String,
    /// The format with its options.
    format: String,
    /// Since when: Unix microseconds.
    since: i64,
    /// Address and port; only for those who may change the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// The user's name, if they had to say; only for those who may change the stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
}

/// Which viewers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Of this stream only.
    stream: Option<String>,
}

#[utoipa::path(get, path = "/api/v1/viewers", operation_id = "listViewers", tag = "viewers", summary = "Who watches", params(Wanted),
    responses((status = 200, body = [ViewerInfo]), Refusal))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Identity>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Response {
    let viewers = api.context.audience.list();
    let seen = viewers
        .iter()
        .filter(|viewer| wanted.stream.as_deref().is_none_or(|name| name == viewer.stream.as_str()))
        .filter(|viewer| identity.may(Right::View, &viewer.stream));
    let list: Vec<ViewerInfo> = seen
        .map(|viewer| {
            let admin = identity.may(Right::Admin, &viewer.stream);
            ViewerInfo {
                id: viewer.id,
                stream: viewer.stream.to_string(),
                format: viewer.format.clone(),
                since: viewer.since,
                address: viewer.peer.filter(|_| admin).map(|peer| peer.to_string()),
                user: viewer.user.as_ref().filter(|_| admin).map(|user| user.to_string()),
            }
        })
        .collect();
    answer(&api, &headers, Json(list))
}

#[utoipa::path(delete, path = "/api/v1/viewers/{id}", operation_id = "dismissViewer", tag = "viewers",
    summary = "End what one viewer watches; nothing keeps them from coming again", params(("id" = u64, Path, description = "The viewer's number")),
    responses((status = 204, description = "They were told to go"),
        Unknown, Refusal))]
pub(super) async fn dismiss(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Identity>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is no viewer of number {id}"));
    let viewer = id.parse().ok().and_then(|id| api.context.audience.get(id)).ok_or_else(missing)?;
    if !identity.may(Right::Admin, &viewer.stream) {
        let words = format!("you may not send away viewers of {}", viewer.stream);
        // Whoever may not even see the stream learns nothing of who watches it.
        let seen = identity.may(Right::View, &viewer.stream);
        return Err(if seen { Problem::new(StatusCode::FORBIDDEN, words) } else { missing() });
    }
    viewer.dismiss();
    Ok(StatusCode::NO_CONTENT)
}
