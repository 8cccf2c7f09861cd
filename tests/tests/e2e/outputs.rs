//! ffmpeg decodes every output without a complaint, with all its pictures.

use firstlight_e2e::boxes::{fragment, is_init};
use firstlight_e2e::units::units;
use firstlight_e2e::{Server, Viewer, tool};

const SOURCE: &str = "{ test = { width = 320, height = 240, fps = 25, gop = 25, audio = \"aac\" } }";

fn watch(server: &Server, query: &str, messages: usize) -> Vec<Vec<u8>> {
    Viewer::open(server, &format!("/front/ws?{query}")).binaries(messages)
}

#[test]
fn fragments_of_every_grouping() {
    let server = Server::with_source(SOURCE);
    for (query, messages) in [
        ("format=fmp4", 60),
        ("format=fmp4&group_ms=0", 160),
        ("format=fmp4&group_ms=200", 12),
        ("format=fmp4&audio=0", 60),
        ("format=fmp4&video=0", 60),
    ] {
        let messages = watch(&server, query, messages);
        assert!(is_init(&messages[0]));
        let sent: usize = messages[1..]
            .iter()
            .flat_map(|message| fragment(message).tracks)
            .filter(|track| track.track == 1)
            .map(|track| track.samples.len())
            .sum();
        let decoded = tool::decode("mp4", &messages.concat());
        assert_eq!((decoded.errors.as_str(), decoded.pictures), ("", sent), "{query}");
        assert_eq!(sent == 0, query.contains("video=0"), "{query}");
    }
}

#[test]
fn fragments_with_opus() {
    let server = Server::with_source("{ test = { width = 320, height = 240, fps = 25, audio = \"opus\" } }");
    let messages = watch(&server, "format=fmp4", 60);
    assert_eq!(tool::decode("mp4", &messages.concat()).errors, "");
}

#[test]
fn a_late_viewers_fragments() {
    let server = Server::with_source(SOURCE);
    let mut first = Viewer::open(&server, "/front/ws?format=fmp4");
    first.binaries(40);
    let messages = watch(&server, "format=fmp4", 60);
    assert!(fragment(&messages[1]).tracks[0].decode_time > 0);
    assert_eq!(tool::decode("mp4", &messages.concat()).errors, "");
}

#[test]
fn byte_stream() {
    let server = Server::with_source(SOURCE);
    let messages = watch(&server, "format=annexb&ending=none", 60);
    let decoded = tool::decode("h264", &messages.concat());
    assert_eq!((decoded.errors.as_str(), decoded.pictures), ("", 60));
}

#[test]
fn transport_stream() {
    let server = Server::with_source(SOURCE);
    for query in ["format=mpegts", "format=mpegts&group_ms=200", "format=mpegts&audio=0"] {
        let messages = watch(&server, query, 25);
        assert!(messages.iter().all(|message| message.len() % 188 == 0), "{query}");
        let decoded = tool::decode("mpegts", &messages.concat());
        assert_eq!(decoded.errors, "", "{query}");
        assert!(decoded.pictures >= 24, "{query}: {}", decoded.pictures);
    }
}

#[test]
fn webcodecs_units() {
    let server = Server::with_source(SOURCE);
    let mut viewer = Viewer::open(&server, "/front/ws?format=webcodecs");
    let configuration = viewer.control("configuration");
    let tracks = configuration["tracks"].as_array().unwrap();
    assert_eq!(
        (&tracks[0]["kind"], &tracks[0]["width"], &tracks[0]["height"]),
        (&"video".into(), &320.into(), &240.into())
    );
    assert!(tracks[0]["codec"].as_str().unwrap().starts_with("avc1.42"));
    assert_eq!((&tracks[1]["codec"], &tracks[1]["sampleRate"]), (&"mp4a.40.2".into(), &48_000.into()));

    let mut times = Vec::new();
    let mut captured = Vec::new();
    for message in viewer.binaries(60) {
        for unit in units(&message).into_iter().filter(|unit| unit.track == 1) {
            times.push(unit.time);
            captured.push(unit.captured);
        }
    }
    assert_eq!(times.len(), 60);
    assert!(times.windows(2).all(|pair| pair[1] > pair[0]));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
    let age = now - captured[59];
    assert!((0..1_000_000).contains(&age), "the last picture was captured {age} µs ago");

    viewer.say(r#"{"type":"ping","t":12.5}"#);
    let pong = viewer.control("pong");
    assert_eq!(pong["t"], 12.5);
    assert!(viewer.control("lag")["ms"].as_u64().unwrap() < 500);
}
