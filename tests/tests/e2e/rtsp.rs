//! RTSP from outside: players and publishers that people have, over TCP and UDP, and clients that do what none should.

#![allow(clippy::unwrap_used)] // a test may

use std::fs;
use std::net::UdpSocket;
use std::time::Duration;

use firstlight_e2e::parts::Parts;
use firstlight_e2e::rtsp::{ANYWHERE, CAMERA, Client, Running, address, gstreamer_play, play, publish, url};
use firstlight_e2e::{Server, eventually, tool, within};

fn watched() -> Server {
    Server::start(&format!("{ANYWHERE}[streams.front]\n{CAMERA}"))
}

/// A stream that waits for a publisher.
fn waiting() -> Server {
    Server::start(&format!("{ANYWHERE}[streams.guest]\n"))
}

#[test]
fn ffmpeg_plays_over_tcp_and_udp_and_in_http_and_complains_of_nothing() {
    let server = watched();
    for transport in ["tcp", "udp", "http"] {
        let (errors, pictures, sounds) = play(&url(&server, "front"), transport, 30);
        assert_eq!(errors, "", "{transport}");
        assert!(pictures == 30 && sounds > 30, "{transport}: {pictures} pictures, {sounds} sounds");
    }
    server.await_state("front", "idle", Duration::from_secs(20));
}

#[test]
fn ffprobe_knows_what_is_sent() {
    let server = watched();
    let entries = "stream=codec_name,width,height,sample_rate";
    let arguments = [
        "-v",
        "error",
        "-rtsp_transport",
        "tcp",
        "-show_entries",
        entries,
        "-of",
        "csv=p=0",
        &url(&server, "front"),
    ];
    let (lines, errors) = tool::run("ffprobe", &arguments, b"");
    assert_eq!(errors, "");
    let mut lines: Vec<_> = lines.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["aac,48000", "h264,320,240"]);
}

#[test]
fn gstreamer_plays_over_tcp_and_udp_and_in_http() {
    let server = watched();
    for (scheme, protocol) in [("rtsp", "tcp"), ("rtsp", "udp"), ("rtsph", "tcp+http")] {
        let url = format!("{scheme}://{}/front", address(&server));
        let wrong = gstreamer_play(&url, &[&format!("protocols={protocol}")]);
        assert_eq!(wrong, [""; 0], "{protocol}");
    }
}

#[test]
fn a_tunnel_is_two_connections_with_one_cookie_and_nothing_else_is() {
    let server = watched();
    let url = url(&server, "front");
    let half = |method: &str, cookie: &str, body: &str| {
        let mut client = Client::connect(&server);
        client
            .send(format!("{method} /front HTTP/1.0\r\nx-sessioncookie: {cookie}\r\n\r\n{body}").as_bytes());
        client
    };
    let encoded = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    let options = |number: u32| encoded(&format!("OPTIONS {url} RTSP/1.0\r\nCSeq: {number}\r\n\r\n"));
    let mut answers = half("GET", "one", "");
    assert_eq!(answers.answer().status, 200);
    // Another tunnel by the same name there is not, and requests for one that there is not go nowhere.
    assert_eq!(half("GET", "one", "").answer().status, 400);
    assert!(half("POST", "two", &options(1)).is_closed());
    // In pieces, and on one connection after another.
    let first = options(1);
    let mut requests = half("POST", "one", &first[..11]);
    requests.send(&first.as_bytes()[11..]);
    assert_eq!(answers.answer().headers["cseq"], "1");
    drop(requests);
    let mut requests = half("POST", "one", &options(2));
    assert_eq!(answers.answer().headers["cseq"], "2");
    // Packets go with the connection.
    let udp = format!(
        "SETUP {url}/trackID=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n"
    );
    requests.send(encoded(&udp).as_bytes());
    assert_eq!(answers.answer().status, 461);
    requests.send(b"!!!!");
    assert!(answers.is_closed());
    eventually("every half is forgotten", || (server.tasks("rtsp-connection") == 0).then_some(()));
}

#[test]
fn players_over_udp_are_sent_to_together() {
    let server = watched();
    let url = url(&server, "front");
    let mut players: Vec<_> = (0..3).map(|_| UdpPlayer::set_up(&server, &url)).collect();
    for player in &mut players {
        let answer = player.client.ask("PLAY", &url, &[&player.session], "");
        assert!(answer.headers["rtp-info"].contains(&format!(";seq={};", player.sequence())), "{answer:?}");
    }
    eventually("one task sends to them", || (server.tasks("rtsp-cast") == 1).then_some(()));
    // Each has every packet, from its first one on.
    for player in &mut players {
        let first = player.sequence();
        for step in 1..60 {
            assert_eq!(player.next(), first.wrapping_add(step), "packet {step}");
        }
    }
    // One that pauses is sent nothing; then it goes on, and the others have gone on all the time.
    let session = players[0].session.clone();
    assert_eq!(players[0].client.ask("PAUSE", &url, &[&session], "").status, 200);
    while players[0].try_next(Duration::from_millis(300)).is_some() {}
    let [paused, other, ..] = &mut players[..] else { unreachable!() };
    for _ in 0..20 {
        other.next();
    }
    assert_eq!(paused.try_next(Duration::from_millis(1)), None);
    let answer = paused.client.ask("PLAY", &url, &[&session], "");
    assert!(answer.headers["rtp-info"].contains(&format!(";seq={};", paused.next())), "{answer:?}");
    paused.next();
    drop(players);
    eventually("nothing is left", || (server.tasks("rtsp-cast") == 0).then_some(()));
    server.await_state("front", "idle", Duration::from_secs(20));
}

/// Somebody who watches the picture over UDP.
struct UdpPlayer {
    client: Client,
    session: String,
    packets: UdpSocket,
    _reports: UdpSocket,
    first: Option<u16>,
}

impl UdpPlayer {
    fn set_up(server: &Server, url: &str) -> Self {
        let mut client = Client::connect(server);
        let bind = |port| UdpSocket::bind(("127.0.0.1", port));
        let (packets, reports, port) = eventually("two ports are free", || {
            let port = bind(0).ok()?.local_addr().ok()?.port() & !1;
            Some((bind(port).ok()?, bind(port + 1).ok()?, port))
        });
        packets.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let transport = format!("Transport: RTP/AVP;unicast;client_port={port}-{}", port + 1);
        let set_up = client.ask("SETUP", &format!("{url}/trackID=0"), &[&transport], "");
        assert_eq!(set_up.status, 200, "{}", set_up.body);
        let session = format!("Session: {}", set_up.headers["session"]);
        Self { client, session, packets, _reports: reports, first: None }
    }

    /// The number of the next packet.
    fn next(&mut self) -> u16 {
        self.try_next(Duration::from_secs(20)).expect("a packet comes")
    }

    /// The same within a time; none if none comes.
    fn try_next(&mut self, limit: Duration) -> Option<u16> {
        self.packets.set_read_timeout(Some(limit)).unwrap();
        let mut packet = [0; 2_048];
        let length = self.packets.recv(&mut packet).ok()?;
        assert!(length > 12);
        Some(u16::from_be_bytes([packet[2], packet[3]]))
    }

    /// The number of the first packet.
    fn sequence(&mut self) -> u16 {
        if self.first.is_none() {
            self.first = Some(self.next());
        }
        self.first.unwrap()
    }
}

#[test]
fn what_ffmpeg_publishes_over_tcp_and_udp_is_watched() {
    for transport in ["tcp", "udp"] {
        let server = waiting();
        let publisher = publish(&url(&server, "guest"), transport);
        server.await_state("guest", "live", Duration::from_secs(20));
        let (errors, pictures, sounds) = play(&url(&server, "guest"), "tcp", 30);
        assert_eq!(errors, "", "{transport}");
        assert!(pictures == 30 && sounds > 30, "{transport}: {pictures} pictures, {sounds} sounds");
        publisher.kill();
        server.await_state("guest", "waiting", Duration::from_secs(25));
    }
}

#[test]
fn what_gstreamer_publishes_over_tcp_and_udp_is_watched() {
    for protocol in ["tcp", "udp"] {
        let server = waiting();
        let (location, protocols) =
            (format!("location={}", url(&server, "guest")), format!("protocols={protocol}"));
        let _publisher = Running::start(
            "gst-launch-1.0",
            &[
                "videotestsrc",
                "is-live=true",
                "!",
                "video/x-raw,width=320,height=240,framerate=25/1",
                "!",
                "x264enc",
                "tune=zerolatency",
                "speed-preset=ultrafast",
                "key-int-max=25",
                "!",
                "rtspclientsink",
                &location,
                &protocols,
            ],
        );
        server.await_state("guest", "live", Duration::from_secs(20));
        let (errors, pictures, _) = play(&url(&server, "guest"), "tcp", 20);
        assert_eq!((errors.as_str(), pictures), ("", 20), "{protocol}");
    }
}

#[test]
fn who_joins_late_is_sent_a_random_access_point_first_and_told_which_packets_come() {
    let server = watched();
    let mut first = Client::connect(&server);
    assert_eq!(first.play(&url(&server, "front")).status, 200);
    // In the middle of a group of pictures.
    for _ in 0..20 {
        first.packet();
    }
    let mut late = Client::connect(&server);
    let answer = late.play(&url(&server, "front"));
    let info = &answer.headers["rtp-info"];
    let mut seen = [false; 2];
    while seen != [true; 2] {
        let (channel, packet) = late.packet();
        if channel % 2 == 1 {
            assert_eq!(packet[1], 200, "a sender report");
            continue;
        }
        let track = usize::from(channel / 2);
        if !std::mem::replace(&mut seen[track], true) {
            let sequence = u16::from_be_bytes([packet[2], packet[3]]);
            let part = info.split(',').find(|part| part.contains(&format!("trackID={track};"))).unwrap();
            assert!(part.contains(&format!(";seq={sequence};")), "{info}: {sequence}");
            if track == 0 {
                // Parameter sets, and the picture behind them.
                assert_eq!(packet[12] & 0x1f, 24, "a packet of several NAL units");
                assert_eq!(packet[15] & 0x1f, 7, "an SPS is the first");
            }
        }
    }
}

#[test]
fn many_players_are_sent_what_was_made_once() {
    let server = watched();
    let mut players: Vec<_> = (0..50).map(|_| Client::connect(&server)).collect();
    for player in &mut players {
        assert_eq!(player.play(&url(&server, "front")).status, 200);
    }
    // Everybody gets the same bytes: a packet that one has the others have.
    let (_, known) = loop {
        let (channel, packet) = players[49].packet();
        if channel == 0 {
            break (channel, packet);
        }
    };
    for player in &mut players[..49] {
        eventually("the packet comes", || (player.packet().1 == known).then_some(()));
    }
    let stream = server.stream("front");
    assert_eq!(stream["viewers"].as_u64(), Some(50), "{stream}");
    assert_eq!(stream["starts"].as_u64(), Some(1), "{stream}");
}

#[test]
fn a_session_of_another_connection_is_refused() {
    let server = watched();
    let mut owner = Client::connect(&server);
    let url = url(&server, "front");
    let session = owner.play(&url).headers["session"].clone();
    let mut stranger = Client::connect(&server);
    for method in ["TEARDOWN", "PAUSE", "PLAY", "GET_PARAMETER"] {
        assert_eq!(stranger.ask(method, &url, &[&format!("Session: {session}")], "").status, 454, "{method}");
    }
    owner.packet();
}

#[test]
fn a_player_pauses_and_goes_on() {
    let server = watched();
    let mut player = Client::connect(&server);
    let url = url(&server, "front");
    let session = format!("Session: {}", player.play(&url).headers["session"]);
    player.packet();
    assert_eq!(player.ask("PAUSE", &url, &[&session], "").status, 200);
    // What was on its way has come by the time this is answered.
    assert_eq!(player.ask("OPTIONS", &url, &[&session], "").status, 200);
    let answer = player.ask("PLAY", &url, &[&session], "");
    assert!(answer.status == 200 && answer.headers.contains_key("rtp-info"), "{answer:?}");
    player.packet();
    assert_eq!(player.ask("TEARDOWN", &url, &[&session], "").status, 200);
    assert!(player.is_closed());
}

#[test]
fn the_camera_stops_after_a_teardown_and_after_a_player_that_is_killed() {
    let server = watched();
    for transport in ["tcp", "udp"] {
        let url = url(&server, "front");
        let player = Running::start(
            "ffmpeg",
            &["-v", "error", "-rtsp_transport", transport, "-i", &url, "-f", "null", "-"],
        );
        server.await_state("front", "live", Duration::from_secs(20));
        player.kill();
        server.await_state("front", "idle", Duration::from_secs(20));
    }
    let mut player = Client::connect(&server);
    let url = url(&server, "front");
    let session = format!("Session: {}", player.play(&url).headers["session"]);
    assert_eq!(player.ask("TEARDOWN", &url, &[&session], "").status, 200);
    server.await_state("front", "idle", Duration::from_secs(20));
}

#[test]
fn what_is_no_rtsp_is_refused_and_leaves_nothing_behind() {
    let server = watched();
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    let before = descriptors();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"DESCRIBE rtsp://h/front RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 4000000000\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        &[b'x'; 20_000],
    ] {
        let mut client = Client::connect(&server);
        client.send(bytes);
        assert_eq!(client.answer().status, 400);
        assert!(client.is_closed());
    }
    // A flood of packets for nobody is read and forgotten.
    let mut flood = Client::connect(&server);
    let packet = [&b"$\x00\x10\x00"[..], &[0; 4_096]].concat();
    for _ in 0..2_000 {
        flood.send(&packet);
    }
    assert_eq!(flood.ask("OPTIONS", "*", &[], "").status, 200);
    drop(flood);
    for _ in 0..2_000 {
        let mut client = Client::connect(&server);
        client.send(b"OPTIONS * RTSP/1.0\r\n");
    }
    eventually("every connection is forgotten", || (server.tasks("rtsp-connection") == 0).then_some(()));
    eventually("every descriptor is given back", || (descriptors() <= before + 2).then_some(()));
    assert!(server.resident() < 80 << 20, "{} bytes", server.resident());
}

#[test]
fn who_prepares_and_never_plays_is_shown_out_and_so_is_who_never_comes_to_the_point() {
    let server = watched();
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    let before = descriptors();
    let url = url(&server, "front");
    let mut idlers: Vec<_> = (0..40).map(|_| Client::connect(&server)).collect();
    for (at, idler) in (0u16..).zip(&mut idlers) {
        let ports = 40_000 + 2 * at;
        let transport = match at % 2 {
            0 => format!("Transport: RTP/AVP;unicast;client_port={ports}-{}", ports + 1),
            _ => "Transport: RTP/AVP/TCP;unicast;interleaved=0-1".to_owned(),
        };
        assert_eq!(idler.ask("SETUP", &format!("{url}/trackID=0"), &[&transport], "").status, 200);
    }
    let mut slow = Client::connect(&server);
    within(Duration::from_secs(40), "a request that never ends is given up", || {
        (!slow.try_send(b"x")).then_some(())
    });
    assert!(idlers.iter_mut().all(Client::is_closed));
    drop((idlers, slow));
    server.await_state("front", "idle", Duration::from_secs(20));
    eventually("every connection is forgotten", || (server.tasks("rtsp-connection") == 0).then_some(()));
    eventually("every descriptor is given back", || (descriptors() <= before + 2).then_some(()));
}

#[test]
fn a_publisher_that_says_nothing_is_given_up_and_a_second_one_is_refused() {
    let server = waiting();
    let url = url(&server, "guest");
    let sdp = "v=0\r\nm=audio 0 RTP/AVP 0\r\na=control:streamid=0\r\n";
    let prepare = || {
        let mut client = Client::connect(&server);
        assert_eq!(client.ask("ANNOUNCE", &url, &["Content-Type: application/sdp"], sdp).status, 200);
        let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record";
        assert_eq!(client.ask("SETUP", &format!("{url}/streamid=0"), &[transport], "").status, 200);
        client
    };
    let (mut first, mut second) = (prepare(), prepare());
    assert_eq!(first.ask("RECORD", &url, &[], "").status, 200);
    let refused = second.ask("RECORD", &url, &[], "");
    assert_eq!(refused.status, 409);
    assert!(refused.body.contains("has a publisher already"), "{}", refused.body);
    // Ten seconds without anything that could be played.
    assert!(first.is_closed());
    server.await_state("guest", "waiting", Duration::from_secs(20));
    let unknown = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 MP4V-ES/90000\r\n";
    let mut third = Client::connect(&server);
    assert_eq!(third.ask("ANNOUNCE", &url, &[], unknown).status, 200);
    let transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1";
    assert_eq!(third.ask("SETUP", &url, &[transport], "").status, 200);
    let refused = third.ask("RECORD", &url, &[], "");
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (415, "video is not taken: MP4V-ES (not known here)\n")
    );
}

/// A second server whose camera is the first one's stream.
fn relay(camera: &Server, path: &str, transport: &str) -> Server {
    let at = address(camera);
    Server::start(&format!(
        "{ANYWHERE}[streams.relay]\nlinger = \"500ms\"\n\
         source = {{ rtsp = {{ url = \"rtsp://{at}/{path}\", transport = \"{transport}\" }} }}\n"
    ))
}

#[test]
fn a_camera_that_speaks_rtsp_is_watched_over_tcp_and_udp_and_left_alone_afterwards() {
    let camera = watched();
    for transport in ["tcp", "udp"] {
        let server = relay(&camera, "front", transport);
        let (errors, pictures, sounds) = play(&url(&server, "relay"), "tcp", 30);
        assert_eq!(errors, "", "{transport}");
        assert!(pictures == 30 && sounds > 30, "{transport}: {pictures} pictures, {sounds} sounds");
        server.await_state("relay", "idle", Duration::from_secs(20));
        camera.await_state("front", "idle", Duration::from_secs(20));
    }
}

#[test]
fn a_camera_that_refuses_says_why_and_no_secret_is_shown() {
    let camera = Server::start(&format!(
        "{ANYWHERE}[streams.front]\n{CAMERA}[tokens.wall]\ntoken = \"token-of-the-wall-5f2a\"\nrights = {{ view = [\"front\"] }}\n"
    ));
    let at = address(&camera);
    let server = Server::start(&format!(
        "{ANYWHERE}[streams.relay]\nsource = \"rtsp://anna:hidden-secret@{at}/front?token=hidden-too\"\n"
    ));
    let _viewer = Running::start("ffmpeg", &["-v", "error", "-i", &url(&server, "relay"), "-f", "null", "-"]);
    let reason = server.await_reason("relay");
    assert!(reason.contains("DESCRIBE: the server answered 401"), "{reason}");
    assert!(reason.starts_with(&format!("rtsp://{at}/front")), "{reason}");
    let said = format!("{}{}", server.log(), server.stream("relay"));
    assert!(!said.contains("hidden"), "{said}");
}

#[test]
fn older_and_open_codecs_are_published_and_played_as_they_are() {
    let ways: [(&str, &str, &[&str]); 4] = [
        ("jpeg", "mjpeg", &["-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-huffman", "default", "-c:a", "mp2"]),
        ("mpeg", "mpeg1video", &["-c:v", "mpeg1video", "-g", "10", "-bf", "0", "-c:a", "mp2"]),
        ("vp8", "vp8", &["-c:v", "libvpx", "-deadline", "realtime", "-g", "10", "-c:a", "libopus"]),
        (
            "vp9",
            "vp9",
            &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "10", "-c:a", "libopus"],
        ),
    ];
    let streams: String = ways.iter().map(|(name, ..)| format!("[streams.{name}]\n")).collect();
    let small = "[streams.small]\nsource = { from = \"jpeg\", video = { width = 80 }, audio = false }\n";
    let server = Server::start(&format!("{ANYWHERE}{streams}{small}"));
    let input = ["-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=160x128:rate=25"];
    let sound = ["-re", "-f", "lavfi", "-i", "sine=440:sample_rate=48000", "-strict", "-2"];
    let _publishers = ways.map(|(name, _, codecs)| {
        let target = ["-f", "rtsp", "-rtsp_transport", "tcp", &url(&server, name)].map(str::to_owned);
        let target: Vec<&str> = target.iter().map(String::as_str).collect();
        Running::start("ffmpeg", &[&input[..], &sound, codecs, &target].concat())
    });
    for (name, codec, _) in ways {
        server.await_state(name, "live", Duration::from_secs(20));
        for transport in ["tcp", "udp"] {
            let (errors, pictures, sounds) = play(&url(&server, name), transport, 15);
            assert_eq!(errors, "", "{name} over {transport}");
            assert!(pictures == 15 && sounds > 5, "{name} over {transport}: {pictures}, {sounds}");
        }
        let entries =
            ["-v", "error", "-show_entries", "stream=codec_name,width", "-of", "csv=p=0", "-rtsp_transport"];
        let (lines, _) = tool::run("ffprobe", &[&entries[..], &["tcp", &url(&server, name)]].concat(), b"");
        assert!(lines.contains(&format!("{codec},160")), "{name}: {lines}");
    }
    // Single and moving pictures: as they came in the camera's size, decoded in others.
    for (still, shows) in [("snapshot.jpg", "mjpeg,160,128"), ("snapshot.jpg?width=80", "mjpeg,80,64")] {
        let answer = server.get(&format!("/jpeg/{still}"));
        assert_eq!(answer.status, 200, "{still}: {}", answer.body);
        assert_eq!(tool::probe(&answer.bytes, "stream=codec_name,width,height"), shows, "{still}");
    }
    let mut moving = Parts::open(server.address(), "/jpeg/mjpeg?width=80");
    for _ in 0..2 {
        assert_eq!(tool::probe(&moving.next(), "stream=codec_name,width,height"), "mjpeg,80,64");
    }
    // Made into H.264 it is what browsers play.
    let entries =
        ["-v", "error", "-rtsp_transport", "tcp", "-show_entries", "stream=codec_name,width,height"];
    let url = url(&server, "small");
    let (lines, _) = tool::run("ffprobe", &[&entries[..], &["-of", "csv=p=0", &url]].concat(), b"");
    assert_eq!(lines.trim(), "h264,80,64");
}
