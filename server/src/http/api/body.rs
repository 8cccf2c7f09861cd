//! What is sent to the API: JSON objects, and their values as TOML, since definitions are judged as the configuration is.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use serde_json::{Map, Value};

use crate::http::problem::Problem;

/// Longer than any definition.
const MAX_BODY: usize = 64 * 1_024;
/// A body must be there within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// The object in a request's body.
///
/// # Errors
/// 415 if it does not say that it is JSON, 413, 408, or 400 if it is no object. A form on a page of somebody else cannot say that it is
/// JSON without being asked for leave first.
pub(super) async fn object(request: Request) -> Result<Map<String, Value>, Problem> {
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !["application/json", "application/merge-patch+json"].contains(&kind.as_str()) {
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send JSON, with Content-Type: application/json",
        ));
    }
    let read = tokio::time::timeout(PATIENCE, to_bytes(request.into_body(), MAX_BODY));
    let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time");
    let long = |_| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is broken, or longer than {MAX_BODY} bytes"),
        )
    };
    let bytes = read.await.map_err(late)?.map_err(long)?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::new(StatusCode::BAD_REQUEST, "the body must be a JSON object")),
        Err(error) => Err(Problem::new(StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}"))),
    }
}

/// A value as the configuration would write it.
///
/// # Errors
/// 422 naming the key whose value TOML cannot say.
pub(super) fn as_toml(key: &str, value: Value) -> Result<toml::Value, Problem> {
    Ok(match value {
        Value::Null => return Err(Problem::key(key, "null is no value")),
        Value::Bool(value) => value.into(),
        Value::String(value) => value.into(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.into(),
            (None, Some(float)) => float.into(),
            (None, None) => return Err(Problem::key(key, format!("{number} is too large a number"))),
        },
        Value::Array(values) => {
            let values =
                values.into_iter().enumerate().map(|(at, value)| as_toml(&format!("{key}[{at}]"), value));
            toml::Value::Array(values.collect::<Result<_, _>>()?)
        }
        Value::Object(members) => {
            let members = members
                .into_iter()
                .map(|(name, value)| Ok((name.clone(), as_toml(&format!("{key}.{name}"), value)?)));
            toml::Value::Table(members.collect::<Result<_, Problem>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_what_toml_would_say() {
        let json =
            serde_json::json!({ "test": { "fps": 29.97, "width": 640, "audio": false, "list": ["a"] } });
        let expected: toml::Table =
            "test = { fps = 29.97, width = 640, audio = false, list = ['a'] }".parse().unwrap();
        assert_eq!(as_toml("source", json).unwrap(), toml::Value::Table(expected));
    }

    #[test]
    fn what_toml_cannot_say_is_refused_by_its_key() {
        let problem = as_toml("source", serde_json::json!({ "test": { "gop": null } })).unwrap_err();
        assert_eq!(problem, Problem::key("source.test.gop", "null is no value"));
    }
}
