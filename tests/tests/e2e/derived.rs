//! Streams made from others, as ffprobe and viewers see them.

#![allow(clippy::unwrap_used)] // a test may

use std::time::Duration;

use firstlight_e2e::{Server, Viewer, eventually, tool};

const CONFIG: &str = r#"
[streams.front]
source = { test = { width = 640, height = 360, fps = 30, gop = 300, audio = "aac" } }
linger = "200ms"
[streams.small]
source = { from = "front", video = { codec = "h264", width = 320, fps = 15, bitrate = "300k", gop = 15 } }
linger = "200ms"
[streams.smaller]
source = { from = "small", video = { width = 160 }, audio = false }
linger = "200ms"
"#;

fn refused(streams: &str) -> String {
    let file = std::env::temp_dir().join(format!("firstlight-derived-{}.toml", std::process::id()));
    std::fs::write(&file, streams).unwrap();
    let output = Server::refused(&["--config", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn size_pace_and_gop_are_as_asked_and_the_sound_is_the_origin_s() {
    let server = Server::start(CONFIG);
    let messages = Viewer::open(&server, "/small/ws?format=fmp4").binaries(46);
    let seen = messages.concat();
    let decoded = tool::decode("mp4", &seen);
    assert_eq!((decoded.errors.as_str(), decoded.pictures), ("", 45));
    let streams = tool::probe(&seen, "stream=codec_name,width,height");
    assert!(streams.contains("h264,320,180") && streams.contains("aac"), "{streams}");
    let times = tool::presentation_times("mp4", &seen);
    let distances: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(distances.iter().all(|d| (0.06..0.08).contains(d)), "{distances:?}");
    let frames = tool::probe(&seen, "frame=media_type,key_frame");
    let keys: Vec<usize> = frames
        .lines()
        .filter_map(|line| line.strip_prefix("video,"))
        .enumerate()
        .filter(|(_, key)| key.starts_with('1'))
        .map(|(at, _)| at)
        .collect();
    assert!(keys.windows(2).all(|pair| pair[1] - pair[0] <= 15), "{keys:?}");
    assert!(keys.len() >= 3, "{keys:?}");
}

#[test]
fn capture_times_are_kept_and_a_chain_of_two_works() {
    let server = Server::start(CONFIG);
    let mut viewer = Viewer::open(&server, "/smaller/ws?format=webcodecs");
    let tracks = viewer.control("configuration")["tracks"].clone();
    assert_eq!(tracks.as_array().unwrap().len(), 1, "the sound is left out: {tracks}");
    assert_eq!((&tracks[0]["width"], &tracks[0]["height"]), (&160.into(), &90.into()));
    let message = viewer.binaries(20).pop().unwrap();
    let captured = i64::from_be_bytes(message[16..24].try_into().unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    assert!((0..5_000_000).contains(&(now - captured)), "captured {} µs ago", now - captured);
}

#[test]
fn it_costs_one_encoder_for_all_and_nothing_when_nobody_watches() {
    let server = Server::start(CONFIG);
    assert_eq!(server.threads("derived"), 0);
    let mut viewers: Vec<Viewer> = (0..3).map(|_| Viewer::open(&server, "/small/ws?format=fmp4")).collect();
    for viewer in &mut viewers {
        viewer.binaries(5);
    }
    assert_eq!(server.threads("derived"), 1);
    assert_eq!(server.stream("front")["viewers"], 1);
    drop(viewers);
    eventually("its encoder has ended", || (server.threads("derived") == 0).then_some(()));
    server.await_state("front", "idle", Duration::from_secs(10));
}

#[test]
fn a_late_viewer_gets_a_keyframe_without_waiting_for_the_gop() {
    let config = CONFIG.replace("gop = 15", "gop = 100000");
    let server = Server::start(&config);
    let mut first = Viewer::open(&server, "/small/ws?format=fmp4&audio=0");
    let mut seen = first.binaries(40);
    let mut second = Viewer::open(&server, "/small/ws?format=webcodecs");
    second.binaries(1);
    seen.extend(first.binaries(30));
    let frames = tool::probe(&seen.concat(), "frame=key_frame");
    let keys = frames.lines().filter(|line| line.starts_with('1')).count();
    assert_eq!(keys, 2, "{frames}");
}

#[test]
fn an_origin_that_cannot_be_is_an_error_with_its_line() {
    let unknown = refused("[streams.a]\nsource = { from = \"b\" }\n");
    assert!(unknown.contains(":1: streams.a: there is no stream named b"), "{unknown}");
    let itself = refused("[streams.a]\nsource = \"from:a\"\n");
    assert!(itself.contains("a stream cannot be made from itself"), "{itself}");
    let circle = refused("[streams.a]\nsource = \"from:b\"\n[streams.b]\nsource = \"from:a\"\n");
    assert!(circle.contains("it is made from itself: a from b from a"), "{circle}");
    let odd = refused("[streams.a]\nsource = { from = \"b\", video = { width = 641 } }\n[streams.b]\n");
    assert!(odd.contains("even"), "{odd}");
}
