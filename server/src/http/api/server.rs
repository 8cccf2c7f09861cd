//! The server itself: what it is, and its configuration read again.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::limits_info::LimitsInfo;
use super::{Api, answer};
use crate::endpoint::Context;
use crate::http::problem::{Problem, Refusal};
use crate::roster::Change;
use crate::telemetry::unix_micros;

/// The server.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ServerInfo {
    name: &'static str,
    version: &'static str,
    uptime_s: u64,
    /// This server's time: Unix microseconds.
    now: i64,
    /// Tasks that live, by kind.
    tasks: BTreeMap<String, usize>,
    limits: LimitsInfo,
    /// Where streams are had by protocols of their own.
    listens: Vec<ListensInfo>,
    /// Whether streams made by the API are there after a restart.
    keeps_streams: bool,
}

/// An address where a protocol of its own is spoken.
#[derive(Debug, Serialize, ToSchema)]
struct ListensInfo {
    /// `rtsp`, `rtsps`, `rtmp` or `rtmps`: what an address of a stream begins with.
    scheme: String,
    port: u16,
    /// Whether only this machine reaches it.
    local: bool,
}

/// What a reload has done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ReloadInfo {
    added: Vec<String>,
    removed: Vec<String>,
    /// Streams with another source: their viewers were told that the old one was removed.
    replaced: Vec<String>,
    /// Streams that only run at other times now: their viewers noticed nothing.
    retuned: Vec<String>,
    /// Sections that changed, and are obeyed after a restart only.
    needs_restart: Vec<String>,
}

#[utoipa::path(get, path = "/api/v1/server", operation_id = "getServer", tag = "server", summary = "What the server is",
    responses((status = 200, body = ServerInfo), Refusal))]
pub(super) async fn show(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    let info = ServerInfo {
        name: "firstlight",
        version: env!("CARGO_PKG_VERSION"),
        now: unix_micros(),
        uptime_s: api.started.elapsed().as_secs(),
        tasks: api.context.tasks.living().into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect(),
        limits: LimitsInfo::of(&api.context),
        listens: listens(&api.context),
        keeps_streams: api.roster.keeps(),
    };
    answer(&api, &headers, Json(info))
}

fn listens(context: &Context) -> Vec<ListensInfo> {
    let listens = context.listening.iter().map(|listening| ListensInfo {
        scheme: listening.protocol.to_ascii_lowercase(),
        port: listening.address.port(),
        local: listening.address.ip().to_canonical().is_loopback(),
    });
    listens.collect()
}

#[utoipa::path(post, path = "/api/v1/reload", operation_id = "reload", tag = "server",
    summary = "Read the configuration file again and apply the difference",
    responses((status = 200, body = ReloadInfo),
        (status = 409, description = "There is no configuration file", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The file is wrong; nothing was changed", body = Problem, content_type = "application/problem+json"),
        Refusal))]
pub(super) async fn reload(State(api): State<Arc<Api>>, headers: HeaderMap) -> Result<Response, Problem> {
    let reloaded = api.roster.reload().await?;
    let mut info = ReloadInfo {
        added: Vec::new(),
        removed: Vec::new(),
        replaced: Vec::new(),
        retuned: Vec::new(),
        needs_restart: reloaded.restart,
    };
    for change in reloaded.changes {
        let name = change.name().to_string();
        match change {
            Change::Add(_) => info.added.push(name),
            Change::Remove(_) => info.removed.push(name),
            Change::Replace(_) => info.replaced.push(name),
            Change::Retune(_) => info.retuned.push(name),
        }
    }
    Ok(answer(&api, &headers, Json(info)))
}
