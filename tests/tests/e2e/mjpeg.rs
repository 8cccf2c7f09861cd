//! `/{stream}/mjpeg`, part by part.

#![allow(clippy::unwrap_used)] // a test may

use std::time::{Duration, Instant};

use firstlight_e2e::parts::Parts;
use firstlight_e2e::{Server, eventually, tool};

const SOURCE: &str = "{ test = { width = 640, height = 360, fps = 30, gop = 300, audio = \"aac\" } }";

fn size_of(picture: &[u8]) -> String {
    tool::probe(picture, "stream=codec_name,width,height")
}

#[test]
fn each_part_is_a_whole_jpeg_of_the_size_asked_for() {
    let server = Server::with_source(SOURCE);
    let mut full = Parts::open(server.address(), "/front/mjpeg");
    let mut small = Parts::open(server.address(), "/front/mjpeg?width=320");
    for _ in 0..5 {
        assert_eq!(size_of(&full.next()), "mjpeg,640,360");
        assert_eq!(size_of(&small.next()), "mjpeg,320,180");
    }
    let first = full.next();
    assert_ne!(first, full.next(), "it moves");
}

#[test]
fn one_decoder_serves_all_of_one_size_and_ends_with_the_last() {
    let server = Server::with_source(SOURCE);
    let mut viewers: Vec<Parts> =
        (0..4).map(|_| Parts::open(server.address(), "/front/mjpeg?width=160")).collect();
    for viewer in &mut viewers {
        viewer.next();
    }
    assert_eq!(server.threads("mjpeg"), 1);
    assert_eq!(server.stream("front")["viewers"], 1, "all of them are one reader of the stream");
    drop(viewers);
    eventually("the decoder has ended", || (server.threads("mjpeg") == 0).then_some(()));
    server.await_state("front", "idle", Duration::from_secs(10));
    assert_eq!(server.tasks("mjpeg-viewer") + server.tasks("mjpeg"), 0);
}

#[test]
fn each_viewer_has_a_pace_of_its_own() {
    let server = Server::with_source(SOURCE);
    let mut fast = Parts::open(server.address(), "/front/mjpeg?width=160&fps=30");
    let mut slow = Parts::open(server.address(), "/front/mjpeg?width=160&fps=2");
    fast.next();
    slow.next();
    let began = Instant::now();
    for _ in 0..4 {
        slow.next();
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(1_500), "4 pictures at 2 a second came in {took:?}");
    let mut pictures = 0;
    while pictures < 20 {
        fast.next();
        pictures += 1;
    }
    assert_eq!(pictures, 20, "the fast one had more meanwhile");
}

#[test]
fn who_does_not_read_delays_nobody_and_is_cut_off() {
    let server = Server::start(&format!(
        "[mjpeg]\nquality = 100\nsend_timeout = \"1s\"\n[streams.front]\nsource = {SOURCE}\nlinger = \"500ms\"\n"
    ));
    let mut stalled = Parts::open(server.address(), "/front/mjpeg?fps=60");
    let mut reading = Parts::open(server.address(), "/front/mjpeg?fps=60");
    stalled.next();
    eventually("the one who does not read is cut off", || {
        reading.next();
        (server.tasks("mjpeg-viewer") == 1).then_some(())
    });
}

#[test]
fn nonsense_is_refused_and_starts_nothing() {
    let server = Server::with_source(SOURCE);
    let refused = server.get("/front/mjpeg?fps=fast");
    assert_eq!((refused.status, refused.body.as_str()), (400, "fps: \"fast\" is no number from 0.1 to 60\n"));
    assert_eq!(server.get("/nobody/mjpeg").status, 404);
    assert_eq!(server.state("front"), "idle");
}
