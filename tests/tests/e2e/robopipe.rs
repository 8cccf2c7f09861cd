//! Robopipe's video socket, byte by byte as its players know it.

use std::time::Duration;

use firstlight_e2e::boxes::{Fragment, boxes, find, fragment, timescales};
use firstlight_e2e::{Server, Viewer, tool, within};

/// An ordinary stream with sound, which its face makes intra-only; and one with camera and sensor in its name.
const CONFIG: &str = r#"
[streams.M]
source = { test = { width = 320, height = 240, fps = 30, gop = 60 } }
linger = "500ms"
[streams."OAK1/CAM_B"]
source = { test = { width = 160, height = 120, fps = 30, intra_only = true, audio = false } }
linger = "500ms"
"#;
const PATH: &str = "/cameras/M/streams/CAM_A/video";

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Reads a fragment after checking every byte of its `moof` that is always the same.
fn exact(message: &[u8], step: u32) -> Fragment {
    assert_eq!(&message[..8], b"\0\0\0\x68moof");
    assert_eq!(&message[8..20], b"\0\0\0\x10mfhd\0\0\0\0");
    assert_eq!(&message[24..32], b"\0\0\0\x50traf");
    assert_eq!(&message[32..48], b"\0\0\0\x1ctfhd\0\x02\0\x38\0\0\0\x01");
    assert_eq!(number(message, 48), step, "default duration");
    let size = message.len() - 112;
    assert_eq!(number(message, 52) as usize, size, "default size");
    assert_eq!(number(message, 56), 0x0101_0000, "default flags");
    assert_eq!(&message[60..72], b"\0\0\0\x14tfdt\x01\0\0\0");
    assert_eq!(&message[80..104], b"\0\0\0\x18trun\0\0\0\x05\0\0\0\x01\0\0\0\x70\x02\0\0\0");
    assert_eq!(number(message, 104) as usize, size + 8);
    assert_eq!(&message[108..112], b"mdat");
    // Length-prefixed NAL units: pictures of type 5 and supplemental information, nothing else.
    let mut at = 112;
    let mut pictures = 0;
    while at < message.len() {
        let kind = message[at + 4] & 0x1f;
        assert!(matches!(kind, 5 | 6), "a NAL unit of type {kind}");
        pictures += usize::from(kind == 5);
        at += 4 + number(message, at) as usize;
    }
    assert_eq!(at, message.len());
    assert!(pictures >= 1);
    fragment(message)
}

#[test]
fn first_comes_the_init_segment_then_sequence_1_at_time_0_and_each_picture_stands_alone() {
    let server = Server::start(CONFIG);
    let messages = Viewer::open(&server, PATH).binaries(61);
    let init = &messages[0];
    assert_eq!(&init[..28], b"\0\0\0\x1cftypiso5\0\0\x02\0iso5iso6mp41");
    let scale = timescales(init);
    assert_eq!(scale, [15_360], "30 pictures a second, doubled until 10,000 is passed");
    let moov = find(init, &["moov"]).unwrap();
    let kinds: Vec<[u8; 4]> = boxes(moov).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [*b"mvhd", *b"trak", *b"mvex", *b"udta"]);
    let stbl = find(moov, &["trak", "mdia", "minf", "stbl", "stsd"]).unwrap();
    let at = stbl.windows(4).position(|kind| kind == b"avcC").unwrap();
    assert_eq!(&stbl[at + 4..at + 7], [1, 0x42, 0xc0], "constrained baseline");
    for (count, message) in messages[1..].iter().enumerate() {
        let fragment = exact(message, 512);
        assert_eq!(fragment.sequence, count as u32 + 1);
        assert_eq!(fragment.tracks[0].decode_time, 512 * count as u64);
    }
    let decoded = tool::decode("mp4", &messages.concat());
    assert_eq!((decoded.errors.as_str(), decoded.pictures), ("", 60));
    let (flags, _) = tool::run(
        "ffprobe",
        &["-v", "error", "-f", "mp4", "-show_entries", "frame=pict_type", "-of", "csv=p=0", "-i", "-"],
        &messages.concat(),
    );
    let types: Vec<&str> = flags.lines().map(|line| line.trim_end_matches(',')).collect();
    assert_eq!(types, vec!["I"; 60]);
}

#[test]
fn a_later_viewer_gets_the_same_init_and_joins_with_time_running_on() {
    let server = Server::start(CONFIG);
    let mut first = Viewer::open(&server, PATH);
    let init = first.binary();
    let before = first.binaries(60);
    let mut second = Viewer::open(&server, PATH);
    assert_eq!(second.binary(), init, "the same bytes");
    let joined = second.binary();
    let time = exact(&joined, 512).tracks[0].decode_time;
    assert!(time >= 512 * 50, "two seconds in, not at {time}");
    within(Duration::from_secs(5), "the first viewer gets that message too", || {
        (before.contains(&joined) || first.binary() == joined).then_some(())
    });
}

#[test]
fn it_lives_while_anybody_watches_and_then_begins_anew() {
    let server = Server::start(CONFIG);
    let mut first = Viewer::open(&server, PATH);
    first.binaries(5);
    let mut second = Viewer::open(&server, PATH);
    second.binaries(5);
    drop(first);
    let messages = second.binaries(20);
    let numbers: Vec<u32> = messages.iter().map(|message| fragment(message).sequence).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    drop(second);
    server.await_state("M", "idle", Duration::from_secs(5));
    let mut next = Viewer::open(&server, PATH);
    next.binary();
    let fragment = exact(&next.binary(), 512);
    assert_eq!((fragment.sequence, fragment.tracks[0].decode_time), (1, 0));
}

#[test]
fn nobody_watching_means_nothing_is_encoded_two_seconds_later() {
    let server = Server::start(CONFIG);
    assert_eq!(server.threads("intra-only"), 0);
    let mut viewer = Viewer::open(&server, PATH);
    viewer.binaries(5);
    assert_eq!(server.threads("intra-only"), 1);
    drop(viewer);
    within(Duration::from_millis(2_500), "the encoder of the rendition has ended", || {
        (server.threads("intra-only") == 0).then_some(())
    });
    // Then the stream it was made from lingers, here for half a second.
    server.await_state("M", "idle", Duration::from_secs(2));
    within(Duration::from_secs(1), "its encoder has ended", || {
        (server.tasks("robopipe-viewer") == 0 && server.threads("test-pattern") == 0).then_some(())
    });
    assert_eq!(server.stream("M")["starts"], 1);
}

#[test]
fn camera_and_cameras_streams_and_sensors_are_the_same_stream() {
    let server = Server::start(CONFIG);
    let paths = [
        "/cameras/OAK1/streams/CAM_B/video",
        "/camera/OAK1/streams/CAM_B/video",
        "/cameras/OAK1/sensors/CAM_B/video",
        "/camera/OAK1/sensors/CAM_B/video",
    ];
    let mut viewers: Vec<Viewer> = paths.iter().map(|path| Viewer::open(&server, path)).collect();
    let inits: Vec<Vec<u8>> = viewers.iter_mut().map(Viewer::binary).collect();
    assert!(inits.iter().all(|init| *init == inits[0]));
    for viewer in &mut viewers {
        exact(&viewer.binary(), 512);
    }
    assert_eq!(server.stream("OAK1/CAM_B")["starts"], 1);
}

#[test]
fn a_camera_that_is_not_there_is_refused() {
    let server = Server::start(CONFIG);
    for (path, status) in [
        ("/cameras/NOPE/streams/CAM_A/video", 404),
        ("/cameras/M/streams/CAM_Z/video", 403),
        ("/cameras/OAK1/streams/CAM_A/video", 404),
    ] {
        let viewer = Viewer::open_with(server.address(), path, &[]);
        assert_eq!(viewer.response().status, status, "{path}");
    }
}

#[test]
fn slow_viewer_skips_whole_fragments_and_the_fast_one_does_not_notice() {
    let server = Server::start(
        "[streams.M]\nsource = { test = { width = 1280, height = 720, fps = 30, intra_only = true, bitrate = \"40M\", audio = false } }\n",
    );
    let mut slow = Viewer::open(&server, PATH);
    slow.binaries(2);
    let fast = Viewer::open(&server, PATH).watch();
    // It does not read for this long.
    std::thread::sleep(Duration::from_secs(5));
    fast.undisturbed(Duration::from_secs(1));
    let numbers: Vec<u32> = slow.binaries(150).iter().map(|message| exact(message, 512).sequence).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] > pair[0]), "in order");
    assert!(numbers.windows(2).any(|pair| pair[1] > pair[0] + 1), "some were skipped: {numbers:?}");
}
