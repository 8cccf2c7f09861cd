//! From a request to a playlist or a file, waiting where that is what the request asks for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use hls::playlist::{Kind, Variant, multivariant};
use hls::{FileName, Found, Reload, Snapshot, Verdict};
use hub::Stream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::answer::{self, Freshness, Reader};
use super::pass::Pass;
use super::presentation::{Presentation, patience, why_nothing};
use super::shown::{Shown, Text};
use crate::endpoint::Context;
use crate::net::repeated::Repeated;
use crate::supervise::cameras::Camera;
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
        let reader = Arc::new(Reader::of(request, &self.context.origins));
        let query = request.uri.query().unwrap_or_default();
        let answer = match asked {
            Asked::Multivariant => self
                .multivariant(camera, showing, &reader.suffix)
                .await
                .map(|(text, freshness)| answer::playlist(&text, freshness, &reader)),
            Asked::LowLatency | Asked::Classic => self
                .playlist(camera, showing, asked, query, &reader.suffix)
                .await
                .map(|(text, freshness)| answer::playlist(&text, freshness, &reader)),
            Asked::File => self.file(camera, showing, request.uri.path()).await.map(|bytes| {
                visit.served();
                answer::media(bytes, &reader)
            }),
        };
        let answer = answer.unwrap_or_else(|(status, words)| answer::refusal(status, words, &reader));
        let mut response = answer.map(Body::from);
        let like = (response.status() == StatusCode::OK)
            .then(|| Pass::give(&self.context, camera, &presentation, asked, request, reader, &visit))
            .flatten();
        response.extensions_mut().insert(Repeated { like });
        response
    }

    async fn multivariant(
        &self,
        camera: &Camera,
        mut showing: Showing,
        suffix: &str,
    ) -> Result<(Text, Freshness), Refused> {
        let shown = self.ready(camera, &mut showing, |_| true).await?;
        let uri = format!("live.m3u8{suffix}");
        let text = multivariant(&variant(&shown.snapshot, camera), &uri);
        Ok((Text::new(text), shown.freshness(false)))
    }

    async fn playlist(
        &self,
        camera: &Camera,
        mut showing: Showing,
        asked: Asked,
        query: &str,
        suffix: &str,
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
        Ok((shown.playlist(kind, suffix), shown.freshness(reload.until.is_some())))
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
        let deadline = Instant::now() + patience(showing.borrow().as_deref());
        let is_good = |shown: &Option<Arc<Shown>>| shown.as_ref().is_some_and(|shown| good(&shown.snapshot));
        let waited = timeout_at(deadline, showing.wait_for(is_good)).await;
        let shown = waited.ok().and_then(Result::ok).and_then(|shown| shown.clone());
        shown.ok_or_else(|| (StatusCode::SERVICE_UNAVAILABLE, why_nothing(camera)))
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
