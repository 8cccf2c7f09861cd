//! RTMP: programs that publish and play, encoders with odd habits, players who stall, peers who mean no good.

#![allow(clippy::unwrap_used)] // a test may

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use container::flv::TagKind;
use container::flv::amf0::Value;
use firstlight_e2e::camera::free_port;
use firstlight_e2e::clip::{self, PLAIN, REORDERED};
use firstlight_e2e::rtmp::{Peer, Program, Tag, tags_of};
use firstlight_e2e::{Server, Viewer, eventually, player, tool, within};
use rtmp::ClientEvent;
use rustix::process::{Pid, Signal, kill_process};

const PATTERN: &str = "{ test = { width = 320, height = 240, fps = 25, gop = 25, audio = \"aac\" } }";

/// A server with these streams, and where it speaks RTMP.
fn server(streams: &str) -> (Server, SocketAddr) {
    let address = free_port();
    (Server::start(&format!("[rtmp]\nlisten = \"{address}\"\n{streams}")), address)
}

fn flv(size: &str, seconds: u32, video: &str) -> Vec<Tag> {
    tags_of(&std::fs::read(clip::file(size, seconds, video, true, "flv")).unwrap())
}

fn await_live(server: &Server, name: &str) {
    server.await_state(name, "live", Duration::from_secs(20));
}

/// What ffmpeg, as a player, copies of so many seconds.
fn record(url: &str, seconds: &str) -> Vec<u8> {
    let file = firstlight_e2e::program::scratch().join(format!(
        "rtmp-{}-{}.mkv",
        std::process::id(),
        url.replace(['/', ':', '?'], "-")
    ));
    let target = file.to_str().unwrap();
    let arguments =
        ["-v", "error", "-y", "-i", url, "-t", seconds, "-map", "0", "-c", "copy", "-f", "matroska", target];
    let (_, errors) = tool::run("ffmpeg", &arguments, b"");
    assert_eq!(errors, "", "{url}");
    std::fs::read(&file).unwrap()
}

#[test]
fn ffmpeg_publishes_under_every_kind_of_name_and_plays_picture_and_sound() {
    let (server, address) = server("[streams.front]\n[streams.\"OAK1/CAM_A\"]\n");
    let file = clip::file("320x240", 3, PLAIN, true, "flv");
    let file = file.to_str().unwrap();
    let _front = Program::ffmpeg_publishes(file, &format!("rtmp://{address}/live/front"));
    let _sensor = Program::ffmpeg_publishes(file, &format!("rtmp://{address}/OAK1/CAM_A"));
    for (name, path) in [("front", "front"), ("front", "live/front"), ("OAK1/CAM_A", "OAK1/CAM_A")] {
        await_live(&server, name);
        let seen = record(&format!("rtmp://{address}/{path}"), "2");
        let decoded = tool::decode("matroska", &seen);
        assert_eq!(decoded.errors, "", "{path}");
        assert!(decoded.pictures >= 40, "{path}: {}", decoded.pictures);
        let kinds = tool::probe(&seen, "stream=codec_name");
        assert!(kinds.contains("h264") && kinds.contains("aac"), "{path}: {kinds}");
    }
}

/// GStreamer publishes picture and sound to `location`, until this is dropped.
fn gstreamer_publishes(location: &[&str]) -> Program {
    Program::start(
        "gst-launch-1.0",
        &[
            &["-q", "flvmux", "name=mux", "streamable=true", "!", "rtmp2sink"][..],
            location,
            &["videotestsrc", "is-live=true", "!", "video/x-raw,width=320,height=240,framerate=25/1", "!"],
            &["x264enc", "tune=zerolatency", "key-int-max=25", "!", "h264parse", "!", "mux."],
            &["audiotestsrc", "is-live=true", "!", "avenc_aac", "!", "aacparse", "!", "mux."],
        ]
        .concat(),
    )
}

/// GStreamer plays fifty pictures and as much sound.
fn gstreamer_plays(location: &[&str]) {
    let play = [
        &["-q", "rtmp2src"][..],
        location,
        &["!", "flvdemux", "name=d"],
        &["d.video", "!", "queue", "!", "h264parse", "!", "avdec_h264", "!", "fakesink", "num-buffers=50"],
        &["d.audio", "!", "queue", "!", "aacparse", "!", "avdec_aac", "!", "fakesink", "num-buffers=50"],
    ]
    .concat();
    let output = Command::new("timeout").arg("30").arg("gst-launch-1.0").args(&play).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn ffmpeg_and_gstreamer_publish_and_play_by_tls() {
    let address = free_port();
    let server = Server::start(&format!(
        "[rtmp]\nlisten = []\nlisten_tls = \"{address}\"\n[streams.guest]\n[streams.\"live/guest\"]\n"
    ));
    let file = clip::file("320x240", 3, PLAIN, true, "flv");
    let url = format!("rtmps://{address}/guest");
    let _publisher = Program::ffmpeg_publishes(file.to_str().unwrap(), &url);
    await_live(&server, "guest");
    let decoded = tool::decode("matroska", &record(&url, "2"));
    assert_eq!(decoded.errors, "");
    assert!(decoded.pictures >= 40, "{}", decoded.pictures);
    let location = format!("location=rtmps://{address}/live/guest");
    let location = [location.as_str(), "tls-validation-flags=0"];
    let _other = gstreamer_publishes(&location);
    await_live(&server, "live/guest");
    gstreamer_plays(&location);
}

#[test]
fn gstreamer_publishes_and_plays() {
    let (server, address) = server("[streams.\"live/guest\"]\n");
    let location = format!("location=rtmp://{address}/live/guest");
    let _publisher = gstreamer_publishes(&[&location]);
    await_live(&server, "live/guest");
    gstreamer_plays(&[&location]);
}

#[test]
fn mpv_and_vlc_play() {
    let (_server, address) = server(&format!("[streams.front]\nsource = {PATTERN}\n"));
    let url = format!("rtmp://{address}/front");
    assert_eq!(player::mpv(&url), None);
    let (kinds, said) = player::vlc(&url);
    assert!(kinds.contains("h264") && kinds.contains("aac"), "{kinds} {said}");
}

#[test]
fn a_camera_starts_for_a_player_and_everybody_shares_one_packaging() {
    let (server, address) = server(&format!("[streams.front]\nsource = {PATTERN}\nlinger = \"500ms\"\n"));
    assert_eq!(server.state("front"), "idle");
    let mut players: Vec<Peer> = (0..50).map(|_| Peer::play(address, "front").unwrap()).collect();
    for player in &mut players {
        let tags = player.tags(6);
        // Flash's access, metadata, both sequence headers, then a picture that can be decoded alone.
        let kinds: Vec<_> = tags.iter().map(|tag| tag.0).collect();
        use TagKind::{Audio, Script, Video};
        assert_eq!(kinds[..5], [Script, Script, Video, Audio, Video], "{kinds:?}");
        assert_eq!((tags[2].2[1], &tags[4].2[..2]), (0, &[0x17, 1][..]));
    }
    let packagings = server.stream("front")["packagings"].clone();
    assert_eq!((packagings.as_array().unwrap().len(), packagings[0]["viewers"].as_u64()), (1, Some(50)));
    // Whoever wants every unit at once gets sound before the picture it would else wait for.
    let mut eager = Peer::play(address, "front?group_ms=0").unwrap();
    eager.tags(6);
    let packagings = server.stream("front")["packagings"].clone();
    assert!(packagings.to_string().contains("rtmp&opus&group_ms=0"), "{packagings}");
    assert!(Peer::play(address, "front?group_ms=soon").unwrap_err().contains("no number of milliseconds"));
    drop((players, eager));
    server.await_state("front", "idle", Duration::from_secs(10));
}

#[test]
fn a_publisher_that_is_killed_is_noticed_at_once_and_one_that_freezes_within_ten_seconds() {
    let (server, address) = server("[streams.killed]\n[streams.frozen]\n");
    let file = clip::file("320x240", 3, PLAIN, true, "flv");
    let publish =
        |name| Program::ffmpeg_publishes(file.to_str().unwrap(), &format!("rtmp://{address}/{name}"));
    let (killed, frozen) = (publish("killed"), publish("frozen"));
    await_live(&server, "killed");
    await_live(&server, "frozen");
    drop(killed);
    server.await_state("killed", "waiting", Duration::from_secs(5));
    let pid = Pid::from_raw(frozen.pid().cast_signed()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    server.await_state("frozen", "waiting", Duration::from_secs(14));
    kill_process(pid, Signal::CONT).unwrap();
}

#[test]
fn reordered_pictures_without_metadata_from_before_the_end_of_32_bits_come_through() {
    let (server, address) = server("[streams.guest]\n");
    let mut tags = flv("320x240", 4, REORDERED);
    tags.retain(|tag| tag.0 != TagKind::Script);
    tags.iter_mut().for_each(|tag| tag.1 = tag.1.wrapping_add(u32::MAX - 1_500));
    let mut viewer = Viewer::open(&server, "/guest/ws?format=fmp4");
    let sender = std::thread::spawn(move || Peer::publish(address, "guest").unwrap().send_paced(&tags));
    // Three of its four seconds, over the end of the 32 bits.
    let seen = viewer.binaries(75).concat();
    let decoded = tool::decode("mp4", &seen);
    assert_eq!(decoded.errors, "");
    assert!(decoded.pictures >= 60, "{} pictures", decoded.pictures);
    let mut shown = tool::presentation_times("mp4", &seen);
    assert!(shown.windows(2).any(|pair| pair[1] < pair[0]), "there are no B-frames in it");
    shown.sort_by(f64::total_cmp);
    shown.truncate(60); // of the last ones, some are shown after others that are still to come
    assert!(shown.windows(2).all(|pair| (0.03..0.05).contains(&(pair[1] - pair[0]))), "{shown:?}");
    assert!(sender.join().unwrap());
}

#[test]
fn metadata_that_lies_times_that_run_back_and_a_new_sequence_header_in_the_middle_are_survived() {
    let (server, address) = server("[streams.guest]\n");
    let lie = container::flv::amf0::write_all(&[
        "@setDataFrame".into(),
        "onMetaData".into(),
        Value::EcmaArray(vec![
            ("width".to_owned(), 9.0.into()),
            ("hasAudio".to_owned(), Value::Boolean(true)),
        ]),
    ]);
    let mut tags = vec![(TagKind::Script, 0, lie)];
    // No sound ever comes.
    tags.extend(flv("320x240", 2, PLAIN).into_iter().filter(|tag| tag.0 == TagKind::Video));
    // An encoder that begins anew, and so does its time.
    tags.extend(flv("640x480", 3, PLAIN).into_iter().filter(|tag| tag.0 == TagKind::Video));
    let mut player = std::thread::scope(|scope| {
        let player = scope.spawn(|| Peer::play(address, "guest"));
        within(Duration::from_secs(10), "the player waits", || {
            (server.stream("guest")["viewers"] == 1).then_some(())
        });
        std::thread::spawn(move || Peer::publish(address, "guest").unwrap().send_paced(&tags));
        player.join().unwrap().unwrap()
    });
    let (mut widths, mut times) = (Vec::new(), Vec::new());
    while widths.len() < 2 {
        match player.event().unwrap() {
            ClientEvent::Tag { kind: TagKind::Script, body, .. } => {
                let values = container::flv::amf0::read_all(&body).unwrap();
                widths.extend(values.get(1).and_then(|data| data.get("width")).and_then(Value::as_number));
            }
            ClientEvent::Tag { kind: TagKind::Video, timestamp, body } if body[1] == 1 => {
                times.push(timestamp);
            }
            _ => {}
        }
    }
    assert_eq!(widths, [320.0, 640.0]);
    // And its decoder gets what it needs before the next picture.
    let next = player.tags(12);
    assert_eq!((next[0].2[0], next[0].2[1], &next[1].2[..2]), (0x17, 0, &[0x17, 1][..]));
    times.extend(next[1..].iter().map(|tag| tag.1));
    assert!(times.windows(2).all(|pair| pair[1] > pair[0] && pair[1] - pair[0] < 2_000), "{times:?}");
}

#[test]
fn whoever_may_not_is_told_why_and_a_token_lets_in_wherever_it_stands() {
    let (server, address) = server(&format!(
        "[streams.front]\nsource = {PATTERN}\n[streams.guest]\n\
         [tokens.eye]\ntoken = \"see-everything-please\"\nrights = {{ view = [\"*\"] }}\n\
         [tokens.camera]\ntoken = \"publish-to-the-guest\"\nrights = {{ publish = [\"guest\"] }}\n"
    ));
    let refused = |path: &str| Peer::play(address, path).unwrap_err();
    for path in ["front", "nobody", "front?token=wrong", "front/wrong-key", "nobody/wrong-key"] {
        let words = refused(path);
        assert!(words.contains("NetStream.Play.Failed") && words.contains("credentials"), "{path}: {words}");
    }
    assert!(refused("nobody?token=see-everything-please").contains("NetStream.Play.StreamNotFound"));
    for path in [
        "front?token=see-everything-please",
        "live/front?token=see-everything-please",
        "front/see-everything-please",
    ] {
        Peer::play(address, path).unwrap().tags(4);
    }
    let publish = |path: &str| Peer::publish(address, path);
    let words = publish("guest?token=see-everything-please").unwrap_err();
    assert!(words.contains("NetStream.Publish.Denied"), "{words}");
    assert!(words.contains("eye may not publish to guest"), "{words}");
    let await_seen = |state: &str| {
        let wanted = format!("\"state\":\"{state}\"");
        eventually("the stream's state", || {
            let seen = server.get("/api/v1/streams/guest?token=see-everything-please").body;
            seen.replace(' ', "").contains(&wanted).then_some(())
        });
    };
    let mut tags = flv("320x240", 2, PLAIN);
    tags.truncate(20);
    for path in ["guest?token=publish-to-the-guest", "guest/publish-to-the-guest"] {
        let mut publisher = publish(path).unwrap();
        assert!(tags.iter().all(|tag| publisher.send(tag)));
        await_seen("live");
        let words = publish(path).unwrap_err();
        assert!(words.contains("has a publisher already"), "{words}");
        drop(publisher);
        await_seen("waiting");
    }
    let url = format!("rtmp://{address}/front?token=wrong");
    let (_, errors) = tool::run("ffmpeg", &["-v", "error", "-i", &url, "-f", "null", "-"], b"");
    assert!(errors.contains("credentials are missing or wrong"), "ffmpeg says: {errors}");
}

#[test]
fn a_user_says_their_name_in_the_address() {
    let mut hash = Command::new(firstlight_e2e::program::firstlight());
    let mut child = hash
        .arg("hash-password")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "open sesame").unwrap();
    let hash = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    let (_server, address) = server(&format!(
        "[streams.front]\nsource = {PATTERN}\n[users.anna]\npassword = \"{}\"\nrights = {{ view = [\"front\"] }}\n",
        hash.trim()
    ));
    Peer::play(address, "front?user=anna&pass=open%20sesame").unwrap().tags(4);
    assert!(Peer::play(address, "front?user=anna&pass=guess").unwrap_err().contains("credentials"));
}

#[test]
fn a_stream_without_a_picture_is_waited_for_and_then_refused() {
    let (_server, address) = server("[streams.guest]\n");
    let words = Peer::play(address, "guest").unwrap_err();
    assert!(words.contains("NetStream.Play.StreamNotFound") && words.contains("no picture came"), "{words}");
}

#[test]
fn a_player_who_reads_nothing_is_cut_off_and_delays_nobody() {
    let address = free_port();
    let server = Server::start(&format!(
        "[rtmp]\nlisten = \"{address}\"\nsend_timeout = \"1s\"\n\
         [streams.front]\nsource = {{ test = {{ width = 1280, height = 720, bitrate = \"8M\" }} }}\n"
    ));
    let _stalled = Peer::play(address, "front").unwrap();
    let mut player = Peer::play(address, "front").unwrap();
    eventually("only one of the two is left", || {
        player.tags(5);
        (server.stream("front")["viewers"] == 1).then_some(())
    });
}

#[test]
fn hostile_bytes_hurt_nobody_and_leave_nothing() {
    let (server, address) = server(&format!("[streams.front]\nsource = {PATTERN}\n"));
    let mut good = Peer::play(address, "front").unwrap();
    let hello = [&[3][..], &[0; 1_536], &[0; 1_536]].concat();
    let long = [&hello[..], &[3, 0, 0, 0, 0xff, 0xff, 0xff, 20, 0, 0, 0, 0]].concat();
    let early = [&hello[..], &[3, 0, 0, 0, 0, 0, 11, 20, 0, 0, 0, 0, 2, 0, 4], b"play", &[0; 4]].concat();
    let noise: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let noise = [&hello[..], &noise].concat();
    for bytes in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &long, &early, &noise] {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        // It may be closed in the middle of this.
        let _ = socket.write_all(bytes);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert!(answer.len() < 10_000);
    }
    // Somebody who shakes hands and says nothing is let go.
    let mut slow = TcpStream::connect(address).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    slow.write_all(&hello[..100]).unwrap();
    assert_eq!(slow.read(&mut [0; 16]).unwrap(), 0);
    eventually("no connection is left", || (server.tasks("rtmp-connection") == 0).then_some(()));
    good.tags(10);
}

#[test]
fn two_thousand_who_come_and_go_leave_nothing_behind() {
    let (server, address) = server(&format!("[streams.front]\nsource = {PATTERN}\n[streams.guest]\n"));
    let mut good = Peer::play(address, "front").unwrap();
    let hello = [&[3][..], &[0; 1_536], &[0; 1_536]].concat();
    let call = [&hello[..], &[3, 0, 0, 0, 0, 0x10, 0, 20, 0, 0, 0, 0], b"half of a call"].concat();
    let come_and_go = |rounds: usize| {
        for _ in 0..rounds {
            for said in [&[][..], &hello[..1_000], &hello, &call].into_iter().cycle().take(16) {
                // It may be refused as soon as it is not understood.
                let _ = TcpStream::connect(address).unwrap().write_all(said);
            }
            drop((0..3).map(|_| Peer::play(address, "front").unwrap()).collect::<Vec<_>>());
            let _ = Peer::publish(address, "guest");
        }
        eventually("only the good player is left", || {
            let all = server.tasks("rtmp-connection") + server.tasks("rtmp-player");
            (all == 1 && server.stream("front")["viewers"] == 1).then_some(())
        });
        (server.descriptors(), server.resident())
    };
    let (descriptors, resident) = come_and_go(20);
    let (descriptors_after, resident_after) = come_and_go(80);
    assert!(descriptors_after <= descriptors + 2, "{descriptors} and then {descriptors_after} descriptors");
    assert!(resident_after < resident + (2 << 20), "{resident} and then {resident_after} bytes");
    good.tags(10);
}

#[test]
fn a_default_port_that_is_taken_stops_nobody() {
    let (first, mut second) = (Server::start("[streams.a]\n"), Server::start("[streams.a]\n"));
    assert!(second.is_running());
    assert_eq!(first.get("/health").status, 200);
    assert!(second.log().contains("going on without"), "{}", second.log());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let config = second.directory().join("asked.toml");
    std::fs::write(&config, format!("[rtmp]\nlisten = \"{}\"\n", taken.local_addr().unwrap())).unwrap();
    let output = Server::refused(&["--listen", "127.0.0.1:0", "--config", config.to_str().unwrap()]);
    assert!(!output.status.success(), "an address that was asked for is needed");
}

#[test]
fn the_end_of_the_server_is_told_to_players() {
    let (mut server, address) = server(&format!("[streams.front]\nsource = {PATTERN}\n"));
    let mut player = Peer::play(address, "front").unwrap();
    player.tags(5);
    server.terminate();
    let words = loop {
        match player.event().unwrap() {
            ClientEvent::Ended(words) if words.contains("server") => break words,
            _ => {}
        }
    };
    assert_eq!(words, "the server ends");
    assert!(server.await_end(Duration::from_secs(10)).success());
}
