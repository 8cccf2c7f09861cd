//! The camera of the libcamera recipe: takes one client, sends its parameter sets once, ends when the client leaves.

use std::time::{Duration, Instant};

use firstlight_e2e::camera::{Camera, Film, free_port};
use firstlight_e2e::clip::{self, PLAIN};
use firstlight_e2e::{Message, Server, Viewer, byte_stream, tool, within};

fn film() -> Film {
    Film::h264_with_parameter_sets_once(&clip::h264("320x240", 2, PLAIN))
}

fn server(camera: &Camera, more: &str) -> Server {
    Server::start(&format!("[streams.front]\nsource = \"tcp://{}\"\n{more}", camera.address()))
}

#[test]
fn ten_viewers_come_and_go_and_it_never_loses_its_client() {
    let camera = Camera::listen(free_port(), film());
    let server = server(&camera, "linger = \"20s\"\n");
    for _ in 0..3 {
        let mut viewers: Vec<Viewer> = (0..10).map(|_| Viewer::open(&server, "/front/ws/")).collect();
        for viewer in &mut viewers {
            viewer.binaries(3);
        }
    }
    within(Duration::from_secs(5), "the viewers have left", || {
        (server.stream("front")["viewers"] == 0).then_some(())
    });
    assert!(camera.is_alive());
    assert_eq!(server.stream("front")["starts"], 1);
    assert_eq!(server.state("front"), "live");
}

#[test]
fn late_viewer_plays_though_the_parameter_sets_came_once() {
    let camera = Camera::listen(free_port(), film());
    let server = server(&camera, "");
    // More than a random access point later, nothing of the start is left.
    Viewer::open(&server, "/front/ws/").binaries(60);
    let messages = Viewer::open(&server, "/front/ws/?ending=none").binaries(30);
    assert_eq!(byte_stream::nal_types(&messages[0]), [7, 8, 5]);
    let decoded = tool::decode("h264", &messages.concat());
    assert_eq!((decoded.errors.as_str(), decoded.pictures), ("", 30));
}

#[test]
fn pictures_that_arrive_in_pieces_over_a_slow_network_are_whole() {
    let mut film = film();
    film.pieces = film
        .pieces
        .iter()
        .flat_map(|picture| picture.chunks(picture.len().div_ceil(3)))
        .map(<[u8]>::to_vec)
        .collect();
    film.period /= 3;
    let camera = Camera::listen(free_port(), film);
    let server = server(&camera, "");
    let messages = Viewer::open(&server, "/front/ws/?ending=none").binaries(40);
    let decoded = tool::decode("h264", &messages.concat());
    assert_eq!((decoded.errors.as_str(), decoded.pictures), ("", 40));
}

/// Kills the camera, starts it again after `gone`, and checks that viewers on the same sockets go on.
fn comes_back_after(gone: Duration) {
    let camera = Camera::listen(free_port(), film());
    let address = camera.address();
    let server = server(&camera, "");
    let mut byte_stream_viewer = Viewer::open(&server, "/front/ws/?ending=none");
    let mut fragments_viewer = Viewer::open(&server, "/front/ws?format=fmp4");
    byte_stream_viewer.binaries(20);
    fragments_viewer.binaries(20);
    drop(camera);
    server.await_state("front", "reconnecting", Duration::from_secs(5));
    let reason = server.await_reason("front");
    assert!(reason.contains(&address.to_string()), "{reason}");
    // How long it is gone is what is tested.
    std::thread::sleep(gone);
    while byte_stream_viewer.message_within(Duration::from_millis(100)).is_some() {}
    while fragments_viewer.message_within(Duration::from_millis(100)).is_some() {}

    let back = Instant::now();
    let _camera = Camera::listen(address, film());
    let Message::Binary(first) = byte_stream_viewer.message() else { panic!("pictures come again") };
    let took = back.elapsed();
    assert!(took < Duration::from_secs(2), "pictures {took:?} after its return");
    assert_eq!(byte_stream::nal_types(&first), [7, 8, 5], "decoding starts anew");
    let rest: Vec<u8> = [vec![first], byte_stream_viewer.binaries(20)].concat().concat();
    assert_eq!(tool::decode("h264", &rest).errors, "");
    fragments_viewer.binaries(20);
    assert_eq!(server.state("front"), "live");
}

#[test]
fn killed_and_started_again_its_viewers_see_it_within_two_seconds_on_the_same_socket() {
    comes_back_after(Duration::from_millis(300));
}

#[test]
fn away_for_longer_its_viewers_still_see_it_within_two_seconds_of_its_return() {
    comes_back_after(Duration::from_secs(8));
}
