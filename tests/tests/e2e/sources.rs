//! Every kind of source, as it comes from the programs people use, plays.

use std::time::Duration;

use firstlight_e2e::boxes::{find, fragment, is_init, timescales};
use firstlight_e2e::camera::{Camera, Film, free_port};
use firstlight_e2e::clip::{self, PLAIN, REORDERED};
use firstlight_e2e::{Server, Viewer, byte_stream, eventually, tool, within};
use serde_json::Value;

/// Messages of fMP4 watched, the initialization segment included: two seconds and more.
const MESSAGES: usize = 60;

/// Watches a stream as fMP4 and has ffmpeg judge it; gives the messages.
fn play(server: &Server, name: &str) -> Vec<Vec<u8>> {
    let messages = Viewer::open(server, &format!("/{name}/ws?format=fmp4")).binaries(MESSAGES);
    assert!(is_init(&messages[0]), "the first message is the initialization segment");
    let decoded = tool::decode("mp4", &messages.concat());
    assert_eq!(decoded.errors, "");
    let pictures: usize = messages[1..].iter().map(|message| pictures(&messages[0], message)).sum();
    assert_eq!(decoded.pictures, pictures, "every picture that was sent is decoded");
    messages
}

/// Samples of the video track, which has the first id, in a fragment.
fn pictures(init: &[u8], message: &[u8]) -> usize {
    if is_init(message) || find(init, &["moov"]).is_none() {
        return 0;
    }
    fragment(message).tracks.iter().filter(|track| track.track == 1).map(|track| track.samples.len()).sum()
}

/// Codec names of a live stream's tracks, and the picture's size.
fn tracks(server: &Server, name: &str) -> (Vec<String>, (u64, u64)) {
    let stream = server.stream(name);
    let tracks = stream["tracks"].as_array().cloned().unwrap_or_default();
    let codecs =
        tracks.iter().map(|track| track["codec_name"].as_str().unwrap_or_default().to_owned()).collect();
    let size = |key: &str| tracks.iter().find_map(|track| track[key].as_u64()).unwrap_or(0);
    (codecs, (size("width"), size("height")))
}

fn names(codecs: &[&str]) -> Vec<String> {
    codecs.iter().map(|name| (*name).to_owned()).collect()
}

fn text(value: &str) -> String {
    Value::from(value).to_string()
}

#[test]
fn the_pattern_obeys_its_options() {
    let server = Server::start(
        r#"
        [streams.opus]
        source = { test = { width = 320, height = 180, fps = 25, bitrate = "300k", gop = 10, audio = "opus" } }
        [streams.silent]
        source = { test = { width = 160, height = 120, fps = 50, audio = false } }
        [streams.intra]
        source = { test = { width = 160, height = 120, fps = 30, intra_only = true } }
        "#,
    );
    play(&server, "opus");
    assert_eq!(tracks(&server, "opus"), (names(&["H.264", "Opus"]), (320, 180)));

    let messages = play(&server, "silent");
    assert_eq!(tracks(&server, "silent"), (names(&["H.264"]), (160, 120)));
    let scale = u64::from(timescales(&messages[0])[0]);
    let times: Vec<u64> = messages[1..].iter().map(|m| fragment(m).tracks[0].decode_time).collect();
    let seconds = (times[MESSAGES - 2] - times[0]) as f64 / scale as f64;
    assert!(
        (seconds - (MESSAGES - 2) as f64 / 50.0).abs() < 0.1,
        "58 pictures at 50 a second took {seconds} s"
    );

    let messages = play(&server, "intra");
    assert_eq!(tracks(&server, "intra"), (names(&["H.264", "AAC"]), (160, 120)));
    for message in &messages[1..] {
        let fragment = fragment(message);
        for track in fragment.tracks.iter().filter(|track| track.track == 1) {
            assert!(track.samples.iter().all(|sample| sample.is_sync()), "every picture stands alone");
        }
    }
}

#[test]
fn the_pattern_has_a_random_access_point_every_gop() {
    let server =
        Server::with_source("{ test = { width = 160, height = 120, fps = 30, gop = 10, audio = false } }");
    let mut viewer = Viewer::open(&server, "/front/ws?format=annexb&ending=none");
    let messages = viewer.binaries(41);
    let points: Vec<usize> =
        (0..messages.len()).filter(|at| byte_stream::nal_types(&messages[*at]).contains(&5)).collect();
    assert_eq!(points, [0, 10, 20, 30, 40]);
}

#[test]
fn ffmpeg_plays_as_a_bare_stream_as_transport_stream_and_as_fragments() {
    let picture = "ffmpeg -v error -re -f lavfi -i testsrc2=size=320x240:rate=25";
    let code = "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -tune zerolatency -g 25";
    let tone = "-re -f lavfi -i sine=440:sample_rate=48000";
    let exec = |command: String| text(&format!("exec:{command}"));
    let server = Server::start(&format!(
        "[streams.bare]\nsource = {}\n[streams.ts]\nsource = {}\n[streams.fragments]\nsource = {}\n",
        exec(format!("{picture} {code} -f h264 -")),
        exec(format!("{picture} {tone} {code} -c:a aac -f mpegts -flush_packets 1 -muxdelay 0 -")),
        exec(format!(
            "{picture} {tone} {code} -c:a aac -f mp4 -movflags empty_moov+frag_every_frame+default_base_moof -flush_packets 1 -"
        )),
    ));
    for (name, codecs) in
        [("bare", &["H.264"][..]), ("ts", &["H.264", "AAC"]), ("fragments", &["H.264", "AAC"])]
    {
        play(&server, name);
        assert_eq!(tracks(&server, name), (names(codecs), (320, 240)), "{name}");
    }
}

#[test]
fn gstreamer_plays_as_a_bare_stream_and_as_transport_stream() {
    let encode = "gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25";
    let bare = format!(
        "{encode} ! h264parse config-interval=1 ! video/x-h264,stream-format=byte-stream ! fdsink fd=1"
    );
    let ts = format!("{encode} ! h264parse config-interval=1 ! mpegtsmux ! fdsink fd=1");
    let server = Server::start(&format!(
        "[streams.bare]\nsource = {{ exec = {{ command = {}, format = \"annexb\" }} }}\n[streams.ts]\nsource = {}\n",
        text(&bare),
        text(&format!("exec:{ts}")),
    ));
    for name in ["bare", "ts"] {
        play(&server, name);
        assert_eq!(tracks(&server, name), (names(&["H.264"]), (320, 240)), "{name}");
    }
}

#[test]
fn a_camera_that_connects_and_pushes_plays_and_may_come_again() {
    let film = Film::h264(&clip::h264("320x240", 2, PLAIN));
    let port = free_port();
    let server = Server::with_source(&text(&format!("tcp-listen://{port}")));
    let mut viewer = Viewer::open(&server, "/front/ws?format=annexb");
    let camera = Camera::connect(port, film.clone());
    viewer.binaries(10);
    play(&server, "front");
    drop(camera);
    server.await_state("front", "reconnecting", Duration::from_secs(5));
    let _camera = Camera::connect(port, film);
    server.await_state("front", "live", Duration::from_secs(5));
    viewer.binaries(30);
}

#[test]
fn a_camera_that_cannot_be_had_says_why_also_while_it_is_tried_again() {
    let server = Server::with_source(&text("exec:sleep 0.5; exit 7"));
    let _viewer = Viewer::open(&server, "/front/ws?format=annexb");
    server.await_state("front", "reconnecting", Duration::from_secs(10));
    let third_start = || {
        let stream = server.stream("front");
        assert_eq!(stream["state"], "reconnecting");
        assert!(stream["reason"].as_str().is_some_and(|reason| reason.contains('7')), "{stream}");
        (stream["starts"].as_u64() >= Some(3)).then_some(())
    };
    within(Duration::from_secs(20), "it is started three times", third_start);
}

#[test]
fn datagrams_of_bare_h264_and_of_transport_stream_play() {
    let ts = std::fs::read(clip::file("320x240", 4, PLAIN, true, "ts")).unwrap();
    let (bare_port, ts_port) = (free_port(), free_port());
    let server = Server::start(&format!(
        "[streams.bare]\nsource = \"udp://{bare_port}\"\n[streams.ts]\nsource = \"udp://{ts_port}\"\n"
    ));
    let _bare = Camera::datagrams(bare_port, Film::h264(&clip::h264("320x240", 2, PLAIN)));
    play(&server, "bare");
    let _ts = Camera::datagrams(ts_port, Film::cut(&ts, 1_316, 4));
    play(&server, "ts");
    assert_eq!(tracks(&server, "ts").0, names(&["H.264", "AAC"]));
}

#[test]
fn a_second_sender_of_datagrams_follows_a_silent_one_even_in_another_format() {
    let ts = std::fs::read(clip::file("320x240", 4, PLAIN, true, "ts")).unwrap();
    let port = free_port();
    let server = Server::with_source(&text(&format!("udp://{port}")));
    let first = Camera::datagrams(port, Film::cut(&ts, 1_316, 4));
    let mut viewer = Viewer::open(&server, "/front/ws?format=annexb");
    viewer.binaries(10);
    drop(first);
    let _second = Camera::datagrams(port, Film::h264(&clip::h264("640x360", 2, PLAIN)));
    within(Duration::from_secs(6), "the second sender plays", || {
        (server.state("front") == "live" && tracks(&server, "front").1 == (640, 360)).then_some(())
    });
    viewer.binaries(10);
}

/// Decoding times of a track's samples must go on evenly where the file begins again.
fn assert_loops_without_a_jump(server: &Server, name: &str) {
    let mut viewer = Viewer::open(server, &format!("/{name}/ws?format=fmp4&audio=0"));
    let messages = viewer.binaries(80);
    let scale = f64::from(timescales(&messages[0])[0]);
    let times: Vec<f64> =
        messages[1..].iter().map(|m| fragment(m).tracks[0].decode_time as f64 / scale).collect();
    for (at, pair) in times.windows(2).enumerate() {
        let step = pair[1] - pair[0];
        assert!((0.015..0.085).contains(&step), "{name}: picture {at} is {step} s before the next one");
    }
    let all = times[times.len() - 1] - times[0];
    assert!((all - 78.0 * 0.04).abs() < 0.15, "{name}: 78 pictures took {all} s");
    let decoded = tool::decode("mp4", &messages.concat());
    assert_eq!((decoded.errors.as_str(), decoded.pictures), ("", 79), "{name}");
}

#[test]
fn a_file_is_played_again_and_again_without_a_jump_in_time() {
    let mp4 = clip::file("320x240", 1, PLAIN, true, "mp4");
    let ts = clip::file("320x240", 1, PLAIN, true, "ts");
    let server = Server::start(&format!(
        "[streams.mp4]\nsource = {}\n[streams.ts]\nsource = {}\n",
        text(&format!("file:{}", mp4.display())),
        text(&format!("file:{}", ts.display())),
    ));
    assert_loops_without_a_jump(&server, "mp4");
    assert_loops_without_a_jump(&server, "ts");
}

#[test]
fn a_file_that_is_not_to_be_looped_ends_and_stays_ended() {
    let mp4 = clip::file("320x240", 1, PLAIN, false, "mp4");
    let server = Server::with_source(&format!(
        "{{ file = {{ path = {}, loop = false }} }}",
        text(mp4.to_str().unwrap())
    ));
    let mut viewer = Viewer::open(&server, "/front/ws?format=annexb");
    assert_eq!(viewer.binaries(25).len(), 25);
    assert_eq!(viewer.message_within(Duration::from_secs(2)), None);
    assert_eq!(server.stream("front")["starts"], 1);
}

#[test]
fn pictures_of_a_stream_with_b_frames_are_shown_in_order() {
    for extension in ["mp4", "ts"] {
        let file = clip::file("320x240", 2, REORDERED, false, extension);
        let server = Server::with_source(&text(&format!("file:{}", file.display())));
        let messages = play(&server, "front");
        let moved = messages[1..].iter().flat_map(|message| fragment(message).tracks[0].samples.clone());
        assert!(moved.filter(|sample| sample.composition_offset != 0).count() > 10, "{extension}");
        let mut shown = tool::presentation_times("mp4", &messages.concat());
        assert!(shown.windows(2).any(|pair| pair[1] < pair[0]), "{extension}: decoding order is another one");
        shown.sort_by(f64::total_cmp);
        // The last pictures' neighbours have not come yet; the first ones may refer to a picture that is not there.
        for pair in shown[3..shown.len() - 3].windows(2) {
            let step = pair[1] - pair[0];
            assert!(
                (0.03..0.05).contains(&step),
                "{extension}: a picture at {} is shown for {step} s",
                pair[0]
            );
        }
        // An output that cannot carry them says so, with the stream's name.
        let mut viewer = Viewer::open(&server, "/front/ws?format=annexb");
        viewer.binary();
        eventually(&format!("a warning about {extension}"), || {
            server.log().lines().any(|line| line.contains("B-frames") && line.contains("front")).then_some(())
        });
    }
}

#[test]
fn a_change_of_size_in_mid_stream_reaches_the_same_viewer_as_a_new_initialization_segment() {
    let small = Film::h264(&clip::h264("320x240", 1, PLAIN));
    let large = Film::h264(&clip::h264("640x360", 1, PLAIN));
    let pieces = [small.pieces, large.pieces].concat();
    let camera = Camera::listen(free_port(), Film { first: Vec::new(), pieces, period: small.period });
    let server = Server::with_source(&text(&format!("tcp://{}", camera.address())));
    let mut mp4 = Viewer::open(&server, "/front/ws?format=fmp4");
    let mut annexb = Viewer::open(&server, "/front/ws?format=annexb&ending=none");
    let mut webcodecs = Viewer::open(&server, "/front/ws?format=webcodecs");

    // 320 × 240 for a second, then 640 × 360.
    assert_eq!(webcodecs.control("configuration")["tracks"][0]["width"], 320);
    assert_eq!(webcodecs.control("configuration")["tracks"][0]["width"], 640);

    let messages = mp4.binaries(60);
    let inits: Vec<usize> = (0..messages.len()).filter(|at| is_init(&messages[*at])).collect();
    assert!(inits.len() >= 2 && inits[0] == 0, "initialization segments at {inits:?}");
    let second = &messages[inits[1]..];
    assert!(fragment(&second[1]).tracks[0].samples[0].is_sync(), "decoding starts anew at the change");
    let end = inits.get(2).map_or(messages.len(), |at| *at);
    for part in [&messages[..inits[1]], &messages[inits[1]..end]] {
        let decoded = tool::decode("mp4", &part.concat());
        assert_eq!((decoded.errors.as_str(), decoded.pictures), ("", part.len() - 1));
    }

    // In band, where the format has no initialization segment.
    let stream = annexb.binaries(60).concat();
    let decoded = tool::decode("h264", &stream);
    assert_eq!((decoded.errors.as_str(), decoded.pictures), ("", 60));
}
