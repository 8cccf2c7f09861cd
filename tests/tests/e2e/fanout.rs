//! One source, any number of viewers: each sees a picture at once and none can disturb another.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};

use firstlight_e2e::boxes::{fragment, is_init};
use firstlight_e2e::{Message, Server, Viewer, byte_stream, eventually, within};

/// A random access point every 20 s: who joins between two must be given the last one.
const RARE: &str =
    "{ test = { width = 320, height = 240, fps = 25, gop = 500, bitrate = \"400k\", audio = false } }";
/// One each second, and enough bytes to fill what the kernel keeps for a viewer who does not read.
const HEAVY: &str =
    "{ test = { width = 1280, height = 720, fps = 30, gop = 30, bitrate = \"40M\", audio = false } }";
const SMALL: &str = "{ test = { width = 160, height = 120, fps = 25, gop = 25, audio = false } }";

#[test]
fn late_viewer_sees_a_picture_at_once() {
    let server = Server::with_source(RARE);
    let mut first = Viewer::open(&server, "/front/ws?format=fmp4");
    // Three seconds into a GOP, too far for the picture of a newcomer to come from anywhere but the ring.
    let before = first.binaries(75);
    let joined = Instant::now();
    let mut late = Viewer::open(&server, "/front/ws?format=fmp4");
    assert!(is_init(&late.binary()));
    let picture = late.binary();
    let took = joined.elapsed();
    assert!(took < Duration::from_millis(500), "the first picture took {took:?}");
    assert!(fragment(&picture).tracks[0].samples[0].is_sync());
    assert!(before.contains(&picture), "it is the last random access point, which others have had");
    // What it missed comes right behind, and then it is level with the first one.
    within(Duration::from_secs(5), "the late viewer has caught up", || {
        let newest = first.binary();
        late.binaries(76).contains(&newest).then_some(())
    });
}

#[test]
fn late_viewer_of_a_format_without_time_starts_at_a_fresh_keyframe() {
    let server = Server::with_source(RARE);
    let mut first = Viewer::open(&server, "/front/ws?format=annexb&ending=none");
    let before = first.binaries(75);
    let joined = Instant::now();
    let picture = Viewer::open(&server, "/front/ws?format=annexb&ending=none").binary();
    let took = joined.elapsed();
    assert_eq!(byte_stream::nal_types(&picture), [7, 8, 5]);
    assert!(!before.contains(&picture), "all it is given at the start would stay as delay");
    assert!(took < Duration::from_secs(1), "the first picture took {took:?}");
}

#[test]
fn late_viewer_of_every_format_starts_at_a_random_access_point() {
    let server = Server::with_source(RARE);
    Viewer::open(&server, "/front/ws?format=fmp4").binaries(30);

    let mut fmp4 = Viewer::open(&server, "/front/ws?format=fmp4");
    assert!(is_init(&fmp4.binary()));
    assert!(fragment(&fmp4.binary()).tracks[0].samples[0].is_sync());

    let mut webcodecs = Viewer::open(&server, "/front/ws?format=webcodecs");
    let Message::Text(first) = webcodecs.message() else { panic!("the configuration comes first") };
    assert!(first.contains("\"configuration\""), "{first}");
    let unit = webcodecs.binary();
    assert_eq!((unit[0], unit[1], unit[2] & 1), (1, 1, 1), "version 1, video, random access");

    let ts = Viewer::open(&server, "/front/ws?format=mpegts").binary();
    assert_eq!((ts.len() % 188, ts[0]), (0, 0x47));
    let random_access =
        ts.chunks(188).any(|packet| packet[3] & 0x20 != 0 && packet[4] > 0 && packet[5] & 0x40 != 0);
    assert!(random_access, "the random access indicator is set");
}

#[test]
fn slow_viewer_delays_nobody_and_resumes_at_a_random_access_point() {
    let server = Server::with_source(HEAVY);
    let mut slow = Viewer::open(&server, "/front/ws?format=webcodecs");
    let first = slow.control("configuration");
    assert_eq!(first["version"], 1);
    let fast = Viewer::open(&server, "/front/ws?format=webcodecs").watch();
    // It does not read until it has fallen out of the ring or been judged too slow: seconds are what is tested.
    std::thread::sleep(Duration::from_secs(5));
    fast.undisturbed(Duration::from_secs(1));

    let mut units = Vec::new();
    let skipped = loop {
        match slow.message() {
            Message::Binary(unit) => units.push(unit),
            Message::Text(text) if text.contains("\"skipped\"") => break text,
            Message::Text(_) => {}
            other => panic!("{other:?} instead of media"),
        }
    };
    assert!(!units.is_empty(), "what the kernel kept for it still comes: {skipped}");
    let unit = slow.binary();
    assert_eq!((unit[1], unit[2] & 1), (1, 1), "the next unit is a random access point");
    assert!(server.stream("front")["skipped"].as_u64().unwrap() > 0);
    assert_eq!(server.stream("front")["viewers"], 1);
}

#[test]
fn stalled_viewer_is_closed_after_the_send_timeout() {
    let server =
        Server::start(&format!("[websocket]\nsend_timeout = \"1s\"\n[streams.front]\nsource = {HEAVY}\n"));
    let mut stalled = Viewer::open(&server, "/front/ws?format=fmp4");
    stalled.binary();
    let healthy = Viewer::open(&server, "/front/ws?format=fmp4").watch();
    within(Duration::from_secs(10), "the stalled viewer is let go", || {
        (server.stream("front")["viewers"] == 1).then_some(())
    });
    eventually("its task has ended", || (server.tasks("ws-viewer") <= 1).then_some(()));
    healthy.undisturbed(Duration::from_secs(1));
}

#[test]
fn last_viewer_leaving_stops_the_camera_after_linger() {
    let command = "ffmpeg -v error -re -f lavfi -i testsrc2=size=160x120:rate=25 -c:v libx264 -preset ultrafast -tune zerolatency -g 25 -f h264 -";
    let server = Server::start(&format!("[streams.front]\nsource = \"exec:{command}\"\nlinger = \"1s\"\n"));
    assert_eq!(server.state("front"), "idle");
    assert!(server.descendants().is_empty(), "nothing runs before somebody watches");
    let mut first = Viewer::open(&server, "/front/ws/");
    first.binaries(5);
    assert_eq!(server.state("front"), "live");
    assert!(!server.descendants().is_empty());

    // Within linger another one comes, to the same run.
    drop(first);
    Viewer::open(&server, "/front/ws/").binaries(5);
    assert_eq!(server.stream("front")["starts"], 1);

    server.await_state("front", "idle", Duration::from_secs(6));
    eventually("the command has ended", || server.descendants().is_empty().then_some(()));

    // And it starts again.
    Viewer::open(&server, "/front/ws/").binaries(5);
    assert_eq!(server.stream("front")["starts"], 2);
}

#[test]
fn ten_viewers_of_six_formats_are_one_source() {
    let server = Server::with_source("{ test = { width = 160, height = 120, fps = 25 } }");
    let formats = ["annexb", "av", "fmp4", "mpegts", "webcodecs", "fmp4&group_ms=200"];
    let mut viewers: Vec<Viewer> = (0..10)
        .map(|at| Viewer::open(&server, &format!("/front/ws?format={}", formats[at % formats.len()])))
        .collect();
    for viewer in &mut viewers {
        viewer.binaries(5);
    }
    let stream = server.stream("front");
    assert_eq!((&stream["starts"], &stream["viewers"]), (&1.into(), &10.into()));
    let packagings: BTreeSet<&str> =
        stream["packagings"].as_array().unwrap().iter().filter_map(|p| p["format"].as_str()).collect();
    assert_eq!(packagings.len(), formats.len(), "one packaging a format: {packagings:?}");
}

/// So many join, see a picture and leave, one in five without a goodbye that TCP would call orderly.
fn come_and_go(server: &Server, times: usize) {
    let formats = ["annexb", "fmp4", "webcodecs", "av", "mpegts"];
    for at in 0..times {
        let mut viewer = Viewer::open(server, &format!("/front/ws?format={}", formats[at % formats.len()]));
        viewer.binary();
        if at % 5 == 0 {
            // A reset: leaves with unread bytes.
            let _ = viewer.socket().write_all(&[0x88, 0x80, 0, 0, 0, 0]);
        }
    }
}

fn all_gone(server: &Server) {
    eventually("every viewer's task has ended", || {
        (server.tasks("ws-viewer") == 0 && server.stream("front")["viewers"] == 0).then_some(())
    });
}

#[test]
fn a_thousand_joins_and_leaves_leave_no_task_and_no_memory_behind() {
    let server = Server::start(&format!("[streams.front]\nsource = {SMALL}\non_demand = false\n"));
    come_and_go(&server, 200);
    all_gone(&server);
    let before = server.resident();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| come_and_go(&server, 250));
        }
    });
    all_gone(&server);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 8 << 20, "grown by {grown} bytes");
    // Only the request that asks is left.
    assert_eq!(server.tasks("http-connection"), 1);
    assert_eq!(server.stream("front")["packagings"], serde_json::json!([]));
}

#[test]
fn a_source_that_fails_is_started_again_while_viewers_stay() {
    let command = "ffmpeg -v error -re -f lavfi -i testsrc2=size=160x120:rate=25:duration=1 -c:v libx264 -preset ultrafast -tune zerolatency -g 25 -f h264 -";
    let server = Server::with_source(&format!("\"exec:{command}\""));
    let mut viewer = Viewer::open(&server, "/front/ws?format=annexb&ending=none");
    let messages = viewer.binaries(60);
    let starts: Vec<usize> =
        (0..60).filter(|at| byte_stream::nal_types(&messages[*at]).starts_with(&[7, 8])).collect();
    assert_eq!(starts, [0, 25, 50], "each run is whole and begins at a random access point");
    assert!(server.stream("front")["starts"].as_u64().unwrap() >= 3);
}

#[test]
fn a_source_that_is_not_on_demand_runs_unwatched() {
    let server = Server::start(&format!("[streams.front]\nsource = {SMALL}\non_demand = false\n"));
    server.await_state("front", "live", Duration::from_secs(10));
    eventually("pictures are made", || {
        server.stream("front")["fps"].as_f64().is_some_and(|fps| fps > 20.0).then_some(())
    });
    assert_eq!(server.stream("front")["viewers"], 0);
}
