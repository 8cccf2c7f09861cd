//! Publishing to a stream that has no source of its own: a body at `/{stream}/publish`, a WebSocket at `/{stream}/ws?publish=…` (see
//! `docs/ref/endpoints/publish.md`).
//!
//! Maps a request onto a seat and an ingest. Who sits where is `supervise::seat`'s, what the bytes mean `ingest`'s.

mod feed;
mod socket;
mod units;
mod upload;

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use axum::response::IntoResponse;
use container::demux::InputFormat;
use hub::PublishError;

use crate::auth::{Access, Right};
use crate::config::file::Section;
use crate::endpoint::{Endpoint, Parts, Serve, StreamHandler, StreamRoute};
use crate::error::{ConfigError, SourceError};

/// The publishing endpoint.
#[derive(Debug)]
pub struct Publish;

impl Endpoint for Publish {
    fn name(&self) -> &'static str {
        "publish"
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        if let Some(section) = section {
            return Err(section
                .error("publishing has no settings of its own; those of a stream are in [streams.NAME]"));
        }
        Ok(Box::new(|context| {
            let sockets = context.clone();
            let socket: StreamHandler = Arc::new(move |camera, request| {
                let answer = match camera {
                    Some(camera) => socket::open(&camera, &sockets, request),
                    None => StatusCode::NOT_FOUND.into_response(),
                };
                Box::pin(std::future::ready(answer))
            });
            let context = context.clone();
            let upload: StreamHandler = Arc::new(move |camera, request| {
                let context = context.clone();
                Box::pin(async move {
                    match camera {
                        Some(camera) => upload::upload(&camera, &context, request).await,
                        None => StatusCode::NOT_FOUND.into_response(),
                    }
                })
            });
            let by_body = StreamRoute {
                tail: "publish",
                methods: &[Method::POST, Method::PUT],
                access: Access::Stream(Right::Publish),
                needs_stream: true,
                handler: upload,
            };
            // With the slash as well, as viewers' sockets are found: a publisher must not become a viewer by it.
            let by_socket = ["ws?publish", "ws/?publish"].map(|tail| StreamRoute {
                tail,
                methods: &[Method::GET],
                access: Access::Stream(Right::Publish),
                needs_stream: true,
                handler: Arc::clone(&socket),
            });
            let stream_routes = [by_body].into_iter().chain(by_socket).collect();
            Parts { stream_routes, ..Parts::default() }
        }))
    }
}

/// The status for bytes that cannot be published; `units` could be before them.
const fn status_of(error: &SourceError, units: u64) -> StatusCode {
    match error {
        SourceError::Media(_) if units == 0 => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        SourceError::Media(_) | SourceError::Io { .. } => StatusCode::BAD_REQUEST,
        SourceError::Ended(_) => StatusCode::REQUEST_TIMEOUT,
        SourceError::Publish(PublishError::Closed(_)) => StatusCode::SERVICE_UNAVAILABLE,
        SourceError::Publish(PublishError::Taken(_) | PublishError::Replaced(_)) => StatusCode::CONFLICT,
    }
}

/// A format by the name users write.
fn input_format(name: &str) -> Result<InputFormat, String> {
    if name == "h264" { Ok(InputFormat::AnnexB) } else { name.parse() }
}
