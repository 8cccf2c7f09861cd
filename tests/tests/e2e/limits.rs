//! Limits and the budget: who is turned away, how politely, and that those who watch do not notice.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use firstlight_e2e::clip::{self, PLAIN};
use firstlight_e2e::http::{self, Response, Upload};
use firstlight_e2e::prometheus::Page;
use firstlight_e2e::viewer::Watching;
use firstlight_e2e::{Server, Viewer, eventually, within};

const SMALL: &str = "{ test = { width = 160, height = 120, fps = 25, audio = false } }";
/// On two cores with other tests running a healthy viewer may wait this long for its next picture.
const DISTURBED: Duration = Duration::from_millis(1_500);

fn watching(server: &Server, path: &str) -> Watching {
    let mut viewer = Viewer::open(server, path);
    viewer.binaries(3);
    viewer.watch()
}

/// Asks for a WebSocket and gives the whole answer, which is a refusal.
fn refusal(server: &Server, path: &str) -> Response {
    let upgrade = [
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    http::get(server.address(), path, &upgrade)
}

fn is_polite(response: &Response, status: u16, says: &str) {
    assert_eq!(response.status, status, "{}", response.body);
    assert!(response.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    assert!(response.body.contains(says) && response.body.ends_with('\n'), "{:?}", response.body);
}

fn refused(server: &Server, reason: &str) -> f64 {
    // The connection of the request before may not be over yet.
    let answered = || Some(server.get("/metrics")).filter(|answer| answer.status == 200);
    let page = Page::parse(&within(Duration::from_secs(5), "there is room to ask", answered).body);
    page.get("firstlight_refused_total", &[("reason", reason)]).expect("each reason is counted")
}

#[test]
fn a_viewer_too_many_is_told_so_and_comes_in_when_another_leaves() {
    let server = Server::start(&format!(
        "[limits]\nviewers = 3\nviewers_per_stream = 2\n[streams.front]\nsource = {SMALL}\n[streams.back]\nsource = {SMALL}\n"
    ));
    let first = watching(&server, "/front/ws?format=fmp4");
    let second = watching(&server, "/front/ws?format=webcodecs");
    is_polite(&refusal(&server, "/front/ws?format=fmp4"), 503, "front is full: as many watch as may (2)");
    let robopipe = refusal(&server, "/cameras/front/streams/CAM_A/video");
    assert!(robopipe.status == 503 && robopipe.header("retry-after").is_some(), "{robopipe:?}");
    assert!(
        robopipe.body.starts_with("{\"detail\":\"front is full: as many watch as may (2)"),
        "{robopipe:?}"
    );
    let third = watching(&server, "/back/ws?format=fmp4");
    is_polite(
        &refusal(&server, "/back/ws?format=fmp4"),
        503,
        "this server is full: as many watch as may (3)",
    );
    assert_eq!((refused(&server, "viewers_of_stream"), refused(&server, "viewers")), (2.0, 1.0));
    second.undisturbed(DISTURBED);
    eventually("there is room again", || {
        (Viewer::open(&server, "/front/ws?format=fmp4").response().status == 101).then_some(())
    });
    first.undisturbed(DISTURBED);
    third.undisturbed(DISTURBED);
}

#[test]
fn a_connection_too_many_is_told_so_whether_others_are_requests_or_viewers() {
    let server = Server::start(&format!("[limits]\nconnections = 4\n[streams.front]\nsource = {SMALL}\n"));
    let viewer = watching(&server, "/front/ws?format=fmp4");
    eventually("the request became a viewer", || (server.tasks("ws-viewer") == 1).then_some(()));
    let mut idle: Vec<TcpStream> =
        (0..3).map(|_| TcpStream::connect(server.address()).expect("the server listens")).collect();
    let full = || Some(server.get("/health")).filter(|answer| answer.status != 200);
    is_polite(&eventually("there is no room", full), 503, "as many connections as it takes");
    idle.pop();
    within(Duration::from_secs(5), "there is room again", || {
        (server.get("/health").status == 200).then_some(())
    });
    assert!(refused(&server, "connections") >= 1.0);
    viewer.undisturbed(DISTURBED);
}

#[test]
fn a_flood_of_connections_is_turned_away_and_fills_no_log() {
    let server = Server::start(&format!(
        "[limits]\nconnections = 20\nviewers = 5\n[streams.front]\nsource = {SMALL}\n"
    ));
    let viewer = watching(&server, "/front/ws?format=fmp4");
    let before = server.resident();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut held = Vec::new();
                for count in 0..250 {
                    held.extend(TcpStream::connect(server.address()));
                    if count % 50 == 49 {
                        held.clear();
                    }
                }
            });
        }
    });
    within(Duration::from_secs(20), "the server answers again", || {
        let answers = std::panic::catch_unwind(|| server.get("/health").status == 200);
        answers.unwrap_or(false).then_some(())
    });
    for _ in 0..100 {
        let viewers: Vec<Viewer> = (0..5).map(|_| Viewer::open(&server, "/front/ws?format=fmp4")).collect();
        assert!(viewers.iter().any(|viewer| viewer.response().status == 503));
    }
    viewer.undisturbed(DISTURBED);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 16 << 20, "grown by {grown} bytes");
    let lines = server.log().lines().count();
    assert!(lines < 40, "{lines} lines:\n{}", server.log());
    assert!(refused(&server, "viewers") >= 100.0, "what was not logged was counted");
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let server = Server::start(&format!("[limits]\nhead = \"8k\"\n[streams.front]\nsource = {SMALL}\n"));
    let long = "x".repeat(7_000);
    assert_eq!(http::get(server.address(), "/health", &[("X-Long", &long)]).status, 200);
    let longer = "x".repeat(9_000);
    assert_eq!(http::get(server.address(), "/health", &[("X-Long", &longer)]).status, 431);
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_read() {
    let server = Server::start(&format!("[limits]\nbody = \"1k\"\n[streams.front]\nsource = {SMALL}\n"));
    let headers = [("Content-Length", "2000"), ("Content-Type", "application/json")];
    let answer = http::get(server.address(), "/api/v1/streams", &headers);
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert!(answer.body.contains("2000 bytes, and 1024 are taken"), "{}", answer.body);
}

#[test]
fn without_memory_left_newcomers_are_turned_away_and_those_who_watch_go_on() {
    // More than the program uses by itself, less than it uses once a large camera runs.
    let idle = Server::with_source(SMALL).resident();
    let budget = (idle + (4 << 20)).max(16 << 20);
    let server = Server::start(&format!(
        "[budget]\nmemory = {budget}\n[streams.guest]\n[streams.front]\nsource = {{ test = {{ width = 1920, height = 1080, fps = 25 }} }}\n"
    ));
    let viewer = watching(&server, "/front/ws?format=fmp4");
    let busy = || Some(refusal(&server, "/front/ws?format=fmp4")).filter(|answer| answer.status == 503);
    is_polite(&eventually("memory is used up", busy), 503, "this server is busy");
    assert!(refused(&server, "memory") >= 1.0);
    let told = server.stream("front")["busy"].as_str().unwrap_or_default().to_owned();
    assert!(told.starts_with("this server is busy"), "{told}");
    let memory = &server.json("/api/v1/server")["limits"]["memory"];
    assert!(memory["used"].as_u64() > memory["most"].as_u64() && memory["most"] == budget, "{memory}");
    let publish = http::request(server.address(), "POST", "/guest/publish", &[], b"");
    is_polite(&publish, 503, "this server is busy");
    let mut socket = Viewer::open(&server, "/guest/ws?publish=mpegts");
    assert_eq!(socket.close_code().0, 4503, "whoever publishes is a newcomer as well");
    let still = server.get("/front/snapshot.jpg?width=320");
    assert_eq!(still.status, 200, "whoever is turned away sees a still: {}", still.body);
    assert_eq!(server.get("/front/").status, 200, "its page is still there");
    viewer.undisturbed(DISTURBED);
}

#[test]
fn without_processor_left_newcomers_are_turned_away_see_a_still_and_come_in_when_there_is_room() {
    // Painting and coding this takes more than a fiftieth of any machine's processors, and idling takes less.
    let large = "{ test = { width = 1280, height = 720, fps = 30 } }";
    let server = Server::start(&format!(
        "[budget]\ncpu = 0.02\n[streams.front]\nsource = {large}\nlinger = \"500ms\"\n[streams.back]\nsource = {SMALL}\n"
    ));
    let viewer = watching(&server, "/front/ws?format=fmp4");
    let busy = || Some(refusal(&server, "/front/ws?format=fmp4")).filter(|answer| answer.status == 503);
    let answer = eventually("the processors are used up", busy);
    is_polite(&answer, 503, "this server is busy: it uses");
    assert!(answer.body.contains("% of its processors"), "{}", answer.body);
    is_polite(&refusal(&server, "/back/ws?format=fmp4"), 503, "this server is busy");
    assert!(refused(&server, "cpu") >= 2.0);
    let still = server.get("/front/snapshot.jpg?width=320");
    assert_eq!(still.status, 200, "whoever is turned away sees a still: {}", still.body);
    let cpu = &server.json("/api/v1/server")["limits"]["cpu"];
    assert!(cpu["used"].as_f64() > cpu["most"].as_f64() && cpu["most"] == 0.02, "{cpu}");
    viewer.undisturbed(DISTURBED);
    // Its camera stops, and with it what takes the time. Each attempt takes some too: as a client does, this one waits before the next.
    let attempts = std::iter::repeat_with(|| {
        std::thread::sleep(Duration::from_millis(500));
        Viewer::open(&server, "/back/ws?format=fmp4").response().status
    });
    assert!(attempts.take(40).any(|status| status == 101), "there is room again");
}

#[test]
fn a_publisher_beyond_the_rate_is_read_no_faster_and_loses_nothing() {
    let clip = std::fs::read(clip::file("640x480", 4, PLAIN, false, "ts")).expect("the clip was just made");
    // Two seconds of it may come at once, which is half of it: the other half takes two seconds more.
    let rate = clip.len() * 8 / 4;
    let server =
        Server::start(&format!("[limits]\npublish_rate = {rate}\n[streams.guest]\n[streams.other]\n"));
    let began = Instant::now();
    let mut viewer = Viewer::open(&server, "/guest/ws?format=fmp4");
    let mut upload = Upload::begin(server.address(), "POST", "/guest/publish", &[]);
    let (sent, answer) = std::thread::scope(|scope| {
        let answer = scope.spawn(|| {
            let whole = clip.chunks(16_384).all(|piece| upload.send(piece));
            (whole, upload.finish())
        });
        viewer.binaries(50);
        answer.join().expect("nothing in it fails")
    });
    assert!(sent && answer.status == 200, "{}", answer.body);
    assert!(answer.body.contains(&format!("\"bytes\":{}", clip.len())), "{}", answer.body);
    assert!(answer.body.contains("\"units\":100"), "every picture was taken: {}", answer.body);
    assert!(began.elapsed() >= Duration::from_millis(1_800), "{:?}", began.elapsed());

    let began = Instant::now();
    let mut publisher = Viewer::open(&server, "/other/ws?publish=mpegts");
    publisher.control("accepted");
    let mut viewer = Viewer::open(&server, "/other/ws?format=fmp4");
    std::thread::scope(|scope| {
        scope.spawn(|| clip.chunks(16_384).for_each(|piece| assert!(publisher.push(piece))));
        viewer.binaries(95);
    });
    assert!(began.elapsed() >= Duration::from_millis(1_600), "{:?}", began.elapsed());
}

#[test]
fn viewers_who_come_and_go_fill_no_log() {
    let server = Server::start(&format!(
        "[streams.front]\nsource = {SMALL}\nlinger = \"1ms\"\n[streams.broken]\nsource = \"exec:false\"\nlinger = \"1ms\"\n"
    ));
    let start = Instant::now();
    for _ in 0..60 {
        Viewer::open(&server, "/front/ws?format=fmp4").binaries(1);
        drop(Viewer::open(&server, "/broken/ws?format=fmp4"));
        server.await_state("front", "idle", Duration::from_secs(20));
    }
    // Of each stream and second: a start, a stop, a failure.
    let most = 20 + 6 * usize::try_from(start.elapsed().as_secs()).expect("not for ever");
    let log = server.log();
    let lines = log.lines().count();
    assert!(lines < most, "{lines} lines in {:?}:\n{log}", start.elapsed());
    assert!(log.contains("source starts") && log.contains("held="), "{log}");
}

#[test]
fn limits_and_the_budget_that_are_read_again_count_at_once() {
    let config = |limits: &str| format!("{limits}[streams.front]\nsource = {SMALL}\n");
    let server = Server::start(&config("[limits]\nviewers = 1\n"));
    let viewer = watching(&server, "/front/ws?format=fmp4");
    is_polite(&refusal(&server, "/front/ws?format=fmp4"), 503, "as many watch as may (1)");
    let reload = |limits: &str| {
        server.configure(&config(limits));
        let answer = http::request(server.address(), "POST", "/api/v1/reload", &[], b"");
        assert!(answer.body.contains("\"needs_restart\":[]"), "{}", answer.body);
    };
    reload("[limits]\nviewers = 2\n");
    let second = watching(&server, "/front/ws?format=fmp4");
    is_polite(&refusal(&server, "/front/ws?format=fmp4"), 503, "as many watch as may (2)");
    reload("[budget]\nmemory = \"16M\"\n");
    let busy = || Some(refusal(&server, "/front/ws?format=fmp4")).filter(|answer| answer.status == 503);
    is_polite(&eventually("memory is used up", busy), 503, "this server is busy");
    reload("");
    let third = watching(&server, "/front/ws?format=fmp4");
    viewer.undisturbed(DISTURBED);
    second.undisturbed(DISTURBED);
    third.undisturbed(DISTURBED);
}
