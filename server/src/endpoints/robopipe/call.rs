//! A request as an operation gets it: who asks, for what, with which words.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::errors::{Failure, Wrong};
use super::names::{self, Sensor};
use crate::auth::{Identity, Right};
use crate::supervise::cameras::{Camera, Cameras};

/// A body longer than this is no object of this API.
const MAX_BODY: usize = 64 * 1_024;

/// A request to one operation.
#[derive(Debug)]
pub(super) struct Call {
    /// What the path names, in its order: the camera, then the sensor.
    pub(super) path: Vec<String>,
    /// The whole request.
    pub(super) request: Request,
}

impl Call {
    /// Whether whoever asks has this right on the stream.
    pub(super) fn may(&self, right: Right, camera: &Camera) -> bool {
        let identity = self.request.extensions().get::<Identity>();
        identity.is_some_and(|identity| identity.may(right, camera.stream().name()))
    }

    /// The sensors of every camera that whoever asks may see.
    pub(super) fn all_sensors(&self, cameras: &Cameras) -> Vec<Sensor> {
        names::all(cameras).into_iter().filter(|sensor| self.may(Right::View, &sensor.camera)).collect()
    }

    /// The sensors of the camera that the path names: those that whoever asks may see, one at least.
    ///
    /// # Errors
    /// [`Failure::Missing`], or what is wrong with a name that no camera could have.
    pub(super) fn sensors(&self, cameras: &Cameras) -> Result<Vec<Sensor>, Failure> {
        let mxid = self.part(0);
        let mut sensors = self.all_sensors(cameras);
        sensors.retain(|sensor| sensor.mxid == mxid);
        if sensors.is_empty() { Err(self.no_such_name()) } else { Ok(sensors) }
    }

    /// Every sensor of the camera that the path names, if whoever asks may change them all.
    ///
    /// # Errors
    /// As [`Self::sensors`], and [`Failure::Forbidden`].
    pub(super) fn own_sensors(&self, cameras: &Cameras) -> Result<Vec<Sensor>, Failure> {
        self.sensors(cameras)?;
        let mut sensors = names::all(cameras);
        sensors.retain(|sensor| sensor.mxid == self.part(0));
        if sensors.iter().all(|sensor| self.may(Right::Admin, &sensor.camera)) {
            Ok(sensors)
        } else {
            Err(Failure::Forbidden("this needs the right admin on every stream of the camera"))
        }
    }

    /// The stream that the path names, if it is active.
    ///
    /// # Errors
    /// [`Failure::Missing`], or what is wrong with a name that no stream could have.
    pub(super) fn active_stream(&self, cameras: &Cameras) -> Result<Arc<Camera>, Failure> {
        let camera = self.stream(cameras)?;
        if camera.is_on() { Ok(camera) } else { Err(Failure::Missing) }
    }

    /// The stream that the path names, active or not.
    ///
    /// # Errors
    /// As [`Self::active_stream`].
    pub(super) fn stream(&self, cameras: &Cameras) -> Result<Arc<Camera>, Failure> {
        names::find(cameras, self.part(0), self.part(1)).ok_or_else(|| self.no_such_name())
    }

    /// The value of a key of the query, decoded.
    pub(super) fn query(&self, key: &str) -> Option<String> {
        let query = self.request.uri().query()?;
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.filter(|(name, _)| *name == key).map(|(_, value)| value).next_back()?;
        Some(percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
    }

    /// Header lines.
    pub(super) fn headers(&self) -> &HeaderMap {
        self.request.headers()
    }

    /// The body, which must be a JSON object.
    ///
    /// # Errors
    /// What else it is.
    pub(super) async fn object(&mut self) -> Result<Map<String, Value>, Failure> {
        let kind = self.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
        let is_json = kind.is_none_or(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
        });
        let body = std::mem::replace(self.request.body_mut(), Body::empty());
        let whole = |msg: &str, kind| Failure::from(Wrong::new(kind, &["body"], msg, Value::Null));
        let bytes = axum::body::to_bytes(body, MAX_BODY)
            .await
            .map_err(|_| whole("the body broke off, or is longer than any object of this API", "too_long"))?;
        if bytes.is_empty() {
            return Err(whole("Field required", "missing"));
        }
        let not_an_object = "Input should be a valid dictionary or object to extract fields from";
        if !is_json {
            return Err(Wrong::new(
                "model_attributes_type",
                &["body"],
                format!("{not_an_object}: send application/json"),
                json!(String::from_utf8_lossy(&bytes)),
            )
            .into());
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(other) => Err(Wrong::new("model_attributes_type", &["body"], not_an_object, other).into()),
            Err(error) => {
                let mut wrong = Wrong::new("json_invalid", &["body"], "JSON decode error", json!({}))
                    .with(json!({ "error": error.to_string() }));
                wrong.loc.push(json!(error.column()));
                Err(wrong.into())
            }
        }
    }

    fn part(&self, index: usize) -> &str {
        self.path.get(index).map_or("", String::as_str)
    }

    /// 404, or what is wrong with the names of the path: patterns are for names that no camera has, since ours may have others.
    fn no_such_name(&self) -> Failure {
        let pattern = |place, pattern: &str, input: &str| {
            let msg = format!("String should match pattern '{pattern}'");
            Wrong::new("string_pattern_mismatch", &["path", place], msg, json!(input))
                .with(json!({ "pattern": pattern }))
        };
        let mut wrongs = Vec::new();
        if !names::is_mxid(self.part(0)) {
            wrongs.push(pattern("mxid", names::MXID, self.part(0)));
        }
        if self.path.len() > 1 && !names::is_sensor(self.part(1)) {
            wrongs.push(pattern("stream_name", names::SENSOR, self.part(1)));
        }
        if wrongs.is_empty() { Failure::Missing } else { Failure::Invalid(wrongs) }
    }
}
