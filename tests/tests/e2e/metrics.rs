//! `/metrics`, as Prometheus reads it.

use std::time::Duration;

use firstlight_e2e::prometheus::Page;
use firstlight_e2e::{Server, Viewer, eventually};

const SMALL: &str = "{ test = { width = 160, height = 120, fps = 25, audio = false } }";

fn scrape(server: &Server) -> Page {
    let response = server.get("/metrics");
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    Page::parse(&response.body)
}

#[test]
fn what_a_stream_and_its_viewers_do_is_counted() {
    let server = Server::start(&format!(
        "[streams.front]\nsource = {SMALL}\n[streams.\"a/b\"]\nsource = \"exec:false\"\n[streams.guest]\n"
    ));
    let before = scrape(&server);
    let front = [("stream", "front")];
    assert_eq!(before.get("firstlight_stream_units_total", &front), Some(0.0));
    assert_eq!(before.get("firstlight_stream_state", &[("stream", "front"), ("state", "idle")]), Some(1.0));
    assert_eq!(
        before.get("firstlight_stream_state", &[("stream", "guest"), ("state", "waiting")]),
        Some(1.0)
    );
    assert_eq!(before.get("firstlight_stream_join_seconds_count", &front), Some(0.0));

    let mut first = Viewer::open(&server, "/front/ws?format=fmp4");
    let mut second = Viewer::open(&server, "/front/ws?format=webcodecs");
    first.binaries(20);
    second.binaries(20);
    let viewers = |format: &str| [("stream", "front"), ("format", format)].map(|(n, v)| (n, v.to_owned()));
    let page = scrape(&server);
    for format in ["fmp4", "webcodecs"] {
        let labels = viewers(format);
        let labels = [(labels[0].0, labels[0].1.as_str()), (labels[1].0, labels[1].1.as_str())];
        assert_eq!(page.get("firstlight_stream_viewers", &labels), Some(1.0), "{format}");
    }
    let value = |name: &str| page.get(name, &front).unwrap_or_else(|| panic!("{name} is missing"));
    assert!(value("firstlight_stream_units_total") >= 15.0);
    assert!(value("firstlight_stream_pictures_total") >= 15.0);
    assert!(value("firstlight_stream_bytes_total") > 1_000.0);
    assert!(value("firstlight_stream_keyframes_total") >= 1.0);
    assert_eq!(value("firstlight_stream_source_starts_total"), 1.0);
    assert_eq!(value("firstlight_stream_source_failures_total"), 0.0);
    assert_eq!(value("firstlight_stream_join_seconds_count"), 2.0, "two viewers joined");
    assert!(value("firstlight_stream_delay_seconds_count") >= 20.0, "chunks of both formats");
    // A picture is not on its way for a second on loopback, whatever else the machine does.
    assert!(
        value("firstlight_stream_delay_seconds_sum") / value("firstlight_stream_delay_seconds_count") < 1.0
    );
    assert_eq!(page.get("firstlight_stream_state", &[("stream", "front"), ("state", "live")]), Some(1.0));
    assert_eq!(page.get("firstlight_stream_state", &[("stream", "front"), ("state", "idle")]), Some(0.0));

    let _third = Viewer::open(&server, "/a/b/ws?format=fmp4");
    server.await_reason("a/b");
    eventually("the failing source is counted", || {
        let page = scrape(&server);
        let failures = page.get("firstlight_stream_source_failures_total", &[("stream", "a/b")])?;
        (failures >= 2.0).then_some(())
    });
    drop((first, second));
    eventually("viewers who left are not counted", || {
        (!scrape(&server).mentions("format", "fmp4") || !scrape(&server).mentions("format", "webcodecs"))
            .then_some(())
    });
}

#[test]
fn what_the_process_and_its_requests_do_is_counted() {
    let server = Server::with_source(SMALL);
    for path in ["/health", "/health", "/nothing/here"] {
        server.get(path);
    }
    let page = scrape(&server);
    assert_eq!(page.get("firstlight_http_requests_total", &[("code", "404")]), Some(1.0));
    assert!(page.get("firstlight_http_requests_total", &[("code", "200")]) >= Some(2.0));
    assert!(page.get("process_resident_memory_bytes", &[]) > Some(1e6));
    assert!(page.get("process_open_fds", &[]) > Some(3.0));
    assert!(page.get("process_threads", &[]) >= Some(2.0));
    assert!(page.get("process_cpu_seconds_total", &[]) > Some(0.0));
    assert!(page.get("process_start_time_seconds", &[]) > Some(1.7e9));
    // One for HTTP, and those for RTSP and RTMP, if no other program has their ports.
    assert!(page.get("firstlight_tasks", &[("kind", "listener")]) >= Some(1.0));
    assert_eq!(page.get("firstlight_refused_total", &[("reason", "viewers")]), Some(0.0));
    let uptime = page.get("firstlight_uptime_seconds", &[]).unwrap();
    assert!((0.0..600.0).contains(&uptime), "{uptime}");
}

#[test]
fn a_rendition_that_lists_hide_is_not_shown_and_its_viewers_are_those_of_the_stream() {
    let server = Server::with_source(SMALL);
    let mut viewer = Viewer::open(&server, "/cameras/front/streams/CAM_A/video");
    viewer.binaries(5);
    let page = scrape(&server);
    assert!(!page.mentions("stream", "front@intra"));
    assert_eq!(
        page.get("firstlight_stream_viewers", &[("stream", "front"), ("format", "robopipe")]),
        Some(1.0)
    );
    assert_eq!(page.get("firstlight_stream_join_seconds_count", &[("stream", "front")]), Some(1.0));
    drop(viewer);
    server.await_state("front", "idle", Duration::from_secs(20));
}
