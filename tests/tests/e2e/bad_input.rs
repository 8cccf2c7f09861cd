//! Bytes that no camera should send, and requests that no viewer should make: a clear error for each, and the healthy stream beside
//! them goes on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use firstlight_e2e::camera::{Camera, Film, free_port};
use firstlight_e2e::clip::{self, PLAIN};
use firstlight_e2e::random::Random;
use firstlight_e2e::viewer::Watching;
use firstlight_e2e::{Server, Viewer, eventually, program, within};
use serde_json::Value;

/// A stream that nothing may disturb.
const HEALTHY: &str =
    "[streams.healthy]\nsource = { test = { width = 160, height = 120, fps = 25, audio = false } }\n";
/// On two cores with other tests running a healthy viewer may wait this long for its next picture.
const DISTURBED: Duration = Duration::from_millis(1_500);

fn healthy(server: &Server) -> Watching {
    let mut viewer = Viewer::open(server, "/healthy/ws?format=fmp4");
    viewer.binaries(3);
    viewer.watch()
}

fn film(bytes: Vec<u8>) -> Film {
    Film { first: bytes, pieces: vec![Vec::new()], period: Duration::from_millis(20) }
}

/// What a source may be sent, by name.
fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let mut random = Random::new(7);
    let h264 = clip::h264("320x240", 1, PLAIN);
    let ts = std::fs::read(clip::file("320x240", 1, PLAIN, true, "ts")).expect("the clip was made");
    let mp4 = std::fs::read(clip::file("320x240", 1, PLAIN, true, "mp4")).expect("the clip was made");
    let fragments = std::fs::read(clip::file(
        "320x240",
        1,
        &format!("{PLAIN} -movflags empty_moov+frag_every_frame+default_base_moof"),
        true,
        "mp4",
    ))
    .expect("the clip was made");
    let mut inputs = vec![
        ("nothing", Vec::new()),
        ("garbage", random.bytes(600_000)),
        ("zeros", vec![0; 600_000]),
        (
            "text",
            b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n<html>no camera here</html>"
                .repeat(2_000),
        ),
        ("a jpeg", [&[0xff, 0xd8, 0xff, 0xe0][..], &random.bytes(300_000)].concat()),
        ("start codes", [0, 0, 1].repeat(100_000)),
        ("an endless NAL unit", [&[0, 0, 0, 1, 0x65][..], &vec![0x41; 12 << 20]].concat()),
        ("a box of 4 GiB", [&b"\xff\xff\xff\xffftypisom\0\0\0\0isom"[..], &random.bytes(300_000)].concat()),
        (
            "a box of 8 EiB",
            [
                &b"\0\0\0\x18ftypisom\0\0\0\0isomiso6\0\0\0\x01moov\x7f\xff\xff\xff\xff\xff\xff\xff"[..],
                &random.bytes(300_000),
            ]
            .concat(),
        ),
        ("sync bytes", [0x47].repeat(188 * 2_000)),
        ("half of a bare stream", h264[..h264.len() / 2].to_vec()),
        ("half of a transport stream", ts[..ts.len() / 2 + 77].to_vec()),
        ("half of fragments", fragments[..fragments.len() / 2 + 77].to_vec()),
        ("half of a file", mp4[..mp4.len() / 2].to_vec()),
        ("a file with its index at the end", mp4.clone()),
    ];
    for (name, good) in [
        ("a damaged bare stream", h264),
        ("a damaged transport stream", ts),
        ("damaged fragments", fragments),
    ] {
        let mut bad = good;
        for _ in 0..bad.len() / 200 {
            let at = random.below(bad.len());
            bad[at] = random.bytes(1)[0];
        }
        inputs.push((name, bad));
    }
    inputs
}

/// After all this: nothing grew beyond bounds, and the healthy viewer did not notice.
fn unharmed(server: &Server, healthy: Watching, before: u64) {
    assert_eq!(server.state("healthy"), "live");
    healthy.undisturbed(DISTURBED);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 48 << 20, "grown by {grown} bytes");
}

#[test]
fn whatever_a_file_or_a_command_gives_is_a_clear_error_and_disturbs_nobody() {
    let directory = program::scratch().join(format!("hostile-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let mut config = HEALTHY.to_owned();
    let inputs = hostile();
    for (at, (_, bytes)) in inputs.iter().enumerate() {
        let path = directory.join(format!("{at}.bin"));
        std::fs::write(&path, bytes).unwrap();
        let (file, command) = (format!("file:{}", path.display()), format!("exec:cat {}", path.display()));
        config.push_str(&format!("[streams.file{at}]\nsource = {}\n", Value::from(file)));
        config.push_str(&format!("[streams.exec{at}]\nsource = {}\n", Value::from(command)));
    }
    let server = Server::start(&config);
    let watching = healthy(&server);
    let before = server.resident();
    for (at, (name, _)) in inputs.iter().enumerate() {
        let streams = [format!("file{at}"), format!("exec{at}")];
        let viewers = streams.each_ref().map(|stream| Viewer::open(&server, &format!("/{stream}/ws/")));
        for stream in &streams {
            let told = eventually(&format!("{stream} ({name}) plays or fails"), || {
                let info = server.stream(stream);
                let reason = info["reason"].as_str().map(str::to_owned);
                reason.or_else(|| (info["state"] == "live").then(|| "live".to_owned()))
            });
            // What can be played of it is; of the others the reason is a sentence, not a Rust value.
            let playable = ["half", "damaged", "a file"].iter().any(|word| name.contains(word));
            assert!(told != "live" || playable, "{name}");
            assert!(told.len() > 3 && !told.contains("Error {") && !told.contains("Some("), "{name}: {told}");
        }
        drop(viewers);
    }
    unharmed(&server, watching, before);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn whatever_a_camera_sends_over_the_network_disturbs_nobody_and_a_good_one_may_follow() {
    let (listening, tcp_port, udp_port) = (free_port(), free_port(), free_port());
    let server = Server::start(&format!(
        "{HEALTHY}[streams.listen]\nsource = \"tcp-listen://{listening}\"\n[streams.tcp]\nsource = \"tcp://{tcp_port}\"\n[streams.udp]\nsource = \"udp://{udp_port}\"\n"
    ));
    let watching = healthy(&server);
    let before = server.resident();
    let mut viewers = ["listen", "tcp", "udp"].map(|stream| Viewer::open(&server, &format!("/{stream}/ws/")));
    for (_, bytes) in hostile() {
        let pushed = Camera::connect(listening, film(bytes.clone()));
        let asked = Camera::listen(tcp_port, film(bytes.clone()));
        let thrown = Camera::datagrams(udp_port, film(bytes[..bytes.len().min(300_000)].to_vec()));
        // Each is let go after a moment, the connections cut in the middle.
        std::thread::sleep(Duration::from_millis(150));
        drop((pushed, asked, thrown));
    }
    let reason = server.await_reason("tcp");
    assert!(reason.contains(&tcp_port.to_string()), "{reason}");

    // The same viewers see a good camera.
    let good = Film::h264(&clip::h264("320x240", 2, PLAIN));
    let _pushed = Camera::connect(listening, good.clone());
    let _asked = Camera::listen(tcp_port, good.clone());
    // A sender that has gone silent keeps its place for two seconds.
    let _thrown = Camera::datagrams(udp_port, good);
    for (viewer, name) in viewers.iter_mut().zip(["listen", "tcp", "udp"]) {
        within(Duration::from_secs(15), &format!("{name} plays again"), || {
            (server.state(name) == "live").then_some(())
        });
        viewer.binaries(20);
    }
    unharmed(&server, watching, before);
}

/// One request that no program would make.
fn request(random: &mut Random, address: SocketAddr) {
    const METHODS: &[&str] =
        &["GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "BREW", "", "GET GET", "\u{7f}"];
    const PATHS: &[&str] = &[
        "/",
        "/healthy/",
        "/healthy",
        "/healthy/ws",
        "/healthy/ws/",
        "/healthy/ws?format=fmp4",
        "/healthy/ws?format=%00",
        "/api/v1/streams",
        "/api/v1/streams/healthy",
        "/api/v1/streams/../../etc/passwd",
        "/assets/../../../etc/passwd",
        "/assets/",
        "/%2e%2e/%2e%2e/ws",
        "//",
        "/cameras/healthy/streams/CAM_A/video",
        "/cameras/%ff/streams/%00/video",
        "/camera/x/sensors/y/video",
        "/health",
        "*",
        "http://evil/",
        "/healthy/ws?format=av&group_ms=99999999999999999999",
        "/healthy/ws?video=0&audio=0",
        "/firstlight-player.js",
        "/?\u{fffd}",
    ];
    const HEADERS: &[&str] = &[
        "Host: x",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Key: short",
        "Content-Length: 99999999999",
        "Content-Length: -1",
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
        "Origin: null",
        "Origin: http://evil",
        "Range: bytes=9-1",
        "Cookie: \u{1}",
        "no colon",
        ": no name",
        "X: \0",
    ];
    let mut bytes = match random.below(12) {
        0 => {
            let len = random.below(3_000);
            random.bytes(len)
        }
        1 => format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(random.below(40_000))).into_bytes(),
        2 => format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(random.below(300))).into_bytes(),
        _ => {
            let mut head =
                format!("{} {} HTTP/1.{}\r\n", random.pick(METHODS), random.pick(PATHS), random.below(3));
            for _ in 0..random.below(10) {
                head.push_str(random.pick::<&str>(HEADERS));
                head.push_str("\r\n");
            }
            head.push_str("\r\n");
            head.into_bytes()
        }
    };
    if random.below(4) == 0 {
        // A WebSocket after all, which then talks nonsense.
        bytes = format!(
            "GET /healthy/ws?format=webcodecs HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .into_bytes();
        let len = random.below(300);
        bytes.extend(random.bytes(len));
    }
    if random.below(10) == 0 {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    let Ok(mut socket) = TcpStream::connect(address) else { panic!("the server no longer listens") };
    socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket takes a timeout");
    // It may close before it has read all of that.
    let _ = socket.write_all(&bytes);
    let _ = socket.read(&mut [0; 4_096]);
}

#[test]
fn ten_thousand_random_requests_disturb_nobody_and_leave_nothing_behind() {
    let server = Server::start(HEALTHY);
    let watching = healthy(&server);
    let batch = |seed: u64, count: usize| {
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let address = server.address();
                scope.spawn(move || {
                    let mut random = Random::new(seed + thread);
                    (0..count).for_each(|_| request(&mut random, address));
                });
            }
        });
    };
    batch(1_000, 125);
    let before = server.resident();
    batch(2_000, 1_125);
    eventually("all who asked are gone", || {
        (server.tasks("http-connection") == 1 && server.tasks("ws-viewer") == 1).then_some(())
    });
    watching.undisturbed(DISTURBED);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 16 << 20, "grown by {grown} bytes");
    assert!(server.log().len() < 100_000, "strangers cannot fill the log: {} bytes", server.log().len());
}

#[test]
fn connections_that_ask_slowly_are_closed_and_keep_nobody_out() {
    let server = Server::start(HEALTHY);
    let watching = healthy(&server);
    let mut slow: Vec<TcpStream> =
        (0..200).map(|_| TcpStream::connect(server.address()).expect("the server listens")).collect();
    // Others whose request's body stops in the middle.
    let mut stuck: Vec<TcpStream> =
        (0..50).map(|_| TcpStream::connect(server.address()).expect("the server listens")).collect();
    for socket in &mut stuck {
        let head = "POST /cameras/healthy/streams/CAM_A/config HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                    Content-Length: 1000\r\n\r\n{";
        socket.write_all(head.as_bytes()).expect("the server reads");
    }
    let start = Instant::now();
    for socket in &mut slow {
        socket.write_all(b"GET / HTTP/1.1\r\nX: ").expect("the server reads");
    }
    // A header a byte at a time, for ever.
    within(Duration::from_secs(20), "slow connections are closed", || {
        for socket in &mut slow {
            let _ = socket.write_all(b"y");
        }
        (server.tasks("http-connection") <= 1).then_some(())
    });
    assert!(start.elapsed() > Duration::from_secs(5), "ordinary slowness is put up with");
    assert_eq!(server.get("/health").status, 200);
    watching.undisturbed(DISTURBED);
}

#[test]
fn a_viewer_that_breaks_the_rules_is_told_so_and_let_go() {
    let server = Server::start(HEALTHY);
    let mut other = Viewer::open(&server, "/healthy/ws?format=webcodecs");
    let unmasked: &[u8] = &[0x81, 0x02, b'h', b'i'];
    let reserved: &[u8] = &[0x83, 0x80, 0, 0, 0, 0];
    let huge: &[u8] = &[0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    for (bytes, codes) in [(unmasked, [1002, 1008]), (reserved, [1002, 1008]), (huge, [1009, 1008])] {
        let mut viewer = Viewer::open(&server, "/healthy/ws?format=webcodecs");
        let mut socket = viewer.socket();
        socket.write_all(bytes).unwrap();
        let (closed, reason) = viewer.close_code();
        assert!(!reason.is_empty(), "a reason in words");
        assert!(codes.contains(&closed), "{closed} for {bytes:?}");
    }
    other.binaries(10);
}
