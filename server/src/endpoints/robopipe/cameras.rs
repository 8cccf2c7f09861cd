//! `/cameras`: which there are, one of them, switched on and off as a whole.
//!
//! A camera here has no device behind it that could be asked for its platform; what stands for it says so (`ANY`). It is booted while
//! one of its streams is active.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::Face;
use super::call::Call;
use super::errors::{Failure, NOT_SETTABLE, Wrong};
use super::fields::Kind;
use super::names::Sensor;
use crate::auth::Right;

/// A camera as Robopipe describes it.
#[derive(Debug, Serialize)]
struct DeviceInfo {
    mxid: String,
    name: String,
    camera_name: String,
    platform: &'static str,
    protocol: &'static str,
    state: &'static str,
    status: &'static str,
}

impl DeviceInfo {
    /// The camera that has these sensors.
    fn of(sensors: &[Sensor]) -> Self {
        let mxid = sensors.first().map(|sensor| sensor.mxid.clone()).unwrap_or_default();
        let booted = sensors.iter().any(|sensor| sensor.camera.is_on());
        Self {
            name: mxid.clone(),
            camera_name: mxid.clone(),
            mxid,
            platform: "X_LINK_ANY_PLATFORM",
            protocol: "X_LINK_ANY_PROTOCOL",
            state: if booted { "X_LINK_BOOTED" } else { "X_LINK_UNBOOTED" },
            status: "X_LINK_SUCCESS",
        }
    }

    /// One for each camera; `sensors` are in order.
    fn list(sensors: &[Sensor]) -> Vec<Self> {
        sensors.chunk_by(|a, b| a.mxid == b.mxid).map(Self::of).collect()
    }
}

/// Every camera.
pub(super) async fn list(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    Ok(Json(DeviceInfo::list(&call.all_sensors(&face.context.cameras))).into_response())
}

/// One camera.
pub(super) async fn one(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    Ok(Json(DeviceInfo::of(&call.sensors(&face.context.cameras)?)).into_response())
}

/// Looks for cameras again, and lets all run if so asked. Streams are known as soon as they exist, so there is nothing to look for.
pub(super) async fn refresh(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    let boot = match call.query("boot").as_deref().map(str::to_ascii_lowercase).as_deref() {
        None | Some("false" | "0" | "no" | "off" | "f" | "n") => false,
        Some("true" | "1" | "yes" | "on" | "t" | "y") => true,
        Some(other) => {
            let message = "Input should be a valid boolean, unable to interpret input";
            return Err(Wrong::new("bool_parsing", &["query", "boot"], message, json!(other)).into());
        }
    };
    let sensors = call.all_sensors(&face.context.cameras);
    if boot {
        for sensor in sensors.iter().filter(|sensor| call.may(Right::Admin, &sensor.camera)) {
            face.switch(&sensor.camera, true, &["query", "boot"])?;
        }
    }
    Ok(Json(DeviceInfo::list(&sensors)).into_response())
}

/// Lets every stream of a camera run.
pub(super) async fn boot(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    switch_all(&face, &call, true)
}

/// Stops every stream of a camera.
pub(super) async fn shut_down(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    switch_all(&face, &call, false)
}

fn switch_all(face: &Face, call: &Call, on: bool) -> Result<Response, Failure> {
    let sensors = call.own_sensors(&face.context.cameras)?;
    // All of it or none: the first that has nothing to switch stops it before anything happened.
    if let Some(sensor) = sensors.iter().find(|sensor| !on && sensor.camera.label().is_none()) {
        face.switch(&sensor.camera, on, &["path", "mxid"])?;
    }
    for sensor in &sensors {
        face.switch(&sensor.camera, on, &["path", "mxid"])?;
    }
    Ok(Json(DeviceInfo::of(&sensors)).into_response())
}

/// The infrared lights: no camera here has any, which Robopipe answers with `null`.
pub(super) async fn infrared(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    call.sensors(&face.context.cameras)?;
    Ok(Json(Value::Null).into_response())
}

/// The lights that Robopipe's cameras have, from 0 to 1.
pub(super) const LIGHTS: [(&str, Kind); 2] =
    [("flood_light", Kind::Float(0.0, 1.0)), ("dot_projector", Kind::Float(0.0, 1.0))];

/// Lights that are not there can be left off, and nothing else.
pub(super) async fn set_infrared(face: Arc<Face>, mut call: Call) -> Result<Response, Failure> {
    let sensors = call.own_sensors(&face.context.cameras)?;
    let mut wrongs = Vec::new();
    for (key, value) in call.object().await? {
        let loc = ["body", key.as_str()];
        match LIGHTS.iter().find(|(name, _)| *name == key).map(|(_, kind)| kind.judge(&value, &loc)) {
            None => wrongs.push(Wrong::new("extra_forbidden", &loc, "Extra inputs are not permitted", value)),
            Some(Err(wrong)) => wrongs.push(wrong),
            Some(Ok(level)) if level.as_f64() != Some(0.0) => {
                let message = format!("camera {} has no infrared light to switch on", sensors[0].mxid);
                wrongs.push(Wrong::new(NOT_SETTABLE, &loc, message, value));
            }
            Some(Ok(_)) => {}
        }
    }
    if wrongs.is_empty() { Ok(Json(Value::Null).into_response()) } else { Err(Failure::Invalid(wrongs)) }
}
