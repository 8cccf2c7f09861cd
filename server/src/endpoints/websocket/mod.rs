//! WebSocket outputs of every stream: `/{stream}/ws?format=…` (see `docs/ref/websocket.md`).
//!
//! Maps a request onto a packaging and a session; formats are `container`'s, sending is `ws`'s.

mod query;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use container::Format;
use hub::LagPolicy;
use serde::Deserialize;

use self::query::Query;
use crate::auth::{Access, Right};
use crate::config::file::Section;
use crate::config::values::Span;
use crate::endpoint::{Context, Endpoint, Parts, Serve, StreamHandler, StreamRoute};
use crate::error::ConfigError;
use crate::supervise::cameras::Camera;
use crate::viewers::{Framing, Manners, Viewers, WebSocketDialogue};
use crate::ws::handshake;

/// The WebSocket endpoint.
#[derive(Debug)]
pub struct WebSocket;

/// `[websocket]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// A write without progress for this long ends the session.
    send_timeout: Span,
    /// A viewer further behind skips to a newer random access point, if there is one.
    max_lag: Span,
}

/// jmuxer plays what it has and counts 33 ms a picture: with nothing in hand it waits, and drops, at each late picture.
const CUSHION: Duration = Duration::from_millis(100);

impl Default for Settings {
    fn default() -> Self {
        Self { send_timeout: Span(Duration::from_secs(10)), max_lag: Span(LagPolicy::default().max_lag) }
    }
}

impl Endpoint for WebSocket {
    fn name(&self) -> &'static str {
        "websocket"
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        let settings: Settings = section.map_or_else(|| Ok(Settings::default()), Section::parse)?;
        Ok(Box::new(move |context| {
            let outputs = Arc::new(Outputs {
                settings,
                context: context.clone(),
                viewers: Arc::new(Viewers::new(context.tasks.clone(), context.stop.clone())),
            });
            // `ws` by name, and `ws/` as the jmuxer recipe's page finds it below its own address.
            let stream_routes = ["ws", "ws/"].into_iter().map(|tail| StreamRoute {
                tail,
                methods: &[Method::GET],
                access: Access::Stream(Right::View),
                needs_stream: true,
                handler: handler(Arc::clone(&outputs)),
            });
            Parts { stream_routes: stream_routes.collect(), ..Parts::default() }
        }))
    }
}

#[derive(Debug)]
struct Outputs {
    settings: Settings,
    context: Context,
    viewers: Arc<Viewers>,
}

fn handler(outputs: Arc<Outputs>) -> StreamHandler {
    Arc::new(move |camera, request| {
        let outputs = Arc::clone(&outputs);
        Box::pin(async move {
            match camera {
                Some(camera) => outputs.open(&camera, request),
                None => StatusCode::NOT_FOUND.into_response(),
            }
        })
    })
}

impl Outputs {
    fn open(&self, camera: &Arc<Camera>, request: Request) -> Response {
        let query = match Query::parse(request.uri().query().unwrap_or_default()) {
            Ok(query) => query,
            Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        };
        let key = query.format.key(&query.options);
        let admission = match self.context.audience.admit(camera, key, request.extensions()) {
            Ok(admission) => admission,
            Err(refusal) => return refusal.into_response(),
        };
        let (response, upgrade) = match handshake::accept(request, &self.context.origins) {
            Ok(accepted) => accepted,
            Err(refusal) => return refusal,
        };
        let policy = LagPolicy { max_lag: self.settings.max_lag.0 };
        let control = query.format == Format::Webcodecs;
        let manners = Manners {
            framing: Framing::Messages { text_init: control },
            init_pause: Duration::ZERO,
            cushion: matches!(query.format, Format::Annexb | Format::Av).then_some(CUSHION),
            send_timeout: self.settings.send_timeout.0,
        };
        let (viewers, context, camera) =
            (Arc::clone(&self.viewers), self.context.clone(), Arc::clone(camera));
        self.context.tasks.spawn("ws-viewer", async move {
            let Some(connection) = upgrade.connection().await else { return };
            let form = (query.format, query.options);
            let dialogue = WebSocketDialogue::new(control);
            let session =
                viewers.show(connection, &context, &camera, form, policy, manners, dialogue, admission);
            drop((camera, context, viewers));
            session.await;
        });
        response
    }
}
