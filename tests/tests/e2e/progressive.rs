//! `stream.mp4`, `stream.ts` and `stream.flv`, as ffmpeg and other programs read them.

#![allow(clippy::unwrap_used)] // a test may

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use firstlight_e2e::camera::{Camera, Film};
use firstlight_e2e::clip::{self, PLAIN};
use firstlight_e2e::{Server, Viewer, eventually, tool};

const SOURCE: &str = "{ test = { width = 320, height = 240, fps = 25, gop = 25, audio = \"aac\" } }";

/// Asks, and gives the connection behind the head, and the head.
fn open(server: &Server, method: &str, path: &str) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(socket, "{method} {path} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    (socket, String::from_utf8(head).unwrap().to_ascii_lowercase())
}

/// What ffmpeg, as a client, copies of so many seconds.
fn record(server: &Server, path: &str, seconds: &str) -> Vec<u8> {
    let url = format!("http://{}{path}", server.address());
    let file =
        std::env::temp_dir().join(format!("firstlight-{}-{}", std::process::id(), path.replace('/', "-")));
    let target = file.to_str().unwrap();
    let arguments =
        ["-v", "error", "-y", "-i", &url, "-t", seconds, "-map", "0", "-c", "copy", "-f", "matroska", target];
    let (_, errors) = tool::run("ffmpeg", &arguments, b"");
    assert_eq!(errors, "", "{path}");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    bytes
}

#[test]
fn ffmpeg_plays_each_from_a_late_start_with_picture_and_sound() {
    let server = Server::with_source(SOURCE);
    let mut early = Viewer::open(&server, "/front/ws?format=fmp4");
    early.binaries(40);
    for path in ["/front/stream.mp4", "/front/stream.ts", "/front/stream.flv"] {
        let seen = record(&server, path, "2");
        let decoded = tool::decode("matroska", &seen);
        assert_eq!(decoded.errors, "", "{path}");
        assert!(decoded.pictures >= 40, "{path}: {}", decoded.pictures);
        let kinds = tool::probe(&seen, "stream=codec_name");
        assert!(kinds.contains("h264") && kinds.contains("aac"), "{path}: {kinds}");
    }
}

#[test]
fn the_body_is_the_web_sockets_packaging_made_once_for_both() {
    let server = Server::with_source(SOURCE);
    let mut viewer = Viewer::open(&server, "/front/ws?format=fmp4&audio=0");
    let init = viewer.binaries(1).remove(0);
    let (mut socket, head) = open(&server, "GET", "/front/stream.mp4?audio=0");
    assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
    for line in ["content-type: video/mp4\r\n", "connection: close\r\n", "cache-control: no-store\r\n"] {
        assert!(head.contains(line), "{head}");
    }
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
    let mut begin = vec![0; init.len()];
    socket.read_exact(&mut begin).unwrap();
    assert_eq!(begin, init);
    let packagings = server.stream("front")["packagings"].clone();
    assert_eq!(packagings.as_array().unwrap().len(), 1, "{packagings}");
    assert_eq!(packagings[0]["viewers"], 2);
    drop(socket);
    eventually("the viewer who left is not counted", || {
        (server.stream("front")["packagings"][0]["viewers"] == 1).then_some(())
    });
}

#[test]
fn flv_goes_on_over_a_change_of_size_and_says_it() {
    let server = Server::start("[streams.front]\n");
    let sized = |size| Film::cut(&std::fs::read(clip::file(size, 3, PLAIN, true, "flv")).unwrap(), 4_000, 3);
    let camera = Camera::upload(server.address(), "/front/publish", sized("320x240"));
    server.await_state("front", "live", Duration::from_secs(20));
    let (mut socket, head) = open(&server, "GET", "/front/stream.flv");
    assert!(head.contains("content-type: video/x-flv\r\n"), "{head}");
    let mut seen = vec![0; 13];
    socket.read_exact(&mut seen).unwrap();
    assert_eq!(seen, *b"FLV\x01\x05\0\0\0\x09\0\0\0\0");
    let mut tag = || {
        let mut header = [0; 11];
        socket.read_exact(&mut header).unwrap();
        let mut body = vec![0; u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize + 4];
        socket.read_exact(&mut body).unwrap();
        (header[0], body)
    };
    let widths = |body: &[u8]| {
        body.windows(5).position(|name| name == b"width").map(|at| body[at + 6..at + 14].to_vec())
    };
    let (kind, first) = tag();
    assert_eq!((kind, widths(&first)), (18, Some(320_f64.to_be_bytes().to_vec())));
    drop(camera);
    let _other = Camera::upload(server.address(), "/front/publish", sized("640x480"));
    let second = std::iter::repeat_with(tag).find(|(kind, _)| *kind == 18).unwrap().1;
    assert_eq!(widths(&second), Some(640_f64.to_be_bytes().to_vec()));
}

#[test]
fn a_head_alone_starts_nothing_and_nonsense_is_refused() {
    let server = Server::with_source(SOURCE);
    let (_, head) = open(&server, "HEAD", "/front/stream.ts");
    assert!(
        head.starts_with("http/1.1 200 ok\r\n") && head.contains("content-type: video/mp2t\r\n"),
        "{head}"
    );
    assert_eq!(server.state("front"), "idle");
    assert_eq!(server.get("/nobody/stream.mp4").status, 404);
    let refused = server.get("/front/stream.mp4?audio=loud");
    assert_eq!((refused.status, refused.body.as_str()), (400, "audio: \"loud\" is neither 0 nor 1\n"));
    assert_eq!(server.state("front"), "idle");
}

#[test]
fn a_viewer_who_reads_nothing_is_cut_off_and_delays_nobody() {
    let server = Server::start(
        "[progressive]\nsend_timeout = \"1s\"\n[streams.front]\nsource = { test = { width = 1280, height = 720, bitrate = \"8M\" } }\n",
    );
    let (_stalled, _) = open(&server, "GET", "/front/stream.ts");
    let mut viewer = Viewer::open(&server, "/front/ws?format=mpegts");
    viewer.binaries(5);
    eventually("only one of the two is left", || {
        viewer.binaries(5);
        (server.stream("front")["viewers"] == 1).then_some(())
    });
}

#[test]
fn the_end_of_the_server_ends_the_body() {
    let mut server = Server::with_source(SOURCE);
    let (mut socket, _) = open(&server, "GET", "/front/stream.ts");
    socket.read_exact(&mut [0; 188]).unwrap();
    server.terminate();
    assert!(server.await_end(Duration::from_secs(10)).success());
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).unwrap();
    assert_eq!((rest.len()) % 188, 0, "the last packet is whole");
}
