//! H.265 is passed on as it is: in by the containers, out by every format that has a place for it.

use std::time::Duration;

use firstlight_e2e::camera::{Camera, Film};
use firstlight_e2e::clip::{self, H265};
use firstlight_e2e::{Server, Viewer, tool};

fn film(extension: &str, options: &str) -> Film {
    let file = clip::file("320x240", 10, &format!("{H265} {options}"), true, extension);
    Film::cut(&std::fs::read(file).expect("the clip was just made"), 1_316, 10)
}

#[test]
fn transport_streams_and_fragments_of_h265_go_out_in_every_format_that_carries_it() {
    for film in [film("ts", ""), film("mp4", "-movflags empty_moov+frag_every_frame+default_base_moof")] {
        let server = Server::start("[streams.front]\n");
        let _camera = Camera::upload(server.address(), "/front/publish", film);
        server.await_state("front", "live", Duration::from_secs(20));
        let read =
            |format: &str| Viewer::open(&server, &format!("/front/ws?format={format}")).binaries(40).concat();
        for (format, name) in [("fmp4", "mp4"), ("mpegts", "mpegts")] {
            let bytes = read(format);
            let decoded = tool::decode(name, &bytes);
            assert!(decoded.errors.is_empty() && decoded.pictures >= 30, "{format}: {decoded:?}");
            assert!(tool::probe(&bytes, "stream=codec_name").contains("hevc"), "{format}");
        }
        let configuration = Viewer::open(&server, "/front/ws?format=webcodecs").control("configuration");
        let codec = configuration["tracks"][0]["codec"].as_str().unwrap_or_default().to_owned();
        assert!(codec.starts_with("hvc1.1.6.L60"), "{configuration}");
        let told = server.json("/api/v1/streams/front");
        assert_eq!(told["tracks"][0]["codec_name"], "H.265", "{told}");
        // Stills are decoded, and only H.264 is: the answer names the codec.
        let moving = server.get("/front/mjpeg");
        assert!(moving.status == 415 && moving.body.contains("H.265"), "{}: {}", moving.status, moving.body);
        let still = server.get("/front/snapshot.jpg");
        assert!(still.status >= 400 && still.body.contains("H.265"), "{}: {}", still.status, still.body);
    }
}
