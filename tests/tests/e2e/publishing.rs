//! Streams that wait for a publisher: who may push, what viewers see, what hostile bodies do.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use firstlight_e2e::camera::{Camera, Film};
use firstlight_e2e::clip::{self, PLAIN};
use firstlight_e2e::http::{self, Upload};
use firstlight_e2e::viewer::Message;
use firstlight_e2e::{Server, Viewer, tool, within};
use serde_json::Value;

const GUEST: &str = "[streams.guest]\n";
const TEST_CAMERA: &str = "{ test = { width = 160, height = 120, fps = 25, audio = false } }";

fn film() -> Film {
    Film::h264(&clip::h264("320x240", 2, PLAIN))
}

fn await_live(server: &Server) {
    server.await_state("guest", "live", Duration::from_secs(10));
}

/// The pictures' size, once the stream is live.
fn await_width(server: &Server, width: u64) {
    within(Duration::from_secs(10), &format!("pictures of width {width}"), || {
        let stream = server.stream("guest");
        (stream["tracks"][0]["width"] == width).then_some(())
    });
}

#[test]
fn viewers_are_held_until_somebody_publishes_and_again_when_they_leave() {
    let server = Server::start(GUEST);
    let mut viewer = Viewer::open(&server, "/guest/ws");
    assert_eq!(server.state("guest"), "waiting");
    assert_eq!(viewer.message_within(Duration::from_millis(300)), None);
    for _ in 0..2 {
        let publisher = Camera::upload(server.address(), "/guest/publish", film());
        viewer.binaries(10);
        assert_eq!(server.state("guest"), "live");
        drop(publisher);
        server.await_state("guest", "waiting", Duration::from_secs(5));
        while viewer.message_within(Duration::from_millis(300)).is_some() {}
    }
}

#[test]
fn a_whole_body_is_answered_with_what_was_taken() {
    let server = Server::start(GUEST);
    let ts = std::fs::read(clip::file("320x240", 2, PLAIN, true, "ts")).unwrap();
    for (method, path, headers) in [
        ("POST", "/guest/publish", &[][..]),
        ("PUT", "/guest/publish", &[("Content-Type", "video/mp2t")][..]),
        ("PUT", "/guest/publish?format=mpegts", &[("Content-Type", "text/plain")][..]),
    ] {
        let mut upload = Upload::begin(server.address(), method, path, headers);
        ts.chunks(10_000).for_each(|piece| assert!(upload.send(piece)));
        let answer = upload.finish();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let taken: Value = serde_json::from_str(
            &answer.body[answer.body.find('{').unwrap()..=answer.body.rfind('}').unwrap()],
        )
        .unwrap();
        assert_eq!((&taken["stream"], &taken["format"]), (&Value::from("guest"), &Value::from("mpegts")));
        assert_eq!(taken["bytes"], ts.len());
        let units = taken["units"].as_u64().unwrap();
        assert!((50 + 90..50 + 98).contains(&units), "50 pictures and 94 packets of sound: {units}");
    }
}

#[test]
fn a_second_publisher_is_refused_and_the_first_goes_on() {
    let server = Server::start(GUEST);
    let _first = Camera::upload(server.address(), "/guest/publish", film());
    await_live(&server);
    let mut viewer = Viewer::open(&server, "/guest/ws");
    let answer = Upload::begin(server.address(), "POST", "/guest/publish", &[]).answer();
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("has a publisher already"), "{}", answer.body);
    viewer.binaries(10);
}

#[test]
fn a_second_publisher_takes_over_where_it_may_and_viewers_stay() {
    let server = Server::start(&format!("{GUEST}on_second_publisher = \"take_over\"\n"));
    let mut first = Upload::begin(server.address(), "POST", "/guest/publish", &[]);
    let bytes = clip::h264("320x240", 2, PLAIN);
    assert!(first.send(&bytes));
    await_width(&server, 320);
    let mut viewer = Viewer::open(&server, "/guest/ws?format=fmp4");
    viewer.binaries(2);
    let _second =
        Camera::upload(server.address(), "/guest/publish", Film::h264(&clip::h264("160x120", 2, PLAIN)));
    // The first one is told, although it sends nothing.
    let answer = first.answer();
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("took over"), "{}", answer.body);
    await_width(&server, 160);
    // The same connection goes on: with a new init segment, and with times that follow.
    let mut messages = viewer.binaries(60);
    let at = messages.iter().position(|message| &message[4..8] == b"ftyp").expect("a new init segment");
    let after = messages.split_off(at).concat();
    let decoded = tool::decode("mp4", &after);
    assert_eq!(decoded.errors, "");
    assert!(decoded.pictures > 10, "{} pictures", decoded.pictures);
}

#[test]
fn a_stream_with_a_source_is_not_published_to_and_says_why() {
    let server = Server::with_source(TEST_CAMERA);
    let answer = Upload::begin(server.address(), "PUT", "/front/publish", &[]).answer();
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("source of its own"), "{}", answer.body);
    assert_eq!(Upload::begin(server.address(), "PUT", "/nobody/publish", &[]).answer().status, 404);
}

#[test]
fn a_client_that_waits_for_100_gets_it_or_the_refusal_before_it_sends() {
    let server = Server::start(&format!("{GUEST}[streams.front]\nsource = {TEST_CAMERA}\n"));
    for (stream, line) in [("guest", "HTTP/1.1 100 "), ("front", "HTTP/1.1 409 ")] {
        let mut socket = TcpStream::connect(server.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let head = format!(
            "PUT /{stream}/publish HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = vec![0; line.len()];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), line);
    }
}

#[test]
fn a_page_of_another_server_cannot_publish() {
    let server = Server::start(GUEST);
    let answer =
        Upload::begin(server.address(), "POST", "/guest/publish", &[("Origin", "http://evil.example")])
            .answer();
    assert_eq!(answer.status, 403);
}

#[test]
fn bodies_that_are_nothing_we_know_are_refused_in_words_and_hurt_nobody() {
    let server = Server::start(&format!("{GUEST}[streams.healthy]\nsource = {TEST_CAMERA}\n"));
    let mut viewer = Viewer::open(&server, "/healthy/ws?format=fmp4");
    viewer.binaries(3);
    let watching = viewer.watch();
    let before = server.resident();
    let mut random = firstlight_e2e::random::Random::new(11);
    let endless_nal = [&[0, 0, 0, 1, 0x65][..], &vec![0x41; 12 << 20]].concat();
    let huge_box = [&b"\xff\xff\xff\xffftypisom\0\0\0\0isom"[..], &random.bytes(300_000)].concat();
    for (name, bytes) in [
        ("nothing", Vec::new()),
        ("garbage", random.bytes(600_000)),
        ("text", b"<html>no camera here</html>".repeat(20_000)),
        ("webm", [&[0x1a, 0x45, 0xdf, 0xa3][..], &random.bytes(300_000)].concat()),
        ("an endless NAL unit", endless_nal),
        ("a box of 4 GiB", huge_box),
    ] {
        let mut upload = Upload::begin(server.address(), "POST", "/guest/publish", &[]);
        // The server may refuse in the middle.
        bytes.chunks(16_384).all(|piece| upload.send(piece));
        let answer = upload.finish();
        assert!(matches!(answer.status, 400 | 415), "{name}: {} {}", answer.status, answer.body);
        assert!(answer.body.len() > 10 && !answer.body.contains("Error {"), "{name}: {}", answer.body);
    }
    // A client that is cut off in the middle of a piece frees the seat as well.
    let mut socket = TcpStream::connect(server.address()).unwrap();
    let head = "PUT /guest/publish HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\nabc";
    socket.write_all(head.as_bytes()).unwrap();
    server.await_state("guest", "starting", Duration::from_secs(5));
    socket.shutdown(Shutdown::Both).unwrap();
    server.await_state("guest", "waiting", Duration::from_secs(5));
    let _good = Camera::upload(server.address(), "/guest/publish", film());
    Viewer::open(&server, "/guest/ws").binaries(30);
    watching.undisturbed(Duration::from_millis(1_500));
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 48 << 20, "grown by {grown} bytes");
}

#[test]
fn a_publisher_that_sends_nothing_playable_loses_its_place() {
    let server = Server::start(GUEST);
    let mut slow = Upload::begin(server.address(), "POST", "/guest/publish?format=annexb", &[]);
    server.await_state("guest", "starting", Duration::from_secs(5));
    // A byte now and then is not enough.
    within(Duration::from_secs(20), "its place is free again", || {
        slow.send(&[0]);
        (server.state("guest") == "waiting").then_some(())
    });
    let answer = slow.answer();
    assert_eq!(answer.status, 408);
    assert!(answer.body.contains("nothing playable"), "{}", answer.body);
}

#[test]
fn a_filler_plays_while_nobody_publishes_and_gives_way_at_once() {
    let server = Server::start(&format!("{GUEST}filler = {TEST_CAMERA}\nlinger = \"300ms\"\n"));
    assert_eq!(server.threads("test-camera"), 0);
    let mut viewer = Viewer::open(&server, "/guest/ws?format=fmp4");
    viewer.binaries(5);
    await_width(&server, 160);
    assert_eq!(server.state("guest"), "waiting", "for somebody who publishes");
    let publisher = Camera::upload(server.address(), "/guest/publish", film());
    await_live(&server);
    await_width(&server, 320);
    drop(publisher);
    server.await_state("guest", "waiting", Duration::from_secs(5));
    await_width(&server, 160);
    viewer.binaries(30);
    assert!(viewer.message_within(Duration::from_secs(1)).is_some_and(|m| matches!(m, Message::Binary(_))));
    // Nobody watches: nobody paints.
    drop(viewer);
    within(Duration::from_secs(10), "the filler stops", || {
        (server.stream("guest")["viewers"] == 0 && server.log().contains("nobody watches any more"))
            .then_some(())
    });
}

#[test]
fn the_server_ends_in_the_middle_of_an_upload() {
    let mut server = Server::start(GUEST);
    let _publisher = Camera::upload(server.address(), "/guest/publish", film());
    await_live(&server);
    server.terminate();
    assert!(server.await_end(Duration::from_secs(5)).success());
}

/// Publishes with a program and looks what a viewer can decode of it.
fn published_by(program: &str, arguments: &[&str]) {
    let server = Server::start(GUEST);
    let url = format!("http://{}/guest/publish", server.address());
    let arguments: Vec<String> = arguments.iter().map(|argument| argument.replace("URL", &url)).collect();
    let mut child = std::process::Command::new(program)
        .args(&arguments)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::inherit())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed by the tests: {error}"));
    await_live(&server);
    let mut viewer = Viewer::open(&server, "/guest/ws?format=fmp4");
    let decoded = tool::decode("mp4", &viewer.binaries(40).concat());
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(decoded.errors, "", "{program}");
    assert!(decoded.pictures > 20, "{program}: {} pictures", decoded.pictures);
}

const FFMPEG: &[&str] = &[
    "-v",
    "error",
    "-re",
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=320x240:rate=25:duration=30",
    "-f",
    "lavfi",
    "-i",
    "sine=sample_rate=48000:duration=30",
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-tune",
    "zerolatency",
    "-g",
    "25",
    "-pix_fmt",
    "yuv420p",
    "-c:a",
    "aac",
];

#[test]
fn ffmpeg_publishes_by_post_and_by_put() {
    published_by("ffmpeg", &[FFMPEG, &["-f", "mpegts", "URL"]].concat());
    published_by("ffmpeg", &[FFMPEG, &["-f", "mpegts", "-method", "PUT", "URL"]].concat());
    let fragments =
        ["-f", "mp4", "-movflags", "empty_moov+frag_every_frame+default_base_moof", "-method", "PUT", "URL"];
    published_by("ffmpeg", &[FFMPEG, &fragments].concat());
}

#[test]
fn gstreamer_publishes_through_curl() {
    let pipeline = "gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! \
         x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! h264parse config-interval=-1 ! mpegtsmux ! fdsink \
         | exec curl -sS -T - URL";
    published_by("sh", &["-c", pipeline]);
}

#[test]
fn a_byte_stream_is_published_by_websocket_cut_anywhere() {
    let fragments = format!("{PLAIN} -movflags empty_moov+frag_every_frame+default_base_moof");
    let mp4 = std::fs::read(clip::file("320x240", 20, &fragments, true, "mp4")).unwrap();
    let ts = std::fs::read(clip::file("320x240", 20, PLAIN, true, "ts")).unwrap();
    let bare = clip::h264("320x240", 20, PLAIN);
    for (format, bytes) in [("mp4", mp4), ("mpegts", ts), ("annexb", bare)] {
        let server = Server::start(GUEST);
        let film = Film { period: Duration::from_millis(10), ..Film::cut(&bytes, 3_001, 20) };
        let _publisher = Camera::socket(server.address(), &format!("/guest/ws?publish={format}"), film);
        await_live(&server);
        let mut viewer = Viewer::open(&server, "/guest/ws?format=fmp4");
        let decoded = tool::decode("mp4", &viewer.binaries(40).concat());
        assert_eq!(decoded.errors, "", "{format}");
        assert!(decoded.pictures > 20, "{format}: {} pictures", decoded.pictures);
    }
}

#[test]
fn what_the_webcodecs_format_sends_can_be_published_as_it_is() {
    let camera = "{ test = { width = 160, height = 120, fps = 25, gop = 25, audio = \"opus\" } }";
    let server = Server::start(&format!("{GUEST}[streams.front]\nsource = {camera}\n"));
    let _relay = Camera::relay(server.address(), "/front/ws?format=webcodecs", "/guest/ws?publish=webcodecs");
    await_live(&server);
    let stream = server.stream("guest");
    let codecs: Vec<&str> =
        stream["tracks"].as_array().unwrap().iter().filter_map(|t| t["codec_name"].as_str()).collect();
    assert_eq!(codecs, ["H.264", "Opus"], "{stream}");
    let mut viewer = Viewer::open(&server, "/guest/ws?format=mpegts");
    let decoded = tool::decode("mpegts", &viewer.binaries(50).concat());
    assert_eq!(decoded.errors, "");
    assert!(decoded.pictures > 30, "{} pictures", decoded.pictures);
}

/// A message with one picture in the byte stream format at `micros`.
fn picture(bytes: &[u8], micros: i64) -> Vec<u8> {
    let mut message = vec![1, 1, 0, 0];
    message.extend(u32::try_from(bytes.len()).expect("a picture is short").to_be_bytes());
    message.extend(micros.to_be_bytes());
    message.extend(0i64.to_be_bytes());
    message.extend_from_slice(bytes);
    message
}

const H264: &str =
    r#"{"type":"configuration","version":1,"keyframes":true,"tracks":[{"id":1,"codec":"avc1.42c00d"}]}"#;

#[test]
fn a_publisher_that_makes_keyframes_is_asked_for_one_when_somebody_joins_late() {
    let server = Server::start(GUEST);
    let pictures = firstlight_e2e::byte_stream::access_units(&clip::h264("320x240", 2, PLAIN));
    let mut publisher = Viewer::open(&server, "/guest/ws?publish=webcodecs");
    publisher.control("accepted");
    publisher.say(H264);
    let mut now = 0;
    let mut film = pictures[1..25].iter().cycle();
    let mut go_on = |publisher: &mut Viewer, picture_bytes: &[u8]| {
        assert!(publisher.push(&picture(picture_bytes, now)));
        now += 40_000;
        std::thread::sleep(Duration::from_millis(40));
    };
    go_on(&mut publisher, &pictures[0]);
    for _ in 0..20 {
        go_on(&mut publisher, film.next().unwrap());
    }
    let mut viewer = Viewer::open(&server, "/guest/ws");
    let asked = |message: &Message| matches!(message, Message::Text(text) if text.contains("\"keyframe\""));
    within(Duration::from_secs(10), "a keyframe is asked for", || {
        go_on(&mut publisher, film.next().unwrap());
        publisher.message_within(Duration::from_millis(1)).filter(asked)
    });
    // A viewer who waits for a fresh picture gets it.
    go_on(&mut publisher, &pictures[0]);
    viewer.binaries(1);
}

#[test]
fn a_socket_that_may_not_publish_is_told_why_in_words_and_by_its_code() {
    let server = Server::start(&format!("{GUEST}[streams.front]\nsource = {TEST_CAMERA}\n"));
    let mut first = Viewer::open(&server, "/guest/ws?publish=webcodecs");
    first.control("accepted");
    for (path, words) in
        [("/guest/ws/?publish=mp4", "publisher already"), ("/front/ws?publish=mp4", "source of its own")]
    {
        let mut second = Viewer::open(&server, path);
        let error = second.control("error");
        assert_eq!(error["code"], 4409);
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
        assert_eq!(second.close_code().0, 4409);
    }
    assert_eq!(Viewer::open(&server, "/guest/ws?publish=webm").response().status, 400);
    let foreign = [("Origin", "http://evil.example")];
    assert_eq!(Viewer::open_with(server.address(), "/guest/ws?publish=mp4", &foreign).response().status, 403);
    assert_eq!(Viewer::open(&server, "/nobody/ws?publish=mp4").response().status, 404);
}

#[test]
fn a_socket_that_sends_nonsense_is_told_so_and_frees_its_place() {
    let server = Server::start(&format!("[limits]\nmessage = \"1M\"\n{GUEST}"));
    let before = server.resident();
    let garbage = firstlight_e2e::random::Random::new(5).bytes(300_000);
    for (path, configuration, bytes, code) in [
        ("/guest/ws?publish=mp4", None, b"\0\0\0\x04ftypisom".to_vec(), 4415),
        // What a browser records that has no MP4.
        ("/guest/ws?publish=mp4", None, b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81".to_vec(), 4415),
        ("/guest/ws?publish=webcodecs", None, picture(&[0, 0, 1, 0x65, 1], 0), 4400),
        ("/guest/ws?publish=webcodecs", Some(H264), garbage, 4400),
        ("/guest/ws?publish=webcodecs", Some("{}"), Vec::new(), 4400),
        (
            "/guest/ws?publish=webcodecs",
            Some(r#"{"type":"configuration","version":2,"tracks":[]}"#),
            Vec::new(),
            4400,
        ),
        ("/guest/ws?publish=annexb", None, vec![0; (1 << 20) + 1], 1009),
    ] {
        let mut publisher = Viewer::open(&server, path);
        publisher.control("accepted");
        if let Some(text) = configuration {
            publisher.say(text);
        }
        publisher.push(&bytes);
        let error = publisher.control("error");
        assert_eq!(error["code"], code, "{path}: {error}");
        let (closed, reason) = publisher.close_code();
        assert!(closed == code && reason.len() > 10, "{closed}: {reason}");
        drop(publisher);
        server.await_state("guest", "waiting", Duration::from_secs(5));
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 48 << 20, "grown by {grown} bytes");
    firstlight_e2e::eventually("all who published are gone", || {
        (server.tasks("ws-publisher") == 0).then_some(())
    });
}

#[test]
fn a_publisher_is_listed_and_shown_the_door() {
    let server = Server::start(GUEST);
    assert_eq!(server.json("/api/v1/publishers"), serde_json::json!([]));
    let missing = http::request(server.address(), "DELETE", "/api/v1/publishers/guest", &[], b"");
    assert_eq!(missing.status, 404, "{}", missing.body);
    let mut publisher = Viewer::open(&server, "/guest/ws?publish=mpegts");
    publisher.control("accepted");
    let list = server.json("/api/v1/publishers");
    assert_eq!((&list[0]["stream"], &list[0]["way"]), (&"guest".into(), &"WebSocket".into()), "{list}");
    assert!(list[0]["address"].as_str().is_some_and(|address| address.starts_with("127.0.0.1:")), "{list}");
    let gone = http::request(server.address(), "DELETE", "/api/v1/publishers/guest", &[], b"");
    assert_eq!(gone.status, 204, "{}", gone.body);
    assert_eq!(publisher.close_code().0, 1008);
    within(Duration::from_secs(10), "nobody publishes", || {
        (server.json("/api/v1/publishers") == serde_json::json!([])).then_some(())
    });
}
