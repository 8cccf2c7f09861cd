//! How it ends, and how it refuses to begin.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use firstlight_e2e::{Server, Viewer, program, within};

const SMALL: &str = "{ test = { width = 160, height = 120, fps = 25, audio = false } }";
const HEAVY: &str = "{ test = { width = 1280, height = 720, fps = 30, bitrate = \"40M\", audio = false } }";
const COMMAND: &str = "ffmpeg -v error -re -f lavfi -i testsrc2=size=160x120:rate=25 -c:v libx264 -preset ultrafast -tune zerolatency -g 25 -f h264 -";

#[test]
fn sigterm_ends_everything_within_five_seconds_and_tells_the_viewers() {
    let mut server = Server::start(&format!(
        "[streams.front]\nsource = {SMALL}\n[streams.heavy]\nsource = {HEAVY}\n[streams.command]\nsource = \"exec:{COMMAND}\"\n"
    ));
    let paths = [
        "/front/ws?format=fmp4",
        "/front/ws?format=webcodecs",
        "/command/ws/",
        "/cameras/front/streams/CAM_A/video",
    ];
    let mut viewers: Vec<Viewer> = paths.iter().map(|path| Viewer::open(&server, path)).collect();
    for viewer in &mut viewers {
        viewer.binary();
    }
    // One who waits for a picture that never comes, one who does not read, one who has not asked for anything yet.
    let mut stalled = Viewer::open(&server, "/heavy/ws?format=fmp4");
    stalled.binary();
    let silent = std::net::TcpStream::connect(server.address()).unwrap();
    assert!(!server.descendants().is_empty());
    let asked = Instant::now();
    server.terminate();
    let status = server.await_end(Duration::from_secs(5));
    assert!(status.success(), "{status}");
    assert!(asked.elapsed() < Duration::from_secs(5));
    for (viewer, path) in viewers.iter_mut().zip(paths) {
        assert_eq!(viewer.close_code(), (1001, "the server ends".to_owned()), "{path}");
    }
    assert!(server.descendants().is_empty(), "a command outlived the server");
    drop((stalled, silent));
}

#[test]
fn sigterm_without_viewers_ends_it_at_once() {
    let mut server = Server::with_source(SMALL);
    server.terminate();
    assert!(server.await_end(Duration::from_secs(1)).success());
    assert!(!server.log().contains("did not end in time"), "{}", server.log());
}

/// Starts a command, kills the server, and waits for all that the command started to be gone.
fn dies_with_the_server(command: &str) {
    let mut server = Server::with_source(&serde_json::Value::from(format!("exec:{command}")).to_string());
    Viewer::open(&server, "/front/ws/").binaries(3);
    assert!(server.descendants().len() >= 2, "the guard and the command run");
    server.kill();
    within(Duration::from_secs(5), "what the command started is gone", || {
        server.descendants().is_empty().then_some(())
    });
}

#[test]
fn a_command_dies_with_the_server_even_by_sigkill() {
    dies_with_the_server(COMMAND);
}

#[test]
fn a_pipeline_dies_with_the_server_even_by_sigkill() {
    dies_with_the_server(&format!("sh -c '{COMMAND} | cat'"));
}

#[test]
fn a_command_that_ignores_sigterm_dies_with_the_server_too() {
    dies_with_the_server(&format!("trap \"\" TERM; {COMMAND} | cat; sleep 1000"));
}

#[test]
fn a_taken_port_is_a_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Server::refused(&["test", "--listen", &address]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains(&address) && said.contains("in use"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "it does not say that it can be opened");
}

#[test]
fn a_wrong_configuration_is_refused_with_file_line_and_key() {
    let path = program::scratch().join(format!("wrong-{}.toml", std::process::id()));
    let shown = path.to_str().unwrap();
    let wrong = [
        ("[streams.front]\nsource = \"test\"\nlinger = \"soon\"\n", "3", "soon"),
        ("[streams.front]\n\nsorce = \"test\"\n", "3", "sorce"),
        ("[streams.front]\nsource = \"rtps://camera\"\n", "2", "rtps"),
        ("[streams.front]\nsource = { test = { fps = 0 } }\n", "2", "fps"),
        ("[streams.front\n", "1", ""),
        ("[htpp]\nlisten = [\":80\"]\n", "1", "htpp"),
        ("[http]\nlisten = [\"nowhere\"]\n", "2", "nowhere"),
        ("[streams.api]\nsource = \"test\"\n", "1", "api"),
    ];
    for (text, line, names) in wrong {
        std::fs::write(&path, text).unwrap();
        for arguments in [&["--config", shown][..], &["check", shown]] {
            let output = Server::refused(arguments);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{text}");
            assert!(said.contains(&format!("{shown}:{line}")), "{text:?} gives {said}");
            assert!(said.contains(names), "{text:?} gives {said}");
        }
    }
    std::fs::write(&path, format!("[streams.front]\nsource = {SMALL}\n")).unwrap();
    assert!(Server::refused(&["check", shown]).status.success());
    // Two things wrong with one stream are both said.
    let twice = "[streams.front]\nsource = \"rtps://camera\"\nlinger = \"soon\"\nsorce = 1\n";
    std::fs::write(&path, twice).unwrap();
    let said = String::from_utf8(Server::refused(&["check", shown]).stderr).unwrap();
    assert!([2, 3, 4].iter().all(|line| said.contains(&format!("{shown}:{line}: "))), "{said}");
    // What is not there may come yet.
    let missing = "[streams.front]\nsource = \"file:/nowhere/clip.ts\"\n\n[tls]\ncertificate = \"nowhere.pem\"\nkey = \"/dev/null\"\n";
    std::fs::write(&path, missing).unwrap();
    let output = Server::refused(&["check", shown]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let pem = path.with_file_name("nowhere.pem");
    for (line, key, file) in
        [(2, "streams.front.source", "/nowhere/clip.ts"), (4, "tls", pem.to_str().unwrap())]
    {
        let warning = format!("warning: {shown}:{line}: {key}: {file}: No such file");
        assert!(said.contains(&warning), "{warning}: {said}");
    }
    assert_eq!(said.lines().count(), 2, "{said}");
    std::fs::remove_file(&path).unwrap();
    let output = Server::refused(&["--config", shown]);
    assert!(String::from_utf8_lossy(&output.stderr).contains(shown));
}
