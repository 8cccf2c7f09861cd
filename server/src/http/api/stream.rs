//! A stream, as the API shows it.

use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use crate::auth::{Identity, Right};
use crate::supervise::cameras::{Camera, State, Trouble};
use crate::supervise::data::Side;
use crate::supervise::egress::Push;

/// A stream.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StreamInfo {
    name: String,
    /// `idle`, `starting`, `live`, `reconnecting`, `waiting` (for a publisher) or `off`.
    state: &'static str,
    /// Why it is reconnecting or off.
    reason: Option<String>,
    /// Why one more viewer would be turned away now; null if none would.
    busy: Option<String>,
    /// The last failure of its source, also when it runs again.
    last_error: Option<LastError>,
    /// Subscriptions of all kinds.
    viewers: usize,
    /// Bits per second over the last second or so, all tracks.
    bitrate: u64,
    /// Pictures per second over the last second or so.
    fps: f64,
    /// What fills it; null if it waits for a publisher.
    source: Option<String>,
    /// The stream that it is made from, if it is made from one that you may see.
    made_from: Option<String>,
    /// How often the source was started.
    starts: u64,
    /// Items that slow viewers missed.
    skipped: u64,
    tracks: Vec<TrackInfo>,
    /// Where it is sent to; only for those who may change it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pushes: Vec<PushInfo>,
    /// Formats being made now and how many read each.
    packagings: Vec<PackagingInfo>,
    /// Whether its source runs only while somebody watches.
    on_demand: bool,
    /// How long its source stays warm after the last viewer left, in seconds.
    linger_s: f64,
    /// Where it is defined: `configuration` or `api`; null for a stream made from another.
    defined_by: Option<&'static str>,
    /// File and line where it is defined; only for those who may change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    defined_in: Option<String>,
    /// Whether a program hears what is said to it (see `data`), or may come to.
    drivable: bool,
    /// Connections of drivers to its messages.
    drivers: usize,
    /// Connections of programs to its messages.
    robots: usize,
    /// What whoever asks may do with it: `view`, `publish`, `control`, `admin`.
    rights: Vec<&'static str>,
    /// Whether the API can change it, and whoever asks may.
    changeable: bool,
}

/// The last failure of a source.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LastError {
    /// In words.
    reason: String,
    /// When: Unix microseconds.
    at: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct TrackInfo {
    /// `video` or `audio`.
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

/// Another server that a stream is sent to.
#[derive(Debug, Serialize, ToSchema)]
struct PushInfo {
    /// Its address, without what is secret.
    to: String,
    /// `idle` (there is nothing to send), `connecting`, `sending` or `reconnecting`.
    state: &'static str,
    /// What of the stream the other server goes without at present, and why.
    lacks: Option<String>,
    /// The last failure, also when it is sent again.
    last_error: Option<LastError>,
    /// How often it failed.
    failures: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct PackagingInfo {
    format: String,
    viewers: usize,
}

impl StreamInfo {
    /// What a camera shows to whoever asks.
    pub(super) fn of(camera: &Camera, api: &Api, identity: &Identity) -> Self {
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
        let made_from = camera.made_from().filter(|origin| identity.may(Right::View, origin));
        let demand = *camera.demand().borrow();
        let defined = api.roster.defined(snapshot.name.as_str());
        let by_api = defined.as_ref().is_some_and(|defined| defined.by_api);
        let rights = [Right::View, Right::Publish, Right::Control, Right::Admin];
        let rights: Vec<Right> =
            rights.into_iter().filter(|right| identity.may(*right, &snapshot.name)).collect();
        let pushes = camera.pushes().list();
        let admin = rights.contains(&Right::Admin);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        // never negative, and far below 2^64
        Self {
            name: snapshot.name.to_string(),
            state: state.name(),
            reason: reason(&state),
            busy: api.context.audience.would_refuse(&snapshot.name).map(|refusal| refusal.to_string()),
            last_error: camera.trouble().map(LastError::from),
            viewers: snapshot.subscriptions,
            bitrate: rates.bits_per_second as u64,
            fps: (rates.pictures_per_second * 10.0).round() / 10.0,
            source: camera.label().map(str::to_owned),
            made_from: made_from.map(|name| name.to_string()),
            starts: camera.starts(),
            skipped: snapshot.skipped,
            tracks: tracks.collect(),
            pushes: pushes.iter().filter(|_| admin).map(|push| PushInfo::of(push)).collect(),
            packagings: packagings.collect(),
            on_demand: demand.on_demand,
            linger_s: demand.linger.as_secs_f64(),
            defined_by: defined.as_ref().map(|d| if d.by_api { "api" } else { "configuration" }),
            defined_in: defined.filter(|_| admin).map(|defined| defined.place),
            drivable: camera.data().is_for_robots(),
            drivers: camera.data().count(Side::Driver),
            robots: camera.data().count(Side::Robot),
            rights: rights.into_iter().map(Right::name).collect(),
            changeable: by_api && admin,
        }
    }
}

impl PushInfo {
    fn of(push: &Push) -> Self {
        Self {
            to: push.label().to_owned(),
            state: push.state().name(),
            lacks: push.lacks(),
            last_error: push.trouble().map(LastError::from),
            failures: push.failures(),
        }
    }
}

impl From<Trouble> for LastError {
    fn from(trouble: Trouble) -> Self {
        Self { reason: trouble.reason, at: trouble.at }
    }
}

/// Why a stream shows nothing, where there is a reason.
pub(super) fn reason(state: &State) -> Option<String> {
    match state {
        State::Reconnecting(reason) => Some(reason.clone()),
        State::Off => Some("switched off".to_owned()),
        State::Idle | State::Starting | State::Live | State::Waiting => None,
    }
}
