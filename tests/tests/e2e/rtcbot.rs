//! RTCBot's addresses: its script, what the server answers itself, and robots that wait behind NAT to be asked for.

#![allow(clippy::unwrap_used)] // a test may

use std::thread;
use std::time::{Duration, Instant};

use firstlight_e2e::byte_stream::access_units;
use firstlight_e2e::clip::{self, PLAIN};
use firstlight_e2e::http::{self, Response};
use firstlight_e2e::viewer::Message;
use firstlight_e2e::webrtc::{ANYWHERE, PUBLISH, Peer, WATCH, Wish};
use firstlight_e2e::{Server, Viewer, eventually};
use serde_json::{Value, json};

const CAMERA: &str = "source = { test = { width = 320, height = 240, fps = 25, gop = 50, audio = \"aac\" } }\nlinger = \"500ms\"\n";
const LONG: Duration = Duration::from_secs(20);
/// Says something, and nothing else.
const TALK: Wish = Wish { video: None, audio: None, channel: Some("default"), codec: "h264" };

fn post(server: &Server, path: &str, body: &str) -> Response {
    let headers = [("Content-Type", "text/plain;charset=UTF-8")];
    http::request(server.address(), "POST", path, &headers, body.as_bytes())
}

/// As a page posts it.
fn offer(peer: &Peer) -> String {
    json!({ "type": "offer", "sdp": peer.offer() }).to_string()
}

/// Connects, as RTCBot does; gives the answer's header lines.
fn connect(server: &Server, wish: Wish) -> (Peer, Response) {
    let mut peer = Peer::new(wish);
    let answer = post(server, "/connect", &offer(&peer));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let described: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(described["type"], "answer");
    peer.take(described["sdp"].as_str().unwrap());
    (peer, answer)
}

fn text(viewer: &mut Viewer) -> String {
    match viewer.message() {
        Message::Text(text) => text,
        other => panic!("{other:?} instead of text"),
    }
}

fn heard(peer: &mut Peer, count: usize) -> Vec<String> {
    assert!(peer.run(LONG, |peer| peer.messages.len() >= count), "{:?}", peer.messages);
    peer.messages.drain(..).map(|message| String::from_utf8(message).unwrap()).collect()
}

/// A robot that answers one offer.
fn robot(server: &Server, path: &str) -> thread::JoinHandle<(String, Message)> {
    let mut robot = Viewer::open(server, path);
    assert_eq!(robot.response().status, 101);
    thread::spawn(move || {
        let Message::Text(offer) = robot.message() else { panic!("no offer") };
        robot.say(&format!("{{\"type\":\"answer\",\"to\":{offer}}}"));
        robot.say("that is all");
        (offer, robot.message())
    })
}

#[test]
fn an_offer_reaches_the_robot_that_waits_and_its_answer_comes_back_as_json() {
    let server = Server::start("");
    for (waits, asks) in [("/ws", "/connect"), ("/my-robot", "/my-robot")] {
        let robot = robot(&server, waits);
        let answer = post(&server, asks, "{\"type\":\"offer\"}");
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert!(answer.body.contains("{\"type\":\"answer\",\"to\":{\"type\":\"offer\"}}"), "{}", answer.body);
        let (offer, end) = robot.join().unwrap();
        assert_eq!(offer, "{\"type\":\"offer\"}");
        assert!(matches!(end, Message::Close(1000, _)), "{end:?}");
    }
    assert_eq!(post(&server, "/my-robot", "{}").status, 404, "one shot");
    // What begins like an address of the server's own is nobody's place to wait.
    assert_eq!(Viewer::open(&server, "/cameras/OAK1/my-robot").response().status, 403);
    assert_eq!(Viewer::open(&server, "/api/v1/my-robot").response().status, 404);
}

#[test]
fn a_place_that_is_taken_is_refused_and_a_robot_that_comes_again_to_ws_takes_over() {
    let server = Server::start("");
    let _first = Viewer::open(&server, "/my-robot");
    assert_eq!(Viewer::open(&server, "/my-robot").response().status, 409);
    let mut stale = Viewer::open(&server, "/ws");
    let fresh = robot(&server, "/ws");
    assert!(matches!(stale.message(), Message::Close(1000, _)));
    assert_eq!(post(&server, "/connect", "{}").status, 200);
    fresh.join().unwrap();
    assert_eq!(post(&server, "/my-robot", &"x".repeat(70_000)).status, 413);
}

#[test]
fn the_script_is_served_to_pages() {
    let server = Server::start("[rtcbot]\nice_servers = ['stun:stun.example.net']\n");
    let script = server.get("/rtcbot.js");
    assert_eq!((script.status, script.header("content-type")), (200, Some("application/javascript")));
    assert!(script.body.contains("stun:stun.example.net"));
}

#[test]
fn without_a_waiting_robot_the_server_shows_its_first_camera_and_bridges_what_is_said() {
    let server = Server::start(&format!(
        "{ANYWHERE}[streams.attic]\n[streams.front]\n{CAMERA}data = {{ dead_man = {{ after = \"60s\", send = {{ x = 0 }} }} }}\n[streams.yard]\n{CAMERA}"
    ));
    let mut program = Viewer::open(&server, "/front/data?robot");
    let (mut peer, _) = connect(&server, Wish { channel: Some("default"), ..WATCH });
    for line in ["a=msid:firstlight ", "a=end-of-candidates", " typ host"] {
        assert!(peer.answer.contains(line), "{line}: {}", peer.answer);
    }
    assert!(
        peer.run(LONG, |peer| peer.pictures.len() >= 30 && peer.sounds >= 20 && peer.channels.len() == 1)
    );
    assert_eq!((peer.pictures[0].1, peer.damaged), (true, 0));
    let viewers = server.json("/api/v1/viewers");
    assert_eq!(
        (&viewers[0]["stream"], &viewers[0]["format"]),
        (&"front".into(), &"webrtc".into()),
        "{viewers}"
    );

    // What is no JSON is a string; what goes out is JSON.
    peer.say("go left");
    peer.say("{\"x\": 1}");
    peer.run(Duration::from_millis(50), |_| false);
    assert_eq!([text(&mut program), text(&mut program)], ["\"go left\"", "{\"x\": 1}"]);
    program.say("{\"pong\":1}");
    program.say("plain");
    assert_eq!(heard(&mut peer, 2), ["{\"pong\":1}", "\"plain\""]);

    // Whoever goes lets the robot stop.
    peer.close();
    assert_eq!(text(&mut program), "{\"x\":0}");
    eventually("the camera stops", || (server.state("front") == "idle").then_some(()));
}

#[test]
fn what_a_peer_sends_is_a_stream_like_any_other_until_it_goes_and_whoever_watches_drives_it() {
    let server = Server::start(ANYWHERE);
    let film = access_units(&clip::h264("320x240", 4, PLAIN));
    let (mut peer, answer) = connect(&server, Wish { channel: Some("default"), ..PUBLISH });
    assert_eq!(answer.header("content-location"), Some("/connect/1/"));
    assert!(peer.run(LONG, |peer| peer.channels.len() == 1));
    let (mut viewer, mut driver) = (None, None);
    let start = Instant::now();
    for (picture, at) in film.iter().zip(0u32..) {
        peer.send(picture, u64::from(at) * 3_600);
        let due = start + Duration::from_millis(40) * at;
        peer.run(due.saturating_duration_since(Instant::now()), |_| false);
        if at == 20 {
            assert_eq!(server.state("connect/1"), "live");
            viewer = Some(Viewer::open(&server, "/connect/1/ws?format=annexb&ending=none"));
            driver = Some(Viewer::open(&server, "/connect/1/data"));
        }
    }
    let (mut viewer, mut driver) = (viewer.unwrap(), driver.unwrap());
    assert_eq!(viewer.binaries(40).len(), 40);
    driver.say("{\"go\":1}");
    assert_eq!(heard(&mut peer, 1), ["{\"go\":1}"]);
    peer.say("there");
    peer.run(Duration::from_millis(50), |_| false);
    assert_eq!(text(&mut driver), "\"there\"");
    // Another one has a stream of its own.
    let (_second, answer) = connect(&server, PUBLISH);
    assert_eq!(answer.header("content-location"), Some("/connect/2/"));
    peer.close();
    assert_eq!(viewer.close_code().0, 1000);
    assert_eq!(driver.close_code().0, 1000);
    assert_eq!(server.get("/api/v1/streams/connect%2F1").status, 404);
}

#[test]
fn the_configuration_says_which_stream_is_shown_and_where_what_comes_goes() {
    let server = Server::start(&format!(
        "{ANYWHERE}[rtcbot]\nstream = \"yard\"\nincoming = \"guest\"\n[streams.front]\n{CAMERA}[streams.guest]\n[streams.yard]\n{CAMERA}"
    ));
    let (mut peer, _) = connect(&server, WATCH);
    assert!(peer.run(LONG, |peer| peer.pictures.len() >= 5));
    assert_eq!(server.json("/api/v1/viewers")[0]["stream"], "yard");
    let (mut guest, answer) = connect(&server, PUBLISH);
    assert_eq!(answer.header("content-location"), Some("/guest/"));
    assert_eq!(post(&server, "/connect", &offer(&Peer::new(PUBLISH))).status, 409);
    assert!(guest.run(LONG, |peer| peer.is_connected));
    guest.close();
    eventually("the seat is free", || (server.state("guest") == "waiting").then_some(()));
}

#[test]
fn a_peer_too_many_is_told_so_and_starts_no_camera() {
    let server = Server::start(&format!(
        "{ANYWHERE}[limits]\nviewers = 1\n[rtcbot]\nstream = \"yard\"\n[streams.front]\n{CAMERA}[streams.yard]\n{CAMERA}"
    ));
    let mut viewer = Viewer::open(&server, "/front/ws?format=fmp4");
    viewer.binaries(1);
    let answer = post(&server, "/connect", &offer(&Peer::new(WATCH)));
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.header("retry-after").is_some(), "{}", answer.body);
    assert!(!server.log().contains("source starts stream=yard"), "{}", server.log());
}

#[test]
fn who_only_talks_gets_no_media_and_what_is_no_offer_is_told_so() {
    let server = Server::start(&format!("{ANYWHERE}[streams.front]\n{CAMERA}"));
    let mut program = Viewer::open(&server, "/front/data?robot");
    let (mut peer, _) = connect(&server, TALK);
    assert!(!peer.answer.contains("m=video") && !peer.answer.contains("m=audio"), "{}", peer.answer);
    assert!(peer.run(LONG, |peer| peer.channels.len() == 1));
    peer.say("1");
    peer.run(Duration::from_millis(50), |_| false);
    assert_eq!(text(&mut program), "1");
    assert_eq!(server.state("front"), "idle", "nobody watches");

    let sdp = offer(&Peer::new(WATCH));
    for (status, body) in [
        (400, "v=0"),
        (400, "{\"type\":\"offer\"}"),
        (400, "{\"type\":\"offer\",\"sdp\":\"nonsense\"}"),
        (400, sdp.replace("\"offer\"", "\"answer\"").as_str()),
        (422, sdp.replace("a=recvonly", "a=inactive").as_str()),
        (406, offer(&Peer::new(Wish { codec: "vp8", ..WATCH })).as_str()),
        (413, "x".repeat(70_000).as_str()),
    ] {
        let answer = post(&server, "/connect", body);
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(answer.body.ends_with('\n') && !answer.body.contains("panicked"), "{}", answer.body);
    }
}

#[test]
fn a_peer_does_what_it_has_the_right_to() {
    let tokens = ["view", "publish", "control"].map(|right| {
        let stream = if right == "publish" { "connect/*" } else { "yard" };
        format!(
            "[tokens.{right}]\ntoken = \"{right}-0123456789abc\"\nrights = {{ {right} = [\"{stream}\"] }}\n"
        )
    });
    let server = Server::start(&format!(
        "{ANYWHERE}{}[streams.front]\n{CAMERA}[streams.yard]\n{CAMERA}",
        tokens.concat()
    ));
    let ask = |who: &str, wish: Wish| {
        let authorization = format!("Bearer {who}-0123456789abc");
        let headers = [("Authorization", authorization.as_str())];
        let peer = Peer::new(wish);
        http::request(server.address(), "POST", "/connect", &headers, offer(&peer).as_bytes())
    };
    assert_eq!(post(&server, "/connect", &offer(&Peer::new(WATCH))).status, 401);
    for (who, wish, status) in [
        ("view", WATCH, 200),
        ("view", PUBLISH, 403),
        ("view", TALK, 404),
        ("publish", PUBLISH, 200),
        ("publish", WATCH, 404),
        ("control", TALK, 200),
        ("control", WATCH, 404),
    ] {
        let answer = ask(who, wish);
        assert_eq!(answer.status, status, "{who} {wish:?}: {}", answer.body);
    }
    // The first that they may see.
    let as_viewer = [("Authorization", "Bearer view-0123456789abc")];
    let viewers = http::get(server.address(), "/api/v1/viewers", &as_viewer);
    assert!(viewers.body.contains("\"stream\":\"yard\""), "{}", viewers.body);
    // What waits elsewhere is for those who view.
    let as_publisher = [("Authorization", "Bearer publish-0123456789abc")];
    let waiting = Viewer::open_with(server.address(), "/ws", &as_publisher);
    assert_eq!(waiting.response().status, 101);
    assert_eq!(ask("publish", PUBLISH).status, 403);
}
