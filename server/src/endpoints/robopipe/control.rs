//! `…/control`: Robopipe's `SensorControl`, how a sensor sees while it runs.
//!
//! What a stream's source has a dial for is read and set there. The other fields have the values that Robopipe's cameras boot with; a
//! client may post them back, as Studio does, and is refused when it wants them changed.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::Face;
use super::call::Call;
use super::errors::{Failure, NOT_SETTABLE, Wrong};
use super::fields::Kind;
use crate::controls::Control;
use crate::supervise::cameras::Camera;

/// A field of the object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What it is right after booting.
    initial: Initial,
    /// Where a source has it, if one can have it at all.
    dial: Option<Control>,
}

#[derive(Debug, Clone, Copy)]
enum Initial {
    Int(i64),
    Bool(bool),
    Text(&'static str),
}

impl Field {
    fn initial(&self) -> Value {
        match self.initial {
            Initial::Int(number) => json!(number),
            Initial::Bool(yes) => json!(yes),
            Initial::Text(text) => json!(text),
        }
    }
}

const fn int(name: &'static str, least: i64, most: i64, initial: i64) -> Field {
    Field { name, kind: Kind::Int(least, most), initial: Initial::Int(initial), dial: None }
}

const fn switch(name: &'static str, initial: bool) -> Field {
    Field { name, kind: Kind::Bool, initial: Initial::Bool(initial), dial: None }
}

const fn dial(name: &'static str, control: Control) -> Field {
    let field = int(name, -STEPS, STEPS, 0);
    Field { dial: Some(control), ..field }
}

/// A dial's way from its middle to either end, in Robopipe's steps.
const STEPS: i64 = 10;

const WHITEBALANCE: &[&str] = &[
    "AUTO",
    "CLOUDY_DAYLIGHT",
    "DAYLIGHT",
    "FLUORESCENT",
    "INCANDESCENT",
    "OFF",
    "SHADE",
    "TWILIGHT",
    "WARM_FLUORESCENT",
];

/// Every field but `focus`, which is null where nothing focuses by itself.
pub(super) const FIELDS: [Field; 14] = [
    int("exposure_time", 1, 33_000, 1),
    int("sensitivity_iso", 100, 5_000, 850),
    switch("auto_exposure_enable", true),
    int("auto_exposure_compensation", -9, 9, 0),
    int("auto_exposure_limit", i64::MIN, i64::MAX, 0),
    switch("auto_exposure_lock", false),
    dial("brightness", Control::Brightness),
    dial("contrast", Control::Contrast),
    dial("saturation", Control::Saturation),
    int("chroma_denoise", 0, 4, 0),
    int("luma_denoise", 0, 4, 0),
    switch("auto_whitebalance_lock", false),
    Field {
        name: "auto_whitebalance_mode",
        kind: Kind::Choice(WHITEBALANCE),
        initial: Initial::Text("AUTO"),
        dial: None,
    },
    int("manual_whitebalance", 1_000, 12_000, 6_500),
];

/// The object of a stream.
pub(super) async fn read(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    let camera = call.active_stream(&face.context.cameras)?;
    Ok(Json(current(&camera)).into_response())
}

/// Sets what differs from the object as it is, all or nothing.
pub(super) async fn set(face: Arc<Face>, mut call: Call) -> Result<Response, Failure> {
    let camera = call.active_stream(&face.context.cameras)?;
    let wanted = call.object().await?;
    camera.set(&changes(&camera, wanted)?).map_err(|refused| {
        let field = FIELDS.iter().find(|field| field.dial == Some(refused.control));
        let name = field.map_or("", |field| field.name);
        Failure::from(Wrong::new(NOT_SETTABLE, &["body", name], refused.reason, Value::Null))
    })?;
    Ok(Json(current(&camera)).into_response())
}

fn current(camera: &Camera) -> Map<String, Value> {
    let dials = camera.dials();
    let mut object: Map<String, Value> = FIELDS
        .iter()
        .map(|field| {
            let dial = dials.iter().find(|dial| Some(dial.control) == field.dial);
            let value = dial
                .map_or_else(|| field.initial(), |dial| json!((dial.value * STEPS as f64).round() as i64));
            (field.name.to_owned(), value)
        })
        .collect();
    object.insert("focus".to_owned(), Value::Null);
    object
}

/// What of the wanted object is to be set.
fn changes(camera: &Camera, wanted: Map<String, Value>) -> Result<Vec<(Control, f64)>, Failure> {
    let (now, dials) = (current(camera), camera.dials());
    let source = camera.label().unwrap_or("what is published to it");
    let cannot = |name: &str| {
        format!("{} cannot set {name}: its source ({source}) has nothing of the kind", camera.stream().name())
    };
    let (mut changes, mut wrongs) = (Vec::new(), Vec::new());
    for (key, value) in wanted {
        let loc = ["body", key.as_str()];
        if key != "focus" && !FIELDS.iter().any(|field| field.name == key) {
            wrongs.push(Wrong::new("extra_forbidden", &loc, "Extra inputs are not permitted", value));
            continue;
        }
        // As in the original, null says nothing.
        if value.is_null() {
            continue;
        }
        let Some(field) = FIELDS.iter().find(|field| field.name == key) else {
            wrongs.push(Wrong::new(NOT_SETTABLE, &loc, cannot(&key), value));
            continue;
        };
        match field.kind.judge(&value, &loc) {
            Err(wrong) => wrongs.push(wrong),
            Ok(same) if now.get(&key) == Some(&same) => {}
            Ok(other) => match field.dial.filter(|control| dials.iter().any(|dial| dial.control == *control))
            {
                Some(control) => {
                    changes.push((control, other.as_f64().unwrap_or_default() / STEPS as f64));
                }
                None => wrongs.push(Wrong::new(NOT_SETTABLE, &loc, cannot(&key), value)),
            },
        }
    }
    if wrongs.is_empty() { Ok(changes) } else { Err(Failure::Invalid(wrongs)) }
}
