//! Robopipe's video socket: `/cameras/{mxid}/streams/{name}/video`, so that its players connect unchanged.
//!
//! Camera and sensor are the parts of a stream's name: `OAK1/CAM_A`; a one-part name is a camera whose sensor is
//! `CAM_A`. This face owns no media logic: it maps the path onto a packaging.

mod rendition;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use container::{Format, FormatOptions};
use hub::{LagPolicy, StreamName};
use serde::Deserialize;
use tokio::net::TcpStream;

use self::rendition::Renditions;
use crate::auth::Right;
use crate::config::file::Section;
use crate::endpoint::{Context, Endpoint, Parts, Route, Serve};
use crate::error::ConfigError;
use crate::supervise::cameras::Camera;
use crate::ws::{Manners, Viewers, handshake};

/// Robopipe's face.
#[derive(Debug)]
pub struct Robopipe;

/// `[robopipe]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Give its players pictures that need no other: their old generation drops messages while it is busy.
    intra_only: bool,
    /// Pictures a second, if they should not be found by looking.
    fps: Option<NonZeroU32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { intra_only: true, fps: None }
    }
}

/// The old player appends the init segment and drops what comes while that is digested.
const INIT_PAUSE: Duration = Duration::from_millis(20);
/// As every WebSocket output.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// A viewer of a camera that shows nothing is let go after this; players come again.
const FIRST_PICTURE: Duration = Duration::from_secs(60);
/// The sensor of a camera with a one-part name.
const DEFAULT_SENSOR: &str = "CAM_A";

impl Endpoint for Robopipe {
    fn name(&self) -> &'static str {
        "robopipe"
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        let settings: Settings = section.map_or_else(|| Ok(Settings::default()), Section::parse)?;
        Ok(Box::new(move |context| {
            let face = Arc::new(Face {
                settings,
                context: context.clone(),
                renditions: Renditions::default(),
                viewers: Viewers::new(context.tasks.clone(), context.stop.clone()),
            });
            let mut routes = Vec::new();
            for cameras in ["cameras", "camera"] {
                for streams in ["streams", "sensors"] {
                    let (face, finder) = (Arc::clone(&face), Arc::clone(&face));
                    let open = get(
                        move |Path((mxid, sensor)): Path<(String, String)>, request: Request| async move {
                            face.open(&mxid, &sensor, request)
                        },
                    );
                    routes.push(Route::of_stream(
                        Method::GET,
                        format!("/{cameras}/{{mxid}}/{streams}/{{sensor}}/video"),
                        Right::View,
                        Arc::new(move |path| finder.name_of(path)),
                        open,
                    ));
                }
            }
            Parts { routes, stream_routes: Vec::new() }
        }))
    }
}

#[derive(Debug)]
struct Face {
    settings: Settings,
    context: Context,
    renditions: Renditions,
    viewers: Viewers,
}

impl Face {
    fn open(self: &Arc<Self>, mxid: &str, sensor: &str, request: Request) -> Response {
        let Some(camera) = self.find(mxid, sensor) else {
            return (StatusCode::NOT_FOUND, "null").into_response();
        };
        let admitted = self.context.audience.admit(&camera, "robopipe", request.extensions());
        let admission = match admitted {
            Ok(admission) => admission,
            Err(refusal) => return refusal.into_response(),
        };
        let (response, upgrade) = match handshake::accept(request, &self.context.origins) {
            Ok(accepted) => accepted,
            Err(refusal) => return refusal,
        };
        let face = Arc::clone(self);
        self.context.tasks.spawn("robopipe-viewer", async move {
            let Some(connection) = upgrade.connection().await else { return };
            // The format counts time in pictures, so it must know how many make a second before the first.
            let seen = tokio::select! {
                seen = rendition::look(camera.stream()) => seen,
                () = gone(&connection.io) => return,
                () = admission.door().cancelled() => return,
                () = tokio::time::sleep(FIRST_PICTURE) => return,
            };
            let Some(seen) = seen else { return };
            let stream = if face.settings.intra_only && !seen.intra_only {
                face.renditions.intra_only(&camera, &face.context)
            } else {
                Arc::clone(camera.stream())
            };
            let format = Format::Robopipe { frame_rate: face.settings.fps.unwrap_or(seen.frame_rate) };
            let options = FormatOptions { audio: false, ..FormatOptions::default() };
            let manners =
                Manners { control: false, init_pause: INIT_PAUSE, cushion: None, send_timeout: SEND_TIMEOUT };
            let session = face.viewers.serve(
                connection,
                &stream,
                (format, options),
                LagPolicy::default(),
                manners,
                admission,
            );
            drop((seen, stream, camera, face));
            session.await;
        });
        response
    }

    fn find(&self, mxid: &str, sensor: &str) -> Option<Arc<Camera>> {
        let cameras = &self.context.cameras;
        let two_parts = cameras.get(&format!("{mxid}/{sensor}"));
        two_parts.or_else(|| cameras.get(mxid).filter(|_| sensor == DEFAULT_SENSOR))
    }

    /// The stream that the parameters of a path name, camera and sensor.
    fn name_of(&self, path: &[&str]) -> Option<StreamName> {
        let [mxid, sensor] = path else { return None };
        self.find(mxid, sensor).map(|camera| camera.stream().name().clone())
    }
}

/// Until the peer has closed the connection.
async fn gone(io: &TcpStream) {
    // Bytes that wait hide the end behind them; these viewers have nothing to say, so there are none, mostly.
    while !matches!(io.peek(&mut [0]).await, Ok(0) | Err(_)) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
