//! What a player of HLS keeps: its connection, with request behind request on it, and whatever else is asked between them.

#![allow(clippy::unwrap_used)] // a test may

use firstlight_e2e::http::{Kept, head};
use firstlight_e2e::{Server, eventually};
use hls::reading::MediaPlaylist;

const SOURCE: &str = "{ test = { width = 320, height = 240, fps = 25, gop = 25 } }";
const LIVE: &str = "/front/live.m3u8";
const WALL: (&str, &str) = ("Authorization", "Bearer token-of-the-wall-5f2a");

fn start() -> Server {
    Server::start(&format!(
        "[tokens.wall]\ntoken = \"{}\"\nrights = {{ view = [\"*\"] }}\n[streams.front]\nsource = {SOURCE}\n",
        &WALL.1["Bearer ".len()..]
    ))
}

fn playlist(connection: &mut Kept, query: &str) -> MediaPlaylist {
    let answer = connection.get(&format!("{LIVE}{query}"), &[WALL]);
    assert_eq!((answer.status, answer.header("x-content-type-options")), (200, Some("nosniff")));
    assert!(answer.header("date").is_some() && answer.header("cache-control").is_some(), "{answer:?}");
    MediaPlaylist::parse(&answer.body).unwrap()
}

#[test]
fn requests_that_follow_each_other_are_answered_in_their_order() {
    let server = start();
    let mut connection = Kept::open(server.address());
    let mut last = playlist(&mut connection, "");
    for _ in 0..3 {
        // The reload and the part it waits for at once, as a player with hints does where it can.
        let ((segment, part), hint) = (last.next(), last.preload.clone().unwrap());
        let reload = head("GET", &format!("{LIVE}?_HLS_msn={segment}&_HLS_part={part}"), &[WALL]);
        connection.send(format!("{reload}{}", head("GET", &format!("/front/{hint}"), &[WALL])).as_bytes());
        let text = connection.answer();
        last = MediaPlaylist::parse(&text.body).unwrap();
        assert!(last.next() > (segment, part));
        let media = connection.answer();
        assert_eq!((media.status, media.header("content-type")), (200, Some("video/mp4")));
        assert!(!media.bytes.is_empty());
    }
    for byte in head("GET", LIVE, &[WALL, ("Accept", "*/*")]).bytes() {
        connection.send(&[byte]);
    }
    MediaPlaylist::parse(&connection.answer().body).unwrap();
}

#[test]
fn who_asks_and_what_for_is_judged_each_time() {
    let server = start();
    let mut connection = Kept::open(server.address());
    let file = playlist(&mut connection, "").preload.unwrap();
    let file = format!("/front/{file}");
    assert_eq!(connection.get(&file, &[WALL]).status, 200);
    assert_eq!(connection.get(&file, &[]).status, 401);
    assert_eq!(connection.get(&file, &[WALL]).status, 200);
    assert_eq!(connection.get(&file, &[("Authorization", "Bearer of-nobody")]).status, 401);
    assert_eq!(connection.get("/other/live.m3u8", &[WALL]).status, 404);
    let bad = connection.get(&format!("{LIVE}?_HLS_part=1"), &[WALL]);
    assert_eq!((bad.status, bad.body.as_str()), (400, "_HLS_part needs _HLS_msn\n"));
    // What is no player's: other methods, other addresses, bodies.
    playlist(&mut connection, "");
    assert_eq!(connection.get("/health", &[]).body, "ok\n");
    playlist(&mut connection, "");
    connection.ask("HEAD", LIVE, &[WALL]);
    let length = connection.head().header("content-length").unwrap().parse::<usize>().unwrap();
    assert!(length > 100);
    playlist(&mut connection, "");
    connection.send(format!("{}x", head("GET", LIVE, &[WALL, ("Content-Length", "1")])).as_bytes());
    assert_eq!(connection.answer().status, 200);
    playlist(&mut connection, "");
    connection.send(format!("{}x", head("POST", LIVE, &[WALL, ("Content-Length", "1")])).as_bytes());
    assert_eq!(connection.answer().status, 405);
    playlist(&mut connection, "");
    assert_eq!(connection.get(LIVE, &[WALL, ("Connection", "close")]).status, 200);
    assert!(connection.is_over());
    let mut upgraded = Kept::open(server.address());
    playlist(&mut upgraded, "");
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")];
    let key = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    upgraded.ask("GET", "/front/ws?format=fmp4", &[&upgrade[..], &[key, WALL]].concat());
    assert_eq!(upgraded.head().status, 101);
    assert!(!upgraded.frame().is_empty());
    let mut broken = Kept::open(server.address());
    playlist(&mut broken, "");
    broken.send(b"GET /front/live.m3u8 HTTP/1.1\r\nnonsense\r\n\r\n");
    assert_eq!(broken.head().status, 400);
}

#[test]
fn two_thousand_who_go_while_they_wait_leave_nothing_behind() {
    let server = Server::with_source(SOURCE);
    let mut watching = Kept::open(server.address());
    let before = server.tasks("http-connection");
    let mut resident = 0;
    for round in 0..20 {
        let (next, _) = playlist(&mut watching, "").next();
        let waiting = (0..100).map(|at| {
            let mut connection = Kept::open(server.address());
            if at % 2 == 0 {
                playlist(&mut connection, "");
            }
            connection.ask("GET", &format!("{LIVE}?_HLS_msn={}", next + 1), &[WALL]);
            connection
        });
        drop(waiting.collect::<Vec<_>>());
        if round == 0 {
            resident = server.resident();
        }
    }
    eventually("they are gone", || (server.tasks("http-connection") <= before).then_some(()));
    let more = server.resident().saturating_sub(resident);
    assert!(more < 8 << 20, "{more} bytes more");
    playlist(&mut watching, "");
}

#[test]
fn two_hundred_who_ask_and_read_nothing_cost_next_to_nothing() {
    let server = Server::with_source(SOURCE);
    let mut watching = Kept::open(server.address());
    let segment = playlist(&mut watching, "").segments[0].uri.clone().unwrap();
    let path = format!("/front/{segment}");
    assert_eq!(watching.get(&path, &[]).status, 200);
    let before = server.resident();
    // More than fits between them and us.
    let asking = head("GET", &path, &[]).repeat(30);
    let stalled: Vec<Kept> = (0..200)
        .map(|_| {
            let mut connection = Kept::open(server.address());
            connection.send(asking.as_bytes());
            connection
        })
        .collect();
    let mut last = playlist(&mut watching, "");
    for _ in 0..5 {
        let (segment, part) = last.next();
        last = playlist(&mut watching, &format!("?_HLS_msn={segment}&_HLS_part={part}"));
    }
    let more = server.resident().saturating_sub(before);
    assert!(more < 4 << 20, "{more} bytes more");
    drop(stalled);
}
