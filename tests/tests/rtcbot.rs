//! RTCBot's addresses: its script, and robots that wait behind NAT to be asked for.

use std::thread;

use firstlight_e2e::http::{self, Response};
use firstlight_e2e::viewer::Message;
use firstlight_e2e::{Server, Viewer};

fn post(server: &Server, path: &str, body: &str) -> Response {
    let headers = [("Content-Type", "text/plain;charset=UTF-8")];
    http::request(server.address(), "POST", path, &headers, body.as_bytes())
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
