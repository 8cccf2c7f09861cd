//! `/{stream}/mjpeg`: a picture that moves in a bare `<img>`, in any browser.
//!
//! `multipart/x-mixed-replace`, each part a JPEG. Decoding, scaling and encoding are done once for all viewers of one size (`pictures`);
//! each viewer takes the newest picture whenever it is ready for one (`viewer`).

mod pictures;
mod query;
mod viewer;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use encode::PictureDecoder;
use media::{Codec, MediaKind};
use serde::Deserialize;

use self::pictures::Gallery;
use self::query::Query;
use self::viewer::{CONTENT_TYPE, Viewer};
use crate::auth::{Access, Right};
use crate::config::file::Section;
use crate::config::values::Span;
use crate::endpoint::{Context, Endpoint, Parts, Serve, StreamRoute};
use crate::error::ConfigError;
use crate::net::takeover::Takeover;
use crate::supervise::cameras::Camera;

/// The MJPEG endpoint.
#[derive(Debug)]
pub struct Mjpeg;

/// `[mjpeg]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Pictures a second for a viewer who does not say.
    fps: f32,
    /// JPEG's quality, 1 to 100.
    quality: u8,
    /// A write without progress for this long ends the answer.
    send_timeout: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self { fps: 15.0, quality: 75, send_timeout: Span(Duration::from_secs(10)) }
    }
}

impl Endpoint for Mjpeg {
    fn name(&self) -> &'static str {
        "mjpeg"
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        let place = section.clone();
        let settings: Settings = section.map_or_else(|| Ok(Settings::default()), Section::parse)?;
        if let Some(place) = place {
            if !query::FPS.contains(&settings.fps) {
                return Err(place.error("fps must be from 0.1 to 60"));
            }
            if !(1..=100).contains(&settings.quality) {
                return Err(place.error("quality must be from 1 to 100"));
            }
        }
        Ok(Box::new(move |context| {
            let outputs = Arc::new(Outputs {
                gallery: Gallery::new(context.tasks.clone(), settings.quality),
                settings,
                context: context.clone(),
            });
            let route = StreamRoute {
                tail: "mjpeg",
                methods: &[Method::GET, Method::HEAD],
                access: Access::Stream(Right::View),
                needs_stream: true,
                handler: Arc::new(move |camera, request| {
                    let answer = match &camera {
                        Some(camera) => outputs.open(camera, &request),
                        None => StatusCode::NOT_FOUND.into_response(),
                    };
                    Box::pin(std::future::ready(answer))
                }),
            };
            Parts { stream_routes: vec![route], ..Parts::default() }
        }))
    }
}

#[derive(Debug)]
struct Outputs {
    gallery: Gallery,
    settings: Settings,
    context: Context,
}

impl Outputs {
    fn open(&self, camera: &Camera, request: &Request) -> Response {
        let query = match Query::parse(request.uri().query().unwrap_or_default()) {
            Ok(query) => query,
            Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        };
        if let Some(codec) = undecodable(camera) {
            let text = format!("{} is not decoded here, H.264 and JPEG are\n", codec.name());
            let mut refusal = (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
            self.context.origins.share(request.headers(), refusal.headers_mut());
            return refusal;
        }
        let head = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
        let mut response = head.into_response();
        self.context.origins.share(request.headers(), response.headers_mut());
        if request.method() == Method::HEAD {
            return response;
        }
        let admission = match self.context.audience.admit(camera, "mjpeg", request.extensions()) {
            Ok(admission) => admission,
            Err(refusal) => return refusal.into_response(),
        };
        let fps = query.fps.unwrap_or(self.settings.fps);
        let viewer = Viewer {
            pictures: self.gallery.watch(camera.stream(), query.size, fps),
            fps,
            send_timeout: self.settings.send_timeout.0,
            stop: self.context.stop.clone(),
            admission,
        };
        let tasks = self.context.tasks.clone();
        response
            .extensions_mut()
            .insert(Takeover::new(move |connection| tasks.spawn("mjpeg-viewer", viewer.run(connection))));
        response
    }
}

/// The codec of the stream's pictures, if it is known and no decoder for it is here.
fn undecodable(camera: &Camera) -> Option<Codec> {
    let tracks = camera.stream().snapshot().tracks;
    let video = tracks.iter().find(|track| track.kind() == MediaKind::Video)?;
    Some(video.parameters.codec()).filter(|codec| !PictureDecoder::decodes(*codec))
}
