//! The outputs of the jmuxer recipe: its page, its socket, its envelope.

use std::time::Duration;

use firstlight_e2e::byte_stream::nal_types;
use firstlight_e2e::{Server, Viewer, http, tool, within};

const SOURCE: &str = "{ test = { width = 320, height = 240, fps = 25, gop = 25 } }";

#[test]
fn the_page_redirects_to_its_slash_and_the_socket_is_below_it() {
    let server = Server::with_source(SOURCE);
    let response = server.get("/front?muted");
    assert_eq!((response.status, response.header("location")), (308, Some("/front/?muted")));
    let page = server.get("/front/");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    assert_eq!(Viewer::open(&server, "/front/ws/").response().status, 101);
}

#[test]
fn the_first_message_is_sps_pps_idr_and_each_picture_ends_so_that_it_is_shown_at_once() {
    let server = Server::with_source(SOURCE);
    for path in ["/front/ws/", "/front/ws", "/front/ws?format=annexb"] {
        let messages = Viewer::open(&server, path).binaries(30);
        assert!(messages.iter().all(|message| message.starts_with(&[0, 0, 0, 1])), "{path}");
        assert_eq!(nal_types(&messages[0]), [7, 8, 5, 9, 7, 8, 9], "{path}");
        assert_eq!(nal_types(&messages[1]), [1, 9, 7, 8, 9], "{path}");
    }
    let messages = Viewer::open(&server, "/front/ws/?ending=none").binaries(30);
    assert_eq!((nal_types(&messages[0]), nal_types(&messages[1])), (vec![7, 8, 5], vec![1]));
}

#[test]
fn subprotocol_binary_is_echoed_only_if_it_is_offered() {
    let server = Server::with_source(SOURCE);
    for (offered, chosen) in [
        (None, None),
        (Some("binary"), Some("binary")),
        (Some("base64, binary"), Some("binary")),
        (Some("base64"), None),
    ] {
        let headers: Vec<(&str, &str)> =
            offered.map(|value| ("Sec-WebSocket-Protocol", value)).into_iter().collect();
        let mut viewer = Viewer::open_with(server.address(), "/front/ws/", &headers);
        assert_eq!(viewer.response().status, 101);
        assert_eq!(viewer.response().header("sec-websocket-protocol"), chosen);
        viewer.binary();
    }
}

#[test]
fn compression_is_never_agreed_to() {
    let server = Server::with_source(SOURCE);
    let offer = [("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits")];
    let viewer = Viewer::open_with(server.address(), "/front/ws/", &offer);
    assert_eq!(viewer.response().header("sec-websocket-extensions"), None);
}

#[test]
fn a_page_from_elsewhere_may_connect_only_if_it_is_listed() {
    let server = Server::start(&format!(
        "[http]\nallow_origins = [\"https://friend.example\"]\n[streams.front]\nsource = {SOURCE}\n"
    ));
    let own = format!("http://{}", server.address());
    for (origin, status) in
        [("https://evil.example", 403), ("https://friend.example", 101), (own.as_str(), 101), ("null", 403)]
    {
        for path in ["/front/ws/", "/front/ws?format=fmp4", "/cameras/front/streams/CAM_A/video"] {
            let viewer = Viewer::open_with(server.address(), path, &[("Origin", origin)]);
            assert_eq!(viewer.response().status, status, "{origin} {path}");
        }
    }
    let log = within(Duration::from_secs(5), "the refusal is in the log", || {
        Some(server.log()).filter(|log| log.contains("a page was refused"))
    });
    assert!(log.contains(r#"allow_origins = ["https://evil.example"]"#), "{log}");
    assert_eq!(log.matches("a page was refused").count(), 1, "{log}");
    let answer = |origin| http::get(server.address(), "/api/v1/streams", &[("Origin", origin)]);
    assert_eq!(answer("https://evil.example").header("access-control-allow-origin"), None);
    assert_eq!(
        answer("https://friend.example").header("access-control-allow-origin"),
        Some("https://friend.example")
    );
}

#[test]
fn the_envelopes_durations_follow_the_clock() {
    let server = Server::with_source(SOURCE);
    let messages = Viewer::open(&server, "/front/ws?format=av&ending=none").binaries(150);
    let (mut pictures, mut sounds) = (Vec::new(), Vec::new());
    let (mut shown, mut heard) = (0, 0);
    let (mut picture_count, mut sound_count) = (0, 0);
    for (at, message) in messages.iter().enumerate() {
        let number = |at: usize| u16::from_le_bytes(message[at..at + 2].try_into().unwrap());
        let (duration, length) = (u64::from(number(0)), usize::from(number(2)));
        let (audio, video) = message[4..].split_at(length);
        let slices = nal_types(video).iter().filter(|kind| matches!(kind, 1 | 5)).count();
        if at == 0 {
            assert!(nal_types(video).starts_with(&[7, 8, 5]));
        }
        let mut frames = 0;
        let mut rest = audio;
        while !rest.is_empty() {
            assert_eq!((rest[0], rest[1] & 0xf6), (0xff, 0xf0), "whole ADTS frames");
            let frame =
                usize::from(rest[3] & 3) << 11 | usize::from(rest[4]) << 3 | usize::from(rest[5]) >> 5;
            rest = &rest[frame..];
            frames += 1;
        }
        picture_count += slices;
        sound_count += frames;
        shown += if slices > 0 { duration } else { 0 };
        heard += if frames > 0 { duration } else { 0 };
        pictures.extend_from_slice(video);
        sounds.extend_from_slice(audio);
    }
    // A picture lasts 40 ms, an AAC unit 1,024 samples of 48 kHz; sound may be ahead of what a message of one picture says.
    let (true_shown, true_heard) = (picture_count as f64 * 40.0, sound_count as f64 * 1_024.0 / 48.0);
    assert!(picture_count > 100 && sound_count > 150, "{picture_count} pictures, {sound_count} sounds");
    assert!((shown as f64 - true_shown).abs() < 42.0, "{shown} ms for {true_shown} ms of pictures");
    assert!((heard as f64 - true_heard).abs() < 100.0, "{heard} ms for {true_heard} ms of sound");
    let decoded = tool::decode("h264", &pictures);
    assert_eq!((decoded.errors.as_str(), decoded.pictures), ("", picture_count));
    assert_eq!(tool::decode("aac", &sounds).errors, "");
}
