//! `/{stream}/snapshot.jpg`: the newest picture of a stream, for whatever shows a JPEG.
//!
//! Maps a request onto a still; making it, and making it once, is `still`'s.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::auth::{Access, Right};
use crate::config::file::Section;
use crate::endpoint::{Context, Endpoint, Parts, Serve, StreamRoute};
use crate::error::ConfigError;
use crate::still::{Encoding, Size, Still, StillError};
use crate::supervise::cameras::{Camera, State};

/// The snapshot endpoint.
#[derive(Debug)]
pub struct Snapshot;

impl Endpoint for Snapshot {
    fn name(&self) -> &'static str {
        "snapshot"
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        if let Some(section) = section {
            return Err(section.error("this section has no keys"));
        }
        Ok(Box::new(|context| {
            let context = context.clone();
            let route = StreamRoute {
                tail: "snapshot.jpg",
                methods: &[Method::GET, Method::HEAD],
                access: Access::Stream(Right::View),
                needs_stream: true,
                handler: Arc::new(move |camera, request| {
                    let context = context.clone();
                    Box::pin(async move {
                        match camera {
                            Some(camera) => snapshot(&context, &camera, request).await,
                            None => StatusCode::NOT_FOUND.into_response(),
                        }
                    })
                }),
            };
            Parts { stream_routes: vec![route], ..Parts::default() }
        }))
    }
}

async fn snapshot(context: &Context, camera: &Camera, request: Request) -> Response {
    let size = match size(request.uri().query().unwrap_or_default()) {
        Ok(size) => size,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    // A still of a camera that runs is what those see who are turned away: made once however many ask, it costs next to nothing.
    let full = context.audience.would_refuse(camera.stream().name()).is_some();
    let _admission = if full && camera.stream().snapshot().live {
        None
    } else {
        match context.audience.admit(camera, "snapshot", request.extensions()) {
            Ok(admission) => Some(admission),
            Err(refusal) => return refusal.into_response(),
        }
    };
    let mut response = match context.stills.take(camera, size, Encoding::Jpeg).await {
        Ok(still) => answer(&still, request.headers()),
        Err(error) => refuse(&error, camera),
    };
    context.origins.share(request.headers(), response.headers_mut());
    response
}

/// From the text after `?`. Names that are not ours are ignored: pages add numbers to get round caches.
fn size(query: &str) -> Result<Size, String> {
    let mut size = Size::Full;
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name == "width" {
            let width = value.parse().ok().filter(|width| *width > 0);
            size = Size::Width(width.ok_or_else(|| format!("width: {value:?} is no number of pixels"))?);
        }
    }
    Ok(size)
}

fn answer(still: &Still, asked: &HeaderMap) -> Response {
    // To be asked for again each time, but sent only if it is another.
    let caching = [(header::CACHE_CONTROL, "no-cache"), (header::ETAG, &still.etag)];
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(str::trim);
    if known.any(|tag| tag == "*" || tag.trim_start_matches("W/") == still.etag) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    let kind = [(header::CONTENT_TYPE, still.encoding.mime())];
    (caching, kind, Body::from(still.bytes.clone())).into_response()
}

fn refuse(error: &StillError, camera: &Camera) -> Response {
    let text = match (error, camera.state()) {
        (StillError::NoPicture, State::Reconnecting(reason)) => {
            format!("{error}; the camera fails: {reason}\n")
        }
        _ => format!("{error}\n"),
    };
    match error {
        StillError::NoVideo => (StatusCode::NOT_FOUND, text).into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], text).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_width_is_named() {
        assert_eq!(size("t=3&width=320"), Ok(Size::Width(320)));
        assert_eq!(size("t=3"), Ok(Size::Full));
        for wrong in ["width=", "width=0", "width=-4", "width=wide", "width=99999999999"] {
            assert!(size(wrong).unwrap_err().contains("width"), "{wrong}");
        }
    }
}
