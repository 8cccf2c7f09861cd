//! `snapshot.jpg`, as any program that shows a JPEG sees it.

use std::time::Duration;

use firstlight_e2e::{Server, Viewer, http, tool};

const SOURCE: &str = "{ test = { width = 640, height = 360, fps = 25, gop = 25, audio = \"aac\" } }";

fn size_of(jpeg: &[u8]) -> String {
    tool::probe(jpeg, "stream=codec_name,width,height,pix_fmt,color_range")
}

#[test]
fn a_cold_camera_starts_and_shows_itself() {
    let server = Server::with_source(SOURCE);
    assert_eq!(server.state("front"), "idle");
    let answer = server.get("/front/snapshot.jpg");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!(size_of(&answer.bytes), "mjpeg,640,360,yuvj420p,pc");
    server.await_state("front", "idle", Duration::from_secs(10));
}

#[test]
fn a_width_keeps_the_shape_and_is_never_more_than_the_camera_s() {
    let server = Server::with_source(SOURCE);
    for (query, size) in
        [("?width=320", "320,180"), ("?width=300&t=17", "304,172"), ("?width=4000", "640,360")]
    {
        let answer = server.get(&format!("/front/snapshot.jpg{query}"));
        assert_eq!(size_of(&answer.bytes), format!("mjpeg,{size},yuvj420p,pc"), "{query}");
    }
    let refused = server.get("/front/snapshot.jpg?width=wide");
    assert_eq!((refused.status, refused.body.as_str()), (400, "width: \"wide\" is no number of pixels\n"));
}

#[test]
fn the_same_picture_is_not_sent_twice() {
    // A keyframe every 40 s: no newer one comes meanwhile.
    let server = Server::with_source("{ test = { width = 320, height = 240, fps = 25, gop = 1000 } }");
    let mut viewer = Viewer::open(&server, "/front/ws?format=fmp4");
    viewer.binaries(3);
    let first = server.get("/front/snapshot.jpg");
    let tag = first.header("etag").unwrap().to_owned();
    let again = http::get(server.address(), "/front/snapshot.jpg", &[("If-None-Match", &tag)]);
    assert_eq!((again.status, again.bytes.len()), (304, 0));
    assert_eq!(again.header("etag"), Some(tag.as_str()));
}

#[test]
fn where_there_is_no_picture_the_answer_says_so() {
    let server = Server::start("[streams.front]\nsource = \"test\"\n[streams.guest]\n");
    assert_eq!(server.get("/nobody/snapshot.jpg").status, 404);
    let answer = server.get("/guest/snapshot.jpg");
    assert_eq!((answer.status, answer.body.as_str()), (503, "no picture came within 10 s\n"));
    assert!(answer.header("retry-after").is_some());
}
