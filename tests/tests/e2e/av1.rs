//! AV1 is passed on as it is: in by MP4 and enhanced FLV, out by every format that has a place for it.

use std::time::Duration;

use firstlight_e2e::camera::{Camera, Film};
use firstlight_e2e::clip::{self, AV1};
use firstlight_e2e::{Server, Viewer, tool};

fn publish(server: &Server, name: &str, film: Film) -> Camera {
    let camera = Camera::upload(server.address(), &format!("/{name}/publish"), film);
    server.await_state(name, "live", Duration::from_secs(20));
    camera
}

#[test]
fn fragments_of_av1_go_out_in_every_format_that_carries_it_and_enhanced_flv_comes_in_again() {
    let file = clip::file(
        "320x240",
        10,
        &format!("{AV1} -movflags empty_moov+frag_every_frame+default_base_moof"),
        true,
        "mp4",
    );
    let film = Film::cut(&std::fs::read(file).expect("the clip was just made"), 1_316, 10);
    let server = Server::start("[streams.front]\n[streams.again]\n");
    let _camera = publish(&server, "front", film);
    let read = |name: &str, format: &str| {
        Viewer::open(&server, &format!("/{name}/ws?format={format}")).binaries(40).concat()
    };
    let decoded = |bytes: &[u8]| {
        let decoded = tool::decode("mp4", bytes);
        assert!(decoded.errors.is_empty() && decoded.pictures >= 30, "{decoded:?}");
        assert!(tool::probe(bytes, "stream=codec_name").contains("av1"));
    };
    decoded(&read("front", "fmp4"));
    let configuration = Viewer::open(&server, "/front/ws?format=webcodecs").control("configuration");
    let codec = configuration["tracks"][0]["codec"].as_str().unwrap_or_default().to_owned();
    assert!(codec.starts_with("av01.0.00M.08"), "{configuration}");
    let told = server.json("/api/v1/streams/front");
    assert_eq!(told["tracks"][0]["codec_name"], "AV1", "{told}");
    assert_eq!((&told["tracks"][0]["width"], &told["tracks"][0]["height"]), (&320.into(), &240.into()));
    assert!(server.get("/front/index.m3u8").body.contains("av01.0.00M.08"));
    // Only H.264 is decoded here: the answer names the codec.
    let moving = server.get("/front/mjpeg");
    assert!(moving.status == 415 && moving.body.contains("AV1"), "{}: {}", moving.status, moving.body);

    // No tool here writes AV1 into FLV but this server.
    let flv = Viewer::open(&server, "/front/ws?format=flv").binaries(150).concat();
    let _camera = publish(&server, "again", Film::cut(&flv, 1_316, 10));
    decoded(&read("again", "fmp4"));
}
