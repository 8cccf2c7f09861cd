//! Every stream as an endless file: `/{stream}/stream.mp4`, `stream.ts` and `stream.flv` (HTTP-FLV).
//!
//! The same packagings as the WebSocket's `fmp4`, `mpegts` and `flv`, so made once for both, without the messages around them. The
//! connection is taken over behind the answer's head and served like a WebSocket's, in a group: nothing is queued, and a slow viewer skips.
//!
//! An MP4 file has one `moov`, so a change of parameters ends `stream.mp4`; players come again. A transport stream and FLV go on.

mod query;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use container::Format;
use hub::LagPolicy;
use serde::Deserialize;

use crate::auth::{Access, Right};
use crate::config::file::Section;
use crate::config::values::Span;
use crate::endpoint::{Context, Endpoint, Parts, Serve, StreamRoute};
use crate::error::ConfigError;
use crate::net::takeover::Takeover;
use crate::supervise::cameras::Camera;
use crate::viewers::{Framing, Manners, Silent, Viewers};

/// The progressive endpoint.
#[derive(Debug)]
pub struct Progressive;

/// `[progressive]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// A write without progress for this long ends the answer.
    send_timeout: Span,
    /// A viewer further behind skips to a newer random access point, if there is one.
    max_lag: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Self { send_timeout: Span(Duration::from_secs(10)), max_lag: Span(LagPolicy::default().max_lag) }
    }
}

/// Address, format, and what the body is.
const FILES: [(&str, Format, &str); 3] = [
    ("stream.mp4", Format::Fmp4, "video/mp4"),
    ("stream.ts", Format::Mpegts, "video/mp2t"),
    ("stream.flv", Format::Flv, "video/x-flv"),
];

impl Endpoint for Progressive {
    fn name(&self) -> &'static str {
        "progressive"
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        let settings: Settings = section.map_or_else(|| Ok(Settings::default()), Section::parse)?;
        Ok(Box::new(move |context| {
            let files = Arc::new(Files {
                settings,
                context: context.clone(),
                viewers: Arc::new(Viewers::new(context.tasks.clone(), context.stop.clone())),
            });
            let routes = FILES.map(|(tail, format, mime)| {
                let files = Arc::clone(&files);
                StreamRoute {
                    tail,
                    methods: &[Method::GET, Method::HEAD],
                    access: Access::Stream(Right::View),
                    needs_stream: true,
                    handler: Arc::new(move |camera, request| {
                        let answer = match &camera {
                            Some(camera) => files.open(camera, format, mime, &request),
                            None => StatusCode::NOT_FOUND.into_response(),
                        };
                        Box::pin(std::future::ready(answer))
                    }),
                }
            });
            Parts { stream_routes: routes.into(), ..Parts::default() }
        }))
    }
}

#[derive(Debug)]
struct Files {
    settings: Settings,
    context: Context,
    viewers: Arc<Viewers>,
}

impl Files {
    fn open(&self, camera: &Arc<Camera>, format: Format, mime: &'static str, request: &Request) -> Response {
        let options = match query::options(request.uri().query().unwrap_or_default()) {
            Ok(options) => options,
            Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
        };
        // A page of another server that may connect may read it as well: mpegts.js fetches.
        let head = || {
            let kind = [(header::CONTENT_TYPE, mime), (header::CACHE_CONTROL, "no-store")];
            let mut response = kind.into_response();
            self.context.origins.share(request.headers(), response.headers_mut());
            response
        };
        if request.method() == Method::HEAD {
            return head();
        }
        let kind = format!("{} (HTTP)", format.key(&options));
        let admission = match self.context.audience.admit(camera, kind, request.extensions()) {
            Ok(admission) => admission,
            Err(refusal) => return refusal.into_response(),
        };
        let manners = Manners {
            framing: if format == Format::Flv { Framing::Stream } else { Framing::File },
            init_pause: Duration::ZERO,
            cushion: None,
            send_timeout: self.settings.send_timeout.0,
        };
        let policy = LagPolicy { max_lag: self.settings.max_lag.0 };
        let (viewers, context, camera) =
            (Arc::clone(&self.viewers), self.context.clone(), Arc::clone(camera));
        let takeover = Takeover::new(move |connection| {
            let form = (format, options);
            let session =
                viewers.show(connection, &context, &camera, form, policy, manners, Silent, admission);
            context.tasks.spawn("http-viewer", session);
        });
        let mut response = head();
        response.extensions_mut().insert(takeover);
        response
    }
}
