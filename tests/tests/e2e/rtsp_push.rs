//! Streams that are sent on to other servers by RTSP: ours, with TLS, and ffmpeg.

#![allow(clippy::unwrap_used)] // a test may

use std::process::Command;
use std::time::Duration;

use firstlight_e2e::camera::free_port;
use firstlight_e2e::rtsp::{CAMERA, play};
use firstlight_e2e::{Server, eventually, tool, within};
use serde_json::Value;

/// Nobody may ever read it.
const SECRET: &str = "publish-to-the-guest";

fn pushing(push: &str) -> String {
    format!("[rtsp]\nlisten = []\n[streams.front]\n{CAMERA}push = {push}\n")
}

fn await_push(server: &Server, state: &str) -> Value {
    within(Duration::from_secs(30), &format!("the push is {state}"), || {
        let pushes = server.stream("front")["pushes"].as_array().cloned().unwrap_or_default();
        pushes.into_iter().find(|push| push["state"] == state)
    })
}

#[test]
fn a_stream_is_pushed_by_rtsp_and_rtsps_and_again_when_the_other_server_comes_back() {
    let (plain, secure) = (free_port(), free_port());
    let rights = "rights = { publish = [\"guest\"], view = [\"guest\"] }";
    let mut other = Server::start(&format!(
        "[rtsp]\nlisten = \"{plain}\"\nlisten_tls = \"{secure}\"\n[streams.guest]\n\
         [tokens.camera]\ntoken = \"{SECRET}\"\n{rights}\n"
    ));
    let guest = || other_state(&other);
    let server = Server::start(&pushing(&format!("\"rtsp://{plain}/guest?token=not-{SECRET}\"")));
    let push = await_push(&server, "reconnecting");
    let reason = push["last_error"]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with(&format!("rtsp://{plain}/guest: ANNOUNCE")) && reason.contains("401"),
        "{push}"
    );

    server.configure(&pushing(&format!("\"rtsp://{plain}/guest?token={SECRET}\"")));
    server.hang_up();
    await_push(&server, "sending");
    let (errors, pictures, sounds) = play(&format!("rtsp://{plain}/guest?token={SECRET}"), "tcp", 20);
    assert_eq!(errors, "");
    assert!(pictures == 20 && sounds > 20, "{pictures} pictures, {sounds} sounds");
    server.configure(&pushing("[]"));
    server.hang_up();
    eventually("the other server is told that it is over", || (guest() == "waiting").then_some(()));

    let url = format!("rtsps://{secure}/guest?token={SECRET}");
    let file = other.directory().join("firstlight.tls/self-signed.pem");
    server.configure(&pushing(&format!("{{ url = \"{url}\", ca = \"{}\" }}", file.display())));
    server.hang_up();
    await_push(&server, "sending");
    eventually("the other server has it", || (guest() == "live").then_some(()));
    other.terminate();
    assert!(other.await_end(Duration::from_secs(10)).success());
    await_push(&server, "reconnecting");
    other.start_again();
    await_push(&server, "sending");
    assert!(!server.log().contains(SECRET) && !server.stream("front").to_string().contains(SECRET));
}

fn other_state(other: &Server) -> String {
    let body = other.get(&format!("/api/v1/streams/guest?token={SECRET}")).body;
    let stream: Value = serde_json::from_str(&body).unwrap();
    stream["state"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn ffmpeg_listens_and_is_sent_what_plays() {
    let address = free_port();
    let file = firstlight_e2e::program::scratch().join(format!("pushed-by-rtsp-{}.mkv", std::process::id()));
    let url = format!("rtsp://{address}/live");
    let server = Server::start(&pushing(&format!("\"{url}\"")));
    let mut ffmpeg = Command::new("timeout");
    ffmpeg.args(["60", "ffmpeg", "-v", "error", "-y", "-rtsp_flags", "listen", "-i", &url, "-t", "2"]);
    let ffmpeg = ffmpeg.args(["-map", "0", "-c", "copy", file.to_str().unwrap()]).spawn().unwrap();
    assert!(ffmpeg.wait_with_output().unwrap().status.success());
    assert!(server.stream("front")["pushes"][0]["failures"].is_u64());
    let seen = std::fs::read(&file).unwrap();
    let decoded = tool::decode("matroska", &seen);
    assert_eq!(decoded.errors, "");
    assert!(decoded.pictures >= 40, "{}", decoded.pictures);
    let kinds = tool::probe(&seen, "stream=codec_name");
    assert!(kinds.contains("h264") && kinds.contains("aac"), "{kinds}");
}
