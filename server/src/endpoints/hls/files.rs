//! From a request to a playlist or a file, waiting where that is what the request asks for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hls::playlist::{Kind, Variant, multivariant};
use hls::{FileName, Found, Reload, Snapshot, Verdict};
use hub::Stream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::answer::{self, Freshness};
use super::presentation::Presentation;
use super::query::suffix;
use super::shown::{Shown, Text};
use crate::endpoint::Context;
use crate::net::repeated::Repeated;
use crate::supervise::cameras::{Camera, State};
use crate::telemetry::unix_micros;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Multivariant,
    LowLatency,
    Classic,
    File,
}

/// Answers for all streams.
#[derive(Debug)]
pub(super) struct Files {
    settings: hls::Settings,
    linger: Duration,
    context: Context,
    presentations: Mutex<HashMap<usize, Kept>>,
}

/// A stream's presentation, as long as there is the stream.
#[derive(Debug)]
struct Kept {
    stream: Weak<Stream>,
    presentation: Arc<Presentation>,
}

/// What is shown, now and later.
type Showing = watch::Receiver<Option<Arc<Shown>>>;

/// An answer that is none: a status and words.
type Refused = (StatusCode, String);

impl Files {
    pub(super) fn new(settings: hls::Settings, linger: Duration, context: Context) -> Self {
        Self { settings, linger, context, presentations: Mutex::default() }
    }

    pub(super) async fn answer(&self, camera: &Arc<Camera>, asked: Asked, request: &Parts) -> Response {
        let presentation = self.of(camera.stream());
        let visit = match presentation.visitors.enter(&self.context.audience, camera, request) {
            Ok(visit) => visit,
            Err(refusal) => return refusal,
        };
        let showing = presentation.watch(camera, &self.context);
        let origins = &self.context.origins;
        let query = request.uri.query().unwrap_or_default();
        let answer = match asked {
            Asked::Multivariant => self
                .multivariant(camera, showing, query)
                .await
                .map(|(text, freshness)| answer::playlist(&text, freshness, request, origins)),
            Asked::LowLatency | Asked::Classic => self
                .playlist(camera, showing, asked, query)
                .await
                .map(|(text, freshness)| answer::playlist(&text, freshness, request, origins)),
            Asked::File => self.file(camera, showing, request.uri.path()).await.map(|bytes| {
                visit.served();
                answer::media(bytes, request, origins)
            }),
        };
        let mut response = answer.unwrap_or_else(|(status, words)| {
            answer::refusal(status, words, request, origins).into_response()
        });
        response.extensions_mut().insert(Repeated);
        response
    }

    async fn multivariant(
        &self,
        camera: &Camera,
        mut showing: Showing,
        query: &str,
    ) -> Result<(Text, Freshness), Refused> {
        let shown = self.ready(camera, &mut showing, |_| true).await?;
        let snapshot = &shown.snapshot;
        let uri = format!("live.m3u8{}", suffix(query));
        let text = multivariant(&variant(snapshot, camera), &uri);
        Ok((Text::new(text), freshness(snapshot, false)))
    }

    async fn playlist(
        &self,
        camera: &Camera,
        mut showing: Showing,
        asked: Asked,
        query: &str,
    ) -> Result<(Text, Freshness), Refused> {
        let reload = Reload::parse(query).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
        // The first playlist is waited for as long as it takes, the next ones as long as the document allows.
        self.ready(camera, &mut showing, |snapshot| asked != Asked::Classic || has_segment(snapshot)).await?;
        let shown =
            self.ready(camera, &mut showing, |snapshot| snapshot.judge(&reload) != Verdict::Wait).await?;
        if shown.snapshot.judge(&reload) == Verdict::TooFar {
            let (segment, part) = shown.snapshot.next;
            let words = format!("too far ahead: segment {segment} and part {part} come next");
            return Err((StatusCode::BAD_REQUEST, words));
        }
        let kind = match asked {
            Asked::Classic => Kind::Classic,
            _ => Kind::LowLatency(reload.skip),
        };
        Ok((shown.playlist(kind, &suffix(query)), freshness(&shown.snapshot, reload.until.is_some())))
    }

    async fn file(&self, camera: &Camera, mut showing: Showing, path: &str) -> Result<bytes::Bytes, Refused> {
        let none = || (StatusCode::NOT_FOUND, "there is no such file, or it is there no more".to_owned());
        let name = path.rsplit('/').next().and_then(FileName::parse).ok_or_else(none)?;
        // What nobody can have read in a playlist is not waited for.
        let early = showing.borrow().as_ref().map_or(Found::Nothing, |shown| shown.snapshot.find(name));
        match early {
            Found::Bytes(bytes) => return Ok(bytes),
            Found::Nothing => return Err(none()),
            Found::Wait => {}
        }
        let shown = self.ready(camera, &mut showing, |snapshot| snapshot.find(name) != Found::Wait).await?;
        match shown.snapshot.find(name) {
            Found::Bytes(bytes) => Ok(bytes),
            Found::Wait | Found::Nothing => Err(none()),
        }
    }

    /// What is shown once it is good enough.
    async fn ready(
        &self,
        camera: &Camera,
        showing: &mut Showing,
        good: impl Fn(&Snapshot) -> bool,
    ) -> Result<Arc<Shown>, Refused> {
        let deadline = Instant::now() + self.patience(showing);
        let is_good = |shown: &Option<Arc<Shown>>| shown.as_ref().is_some_and(|shown| good(&shown.snapshot));
        let waited = timeout_at(deadline, showing.wait_for(is_good)).await;
        let shown = waited.ok().and_then(Result::ok).and_then(|shown| shown.clone());
        shown.ok_or_else(|| (StatusCode::SERVICE_UNAVAILABLE, why_nothing(camera)))
    }

    /// How long a request may be held: three target durations (§6.2.5.2), or until a stream that begins has something to show.
    fn patience(&self, showing: &Showing) -> Duration {
        showing.borrow().as_ref().map_or(COLD, |shown| (shown.snapshot.plan.target * 3).min(COLD))
    }

    fn of(&self, stream: &Arc<Stream>) -> Arc<Presentation> {
        let mut all = self.presentations.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Arc::as_ptr(stream) as usize;
        if let Some(kept) =
            all.get(&key).filter(|kept| std::ptr::eq(kept.stream.as_ptr(), Arc::as_ptr(stream)))
        {
            return Arc::clone(&kept.presentation);
        }
        all.retain(|_, kept| kept.stream.strong_count() > 0);
        let epoch = u64::try_from(unix_micros()).unwrap_or_default();
        let presentation = Arc::new(Presentation::new(self.settings, self.linger, epoch));
        let kept = Kept { stream: Arc::downgrade(stream), presentation: Arc::clone(&presentation) };
        all.insert(key, kept);
        presentation
    }
}

fn has_segment(snapshot: &Snapshot) -> bool {
    snapshot.segments.iter().any(|segment| segment.complete)
}

fn freshness(snapshot: &Snapshot, waited_for: bool) -> Freshness {
    let target = snapshot.plan.target;
    Freshness::For(if waited_for { target * 6 } else { target / 2 })
}

/// What there is to say of the stream; the picture's size is that of its track.
fn variant(snapshot: &Snapshot, camera: &Camera) -> Variant {
    let mime = snapshot.newest_init().map(|init| init.mime.as_str()).unwrap_or_default();
    let codecs = mime.split('"').nth(1).unwrap_or_default().to_owned();
    let tracks = camera.stream().snapshot().tracks;
    let resolution = tracks.iter().find_map(|track| track.parameters.dimensions());
    let video = mime.starts_with("video/");
    Variant {
        codecs,
        resolution: resolution.filter(|_| video),
        frame_rate: video.then(|| snapshot.unit_rate()),
        bit_rates: snapshot.bit_rates(),
    }
}

fn why_nothing(camera: &Camera) -> String {
    match camera.state() {
        State::Reconnecting(reason) => format!("the camera fails: {reason}"),
        State::Off => "the camera is switched off".to_owned(),
        State::Waiting => "nobody publishes to this stream".to_owned(),
        State::Idle | State::Starting | State::Live => "there is nothing to show yet".to_owned(),
    }
}

/// So long a request waits for a stream to begin.
const COLD: Duration = Duration::from_secs(10);
