//! Streams that are sent on to other servers, or come from them: ours, with TLS, and ffmpeg; servers that go away and come back, and that
//! do not want it.

#![allow(clippy::unwrap_used)] // a test may

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use container::flv::TagKind;
use firstlight_e2e::camera::free_port;
use firstlight_e2e::clip::{self, PLAIN, REORDERED};
use firstlight_e2e::go_between::GoBetween;
use firstlight_e2e::road::{GOOD, Quality, Road};
use firstlight_e2e::rtmp::{Peer, Program};
use firstlight_e2e::webrtc::{self, ANYWHERE, listening};
use firstlight_e2e::{Server, Viewer, eventually, tool, within};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

const PATTERN: &str = "{ test = { width = 320, height = 240, fps = 25, gop = 25, audio = \"aac\" } }";
/// Nobody may ever read it.
const SECRET: &str = "publish-to-the-guest";

/// A server that takes `guest` from whoever knows the secret, and where it speaks RTMP.
fn other() -> (Server, SocketAddr) {
    let address = free_port();
    let rights = "rights = { publish = [\"guest\"], view = [\"guest\"] }";
    let config = format!(
        "[rtmp]\nlisten = \"{address}\"\n[streams.guest]\n[tokens.camera]\ntoken = \"{SECRET}\"\n{rights}\n"
    );
    (Server::start(&config), address)
}

fn config(push: &str) -> String {
    format!("[rtmp]\nlisten = []\n[streams.front]\nlinger = \"500ms\"\nsource = {PATTERN}\npush = {push}\n")
}

fn pushes(server: &Server) -> Vec<Value> {
    server.stream("front")["pushes"].as_array().cloned().unwrap_or_default()
}

fn await_push(server: &Server, state: &str) -> Value {
    within(Duration::from_secs(30), &format!("the push is {state}"), || {
        pushes(server).into_iter().find(|push| push["state"] == state)
    })
}

#[test]
fn a_stream_is_pushed_to_another_server_and_again_when_that_comes_back() {
    let (mut other, address) = other();
    let server = Server::start(&config(&format!("\"rtmp://{address}/guest/{SECRET}\"")));
    let seen = Peer::play(address, &format!("guest?token={SECRET}")).unwrap().tags(20);
    assert!(seen.iter().any(|tag| tag.0 == TagKind::Audio) && seen.iter().any(|tag| tag.0 == TagKind::Video));
    assert_eq!(server.state("front"), "live", "a push is somebody who watches");
    let push = await_push(&server, "sending");
    assert_eq!(
        (&push["to"], &push["last_error"]),
        (&format!("rtmp://{address}/guest/…").into(), &Value::Null)
    );
    other.terminate();
    assert!(other.await_end(Duration::from_secs(10)).success());
    let push = await_push(&server, "reconnecting");
    assert!(push["failures"].as_u64() >= Some(1) && push["last_error"]["reason"].is_string(), "{push}");
    other.start_again();
    await_push(&server, "sending");
    Peer::play(address, &format!("guest?token={SECRET}")).unwrap().tags(20);
    // Who watches here notices nothing of a push that goes.
    let mut viewer = Viewer::open(&server, "/front/ws?format=fmp4");
    viewer.binaries(5);
    server.configure(&config("[]"));
    server.hang_up();
    eventually("the other server is told that it is over", || {
        let seen = other.get(&format!("/api/v1/streams/guest?token={SECRET}")).body;
        seen.contains("\"waiting\"").then_some(())
    });
    assert_eq!(pushes(&server), [] as [Value; 0]);
    viewer.binaries(20);
    assert!(!server.log().contains(SECRET), "{}", server.log());
}

#[test]
fn a_refused_push_is_told_without_its_secrets_and_goes_on_with_the_right_ones() {
    let (_other, address) = other();
    let wrong = "not-the-right-one";
    let server = Server::start(&config(&format!("\"rtmp://{address}/live/guest?token={wrong}\"")));
    let push = await_push(&server, "reconnecting");
    let reason = push["last_error"]["reason"].as_str().unwrap();
    assert!(reason.contains("credentials are missing or wrong"), "{reason}");
    assert!(!server.get("/api/v1/streams/front").body.contains(wrong));
    assert!(server.log().contains("push failed") && !server.log().contains(wrong), "{}", server.log());
    server.configure(&config(&format!("[\"rtmp://{address}/live/guest?token={SECRET}\"]")));
    server.hang_up();
    await_push(&server, "sending");
}

#[test]
fn a_push_by_tls_goes_where_the_certificate_is_trusted_and_nowhere_else() {
    let address = free_port();
    let other = Server::start(&format!("[rtmp]\nlisten = []\nlisten_tls = \"{address}\"\n[streams.guest]\n"));
    let file = other.directory().join("firstlight.tls/self-signed.pem");
    let url = format!("rtmps://{address}/live/guest");
    let server = Server::start(&config(&format!("\"{url}\"")));
    let push = await_push(&server, "reconnecting");
    assert!(push["last_error"]["reason"].as_str().unwrap().contains("certificate"), "{push}");
    server.configure(&config(&format!("{{ url = \"{url}\", ca = \"{}\" }}", file.display())));
    server.hang_up();
    await_push(&server, "sending");
    other.await_state("guest", "live", Duration::from_secs(10));
}

#[test]
fn ffmpeg_listens_and_is_sent_what_plays_while_somebody_watches() {
    let address = free_port();
    let file = firstlight_e2e::program::scratch().join(format!("pushed-{}.mkv", std::process::id()));
    let url = format!("rtmp://{address}/live/key");
    let push = format!("{{ url = \"{url}\", on_demand = true }}");
    let server = Server::start(&config(&push));
    let mut ffmpeg = Command::new("timeout");
    ffmpeg.args(["60", "ffmpeg", "-v", "error", "-y", "-listen", "1", "-i", &url, "-t", "2", "-map", "0"]);
    let ffmpeg = ffmpeg.args(["-c", "copy", file.to_str().unwrap()]).spawn().unwrap();
    let viewer = Viewer::open(&server, "/front/ws?format=fmp4");
    assert!(ffmpeg.wait_with_output().unwrap().status.success());
    let seen = std::fs::read(&file).unwrap();
    let decoded = tool::decode("matroska", &seen);
    assert_eq!(decoded.errors, "");
    assert!(decoded.pictures >= 40, "{}", decoded.pictures);
    let kinds = tool::probe(&seen, "stream=codec_name");
    assert!(kinds.contains("h264") && kinds.contains("aac"), "{kinds}");
    drop(viewer);
    server.await_state("front", "idle", Duration::from_secs(20));
    await_push(&server, "idle");
}

/// The SHA-256 of a certificate in PEM.
fn fingerprint(pem: &str) -> String {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn what_another_server_shows_is_a_source_by_rtmp_and_http_and_comes_back_with_it() {
    let (plain, secure) = (free_port(), free_port());
    let http = free_port();
    let mut other = Server::start(&format!(
        "[http]\nlisten_tls = [\"{http}\"]\n[rtmp]\nlisten = \"{plain}\"\nlisten_tls = \"{secure}\"\n\
         [streams.eye]\nsource = {PATTERN}\n[tokens.eye]\ntoken = \"{SECRET}\"\nrights = {{ view = [\"eye\"] }}\n"
    ));
    let pem = std::fs::read_to_string(other.directory().join("firstlight.tls/self-signed.pem")).unwrap();
    let pinned = format!("fingerprint = \"{}\"", fingerprint(&pem));
    let (key, token) = (format!("eye/{SECRET}"), format!("token={SECRET}"));
    let server = Server::start(&format!(
        "[rtmp]\nlisten = []\n\
         [streams.rtmp]\nsource = \"rtmp://{plain}/{key}\"\n\
         [streams.rtmps]\nsource = {{ rtmp = {{ url = \"rtmps://{secure}/live/eye?{token}\", {pinned} }} }}\n\
         [streams.flv]\nsource = {{ http-pull = {{ url = \"https://{http}/eye/stream.flv?{token}\", {pinned} }} }}\n\
         [streams.stranger]\nsource = \"rtmps://{secure}/live/eye?{token}\"\n\
         [streams.refused]\nsource = \"https://{http}/eye/stream.flv\"\n"
    ));
    let mut viewers: Vec<Viewer> =
        ["rtmp", "rtmps", "flv"].map(|name| Viewer::open(&server, &format!("/{name}/ws?format=fmp4"))).into();
    for viewer in &mut viewers {
        let decoded = tool::decode("mp4", &viewer.binaries(40).concat());
        assert_eq!(decoded.errors, "");
        assert!(decoded.pictures >= 35, "{}", decoded.pictures);
    }
    for name in ["stranger", "refused"] {
        let _viewer = Viewer::open(&server, &format!("/{name}/ws?format=fmp4"));
        let why = server.await_reason(name);
        assert!(why.contains("certificate") && !why.contains(SECRET), "{why}");
    }
    other.terminate();
    assert!(other.await_end(Duration::from_secs(10)).success());
    for name in ["rtmp", "rtmps", "flv"] {
        server.await_reason(name);
    }
    // It is to come back at the same addresses.
    other.start_again();
    for (viewer, name) in viewers.iter_mut().zip(["rtmp", "rtmps", "flv"]) {
        server.await_state(name, "live", Duration::from_secs(20));
        viewer.binaries(20);
    }
    let all = server.get("/api/v1/streams").body;
    assert!(!all.contains(SECRET) && !server.log().contains(SECRET), "{all} {}", server.log());
}

/// Looks at a stream that has pictures and Opus.
fn plays(server: &Server, path: &str) -> Viewer {
    let mut viewer = Viewer::open(server, path);
    let seen = viewer.binaries(60).concat();
    let decoded = tool::decode("mp4", &seen);
    assert_eq!(decoded.errors, "");
    assert!(decoded.pictures >= 15, "{}", decoded.pictures);
    let kinds = tool::probe(&seen, "stream=codec_name");
    assert!(kinds.contains("h264") && kinds.contains("opus"), "{kinds}");
    viewer
}

#[test]
fn streams_go_from_server_to_server_by_whep_and_whip_and_come_back_with_it() {
    let https = free_port();
    let rights = "rights = { publish = [\"guest\"], view = [\"guest\", \"eye\"] }";
    let mut other = Server::start(&format!(
        "[http]\nlisten_tls = [\"{https}\"]\n{ANYWHERE}[streams.eye]\nsource = {PATTERN}\n[streams.guest]\n\
         [tokens.camera]\ntoken = \"{SECRET}\"\n{rights}\n"
    ));
    let pem = std::fs::read_to_string(other.directory().join("firstlight.tls/self-signed.pem")).unwrap();
    let pinned = format!("fingerprint = \"{}\"", fingerprint(&pem));
    // Whoever calls needs no port of its own to be called at.
    let server = Server::start(&format!(
        "[webrtc]\nlisten = []\n[streams.eye]\nsource = {{ webrtc = {{ url = \"https://{https}/eye/whep\", token = \"{SECRET}\", {pinned} }} }}\n\
         [streams.plain]\nsource = \"http://{}/eye/whep?token={SECRET}\"\n\
         [streams.refused]\nsource = \"whep://wrong@{}/eye/whep\"\n\
         [streams.front]\nsource = {PATTERN}\npush = {{ url = \"https://{SECRET}@{https}/guest/whip\", {pinned} }}\n",
        other.address(),
        other.address()
    ));
    plays(&server, "/plain/ws?format=fmp4");
    let mut here = plays(&server, "/eye/ws?format=fmp4");
    let push = await_push(&server, "sending");
    assert_eq!(push["to"], format!("https://{https}/guest/whip"), "{push}");
    plays(&other, &format!("/guest/ws?format=fmp4&token={SECRET}"));
    let _viewer = Viewer::open(&server, "/refused/ws?format=fmp4");
    let why = server.await_reason("refused");
    assert!(why.contains("it answers 401 Unauthorized: ") && !why.contains("wrong@"), "{why}");
    other.terminate();
    assert!(other.await_end(Duration::from_secs(10)).success());
    await_push(&server, "reconnecting");
    server.await_reason("eye");
    other.start_again();
    server.await_state("eye", "live", Duration::from_secs(20));
    here.binaries(20);
    await_push(&server, "sending");
    plays(&other, &format!("/guest/ws?format=fmp4&token={SECRET}"));
    let all = server.get("/api/v1/streams").body;
    assert!(!all.contains(SECRET) && !server.log().contains(SECRET), "{all} {}", server.log());
}

/// An answer that refuses a medium.
fn refusing(answer: &str, medium: &str) -> String {
    let (mut text, mut is_refused) = (String::new(), false);
    for line in answer.lines() {
        is_refused = if line.starts_with("m=") { line.starts_with(medium) } else { is_refused };
        let line = match is_refused {
            true if line.starts_with("m=") => &line.replacen(" 9 ", " 0 ", 1),
            true if line.starts_with("a=recvonly") => "a=inactive",
            _ => line,
        };
        text.push_str(&format!("{line}\r\n"));
    }
    text
}

#[test]
fn a_push_by_whip_says_what_the_other_server_does_not_take_and_sends_no_sound_alone() {
    let other = Server::start(&format!("{ANYWHERE}[streams.one]\n[streams.two]\n"));
    let no = |medium: &'static str| GoBetween::of(other.address(), move |answer| refusing(&answer, medium));
    let (no_pictures, no_sound) = (no("m=video"), no("m=audio"));
    let film = clip::file("320x240", 2, REORDERED, false, "mp4");
    let server = Server::start(&format!(
        "[webrtc]\nlisten = []\n[streams.front]\nsource = {PATTERN}\n\
         push = [\"http://{}/one/whip\", \"http://{}/two/whip\"]\n\
         [streams.film]\nsource = \"file:{}\"\npush = \"http://{}/one/whip\"\n",
        no_pictures.address(),
        no_sound.address(),
        film.display(),
        other.address()
    ));
    let push = await_push(&server, "reconnecting");
    let why = push["last_error"]["reason"].as_str().unwrap();
    assert_eq!(why, "the other server takes no H.264 pictures: its answer refuses pictures");
    let push = await_push(&server, "sending");
    let lacks = || push_of(&server, "front", 1)["lacks"].as_str().map(str::to_owned);
    let why = eventually("it says what is not taken", lacks);
    assert_eq!(why, "the other server takes no Opus sound: its answer refuses sound", "{push}");
    let why = within(Duration::from_secs(20), "B-frames are told of", || {
        push_of(&server, "film", 0)["last_error"]["reason"].as_str().map(str::to_owned)
    });
    assert!(why.contains("B-frames") && why.contains("-bf 0") && why.contains("derived"), "{why}");
    other.await_state("two", "live", Duration::from_secs(20));
    assert_eq!(other.state("one"), "waiting", "no sound alone");
    let log = server.log();
    assert!(log.contains("retry_in_ms=60000") && log.contains("takes no H.264 pictures"), "slowly: {log}");
    assert!(log.contains("not all of the stream is sent on") && log.contains("takes no Opus sound"), "{log}");
}

fn push_of(server: &Server, stream: &str, at: usize) -> Value {
    server.stream(stream)["pushes"][at].clone()
}

#[test]
fn a_push_by_whip_on_a_road_too_narrow_sends_less_and_not_late_and_says_so() {
    let other = Server::start(&format!("{ANYWHERE}[streams.guest]\n"));
    // Half of what the stream has, in front of which four seconds of it may wait.
    let narrow = Quality { rate: Some((100_000.0, Duration::from_secs(4))), ..GOOD };
    let road = Road::upward(listening(&other), narrow, 7);
    let (theirs, roads) = (listening(&other).port(), road.address().port());
    let port = |port: u16| format!(" 127.0.0.1 {port} typ");
    let between = GoBetween::of(other.address(), move |answer| answer.replace(&port(theirs), &port(roads)));
    let server = Server::start(&format!(
        "[webrtc]\nlisten = []\n[streams.front]\nsource = {{ test = {{ width = 640, height = 360, fps = 25, gop = 25, bitrate = \"1500k\" }} }}\n\
         push = \"http://{}/guest/whip\"\n",
        between.address()
    ));
    other.await_state("guest", "live", Duration::from_secs(20));
    let mut peer = webrtc::Peer::watch(&other, "guest");
    assert!(peer.run(Duration::from_secs(20), |peer| peer.pictures.len() >= 10));
    peer.run(Duration::from_secs(8), |_| false);
    let early = road.longest_wait();
    let (start, before) = (Instant::now(), peer.pictures.len());
    peer.run(Duration::from_secs(6), |_| false);
    let (wait, pictures) = (road.longest_wait(), peer.pictures.len() - before);
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{pictures} pictures in {seconds:.1} s; packets waited for {early:?}, then {wait:?}; {:?}",
        road.counts()
    );
    // Without control the four seconds are full by now.
    assert!(wait < Duration::from_millis(2_500), "{wait:?}");
    assert!(pictures >= 20 && (pictures as f64) < seconds * 22.0, "less, and not nothing: {pictures}");
    let push = push_of(&server, "front", 0);
    assert!(push["lacks"].as_str().is_some_and(|why| why.contains("kbit/s")), "{push} {}", server.log());
    // The road is wide again, and so is what comes.
    road.become_like(GOOD);
    let end = Instant::now() + Duration::from_secs(40);
    loop {
        let before = peer.pictures.len();
        peer.run(Duration::from_secs(2), |_| false);
        if peer.pictures.len() - before >= 45 && push_of(&server, "front", 0)["lacks"].is_null() {
            break;
        }
        assert!(Instant::now() < end, "everything comes again: {}", push_of(&server, "front", 0));
    }
}

/// A STUN server on this machine, which sees everybody at one address.
fn stun_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut question = [0; 64];
        while let Ok((20, asker)) = socket.recv_from(&mut question) {
            // 192.0.2.1:32853 as in RFC 5769, behind the header of the question.
            let seen = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
            socket.send_to(&[&[1, 1, 0, 12], &question[4..20], &seen].concat(), asker).unwrap();
        }
    });
    address
}

#[test]
fn whoever_calls_by_whep_and_whip_asks_the_configured_stun_servers_how_others_see_it() {
    let other = Server::start(&format!("{ANYWHERE}[streams.eye]\nsource = {PATTERN}\n[streams.guest]\n"));
    let (eye, guest) =
        (GoBetween::of(other.address(), |answer| answer), GoBetween::of(other.address(), |answer| answer));
    let server = Server::start(&format!(
        "[webrtc]\nlisten = []\nice_servers = [\"stun:{}\"]\n[streams.eye]\nsource = \"whep://{}/eye/whep\"\n\
         [streams.front]\nsource = {PATTERN}\npush = \"whip://{}/guest/whip\"\n",
        stun_server(),
        eye.address(),
        guest.address()
    ));
    plays(&server, "/eye/ws?format=fmp4");
    await_push(&server, "sending");
    for between in [eye, guest] {
        let offers = between.requests();
        assert!(offers[0].contains(" 192.0.2.1 32853 typ srflx"), "{offers:?}");
    }
}

#[test]
fn what_ffmpeg_serves_by_rtmp_is_a_source() {
    let address = free_port();
    let url = format!("rtmp://{address}/live/key");
    let file = clip::file("320x240", 3, PLAIN, true, "flv");
    let listening =
        ["-v", "error", "-re", "-i", file.to_str().unwrap(), "-c", "copy", "-f", "flv", "-listen", "1"];
    let _ffmpeg = Program::start("ffmpeg", &[&listening[..], &[&url]].concat());
    let server = Server::with_source(&format!("\"{url}\""));
    let mut viewer = Viewer::open(&server, "/front/ws?format=fmp4");
    let decoded = tool::decode("mp4", &viewer.binaries(40).concat());
    assert_eq!(decoded.errors, "");
    assert!(decoded.pictures >= 35, "{}", decoded.pictures);
}

#[test]
fn a_push_that_cannot_be_is_refused_without_its_secrets() {
    for (push, why) in [
        ("\"rtmp://host\"", "APP/KEY"),
        ("\"gopher://host/a/hidden\"", "nothing is pushed to"),
        ("\"rtmp://anna:hidden@host/a/b?user=anna\"", "said twice"),
        ("{ url = \"rtmp://host/a/hidden\", ca = \"x.pem\" }", "TLS"),
        ("{ url = \"rtmp://host/a/hidden\", often = true }", "often"),
        ("\"https://hidden:hidden@host:x/a/whip\"", "expected an address"),
        ("[\"hidden\"]", "expected an address"),
    ] {
        let directory = firstlight_e2e::program::scratch();
        let file = directory.join(format!("push-{}.toml", std::process::id()));
        std::fs::write(&file, config(push)).unwrap();
        let output = Server::refused(&["check", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{push}: {said}");
        assert!(!said.contains("hidden"), "{said}");
    }
}
