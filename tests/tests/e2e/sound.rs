//! Sound that a way out has no place for, as players hear it: made into another codec once, and only while somebody listens.

#![allow(clippy::unwrap_used)] // a test may

use std::process::Command;
use std::time::Duration;

use firstlight_e2e::camera::free_port;
use firstlight_e2e::rtsp::{self, Running};
use firstlight_e2e::{Server, eventually, tool};

/// Publishes a picture and a tone in this codec by RTSP.
fn publish(url: &str, sound: &[&str]) -> Running {
    let picture = ["-re", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=25"];
    let tone = ["-re", "-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=48000"];
    let video = [
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-g",
        "25",
    ];
    let out = ["-f", "rtsp", "-rtsp_transport", "tcp", url];
    Running::start("ffmpeg", &[&["-v", "error"], &picture[..], &tone, &video, sound, &out].concat())
}

/// What ffmpeg copies of a few seconds: the codecs, and for how many of them the tone is heard.
fn heard(url: &str) -> (String, f64) {
    let name = format!("sound-{}-{}.mkv", std::process::id(), url.replace(['/', ':'], "-"));
    let file = firstlight_e2e::program::scratch().join(name);
    let path = file.to_str().unwrap();
    let copy = ["-v", "error", "-y", "-i", url, "-t", "4", "-map", "0", "-c", "copy", path];
    assert!(Command::new("timeout").arg("30").arg("ffmpeg").args(copy).status().unwrap().success(), "{url}");
    let codecs = tool::probe(&std::fs::read(&file).unwrap(), "stream=codec_name");
    let decode = ["-v", "error", "-i", path, "-map", "0:a", "-ac", "1", "-ar", "8000", "-f", "s16le", "-"];
    let sound = Command::new("ffmpeg").args(decode).output().unwrap().stdout;
    let loud =
        sound.chunks_exact(2).filter(|s| i16::from_le_bytes([s[0], s[1]]).unsigned_abs() > 500).count();
    (codecs, loud as f64 / 8_000.0)
}

#[test]
fn players_hear_a_codec_they_know_and_it_is_made_once_while_they_listen() {
    let rtmp = free_port();
    let server = Server::start(&format!(
        "[rtmp]\nlisten = \"{rtmp}\"\n[rtsp]\nlisten = \"127.0.0.1:0\"\n[streams.phone]\n[streams.browser]\n"
    ));
    let _phone = publish(&rtsp::url(&server, "phone"), &["-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1"]);
    let _browser = publish(&rtsp::url(&server, "browser"), &["-c:a", "libopus", "-ar", "48000", "-ac", "2"]);
    for name in ["phone", "browser"] {
        server.await_state(name, "live", Duration::from_secs(20));
    }
    assert_eq!(server.threads("sound"), 0);
    let mut urls = vec![format!("rtmp://{rtmp}/phone"), format!("rtmp://{rtmp}/browser")];
    for file in ["index.m3u8", "stream.mp4", "stream.ts", "stream.flv"] {
        urls.push(format!("http://{}/phone/{file}", server.address()));
    }
    let players: Vec<_> =
        urls.iter().cloned().map(|url| std::thread::spawn(move || (heard(&url), url))).collect();
    eventually("it is made for each of the two", || (server.threads("sound") == 2).then_some(()));
    for player in players {
        let ((codecs, seconds), url) = player.join().unwrap();
        assert!(codecs.contains("h264") && codecs.contains("aac"), "{url}: {codecs}");
        assert!(seconds > 1.5, "{url}: {seconds} s of the tone");
    }
    eventually("nothing is made any more", || (server.threads("sound") == 0).then_some(()));
}
