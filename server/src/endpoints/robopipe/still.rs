//! `…/still`: the newest picture of a stream as a file, in the size it is made in.

use std::sync::Arc;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Face;
use super::call::Call;
use super::errors::Failure;
use super::fields::Kind;
use crate::still::{Encoding, Size};

/// What a still may be; Robopipe has more, by the library it draws on.
pub(super) const FORMAT: Kind = Kind::Choice(&["jpeg", "png"]);

/// Takes a still. A camera that is off starts for it.
pub(super) async fn take(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    let camera = call.active_stream(&face.context.cameras)?;
    let asked = call.query("format").unwrap_or_else(|| "jpeg".to_owned()).to_ascii_lowercase();
    FORMAT.judge(&json!(asked), &["query", "format"])?;
    let (encoding, mime) =
        if asked == "png" { (Encoding::Png, "image/png") } else { (Encoding::Jpeg, "image/jpeg") };
    let still = face.context.stills.take(&camera, Size::Full, encoding).await;
    let still =
        still.map_err(|error| Failure::Unavailable(format!("{}: {error}", camera.stream().name())))?;
    Ok(([(header::CONTENT_TYPE, mime)], still.bytes.clone()).into_response())
}
