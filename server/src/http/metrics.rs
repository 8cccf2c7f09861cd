//! `GET /metrics`: everything that is counted, for Prometheus (names in `docs/ref/metrics.md`).
//!
//! A scrape asks each stream once and goes through the list of viewers once; nothing is kept between scrapes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hub::StreamSnapshot;

use crate::auth::Access;
use crate::endpoint::{Context, Route};
use crate::metrics::exposition::{CONTENT_TYPE, Exposition, Kind, Labels};
use crate::metrics::process;
use crate::supervise::cameras::{self, Camera};

/// The route. It tells of every stream, so it is for those who may change the whole server, and for those who were given this alone.
pub fn route(context: &Context) -> Route {
    Route::new(Method::GET, "/metrics", Access::Metrics, get(scrape).with_state(context.clone()))
}

async fn scrape(State(context): State<Context>) -> Response {
    let mut page = Exposition::default();
    server(&context, &mut page);
    streams(&context, &mut page);
    own_process(&context, &mut page);
    ([(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")], page.into_text())
        .into_response()
}

fn server(context: &Context, page: &mut Exposition) {
    let metrics = &context.metrics;
    page.family(Kind::Gauge, "firstlight_build_info", "The program's version, as a label; always 1.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1_u64);
    page.family(Kind::Gauge, "firstlight_uptime_seconds", "Time since the server started.")
        .sample(&[], metrics.started().elapsed().as_secs_f64());
    let mut tasks = page.family(Kind::Gauge, "firstlight_tasks", "Tasks that live, by kind.");
    for (kind, count) in context.tasks.living() {
        tasks.sample(&[("kind", kind)], count);
    }
    let mut answers =
        page.family(Kind::Counter, "firstlight_http_requests_total", "Requests answered, by status code.");
    for (status, count) in metrics.answers() {
        answers.sample(&[("code", &status.to_string())], count);
    }
    let mut refusals = page.family(
        Kind::Counter,
        "firstlight_refused_total",
        "Who was turned away because of a limit, by reason.",
    );
    for (why, count) in metrics.refusals() {
        refusals.sample(&[("reason", why.name())], count);
    }
}

/// A stream that lists show, at the moment of the scrape.
struct Shown {
    camera: Arc<Camera>,
    name: String,
    now: StreamSnapshot,
}

fn streams(context: &Context, page: &mut Exposition) {
    let cameras = context.cameras.list().into_iter();
    let shown: Vec<Shown> = cameras
        .map(|camera| Shown {
            name: camera.stream().name().to_string(),
            now: camera.stream().snapshot(),
            camera,
        })
        .collect();
    counters(&shown, page);
    viewers(context, &shown, page);
    let mut states = page.family(
        Kind::Gauge,
        "firstlight_stream_state",
        "1 for the state a stream is in, 0 for the others.",
    );
    for stream in &shown {
        let state = stream.camera.state().name();
        for name in cameras::State::NAMES {
            states.sample(&[("stream", &stream.name), ("state", name)], u64::from(name == state));
        }
    }
    let mut joins = page.family(
        Kind::Histogram,
        "firstlight_stream_join_seconds",
        "From a viewer's admission until its first media was written.",
    );
    shown.iter().for_each(|s| joins.histogram(&[("stream", &s.name)], &s.camera.timings().join));
    let mut delays = page.family(
        Kind::Histogram,
        "firstlight_stream_delay_seconds",
        "From a unit's arrival until it was written to the last of the viewers served together.",
    );
    shown.iter().for_each(|s| delays.histogram(&[("stream", &s.name)], &s.camera.timings().delay));
}

type Count = fn(&Shown) -> u64;

fn counters(shown: &[Shown], page: &mut Exposition) {
    let counters: [(&'static str, &str, Count); 7] = [
        ("firstlight_stream_units_total", "Access units published.", |s| s.now.units),
        ("firstlight_stream_bytes_total", "Bytes of media published.", |s| s.now.bytes),
        ("firstlight_stream_pictures_total", "Pictures published.", |s| s.now.pictures),
        ("firstlight_stream_keyframes_total", "Random access points published.", |s| s.now.keyframes),
        ("firstlight_stream_skipped_total", "Items that slow viewers missed.", |s| s.now.skipped),
        ("firstlight_stream_source_starts_total", "Starts of the source.", |s| s.camera.starts()),
        ("firstlight_stream_source_failures_total", "Runs of the source that failed or ended.", |s| {
            s.camera.failures()
        }),
    ];
    for (name, help, count) in counters {
        let mut family = page.family(Kind::Counter, name, help);
        shown.iter().for_each(|stream| family.sample(&[("stream", &stream.name)], count(stream)));
    }
    let mut held =
        page.family(Kind::Gauge, "firstlight_stream_held_bytes", "Bytes of media kept for viewers.");
    shown.iter().for_each(|stream| held.sample(&[("stream", &stream.name)], stream.now.held_bytes));
    let mut subscriptions = page.family(
        Kind::Gauge,
        "firstlight_stream_subscriptions",
        "Readers of all kinds, viewers and what is made from the stream.",
    );
    shown
        .iter()
        .for_each(|stream| subscriptions.sample(&[("stream", &stream.name)], stream.now.subscriptions));
}

fn viewers(context: &Context, shown: &[Shown], page: &mut Exposition) {
    let all = context.audience.list();
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for viewer in &all {
        *counts.entry((viewer.stream.as_str(), viewer.format.as_str())).or_default() += 1;
    }
    let mut family = page.family(Kind::Gauge, "firstlight_stream_viewers", "Viewers, by format.");
    let known = |name: &str| shown.iter().any(|stream| stream.name == name);
    for ((stream, format), count) in counts.into_iter().filter(|((stream, _), _)| known(stream)) {
        family.sample(&[("stream", stream), ("format", format)], count);
    }
}

fn own_process(context: &Context, page: &mut Exposition) {
    let mut one = |kind, name, help, value: Option<f64>| {
        if let Some(value) = value {
            page.family(kind, name, help).sample(NO_LABELS, value);
        }
    };
    let cpu = process::cpu_time().as_secs_f64();
    one(Kind::Counter, "process_cpu_seconds_total", "CPU time used, user and system.", Some(cpu));
    let usage = process::usage();
    let number = |value: fn(&process::Usage) -> u64| usage.as_ref().map(|usage| value(usage) as f64);
    one(Kind::Gauge, "process_resident_memory_bytes", "Memory in use.", number(|u| u.resident));
    one(Kind::Gauge, "process_virtual_memory_bytes", "Address space in use.", number(|u| u.virtual_size));
    one(Kind::Gauge, "process_threads", "Threads.", number(|u| u.threads));
    let open = process::open_descriptors().map(|count| count as f64);
    one(Kind::Gauge, "process_open_fds", "Open descriptors.", open);
    let most = process::most_descriptors().map(|count| count as f64);
    one(Kind::Gauge, "process_max_fds", "Descriptors that may be open.", most);
    let started = SystemTime::now().checked_sub(context.metrics.started().elapsed());
    let started = started.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs_f64());
    one(Kind::Gauge, "process_start_time_seconds", "Start of the server since the Unix epoch.", started);
}

const NO_LABELS: Labels<'static> = &[];
