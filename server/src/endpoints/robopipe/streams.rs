//! `/cameras/{mxid}/streams`: which there are, let run and stopped one by one; and networks, which are not run here.
//!
//! A stream that is not active has its source stopped for everybody, and no place for Robopipe's clients but in the list.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Face;
use super::call::Call;
use super::errors::Failure;

/// Two shapes of the list are published: the documented one, and the one of the development branch, which Studio reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ListShape {
    /// An array for requests that a browser's page makes, an object for all others.
    #[default]
    Auto,
    /// `{"CAM_A": {"active": true}}`.
    Object,
    /// `[{"name": "CAM_A", "active": true}]`.
    Array,
}

#[derive(Debug, Serialize)]
struct Activity {
    active: bool,
}

#[derive(Debug, Serialize)]
struct Named<'s> {
    name: &'s str,
    active: bool,
}

/// The streams of a camera.
pub(super) async fn list(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    let sensors = call.sensors(&face.context.cameras)?;
    let from_a_page = [header::ORIGIN.as_str(), "sec-fetch-mode", "sec-fetch-site"]
        .iter()
        .any(|name| call.headers().contains_key(*name));
    let array = match face.settings.stream_list {
        ListShape::Auto => from_a_page,
        ListShape::Object => false,
        ListShape::Array => true,
    };
    let response = if array {
        let list: Vec<Named<'_>> = sensors
            .iter()
            .map(|sensor| Named { name: &sensor.name, active: sensor.camera.is_on() })
            .collect();
        Json(list).into_response()
    } else {
        let by_name: BTreeMap<&str, Activity> = sensors
            .iter()
            .map(|sensor| (sensor.name.as_str(), Activity { active: sensor.camera.is_on() }))
            .collect();
        Json(by_name).into_response()
    };
    Ok(response)
}

/// Lets a stream run.
pub(super) async fn activate(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    let camera = call.stream(&face.context.cameras)?;
    face.switch(&camera, true, &["path", "stream_name"])?;
    Ok((StatusCode::CREATED, Json(Value::Null)).into_response())
}

/// Stops a stream.
pub(super) async fn deactivate(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    let camera = call.stream(&face.context.cameras)?;
    face.switch(&camera, false, &["path", "stream_name"])?;
    Ok((StatusCode::ACCEPTED, Json(Value::Null)).into_response())
}

const NO_NETWORKS: &str = "neural networks are not run here";

/// Which network runs on a stream: none, which Robopipe answers with `null`. Its socket of detections has the same address.
pub(super) async fn network(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    call.active_stream(&face.context.cameras)?;
    if call.headers().contains_key(header::UPGRADE) {
        return Err(Failure::NotOffered(NO_NETWORKS));
    }
    Ok(Json(Value::Null).into_response())
}

/// A network is neither taken nor removed.
pub(super) async fn set_network(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    call.active_stream(&face.context.cameras)?;
    Err(Failure::NotOffered(NO_NETWORKS))
}

/// The types of inputs and outputs that Robopipe's controllers have.
const CIRCUITS: [&str; 8] = ["ai", "ao", "di", "do", "led", "owbus", "owpower", "register"];

/// Inputs and outputs of a controller, which is not connected here: none of any type.
pub(super) async fn circuits(_: Arc<Face>, call: Call) -> Result<Response, Failure> {
    match call.path.as_slice() {
        [] => {}
        [kind] if CIRCUITS.contains(&kind.as_str()) => {}
        _ => return Err(Failure::Missing),
    }
    Ok(Json(Vec::<Value>::new()).into_response())
}
