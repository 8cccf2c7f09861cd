//! Cameras that do not do all as RTSP says: each way of their own, and what is done about it.

#![allow(clippy::unwrap_used)] // a test may

use std::sync::Mutex;
use std::time::Duration;

use firstlight_e2e::odd_camera::{OddCamera, Oddity};
use firstlight_e2e::rtsp::{ANYWHERE, address};
use firstlight_e2e::{Server, Viewer, within};
use rtsp::{Method, Response};

/// A small camera whose keyframes come often.
const CAMERA: &str =
    "source = { test = { width = 160, height = 120, fps = 25, gop = 5, audio = \"aac\" } }\n";

/// A server whose camera is odd.
struct Watched {
    _good: Server,
    camera: OddCamera,
    server: Server,
}

impl Watched {
    /// What is written of it besides its address begins with a comma.
    fn with(oddity: Oddity, keys: &str) -> Self {
        let good = Server::start(&format!("{ANYWHERE}[streams.front]\n{CAMERA}"));
        let camera = OddCamera::of(address(&good), oddity);
        let url = camera.url("front");
        let server = Server::start(&format!(
            "{ANYWHERE}[streams.relay]\nlinger = \"500ms\"\nsource = {{ rtsp = {{ url = \"{url}\"{keys} }} }}\n"
        ));
        Self { _good: good, camera, server }
    }

    fn new(oddity: Oddity) -> Self {
        Self::with(oddity, "")
    }

    /// It plays, at the first try.
    fn plays(&self) -> Viewer {
        let mut viewer = Viewer::open(&self.server, "/relay/ws?format=fmp4");
        viewer.binaries(15);
        assert_eq!(self.server.stream("relay")["starts"].as_u64(), Some(1), "{}", self.server.log());
        viewer
    }

    /// That it was found out.
    fn found(&self, quirk: &str) {
        let log = self.server.log();
        assert!(log.contains(&format!("quirk=\"{quirk}\"")), "{log}");
    }

    fn asked(&self, method: &str) -> Vec<String> {
        let requests = self.camera.requests();
        requests.into_iter().filter(|request| request.split(' ').next() == Some(method)).collect()
    }
}

#[test]
fn a_camera_that_names_another_place_as_its_base_is_asked_at_its_address() {
    let foreign = |method: Method, head: &mut String, _: &mut String| {
        if method == Method::Describe {
            let (before, rest) = head.split_once("Content-Base: ").unwrap();
            let (_, after) = rest.split_once("\r\n").unwrap();
            *head = format!("{before}Content-Base: rtsp://10.0.0.9/inner/\r\n{after}");
        }
    };
    let oddity = || Oddity::default().says(foreign).refuses(404, |request| request.uri.contains("10.0.0.9"));
    let watched = Watched::new(oddity());
    watched.plays();
    watched.found("foreign-base");
    let told = Watched::with(oddity(), ", quirks = [\"foreign-base\"]");
    told.plays();
    assert!(told.camera.requests().iter().all(|request| !request.contains("10.0.0.9")));
}

/// It wants a sign of life within 5 s, and says so with SETUP alone.
fn hurry(method: Method, head: &mut String) {
    *head = head.replace(";timeout=60", if method == Method::Setup { ";timeout=5" } else { "" });
}

#[test]
fn a_camera_that_refuses_the_sign_of_life_it_offers_is_given_another() {
    let hasty = |method: Method, head: &mut String, _: &mut String| hurry(method, head);
    let refuses = |request: &rtsp::Request| request.method == Method::GetParameter;
    let watched = Watched::new(Oddity::default().says(hasty).refuses(501, refuses));
    let _viewer = watched.plays();
    within(Duration::from_secs(15), "it is asked for its options instead", || {
        (watched.asked("OPTIONS").len() >= 3).then_some(())
    });
    watched.found("keep-alive-by-options");
    assert_eq!(watched.asked("GET_PARAMETER").len(), 1);
}

#[test]
fn a_camera_that_wants_its_sign_of_life_with_new_credentials_gets_them() {
    let hasty = |method: Method, head: &mut String, _: &mut String| hurry(method, head);
    let asks = |request: &mut rtsp::Request| {
        let is_known = request.headers.get("Authorization").is_some_and(|said| said.contains("nonce=\"b\""));
        let asks = request.method == Method::GetParameter && !is_known;
        asks.then(|| Response::new(401).with("WWW-Authenticate", "Digest realm=\"cam\", nonce=\"b\""))
    };
    let watched = Watched::with(
        Oddity::default().says(hasty).answers(asks),
        ", user = \"anna\", password = \"secret\"",
    );
    let _viewer = watched.plays();
    within(Duration::from_secs(15), "it is told again", || {
        (watched.asked("GET_PARAMETER").len() >= 2).then_some(())
    });
}

#[test]
fn a_camera_that_knows_no_ranges_is_not_asked_for_one() {
    let refuses = |request: &rtsp::Request| request.headers.get("Range").is_some();
    let watched = Watched::new(Oddity::default().refuses(457, refuses));
    watched.plays();
    watched.found("no-range");
    let told = Watched::with(Oddity::default().refuses(457, refuses), ", quirks = [\"no-range\"]");
    told.plays();
    assert_eq!(told.asked("PLAY").len(), 1);
}

#[test]
fn a_camera_that_plays_no_tracks_together_is_asked_for_each() {
    // The good camera behind it plays all of them with the second.
    let watched = Watched::new(Oddity::default().answers(|request| {
        if request.method != Method::Play {
            return None;
        }
        match request.uri.split_once("/trackID=") {
            None => Some(Response::new(459)),
            Some((_, "0")) => Some(Response::new(200)),
            Some((all, _)) => {
                request.uri = all.to_owned();
                None
            }
        }
    }));
    watched.plays();
    watched.found("each-track");
    let asked = watched.asked("PLAY");
    assert!(asked[1].ends_with("/trackID=0") && asked[2].ends_with("/trackID=1"), "{asked:?}");
}

#[test]
fn packets_on_other_channels_than_agreed_are_taken_for_their_tracks() {
    let promises = |method: Method, head: &mut String, _: &mut String| {
        if method == Method::Setup {
            *head = head
                .replace("interleaved=0-1", "interleaved=6-7")
                .replace("interleaved=2-3", "interleaved=8-9");
        }
    };
    let watched = Watched::new(Oddity::default().says(promises));
    watched.plays();
    watched.found("own-channels");
    assert_eq!(watched.server.stream("relay")["tracks"].as_array().unwrap().len(), 2);
}

#[test]
fn channels_other_than_those_asked_for_are_what_was_agreed() {
    let watched = Watched::new(
        Oddity::default()
            .says(|method, head, _| {
                if method == Method::Setup {
                    *head = head
                        .replace("interleaved=0-1", "interleaved=4-5")
                        .replace("interleaved=2-3", "interleaved=0-1");
                }
            })
            .sends(|channel, _| {
                *channel = [4, 5, 0, 1][usize::from(*channel)];
                true
            }),
    );
    watched.plays();
    assert!(!watched.server.log().contains("quirk="), "{}", watched.server.log());
    assert_eq!(watched.server.stream("relay")["tracks"].as_array().unwrap().len(), 2);
}

#[test]
fn a_camera_over_udp_that_names_no_ports_is_heard_by_its_address() {
    let watched = Watched::with(
        Oddity::default().says(|method, head, _| {
            if method == Method::Setup {
                let (before, rest) = head.split_once(";server_port=").unwrap();
                let after = rest.find([';', '\r']).map_or("", |at| &rest[at..]);
                *head = format!("{before}{after}");
            }
        }),
        ", transport = \"udp\"",
    );
    watched.plays();
    watched.found("any-port");
}

#[test]
fn a_camera_that_is_confused_by_reports_is_sent_none() {
    let told = Watched::with(Oddity::default(), ", quirks = [\"no-reports\"]");
    let untold = Watched::new(Oddity::default());
    let _viewers = [told.plays(), untold.plays()];
    within(Duration::from_secs(15), "the other one is told how it is received", || {
        (!untold.asked("DATA").is_empty()).then_some(())
    });
    assert_eq!(told.asked("DATA"), [""; 0]);
}

#[test]
fn what_cameras_leave_out_is_not_missed() {
    // No RTP-Info, no timeout of the session, no sender reports, no parameter sets in the description, and lines in it that are none.
    let watched = Watched::new(
        Oddity::default()
            .says(|method, head, body| {
                let kept: Vec<&str> =
                    head.split("\r\n").filter(|line| !line.starts_with("RTP-Info")).collect();
                *head = kept.join("\r\n").replace(";timeout=60", "");
                if method == Method::Describe {
                    let (before, rest) = body.split_once("sprop-parameter-sets=").unwrap();
                    let after = rest.find([';', '\r']).map_or("", |at| &rest[at..]);
                    *body = format!("{before}x=1{after}\r\nbroken line\r\n\0\r\n");
                }
            })
            .sends(|channel, _| *channel % 2 == 0),
    );
    watched.plays();
    assert!(!watched.server.log().contains("quirk="), "{}", watched.server.log());
}

#[test]
fn parameter_sets_in_the_description_alone_are_enough() {
    // The packet that has them in band is a STAP-A (24) that begins with an SPS (7): its slices go on without it.
    let watched = Watched::new(Oddity::default().sends(|channel, packet| {
        if *channel == 0 && packet.len() > 16 && packet[12] & 0x1f == 24 && packet[15] & 0x1f == 7 {
            // Padding without meaning (a NAL unit of type 12), so that no number is missing.
            packet.truncate(12);
            packet.extend_from_slice(&[0x0c, 0xff, 0x80]);
        }
        true
    }));
    watched.plays();
}

#[test]
fn a_clock_that_leaps_does_not_end_the_stream() {
    let count = Mutex::new(0u32);
    let watched = Watched::new(Oddity::default().sends(move |channel, packet| {
        if *channel == 0 {
            let mut count = count.lock().unwrap();
            *count += 1;
            // An hour ahead for a second, then back.
            let timestamp = u32::from_be_bytes(packet[4..8].try_into().unwrap());
            let leapt =
                if (20..60).contains(&*count) { timestamp.wrapping_add(90_000 * 3_600) } else { timestamp };
            packet[4..8].copy_from_slice(&leapt.to_be_bytes());
        }
        true
    }));
    let mut viewer = watched.plays();
    viewer.binaries(60);
    assert_eq!(watched.server.stream("relay")["starts"].as_u64(), Some(1), "{}", watched.server.log());
}

#[test]
fn a_quirk_that_is_none_is_refused_with_those_there_are() {
    let file = firstlight_e2e::program::scratch().join(format!("quirk-{}.toml", std::process::id()));
    let url = "rtsp://cam/live";
    std::fs::write(
        &file,
        format!("[streams.x]\nsource = {{ rtsp = {{ url = \"{url}\", quirks = [\"odd\"] }} }}\n"),
    )
    .unwrap();
    let said = String::from_utf8(Server::refused(&["check", file.to_str().unwrap()]).stderr).unwrap();
    assert!(said.contains(":2: ") && said.contains("`odd`") && said.contains("`foreign-base`"), "{said}");
    std::fs::remove_file(&file).unwrap();
}
