//! RTSP by TLS with the clients that people have, and between two servers: both ways.

#![allow(clippy::unwrap_used)] // a test may

use std::time::Duration;

use firstlight_e2e::rtsp::{ANYWHERE, ANYWHERE_AND_SECURE, CAMERA, Running};
use firstlight_e2e::rtsp::{gstreamer_play, play, publish, secure_url, url};
use firstlight_e2e::{Server, eventually};

/// A camera, and a stream that waits for a publisher.
fn secure() -> Server {
    Server::start(&format!("{ANYWHERE_AND_SECURE}[streams.front]\n{CAMERA}[streams.guest]\n"))
}

/// The SHA-256 of the certificate that the server made for itself.
fn fingerprint(server: &Server) -> String {
    eventually("it says which certificate it has", || {
        let log = server.log();
        log.split_once("sha256=")?.1.split_whitespace().next().map(|text| text.trim_matches('"').to_owned())
    })
}

#[test]
fn ffmpeg_and_gstreamer_play_and_publish_by_rtsps() {
    let server = secure();
    let (errors, pictures, sounds) = play(&secure_url(&server, "front"), "tcp", 20);
    assert_eq!(errors, "");
    assert!(pictures == 20 && sounds > 20, "{pictures} pictures, {sounds} sounds");
    assert_eq!(gstreamer_play(&secure_url(&server, "front"), &["tls-validation-flags=0"]), [""; 0]);

    let publisher = publish(&secure_url(&server, "guest"), "tcp");
    server.await_state("guest", "live", Duration::from_secs(20));
    let (errors, pictures, _) = play(&url(&server, "guest"), "tcp", 20);
    assert_eq!((errors.as_str(), pictures), ("", 20));
    publisher.kill();
    server.await_state("guest", "waiting", Duration::from_secs(25));

    let location = format!("location={}", secure_url(&server, "guest"));
    let arguments = [
        &["videotestsrc", "is-live=true", "!", "video/x-raw,width=320,height=240,framerate=25/1", "!"][..],
        &["x264enc", "tune=zerolatency", "speed-preset=ultrafast", "key-int-max=25", "!"],
        &["rtspclientsink", &location, "tls-validation-flags=0", "protocols=tcp"],
    ];
    let _publisher = Running::start("gst-launch-1.0", &arguments.concat());
    server.await_state("guest", "live", Duration::from_secs(20));
}

#[test]
fn a_camera_by_rtsps_is_believed_by_its_fingerprint_and_by_nothing_else() {
    let camera = secure();
    let (at, known) = (secure_url(&camera, "front"), fingerprint(&camera));
    let other = "00".repeat(32);
    let server = Server::start(&format!(
        "{ANYWHERE}[streams.relay]\nsource = {{ rtsp = {{ url = \"{at}\", fingerprint = \"{known}\" }} }}\nlinger = \"500ms\"\n\
         [streams.unknown]\nsource = \"{at}\"\n[streams.another]\nsource = {{ rtsp = {{ url = \"{at}\", fingerprint = \"{other}\" }} }}\n"
    ));
    let (errors, pictures, sounds) = play(&url(&server, "relay"), "tcp", 20);
    assert_eq!(errors, "");
    assert!(pictures == 20 && sounds > 20, "{pictures} pictures, {sounds} sounds");
    for name in ["unknown", "another"] {
        let _viewer =
            Running::start("ffmpeg", &["-v", "error", "-i", &url(&server, name), "-f", "null", "-"]);
        let reason = server.await_reason(name);
        assert!(reason.starts_with(&at) && reason.contains("certificate"), "{reason}");
    }
}
