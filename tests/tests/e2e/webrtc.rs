//! WebRTC from outside: peers that watch, publish, vanish, and say what no peer should.

#![allow(clippy::unwrap_used)] // a test may

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use firstlight_e2e::byte_stream::access_units;
use firstlight_e2e::clip::{self, PLAIN, REORDERED};
use firstlight_e2e::webrtc::{self, ANYWHERE, PUBLISH, Peer, WATCH, Wish};
use firstlight_e2e::{Server, Viewer, eventually, http};

const CAMERA: &str = "[streams.front]\nsource = { test = { width = 320, height = 240, fps = 25, gop = 50, audio = \"opus\" } }\nlinger = \"500ms\"\n";
const LONG: Duration = Duration::from_secs(20);

fn watched() -> Server {
    Server::start(&format!("{ANYWHERE}{CAMERA}[streams.yard]\n"))
}

fn viewers(server: &Server) -> usize {
    server.json("/api/v1/viewers").as_array().unwrap().len()
}

fn all_gone(server: &Server) {
    eventually("nobody watches any more", || (viewers(server) == 0).then_some(()));
    eventually("the camera stops", || (server.state("front") == "idle").then_some(()));
}

#[test]
fn a_viewer_sees_the_stream_from_a_random_access_point_on_and_hears_it() {
    let server = watched();
    let mut peer = Peer::watch(&server, "front");
    assert!(peer.run(LONG, |peer| peer.pictures.len() >= 60 && peer.sounds >= 40), "{peer:?}");
    assert!(peer.pictures[0].1, "the first picture stands alone");
    assert_eq!(peer.damaged, 0);
    // What was before it joined is shown at once; from then on times are as far apart as the pictures.
    assert!(peer.times.is_sorted());
    let last = &peer.times[peer.times.len() - 10..];
    assert!(last.windows(2).all(|two| two[1] - two[0] == 3_600), "{last:?}");
    let all = server.json("/api/v1/viewers");
    assert_eq!(all[0]["stream"], "front", "{all}");
    let answer = http::request(server.address(), "DELETE", &peer.session, &[], b"");
    assert_eq!(answer.status, 200);
    all_gone(&server);
    let again = http::request(server.address(), "DELETE", &peer.session, &[], b"");
    assert_eq!(again.status, 404);
    assert!(peer.run(LONG, |peer| !peer.is_alive()), "the peer is told");
}

#[test]
fn ten_viewers_watch_packets_that_are_made_once_and_whoever_comes_late_waits_for_no_keyframe() {
    let server = Server::start(&format!("{ANYWHERE}[streams.front]\nsource = {{ test = {{ width = 320, height = 240, fps = 25, gop = 250, audio = \"none\" }} }}\n").replace("audio = \"none\"", "audio = false"));
    let mut peers: Vec<Peer> = (0..10).map(|_| Peer::watch(&server, "front")).collect();
    let end = Instant::now() + LONG;
    while peers.iter().any(|peer| peer.pictures.len() < 30) {
        assert!(
            Instant::now() < end,
            "{:?}",
            peers.iter().map(|peer| peer.pictures.len()).collect::<Vec<_>>()
        );
        peers.iter_mut().for_each(|peer| peer.step(Duration::from_millis(1)));
    }
    assert!(peers.iter().all(|peer| peer.pictures[0].1));
    let packagings = server.stream("front")["packagings"].clone();
    assert_eq!(packagings.as_array().unwrap().len(), 1, "{packagings}");
    assert_eq!(viewers(&server), 10);
    // Vanishing without a word frees everything, too.
    drop(peers);
    all_gone(&server);
}

#[test]
fn what_is_no_offer_is_refused_and_hurts_nobody() {
    let server = watched();
    let mut peer = Peer::watch(&server, "front");
    let offer = peer.offer().to_owned();
    let ask = |path: &str, kind: &str, body: &str| {
        let headers = [("Content-Type", kind)];
        http::request(server.address(), "POST", path, &headers, body.as_bytes())
    };
    for (status, path, kind, body) in [
        (415, "/front/whep", "text/plain", offer.as_str()),
        (400, "/front/whep", "application/sdp", "v=0\r\nnonsense"),
        (400, "/front/whep", "application/sdp", ""),
        (413, "/front/whep", "application/sdp", &"a=x\r\n".repeat(50_000)),
        (413, "/yard/whip", "application/sdp", &"a=x\r\n".repeat(50_000)),
        (422, "/front/whep", "application/sdp", &offer.replace("a=recvonly", "a=inactive")),
        (422, "/yard/whip", "application/sdp", offer.as_str()),
        (404, "/nowhere/whep", "application/sdp", offer.as_str()),
    ] {
        let answer = ask(path, kind, body);
        assert_eq!(answer.status, status, "{path} {kind}: {}", answer.body);
        if status != 404 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.body);
        }
    }
    for method in ["GET", "PUT"] {
        assert_eq!(http::request(server.address(), method, "/front/whep", &[], b"").status, 405);
    }
    // One who offers only what the stream is not is told what it is.
    let other = Peer::new(Wish { codec: "vp8", ..WATCH }).post(&server, "/front/whep");
    assert_eq!(other.status, 406);
    assert!(other.body.contains("H.264") && other.body.contains("VP8"), "{}", other.body);
    // A stream with its own source takes no publisher.
    assert_eq!(Peer::new(PUBLISH).post(&server, "/front/whip").status, 409);
    assert!(peer.run(LONG, |peer| peer.pictures.len() >= 10));
    assert_eq!(viewers(&server), 1);
}

#[test]
fn a_session_is_patched_and_ended_by_its_own_address_alone() {
    let server = watched();
    let mut peer = Peer::new(WATCH);
    let created = peer.post(&server, "/front/whep");
    peer.accept(&created);
    let etag = created.header("etag").unwrap().to_owned();
    let session = peer.session.clone();
    let patch = |path: &str, tag: Option<&str>, kind: &str, body: &str| {
        let mut headers = vec![("Content-Type", kind)];
        headers.extend(tag.map(|tag| ("If-Match", tag)));
        http::request(server.address(), "PATCH", path, &headers, body.as_bytes())
    };
    let kind = "application/trickle-ice-sdpfrag";
    let candidates = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
    assert_eq!(patch(&session, Some(&etag), kind, candidates).status, 204);
    assert_eq!(patch(&session, Some("\"other\""), kind, candidates).status, 412);
    assert_eq!(patch(&session, None, kind, candidates).status, 428);
    assert_eq!(patch(&session, Some(&etag), "application/sdp", candidates).status, 415);
    assert_eq!(patch(&session, Some("*"), kind, "a=ice-ufrag:x\r\na=ice-pwd:y\r\n").status, 400);
    assert!(peer.run(LONG, |peer| peer.pictures.len() >= 5));
    // Its id is worth nothing at another stream, or for publishing.
    let id = session.rsplit('/').next().unwrap();
    for path in [format!("/yard/whep/{id}"), format!("/front/whip/{id}"), "/front/whep/guessed".to_owned()] {
        assert_eq!(http::request(server.address(), "DELETE", &path, &[], b"").status, 404, "{path}");
        assert_eq!(patch(&path, Some(&etag), kind, candidates).status, 404, "{path}");
    }
    let again = patch(&session, Some("*"), kind, candidates);
    assert_eq!(again.status, 200, "{}", again.body);
    assert!(again.body.contains("a=ice-ufrag:") && again.header("etag").is_some_and(|tag| tag != etag));
    assert_eq!(viewers(&server), 1);
}

#[test]
fn who_publishes_is_watched_and_asked_for_keyframes_and_one_who_vanishes_leaves_the_seat() {
    let server = Server::start(&format!("{ANYWHERE}[streams.guest]\n"));
    let film = access_units(&clip::h264("320x240", 4, PLAIN));
    let mut peer = Peer::new(PUBLISH);
    let created = peer.post(&server, "/guest/whip");
    peer.accept(&created);
    let second = Peer::new(PUBLISH).post(&server, "/guest/whip");
    assert_eq!(second.status, 409, "{}", second.body);
    assert!(peer.run(LONG, |peer| peer.is_connected));
    let mut viewer = None;
    let start = Instant::now();
    for (picture, at) in film.iter().zip(0u32..) {
        peer.send(picture, u64::from(at) * 3_600);
        let due = start + Duration::from_millis(40) * at;
        peer.run(due.saturating_duration_since(Instant::now()), |_| false);
        if at == 30 {
            assert_eq!(server.state("guest"), "live");
            viewer = Some(Viewer::open(&server, "/guest/ws?format=annexb&ending=none"));
        }
    }
    assert!(viewer.unwrap().binaries(40).len() == 40);
    assert_eq!(server.stream("guest")["tracks"][0]["width"], 320);
    let publishers = server.json("/api/v1/publishers");
    assert_eq!(publishers[0]["way"], "WebRTC", "{publishers}");
    drop(peer);
    eventually("the seat is free", || (server.state("guest") == "waiting").then_some(()));
}

#[test]
fn a_peer_without_udp_watches_by_tcp() {
    let server = watched();
    let mut peer = Peer::by_tcp(&server, WATCH);
    let created = peer.post(&server, "/front/whep");
    peer.accept(&created);
    assert!(peer.answer.contains(" tcptype passive"), "{}", peer.answer);
    assert!(peer.run(LONG, |peer| peer.pictures.len() >= 30 && peer.sounds > 10), "{peer:?}");
    assert_eq!(peer.damaged, 0);
}

#[test]
fn a_peer_by_ipv6_watches_and_one_that_hides_its_address_as_well() {
    let server = Server::start(&format!("[webrtc]\nlisten = [\"127.0.0.1:0\", \"[::1]:0\"]\n{CAMERA}"));
    let mut peer = Peer::at(Ipv6Addr::LOCALHOST.into(), WATCH);
    let created = peer.post(&server, "/front/whep");
    peer.accept(&created);
    assert!(peer.answer.contains(" ::1 "), "{}", peer.answer);
    assert!(peer.run(LONG, |peer| peer.pictures.len() >= 10), "{peer:?}");
    assert!(peer.sources.keys().all(|source| source.is_ipv6()), "{:?}", peer.sources);
    // A browser that may not say its addresses says names of multicast DNS.
    let mut hidden = Peer::new(WATCH);
    let own = format!("{} typ host", hidden.address().port());
    let name = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";
    let offer = hidden.offer().replace(&format!(" 127.0.0.1 {own}"), &format!(" {name} {own}"));
    assert!(offer.contains(name), "{offer}");
    let created = webrtc::post(&server, "/front/whep", &offer);
    hidden.accept(&created);
    let candidate = format!("a=candidate:1 1 udp 1 {name} 9 typ host\r\n");
    let fragment = format!(
        "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n{candidate}"
    );
    let headers =
        [("Content-Type", "application/trickle-ice-sdpfrag"), ("If-Match", created.header("etag").unwrap())];
    let patched = http::request(server.address(), "PATCH", &hidden.session, &headers, fragment.as_bytes());
    assert_eq!(patched.status, 204, "{}", patched.body);
    assert!(hidden.run(LONG, |peer| peer.pictures.len() >= 10), "{hidden:?}");
}

#[test]
fn h264_is_sent_as_the_profile_that_it_is() {
    let high = "-preset veryfast -tune zerolatency -profile:v high -g 25 -x264-params bframes=0:scenecut=0";
    let film = clip::file("320x240", 2, high, false, "mp4");
    let server = Server::start(&format!(
        "{ANYWHERE}{CAMERA}[streams.film]\nsource = {{ file = {{ path = \"{}\", loop = true }} }}\n",
        film.display()
    ));
    for (stream, profile) in [("front", 0x42), ("film", 0x64)] {
        let mut peer = Peer::watch(&server, stream);
        assert!(peer.run(LONG, |peer| peer.pictures.len() >= 5), "{stream}: {peer:?}");
        assert_eq!(peer.profile.unwrap() >> 16, profile, "{stream}");
    }
}

#[test]
fn a_stream_with_b_frames_is_refused_with_what_to_do() {
    let path = clip::file("320x240", 2, REORDERED, false, "mp4");
    let server = Server::start(&format!(
        "{ANYWHERE}[streams.front]\nsource = {{ file = {{ path = \"{}\" }} }}\n",
        path.display()
    ));
    let mut viewer = Viewer::open(&server, "/front/ws?format=fmp4");
    viewer.binaries(20);
    let refused = Peer::new(WATCH).post(&server, "/front/whep");
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("B-frames"), "{}", refused.body);
}

#[test]
fn a_page_of_another_server_may_watch_if_it_is_listed() {
    let config = format!(
        "{ANYWHERE}ice_servers = [\"stun:stun.example.org:3478\"]\n[http]\nallow_origins = [\"https://page.example.org\"]\n{CAMERA}"
    );
    let server = Server::start(&config);
    let origin = ("Origin", "https://page.example.org");
    let preflight = http::request(server.address(), "OPTIONS", "/front/whep", &[origin], b"");
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://page.example.org"));
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("POST"));
    let offer = Peer::new(WATCH).offer().to_owned();
    let headers = [("Content-Type", "application/sdp"), origin];
    let created = http::request(server.address(), "POST", "/front/whep", &headers, offer.as_bytes());
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.header("access-control-allow-origin"), Some("https://page.example.org"));
    assert!(created.header("access-control-expose-headers").unwrap().contains("location"));
    assert_eq!(created.header("link"), Some("<stun:stun.example.org:3478>; rel=\"ice-server\""));
    let other = [("Content-Type", "application/sdp"), ("Origin", "https://other.example.org")];
    let answer = http::request(server.address(), "POST", "/front/whep", &other, offer.as_bytes());
    assert_eq!(answer.header("access-control-allow-origin"), None);
}
