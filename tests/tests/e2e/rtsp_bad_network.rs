//! RTSP over UDP where packets are lost and overtake each other: nothing breaks, and no picture comes out that something is missing of.

#![allow(clippy::unwrap_used)] // a test may

use std::time::Duration;

use firstlight_e2e::Server;
use firstlight_e2e::bad_network::BadNetwork;
use firstlight_e2e::rtsp::{ANYWHERE, Running, address, play, publish, url};

/// A random access point every fifth picture, and a few packets for each picture.
const CAMERA: &str = "source = { test = { width = 640, height = 480, fps = 25, gop = 5, audio = \"aac\", bitrate = \"2M\" } }\n";

/// ffmpeg decodes these pictures without a word: after each loss the first one stood alone.
fn plays_clean(server: &Server, name: &str, pictures: usize) {
    let (errors, seen, _) = play(&url(server, name), "tcp", pictures);
    assert_eq!((errors.as_str(), seen), ("", pictures));
}

#[test]
fn what_a_camera_sends_over_a_bad_network_is_shown_whole_or_not_at_all() {
    let camera = Server::start(&format!("{ANYWHERE}[streams.front]\n{CAMERA}"));
    let network = BadNetwork::before(address(&camera), 1);
    let at = network.url("front");
    let server = Server::start(&format!(
        "{ANYWHERE}[streams.relay]\nsource = {{ rtsp = {{ url = \"{at}\", transport = \"udp\" }} }}\n"
    ));
    plays_clean(&server, "relay", 60);
    let (passed, lost) = network.counts();
    assert!(passed > 200 && lost > 2, "{passed} packets came through, {lost} did not");
    assert_eq!(server.stream("relay")["starts"].as_u64(), Some(1), "it was never given up");
    // A player over such a network shows what it can; the server goes on.
    let (_, seen, _) = play(&network.url("front"), "udp", 30);
    assert_eq!(seen, 30);
}

#[test]
fn what_is_published_over_a_bad_network_is_shown_whole_or_not_at_all() {
    let server = Server::start(&format!("{ANYWHERE}[streams.guest]\n"));
    let network = BadNetwork::before(address(&server), 2);
    let publisher = publish(&network.url("guest"), "udp");
    server.await_state("guest", "live", Duration::from_secs(20));
    plays_clean(&server, "guest", 30);
    publisher.kill();
    server.await_state("guest", "waiting", Duration::from_secs(25));
    let location = format!("location={}", network.url("guest"));
    let arguments = [
        &["videotestsrc", "is-live=true", "!", "video/x-raw,width=640,height=480,framerate=25/1", "!"][..],
        &["x264enc", "tune=zerolatency", "speed-preset=ultrafast", "key-int-max=10", "!"],
        &["rtspclientsink", &location, "protocols=udp"],
    ];
    let _publisher = Running::start("gst-launch-1.0", &arguments.concat());
    server.await_state("guest", "live", Duration::from_secs(20));
    plays_clean(&server, "guest", 30);
    let (passed, lost) = network.counts();
    assert!(passed > 100 && lost > 2, "{passed} packets came through, {lost} did not");
}
