//! HLS as players use it: playlists that keep the rules, media that decodes, cameras that run while somebody asks.

#![allow(clippy::unwrap_used)] // a test may

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use firstlight_e2e::camera::{Camera, Film};
use firstlight_e2e::clip::{self, PLAIN};
use firstlight_e2e::http::{self, Response};
use firstlight_e2e::{Server, eventually, player, tool, within};
use hls::reading::{ListedSegment, MediaPlaylist};

const SOURCE: &str = "{ test = { width = 320, height = 240, fps = 25, gop = 25, audio = \"aac\" } }";
const LIVE: &str = "/front/live.m3u8";

fn ok(server: &Server, path: &str) -> Response {
    let answer = server.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer
}

fn read(server: &Server, path: &str) -> MediaPlaylist {
    let text = ok(server, path).body;
    MediaPlaylist::parse(&text).unwrap_or_else(|broken| panic!("{path}: {broken}\n{text}"))
}

/// The playlist that holds what comes next.
fn reload(server: &Server, last: &MediaPlaylist, more: &str) -> MediaPlaylist {
    let (segment, part) = last.next();
    read(server, &format!("{LIVE}?_HLS_msn={segment}&_HLS_part={part}{more}"))
}

fn bytes(server: &Server, file: &str) -> Vec<u8> {
    ok(server, &format!("/front/{file}")).bytes
}

/// A segment that is whole, with all before it that it needs.
fn whole_segment(server: &Server) -> (MediaPlaylist, ListedSegment) {
    let playlist = read(server, LIVE);
    let segment = playlist.segments.iter().rfind(|segment| segment.uri.is_some()).unwrap().clone();
    (playlist, segment)
}

#[test]
fn a_player_that_reloads_sees_each_part_as_it_comes_and_every_rule_kept() {
    let server = Server::with_source(SOURCE);
    let mut last = read(&server, LIVE);
    let began = Instant::now();
    for _ in 0..12 {
        let next = reload(&server, &last, "");
        next.follows(&last).unwrap();
        assert!(next.next() > last.next(), "held until there is more");
        last = next;
    }
    assert!(began.elapsed() > Duration::from_millis(1_500), "twelve parts take their time");
    assert_eq!((last.target, last.part_target), (Duration::from_secs(1), Some(Duration::from_millis(220))));
    let delta = within(Duration::from_secs(20), "there is something to leave out", || {
        last = reload(&server, &last, "");
        let delta = reload(&server, &last, "&_HLS_skip=YES");
        (delta.skipped > 0).then_some(delta)
    });
    assert_eq!(delta.segments[0].number, delta.media_sequence + delta.skipped);
}

#[test]
fn parts_are_their_segment_and_what_is_hinted_comes() {
    let server = Server::with_source(SOURCE);
    let (playlist, segment) = whole_segment(&server);
    let hinted = bytes(&server, playlist.preload.as_deref().unwrap());
    assert!(!hinted.is_empty());
    let parts: Vec<u8> = segment.parts.iter().flat_map(|part| bytes(&server, &part.uri)).collect();
    let whole = bytes(&server, segment.uri.as_deref().unwrap());
    assert_eq!(parts, whole);
    let init = playlist.segments.iter().find_map(|segment| segment.map.clone()).unwrap();
    let decoded = tool::decode("mp4", &[bytes(&server, &init), whole].concat());
    assert_eq!((decoded.errors.as_str(), decoded.pictures), ("", 25));
    for (file, status) in [("hls/0-0.m4s", 404), ("hls/x", 404), ("hls/../ws", 404)] {
        assert_eq!(server.get(&format!("/front/{file}")).status, status, "{file}");
    }
}

#[test]
fn ffmpeg_plays_picture_and_sound() {
    let server = Server::with_source(SOURCE);
    for (playlist, more) in [("index.m3u8", ""), ("classic.m3u8", ""), ("live.m3u8", "")] {
        let url = format!("http://{}/front/{playlist}{more}", server.address());
        let streams = tool::run(
            "ffprobe",
            &["-v", "error", "-show_entries", "stream=codec_name,width", "-of", "csv=p=0", &url],
            b"",
        );
        assert!(streams.0.contains("h264,320") && streams.0.contains("aac"), "{playlist}: {streams:?}");
        let (frames, errors) = tool::run(
            "ffmpeg",
            &["-v", "error", "-i", &url, "-t", "2", "-map", "0:v", "-f", "framecrc", "-"],
            b"",
        );
        let pictures = frames.lines().filter(|line| !line.starts_with('#')).count();
        assert!(errors.is_empty() && (48..=52).contains(&pictures), "{playlist}: {pictures} {errors}");
    }
}

#[test]
fn a_player_that_knows_no_parts_plays_a_camera_with_a_keyframe_in_ten_seconds() {
    let server = Server::with_source("{ test = { width = 320, height = 240, fps = 25, gop = 250 } }");
    let url = format!("http://{}/front/index.m3u8", server.address());
    let arguments = ["-v", "error", "-i", &url, "-frames:v", "50", "-map", "0:v", "-f", "framecrc", "-"];
    let (frames, errors) = tool::run("ffmpeg", &arguments, b"");
    let pictures = frames.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!((pictures, errors.as_str()), (50, ""));
}

#[test]
fn mpv_and_vlc_play() {
    let server = Server::with_source(SOURCE);
    let url = format!("http://{}/front/index.m3u8", server.address());
    assert_eq!(player::mpv(&url), None);
    let (kinds, said) = player::vlc(&url);
    assert!(kinds.contains("h264") && kinds.contains("aac"), "{kinds} {said}");
}

#[test]
fn gstreamer_plays_past_what_was_there_when_it_came() {
    let server = Server::with_source(SOURCE);
    let location = format!("location=http://{}/front/index.m3u8", server.address());
    let decode = "! hlsdemux ! qtdemux name=d d.video_0 ! queue ! h264parse ! avdec_h264 ! fakesink silent=false sync=false";
    let mut gst = Command::new("gst-launch-1.0")
        .args(["-v", "souphttpsrc", &location])
        .args(decode.split(' '))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("GStreamer is needed by the tests");
    let output = gst.stdout.take().unwrap();
    let pictures = std::thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        // One line a picture; what was there first is 25 to 50 of them.
        lines.filter(|line| line.contains("chain")).take(150).count()
    });
    within(Duration::from_secs(30), "GStreamer has decoded enough, or ended", || {
        (pictures.is_finished() || gst.try_wait().unwrap().is_some()).then_some(())
    });
    let _ = gst.kill();
    let _ = gst.wait();
    assert_eq!(pictures.join().unwrap(), 150);
}

#[test]
fn the_multivariant_playlist_says_what_the_stream_is() {
    let server = Server::with_source(SOURCE);
    let answer = ok(&server, "/front/index.m3u8");
    assert_eq!(answer.header("content-type"), Some("application/vnd.apple.mpegurl"));
    let info = answer.body.lines().find(|line| line.starts_with("#EXT-X-STREAM-INF:")).unwrap().to_owned();
    for part in [",CODECS=\"avc1.42c0", ",mp4a.40.2\"", ",RESOLUTION=320x240", ",FRAME-RATE=25.0"] {
        assert!(info.contains(part), "{info}");
    }
    let number = |name: &str| -> u64 {
        let (_, rest) = info.split_once(&format!("{name}=")).unwrap();
        rest.split(',').next().unwrap().parse().unwrap()
    };
    let (peak, mean) = (number(":BANDWIDTH"), number("AVERAGE-BANDWIDTH"));
    assert!(peak >= mean && mean > 50_000, "{info}");
    assert_eq!(answer.body.lines().last(), Some("live.m3u8"));
}

#[test]
fn a_cold_camera_starts_with_the_first_request_and_stops_when_nobody_asks_any_more() {
    let config = format!("[hls]\nlinger = \"1s\"\n[streams.front]\nsource = {SOURCE}\nlinger = \"500ms\"\n");
    let server = Server::start(&config);
    assert_eq!(server.state("front"), "idle");
    let first = read(&server, LIVE);
    assert_eq!(server.state("front"), "live");
    let viewers = server.json("/api/v1/viewers");
    assert_eq!(viewers.as_array().map(Vec::len), Some(1), "{viewers}");
    assert_eq!(viewers[0]["format"], "hls", "{viewers}");
    server.await_state("front", "idle", Duration::from_secs(20));
    assert_eq!(server.json("/api/v1/viewers").as_array().map(Vec::len), Some(0));
    assert_eq!(server.tasks("hls"), 0);
    // Who comes back finds a playlist that has gone on.
    let later = read(&server, LIVE);
    assert!(later.media_sequence >= first.next().0, "{} after {:?}", later.media_sequence, first.next());
    assert!(later.segments[0].discontinuity);
}

#[test]
fn a_camera_that_does_not_come_is_waited_for_and_then_the_reason_is_told() {
    let server = Server::start("[streams.front]\nsource = \"tcp://127.0.0.1:1\"\n");
    let began = Instant::now();
    let answer = server.get("/front/index.m3u8");
    assert_eq!((answer.status, answer.header("cache-control")), (503, Some("no-store")), "{}", answer.body);
    assert!(answer.body.contains("the camera fails"), "{}", answer.body);
    assert!(began.elapsed() > Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn what_the_document_forbids_is_refused_at_once() {
    let server = Server::with_source(SOURCE);
    let (next, _) = read(&server, LIVE).next();
    for (query, says) in [
        ("_HLS_part=1".to_owned(), "needs _HLS_msn"),
        ("_HLS_msn=x".to_owned(), "decimal integer"),
        ("_HLS_skip=maybe".to_owned(), "YES or v2"),
        (format!("_HLS_msn={}", next + 9), "too far ahead"),
        (format!("_HLS_msn={next}&_HLS_part=99"), "too far ahead"),
    ] {
        let answer = server.get(&format!("{LIVE}?{query}"));
        assert!(
            answer.status == 400 && answer.body.contains(says),
            "{query}: {} {}",
            answer.status,
            answer.body
        );
    }
}

#[test]
fn playlists_are_compressed_for_those_who_take_it_and_files_kept_by_caches() {
    let server = Server::with_source(SOURCE);
    let (_, segment) = whole_segment(&server);
    let packed = http::get(server.address(), LIVE, &[("Accept-Encoding", "gzip")]);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let (text, _) = tool::run("gzip", &["-dc"], &packed.bytes);
    MediaPlaylist::parse(&text).unwrap();
    assert!(packed.bytes.len() * 2 < text.len());
    let vary = ok(&server, LIVE).header("vary").unwrap_or_default().to_owned();
    assert!(vary.contains("accept-encoding"), "{vary}");
    let file = ok(&server, &format!("/front/{}", segment.uri.unwrap()));
    assert_eq!(file.header("cache-control"), Some("public, max-age=3600, immutable"));
    assert_eq!(file.header("content-type"), Some("video/mp4"));
}

#[test]
fn a_token_goes_on_into_the_addresses_and_no_shared_cache_keeps_the_answers() {
    let token = "token-of-the-wall-5f2a";
    let server = Server::start(&format!(
        "[tokens.wall]\ntoken = \"{token}\"\nrights = {{ view = [\"*\"] }}\n[streams.front]\nsource = {SOURCE}\n"
    ));
    assert_eq!(server.get("/front/index.m3u8").status, 401);
    let index = ok(&server, &format!("/front/index.m3u8?token={token}")).body;
    let playlist = index.lines().last().unwrap();
    assert_eq!(playlist, format!("live.m3u8?token={token}"));
    let answer = ok(&server, &format!("/front/{playlist}"));
    assert!(answer.header("cache-control").unwrap().starts_with("private, "), "{:?}", answer.headers);
    let listed = MediaPlaylist::parse(&answer.body).unwrap();
    let segment = listed.segments.iter().find_map(|segment| segment.uri.clone()).unwrap();
    let file = ok(&server, &format!("/front/{segment}"));
    assert!(file.header("cache-control").unwrap().starts_with("private, "), "{:?}", file.headers);
    let (bare, _) = segment.split_once('?').unwrap();
    assert_eq!(server.get(&format!("/front/{bare}")).status, 401);
}

#[test]
fn another_picture_size_is_another_section_behind_a_discontinuity() {
    let server = Server::start("[streams.front]\non_second_publisher = \"take_over\"\n");
    let film = |size| Film::cut(&std::fs::read(clip::file(size, 20, PLAIN, true, "ts")).unwrap(), 1_316, 20);
    let _first = Camera::upload(server.address(), "/front/publish", film("320x240"));
    let before = read(&server, LIVE);
    let _second = Camera::upload(server.address(), "/front/publish", film("640x480"));
    let changed = eventually("the other size", || {
        let playlist = read(&server, LIVE);
        let segment =
            playlist.segments.into_iter().find(|segment| segment.discontinuity && segment.uri.is_some())?;
        segment.map.clone().map(|map| (map, segment))
    });
    let init = bytes(&server, &changed.0);
    let media = [init, bytes(&server, changed.1.uri.as_deref().unwrap())].concat();
    assert!(tool::probe(&media, "stream=width").starts_with("640"));
    assert_ne!(before.segments[0].map.as_deref(), Some(changed.0.as_str()));
}

#[test]
fn sound_alone_and_pictures_alone_play() {
    let film = |options: &str, extension| {
        let file =
            clip::file("320x240", 10, &format!("{PLAIN} {options}"), options.contains("-vn"), extension);
        Film::cut(&std::fs::read(file).unwrap(), 1_316, 10)
    };
    for (film, codecs) in [(film("-vn", "ts"), "mp4a.40.2"), (film("", "ts"), "avc1.")] {
        let server = Server::start("[streams.front]\n");
        let _camera = Camera::upload(server.address(), "/front/publish", film);
        let index = ok(&server, "/front/index.m3u8").body;
        assert!(index.contains(&format!("CODECS=\"{codecs}")), "{index}");
        assert_eq!(index.contains("RESOLUTION"), codecs == "avc1.", "{index}");
        let (playlist, segment) = whole_segment(&server);
        let init = bytes(&server, playlist.segments[0].map.as_deref().unwrap());
        let decoded = tool::decode("mp4", &[init, bytes(&server, segment.uri.as_deref().unwrap())].concat());
        assert_eq!(decoded.errors, "");
    }
}
