//! `…/config`: size and pace of a stream, in the shape that Robopipe has for sensors of any kind.
//!
//! A source with dials for them is told; the size of any other is that of its last picture, and its pace is measured. Pictures are sent
//! in the size they are made in, so the sizes of video and preview are the resolution.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::Face;
use super::call::Call;
use super::errors::{Failure, NOT_SETTABLE, Wrong};
use super::fields::Kind;
use crate::controls::Control;
use crate::supervise::cameras::Camera;
use crate::transcode::look;

/// Sizes, each the resolution.
pub(super) const SIZES: [&str; 4] = ["resolution", "still_size", "preview_size", "video_size"];
/// Pictures a second.
pub(super) const FPS: Kind = Kind::Float(1.0, 240.0);
/// A camera that shows nothing for so long has no size to tell.
const FIRST_PICTURE: Duration = Duration::from_secs(10);

/// The words that Robopipe's colour and mono sensors have for sizes; taken, never given.
const RESOLUTIONS: [(&str, u32, u32); 16] = [
    ("THE_400_P", 640, 400),
    ("THE_480_P", 640, 480),
    ("THE_720_P", 1280, 720),
    ("THE_800_P", 1280, 800),
    ("THE_1080_P", 1920, 1080),
    ("THE_1200_P", 1920, 1200),
    ("THE_1352X1012", 1352, 1012),
    ("THE_1440X1080", 1440, 1080),
    ("THE_2024X1520", 2024, 1520),
    ("THE_5_MP", 2592, 1944),
    ("THE_4_K", 3840, 2160),
    ("THE_4000X3000", 4000, 3000),
    ("THE_12_MP", 4056, 3040),
    ("THE_13_MP", 4208, 3120),
    ("THE_5312X6000", 5312, 6000),
    ("THE_48_MP", 8000, 6000),
];

/// What a stream's pictures are.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Config {
    size: [u32; 2],
    fps: f64,
}

impl Config {
    fn object(&self) -> Value {
        let mut object: Map<String, Value> =
            SIZES.iter().map(|key| ((*key).to_owned(), json!(self.size))).collect();
        object.insert("fps".to_owned(), json!(self.fps));
        Value::Object(object)
    }
}

/// The object of a stream.
pub(super) async fn read(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    let camera = call.active_stream(&face.context.cameras)?;
    Ok(Json(current(&camera).await?.object()).into_response())
}

/// Sets what differs from the object as it is, all or nothing. The source starts again, which ends the stream's sockets.
pub(super) async fn set(face: Arc<Face>, mut call: Call) -> Result<Response, Failure> {
    let camera = call.active_stream(&face.context.cameras)?;
    let wanted = call.object().await?;
    let now = current(&camera).await?;
    let changes = changes(now, wanted)?;
    if changes.is_empty() {
        return Ok(Json(now.object()).into_response());
    }
    camera.set(&changes).map_err(|refused| {
        let key = if refused.control == Control::FrameRate { "fps" } else { "resolution" };
        let input = if key == "fps" { json!(now.fps) } else { json!(now.size) };
        Failure::from(Wrong::new(NOT_SETTABLE, &["body", key], refused.reason, input))
    })?;
    face.end_sockets(&camera);
    Ok(Json(current(&camera).await?.object()).into_response())
}

async fn current(camera: &Arc<Camera>) -> Result<Config, Failure> {
    let dials = camera.dials();
    let dial = |control| dials.iter().find(|dial| dial.control == control).map(|dial| dial.value);
    if let (Some(width), Some(height), Some(fps)) =
        (dial(Control::Width), dial(Control::Height), dial(Control::FrameRate))
    {
        return Ok(Config { size: [width as u32, height as u32], fps });
    }
    let seen = tokio::time::timeout(FIRST_PICTURE, look(camera.stream())).await;
    let tracks = camera.stream().snapshot().tracks;
    let size = tracks.iter().find_map(|track| track.parameters.dimensions());
    match (seen.ok().flatten(), size) {
        (Some(seen), Some((width, height))) => {
            Ok(Config { size: [width, height], fps: f64::from(seen.frame_rate.get()) })
        }
        _ => {
            let seconds = FIRST_PICTURE.as_secs();
            let name = camera.stream().name();
            Err(Failure::Unavailable(format!("{name} showed no picture within {seconds} s")))
        }
    }
}

/// What of the wanted object is to be set.
fn changes(now: Config, wanted: Map<String, Value>) -> Result<Vec<(Control, f64)>, Failure> {
    let mut wrongs = Vec::new();
    let mut new = now;
    let mut others = Vec::new();
    for (key, value) in wanted {
        let loc = ["body", key.as_str()];
        let judged = match key.as_str() {
            "resolution" => size(&value, &loc).map(|size| new.size = size),
            "still_size" | "preview_size" | "video_size" => {
                size(&value, &loc).map(|size| others.push((key.clone(), size)))
            }
            "fps" => FPS.judge(&value, &loc).and_then(|fps| {
                new.fps = fps.as_f64().unwrap_or_default();
                let changed = (new.fps - now.fps).abs() > 1e-3;
                if changed && new.fps.fract() != 0.0 {
                    let message = "Robopipe's video counts time in pictures: fps must be a whole number";
                    return Err(Wrong::new(NOT_SETTABLE, &loc, message, value));
                }
                Ok(())
            }),
            // Part of a colour sensor's object; the whole picture is what there is.
            "sensor_crop" if value == json!([0.0, 0.0]) || value == json!([0, 0]) => Ok(()),
            "sensor_crop" => {
                Err(Wrong::new(NOT_SETTABLE, &loc, "pictures are shown whole: nothing is cropped", value))
            }
            _ => Err(Wrong::new("extra_forbidden", &loc, "Extra inputs are not permitted", value)),
        };
        wrongs.extend(judged.err());
    }
    // One who posts the whole object back with a new resolution has left these as they were.
    for (key, size) in others.into_iter().filter(|(_, size)| *size != new.size && *size != now.size) {
        let message = "pictures are sent in the size they are made in: set resolution";
        wrongs.push(Wrong::new(NOT_SETTABLE, &["body", &key], message, json!(size)));
    }
    if !wrongs.is_empty() {
        return Err(Failure::Invalid(wrongs));
    }
    let mut changes = Vec::new();
    if new.size != now.size {
        let [width, height] = new.size.map(f64::from);
        changes.extend([(Control::Width, width), (Control::Height, height)]);
    }
    if (new.fps - now.fps).abs() > 1e-3 {
        changes.push((Control::FrameRate, new.fps));
    }
    Ok(changes)
}

/// Width and height, or Robopipe's word for them.
fn size(value: &Value, loc: &[&str]) -> Result<[u32; 2], Wrong> {
    if let Some(word) = value.as_str() {
        let known = RESOLUTIONS.iter().find(|(name, ..)| *name == word);
        return known.map(|(_, width, height)| [*width, *height]).ok_or_else(|| {
            let words = RESOLUTIONS.map(|(name, ..)| name).join(", ");
            Wrong::new(
                "enum",
                loc,
                format!("Input should be width and height, or one of {words}"),
                json!(word),
            )
        });
    }
    let sides = Kind::Size.judge(value, loc)?;
    let side =
        |index| sides[index].as_u64().and_then(|side: u64| u32::try_from(side).ok()).unwrap_or_default();
    Ok([side(0), side(1)])
}

/// What [`size`] takes, as JSON Schema.
pub(super) fn size_schema() -> Value {
    json!({ "anyOf": [Kind::Size.schema(), { "type": "string", "enum": RESOLUTIONS.map(|(name, ..)| name) }] })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Config = Config { size: [1280, 720], fps: 30.0 };

    fn judge(wanted: Value) -> Result<Vec<(Control, f64)>, Vec<String>> {
        let Value::Object(wanted) = wanted else { panic!("an object") };
        changes(NOW, wanted).map_err(|failure| match failure {
            Failure::Invalid(wrongs) => wrongs.iter().map(|w| format!("{} {}", w.kind, w.loc[1])).collect(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn the_whole_object_posted_back_changes_nothing() {
        assert_eq!(judge(NOW.object()), Ok(vec![]));
    }

    #[test]
    fn a_new_resolution_takes_the_other_sizes_with_it() {
        let mut object = NOW.object();
        object["resolution"] = json!([640, 360]);
        object["fps"] = json!(15);
        let changes = vec![(Control::Width, 640.0), (Control::Height, 360.0), (Control::FrameRate, 15.0)];
        assert_eq!(judge(object), Ok(changes));
        let word = judge(json!({ "resolution": "THE_1080_P", "video_size": [1920, 1080] }));
        assert_eq!(word, Ok(vec![(Control::Width, 1920.0), (Control::Height, 1080.0)]));
    }

    #[test]
    fn what_cannot_be_obeyed_is_refused_where_it_stands() {
        let wanted = json!({
            "preview_size": [300, 300], "fps": 29.97, "sensor_crop": [0.1, 0.0], "resolution": "THE_9_P", "iris": 1
        });
        let mut wrongs = judge(wanted).unwrap_err();
        wrongs.sort();
        let expected = [
            "enum \"resolution\"",
            "extra_forbidden \"iris\"",
            "not_settable \"fps\"",
            "not_settable \"preview_size\"",
            "not_settable \"sensor_crop\"",
        ];
        assert_eq!(wrongs, expected);
    }
}
