//! What a player of HLS keeps: its connection, with request behind request on it, and whatever else is asked between them.

#![allow(clippy::unwrap_used)] // a test may

use firstlight_e2e::http::{self, Kept, Response, head};
use firstlight_e2e::{Server, eventually};
use hls::reading::MediaPlaylist;

const SOURCE: &str = "{ test = { width = 320, height = 240, fps = 25, gop = 25 } }";
/// Parts of 20 kB and more.
const LARGE: &str = "{ test = { width = 960, height = 540, fps = 25, gop = 25, bitrate = \"8M\" } }";
const LIVE: &str = "/front/live.m3u8";
const WALL: (&str, &str) = ("Authorization", "Bearer token-of-the-wall-5f2a");
const GUEST: (&str, &str) = ("Authorization", "Bearer token-of-a-guest-91ab");

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
fn all_who_wait_for_a_part_get_it_as_whoever_asks_alone_does() {
    let server = Server::with_source(LARGE);
    let mut crowd: Vec<Kept> = (0..8).map(|_| Kept::open(server.address())).collect();
    let mut last = None;
    for connection in &mut crowd {
        playlist(connection, "");
        last = Some(playlist(connection, ""));
    }
    let mut last = last.unwrap();
    let alike = |one: &Response, other: &Response| {
        let names = ["content-type", "content-length", "cache-control", "vary", "x-content-type-options"];
        let more = ["referrer-policy", "cross-origin-resource-policy", "access-control-allow-origin"];
        names.iter().chain(&more).all(|name| one.header(name) == other.header(name))
    };
    for _ in 0..3 {
        let ((segment, part), hint) = (last.next(), last.preload.clone().unwrap());
        let reload = format!("{LIVE}?_HLS_msn={segment}&_HLS_part={part}");
        let (hint, ours) = (format!("/front/{hint}"), [WALL]);
        for (at, connection) in crowd.iter_mut().enumerate() {
            // Some wait for the playlist, some for what it will tell of.
            connection.ask("GET", if at % 2 == 0 { &reload } else { &hint }, &ours);
        }
        let mut media = Vec::new();
        for (at, connection) in crowd.iter_mut().enumerate() {
            let answer = connection.answer();
            assert_eq!(answer.status, 200, "{}", answer.body);
            if at % 2 == 0 {
                last = MediaPlaylist::parse(&answer.body).unwrap();
                assert!(last.next() > (segment, part));
                connection.ask("GET", &hint, &ours);
                media.push(connection.answer());
            } else {
                media.push(answer);
            }
        }
        let alone = http::get(server.address(), &hint, &ours);
        // Such are sent another way than small ones.
        assert!(alone.bytes.len() > 16 << 10, "{}", alone.bytes.len());
        for answer in &media {
            assert!(answer.bytes == alone.bytes && alike(answer, &alone), "{:?}", answer.header("vary"));
        }
    }
}

#[test]
fn who_may_no_longer_watch_is_refused_on_the_connection_they_have() {
    let config = |guest: &str, stream: &str| {
        let (wall, secret) = (&WALL.1["Bearer ".len()..], &GUEST.1["Bearer ".len()..]);
        format!(
            "[tokens.wall]\ntoken = \"{wall}\"\nrights = {{ admin = [\"*\"] }}\n\
             [tokens.guest]\ntoken = \"{secret}\"\nrights = {{ view = [\"{guest}\"] }}\n[streams.{stream}]\nsource = {SOURCE}\n"
        )
    };
    let server = Server::start(&config("front", "front"));
    let ask_admin = |method: &str, path: &str| http::request(server.address(), method, path, &[WALL], b"");
    let (mut guest, mut wall) = (Kept::open(server.address()), Kept::open(server.address()));
    let watch = |connection: &mut Kept, who| {
        let answers = [(); 3].map(|()| connection.get(LIVE, &[who]));
        assert!(answers.iter().all(|answer| answer.status == 200));
        let next = MediaPlaylist::parse(&answers[2].body).unwrap().next();
        assert_eq!(
            connection.get(&format!("{LIVE}?_HLS_msn={}&_HLS_part={}", next.0, next.1), &[who]).status,
            200
        );
    };
    watch(&mut guest, GUEST);
    watch(&mut wall, WALL);
    server.configure(&config("other", "front"));
    assert_eq!(ask_admin("POST", "/api/v1/reload").status, 200);
    assert_eq!(guest.get(LIVE, &[GUEST]).status, 403);
    watch(&mut wall, WALL);
    let viewers: serde_json::Value = serde_json::from_str(&ask_admin("GET", "/api/v1/viewers").body).unwrap();
    let of_wall = viewers.as_array().unwrap().iter().find(|viewer| viewer["user"] == "wall").unwrap();
    assert_eq!(ask_admin("DELETE", &format!("/api/v1/viewers/{}", of_wall["id"])).status, 204);
    assert_eq!(wall.get(LIVE, &[WALL]).status, 403);
    let mut other = Kept::open(server.address());
    let program = ("User-Agent", "another");
    for _ in 0..3 {
        assert_eq!(other.get(LIVE, &[WALL, program]).status, 200);
    }
    server.configure(&config("other", "back"));
    assert_eq!(ask_admin("POST", "/api/v1/reload").status, 200);
    assert_eq!(other.get(LIVE, &[WALL, program]).status, 404);
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
