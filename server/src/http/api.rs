//! `/health` and `/api/v1`: what the wall page shows.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Extension, Json};
use hub::StreamName;
use serde::Serialize;

use crate::auth::{Access, Identity, Right};
use crate::endpoint::{Context, Route, StreamOf};
use crate::http::limits_info::LimitsInfo;
use crate::supervise::cameras::{self, Camera};

/// A stream, as the API shows it.
#[derive(Debug, Serialize)]
struct StreamInfo {
    name: String,
    /// `idle`, `starting`, `live`, `reconnecting`, `waiting` (for a publisher) or `off`.
    state: &'static str,
    /// Why it is reconnecting or off.
    reason: Option<String>,
    /// Why one more viewer would be turned away now; null if none would.
    busy: Option<String>,
    /// Subscriptions of all kinds.
    viewers: usize,
    /// Bits per second over the last second or so, all tracks.
    bitrate: u64,
    /// Pictures per second over the last second or so.
    fps: f64,
    /// What fills it; null if it waits for a publisher.
    source: Option<String>,
    /// The stream that it is made from, if it is made from one.
    made_from: Option<String>,
    /// How often the source was started.
    starts: u64,
    /// Items that slow viewers missed.
    skipped: u64,
    tracks: Vec<TrackInfo>,
    /// Formats being made now and how many read each.
    packagings: Vec<PackagingInfo>,
}

#[derive(Debug, Serialize)]
struct TrackInfo {
    kind: &'static str,
    /// RFC 6381.
    codec: String,
    codec_name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample_rate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<u8>,
}

#[derive(Debug, Serialize)]
struct PackagingInfo {
    format: String,
    viewers: usize,
}

#[derive(Debug, Serialize)]
struct ServerInfo {
    name: &'static str,
    version: &'static str,
    uptime_s: u64,
    /// This server's time: Unix microseconds.
    now: i64,
    /// Tasks that live, by kind.
    tasks: std::collections::BTreeMap<&'static str, usize>,
    limits: LimitsInfo,
}

#[derive(Debug, Clone)]
struct Api {
    context: Context,
    started: Instant,
}

/// The routes of the API.
pub fn routes(context: &Context) -> Vec<Route> {
    let api = Arc::new(Api { context: context.clone(), started: Instant::now() });
    let list = |path, handler: MethodRouter<Arc<Api>>| {
        Route::new(Method::GET, path, Access::Any(Right::View), handler.with_state(Arc::clone(&api)))
    };
    let named: StreamOf = Arc::new(|path| StreamName::new(path.first()?).ok());
    let stream = get(stream).with_state(Arc::clone(&api));
    vec![
        Route::new(Method::GET, "/health", Access::Public, get(|| async { "ok\n" })),
        list("/api/v1/server", get(server)),
        list("/api/v1/streams", get(streams)),
        Route::of_stream(Method::GET, "/api/v1/streams/{*name}", Right::View, named, stream),
    ]
}

async fn server(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let info = ServerInfo {
        name: "firstlight",
        version: env!("CARGO_PKG_VERSION"),
        now: crate::telemetry::unix_micros(),
        uptime_s: api.started.elapsed().as_secs(),
        tasks: api.context.tasks.living().into_iter().collect(),
        limits: LimitsInfo::of(&api.context),
    };
    answer(&api, &headers, Json(info))
}

async fn streams(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Identity>,
    headers: HeaderMap,
) -> Response {
    let cameras = api.context.cameras.list();
    let seen = cameras.iter().filter(|camera| identity.may(Right::View, camera.stream().name()));
    let list: Vec<StreamInfo> = seen.map(|camera| describe(camera, &api.context)).collect();
    answer(&api, &headers, Json(list))
}

async fn stream(State(api): State<Arc<Api>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    match api.context.cameras.get(&name) {
        Some(camera) => answer(&api, &headers, Json(describe(&camera, &api.context))),
        None => {
            let problem = serde_json::json!({ "title": "no such stream", "status": 404, "detail": format!("there is no stream named {name:?}") });
            (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/problem+json")], problem.to_string())
                .into_response()
        }
    }
}

/// Lets an allowed page of another origin read the answer, and nobody keep it.
fn answer(api: &Api, request: &HeaderMap, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = api.context.origins.cors(request) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    response
}

fn describe(camera: &Camera, context: &Context) -> StreamInfo {
    let snapshot = camera.stream().snapshot();
    let state = camera.state();
    let rates = camera.rates();
    let tracks = snapshot.tracks.iter().map(|track| {
        let parameters = &track.parameters;
        TrackInfo {
            kind: match track.kind() {
                media::MediaKind::Video => "video",
                media::MediaKind::Audio => "audio",
            },
            codec: parameters.rfc6381(),
            codec_name: parameters.codec().name(),
            width: parameters.dimensions().map(|d| d.0),
            height: parameters.dimensions().map(|d| d.1),
            sample_rate: parameters.sample_rate(),
            channels: parameters.channels(),
        }
    });
    let packagings = snapshot
        .packagings
        .iter()
        .map(|p| PackagingInfo { format: p.key.as_str().to_owned(), viewers: p.readers });
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // never negative, and far below 2^64
    StreamInfo {
        name: snapshot.name.to_string(),
        state: state.name(),
        reason: match &state {
            cameras::State::Reconnecting(reason) => Some(reason.clone()),
            cameras::State::Off => Some("switched off".to_owned()),
            _ => None,
        },
        busy: context.audience.would_refuse(&snapshot.name).map(|refusal| refusal.to_string()),
        viewers: snapshot.subscriptions,
        bitrate: rates.bits_per_second as u64,
        fps: (rates.pictures_per_second * 10.0).round() / 10.0,
        source: camera.label().map(str::to_owned),
        made_from: camera.made_from().map(|name| name.to_string()),
        starts: camera.starts(),
        skipped: snapshot.skipped,
        tracks: tracks.collect(),
        packagings: packagings.collect(),
    }
}
