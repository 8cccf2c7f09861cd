//! Which way WebRTC takes, and a connection to find out.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, answer};
use crate::auth::{Identity, Right};
use crate::http::problem::{Problem, Refusal};
use crate::webrtc::{Offer, SessionReport, Told, Unchecked};

/// How peers come to this server by WebRTC.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) struct CheckInfo {
    /// The addresses that every peer is told; none if WebRTC is off.
    candidates: Vec<CandidateInfo>,
    /// The sessions there are, of streams that you may see.
    sessions: Vec<SessionInfo>,
}

/// An address of ours.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CandidateInfo {
    /// Address and port.
    address: String,
    /// `udp` or `tcp`.
    transport: &'static str,
    /// `host`, or `public` if a router stands between.
    kind: &'static str,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionInfo {
    stream: String,
    publishes: bool,
    connected: bool,
    /// Seconds since it was opened.
    age_s: f64,
    candidates: Vec<TriedInfo>,
    /// Milliseconds there and back, as the peer last reported.
    round_trip_ms: Option<f64>,
    /// The part of the packets that was lost lately.
    lost: Option<f32>,
    /// Bits a second that its link is believed to carry, if the stream has more.
    limit: Option<u64>,
    /// Pictures that were left out for that reason.
    left_out: Option<u64>,
}

/// What became of an address of ours in a session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TriedInfo {
    address: String,
    transport: &'static str,
    /// `used`, `works` (another is used), or `silent` (nothing came).
    state: &'static str,
    /// In words.
    why: &'static str,
    /// Where the peer came from; only for those who may change the stream.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    from: Vec<String>,
}

#[utoipa::path(get, path = "/api/v1/webrtc/check", operation_id = "checkWebRtc", tag = "webrtc", summary = "Which ways there are for WebRTC, and which one each session took",
    responses((status = 200, body = CheckInfo), Refusal))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Identity>,
    headers: HeaderMap,
) -> Response {
    let told = api.context.webrtc.told();
    let sessions = api.context.webrtc.sessions().await;
    let seen = sessions
        .iter()
        .filter(|session| identity.may(Right::View, &session.purpose.stream) && !session.purpose.is_check());
    let sessions = seen.map(|session| {
        let admin = identity.may(Right::Admin, &session.purpose.stream);
        session_info(session, &told, admin)
    });
    let candidates = told.iter().map(|told| CandidateInfo {
        address: told.address.to_string(),
        transport: transport(told.is_tcp),
        kind: if told.address == told.base { "host" } else { "public" },
    });
    answer(&api, &headers, Json(CheckInfo { candidates: candidates.collect(), sessions: sessions.collect() }))
}

#[utoipa::path(post, path = "/api/v1/webrtc/check", operation_id = "tryWebRtc", tag = "webrtc",
    summary = "Answer an offer of a data channel, which says back what it is told for half a minute",
    request_body(content = String, content_type = "application/sdp"),
    responses((status = 201, body = String, content_type = "application/sdp"), Refusal))]
pub(super) async fn begin(State(api): State<Arc<Api>>, request: Request) -> Result<Response, Problem> {
    let bytes = to_bytes(request.into_body(), MOST_BYTES)
        .await
        .map_err(|_| Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "an offer has at most 64 KiB"))?;
    let text = String::from_utf8(bytes.into())
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "an offer is text"))?;
    let context = &api.context;
    let offer = Offer::read(text).map_err(|why| refusal(&why.into()))?;
    let answer = context.webrtc.check(offer, &context.tasks).await.map_err(|why| refusal(&why))?;
    let headers = [(header::CONTENT_TYPE, "application/sdp"), (header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, headers, answer).into_response())
}

fn refusal(why: &Unchecked) -> Problem {
    let status = match why {
        Unchecked::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
        Unchecked::Unacceptable(why) => why.status(),
    };
    Problem::new(status, why.to_string())
}

fn session_info(session: &SessionReport, told: &[Told], shows_peers: bool) -> SessionInfo {
    let link = session.link;
    SessionInfo {
        stream: session.purpose.stream.to_string(),
        publishes: session.purpose.publishes,
        connected: session.is_connected,
        age_s: session.age.as_secs_f64(),
        candidates: told.iter().map(|told| tried(told, session, shows_peers)).collect(),
        round_trip_ms: link.and_then(|link| Some(link.round_trip?.as_secs_f64() * 1_000.0)),
        lost: link.and_then(|link| link.lost),
        limit: link.and_then(|link| link.limit),
        left_out: link.map(|link| link.left_out),
    }
}

/// What became of an address. We are told by what came, so of one that nothing came to it is known only that.
fn tried(told: &Told, session: &SessionReport, shows_peers: bool) -> TriedInfo {
    let on: Vec<_> = session.ways.iter().filter(|way| told.is_on(way)).collect();
    let uses_tcp = session.ways.iter().any(|way| way.is_chosen && way.is_tcp);
    let (state, why) = match () {
        () if on.iter().any(|way| way.is_chosen) => ("used", "the peer came here, and chose it"),
        () if !on.is_empty() => ("works", "the peer came here, and chose another"),
        () if uses_tcp && !told.is_tcp => (
            "silent",
            "nothing came here, and the peer chose TCP: UDP is blocked on the way, or this address is not reachable from there",
        ),
        () if session.is_connected => (
            "silent",
            "nothing came here: it is not reachable from there, or was not tried, since another was found",
        ),
        () => ("silent", "nothing came here: it is not reachable from there, or blocked on the way"),
    };
    let from = on.iter().filter(|_| shows_peers).map(|way| way.peer.to_string()).collect();
    TriedInfo { address: told.address.to_string(), transport: transport(told.is_tcp), state, why, from }
}

fn transport(is_tcp: bool) -> &'static str {
    if is_tcp { "tcp" } else { "udp" }
}

/// Browsers' offers have a tenth.
const MOST_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hub::StreamName;

    use super::*;
    use crate::webrtc::{Purpose, WayReport};

    #[test]
    fn of_an_address_that_nothing_came_to_it_is_said_what_that_may_mean() {
        let told = |address: &str, is_tcp| {
            let address = address.parse().unwrap();
            Told { address, base: address, is_tcp }
        };
        let all = [told("192.0.2.5:8555", false), told("192.0.2.5:8555", true), told("192.0.2.6:8555", true)];
        let way = |at: usize, is_chosen| WayReport {
            is_tcp: all[at].is_tcp,
            local: all[at].base,
            peer: "192.0.2.9:5".parse().unwrap(),
            is_chosen,
        };
        let session = SessionReport {
            purpose: Purpose { stream: StreamName::new("front").unwrap(), publishes: false },
            age: Duration::ZERO,
            is_connected: true,
            ways: vec![way(1, true), way(2, false)],
            link: None,
        };
        let states: Vec<_> = all.iter().map(|told| tried(told, &session, true)).collect();
        assert_eq!(states.iter().map(|tried| tried.state).collect::<Vec<_>>(), ["silent", "used", "works"]);
        assert!(states[0].why.contains("UDP is blocked"));
        assert_eq!(states[1].from, ["192.0.2.9:5"]);
        assert!(tried(&all[1], &session, false).from.is_empty());
    }
}
