//! Robopipe's API over HTTP, called as its published clients call it.

use std::time::Duration;

use firstlight_e2e::boxes::{dimensions, timescales};
use firstlight_e2e::clip::{self, PLAIN};
use firstlight_e2e::http::{self, Response};
use firstlight_e2e::{Message, Server, Viewer, eventually, tool};
use serde_json::{Value, json};

const CONFIG: &str = r#"
[streams."OAK1/CAM_A"]
source = { test = { width = 320, height = 240, fps = 30, intra_only = true, audio = false } }
linger = "500ms"
[streams."OAK1/CAM_B"]
source = { test = { width = 160, height = 120, fps = 30, intra_only = true, audio = false } }
linger = "500ms"
[streams.front]
source = { test = { width = 160, height = 120, fps = 30, audio = false } }
linger = "500ms"
[streams.GUEST1]
"#;
const STREAM: &str = "/cameras/OAK1/streams/CAM_A";

fn call(server: &Server, method: &str, path: &str, body: impl Into<Option<Value>>) -> (u16, Value) {
    let sent = body.into().map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let response =
        http::request(server.address(), method, path, &[("Content-Type", "application/json")], &sent);
    (response.status, read(&response))
}

fn get(server: &Server, path: &str) -> (u16, Value) {
    let response = server.get(path);
    (response.status, read(&response))
}

fn read(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap_or_else(|e| panic!("{e}: {:?}", response.body))
}

/// Kinds and places of all that is wrong with a request.
fn wrongs((status, body): (u16, Value)) -> Vec<(String, Value)> {
    assert_eq!(status, 422, "{body}");
    let detail = body["detail"].as_array().expect("a list of what is wrong").iter();
    detail
        .map(|wrong| {
            assert!(wrong["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "{wrong}");
            assert!(wrong.get("input").is_some(), "{wrong}");
            (wrong["type"].as_str().unwrap_or_default().to_owned(), wrong["loc"].clone())
        })
        .collect()
}

fn wrong(kind: &str, loc: &[&str]) -> Vec<(String, Value)> {
    vec![(kind.to_owned(), json!(loc))]
}

#[test]
fn cameras_are_listed_with_exactly_the_keys_robopipe_has() {
    let server = Server::start(CONFIG);
    for path in ["/cameras", "/cameras/", "/camera", "/camera/"] {
        let (status, list) = get(&server, path);
        assert_eq!(status, 200);
        let names: Vec<&str> = list.as_array().unwrap().iter().map(|c| c["mxid"].as_str().unwrap()).collect();
        assert_eq!(names, ["GUEST1", "OAK1", "front"]);
    }
    let expected = json!({
        "mxid": "OAK1", "name": "OAK1", "camera_name": "OAK1", "platform": "X_LINK_ANY_PLATFORM",
        "protocol": "X_LINK_ANY_PROTOCOL", "state": "X_LINK_BOOTED", "status": "X_LINK_SUCCESS",
    });
    for path in ["/cameras/OAK1/", "/cameras/OAK1", "/camera/OAK1"] {
        assert_eq!(get(&server, path), (200, expected.clone()), "{path}");
    }
    assert_eq!(call(&server, "POST", "/cameras/refresh?boot=true", None).1[1], expected);
    assert_eq!(
        wrongs(call(&server, "POST", "/cameras/refresh?boot=maybe", None)),
        wrong("bool_parsing", &["query", "boot"])
    );
}

#[test]
fn what_is_not_there_is_null_and_what_cannot_be_a_name_is_said_to_be_none() {
    let server = Server::start(CONFIG);
    for path in
        ["/cameras/NOPE/", "/cameras/NOPE", "/cameras/OAK1/streams/CAM_H/config", "/cameras/NOPE/stats"]
    {
        assert_eq!(get(&server, path), (404, Value::Null), "{path}");
    }
    assert_eq!(wrongs(get(&server, "/cameras/lower/")), wrong("string_pattern_mismatch", &["path", "mxid"]));
    let stream = get(&server, "/cameras/OAK1/streams/CAM_Z/control");
    assert_eq!(stream.1["detail"][0]["ctx"]["pattern"], "CAM_[A-H]|DEPTH_[A-H]_[A-H]");
    assert_eq!(wrongs(stream), wrong("string_pattern_mismatch", &["path", "stream_name"]));
    // A stream of ours that no camera of Robopipe could be called is one all the same.
    assert_eq!(get(&server, "/cameras/front/").0, 200);
}

#[test]
fn what_is_refused_before_an_operation_is_asked_has_the_shape_fastapi_gives_it() {
    let server = Server::start(CONFIG);
    let not_found = json!({ "detail": "Not Found" });
    for path in
        ["/cameras/OAK1/zoom", "/camera/OAK1/sensors/CAM_A/zoom", "/cameras/a/b/c/d/e", "/controller/a/b/c"]
    {
        assert_eq!(get(&server, path), (404, not_found.clone()), "{path}");
    }
    let wrong_method = call(&server, "PATCH", &format!("{STREAM}/control"), json!({}));
    assert_eq!(wrong_method, (405, json!({ "detail": "Method Not Allowed" })));
    let long = http::get(server.address(), &format!("{STREAM}/control"), &[("Content-Length", "2000000")]);
    assert!(long.status == 413 && read(&long)["detail"].is_string(), "{long:?}");

    let guarded = Server::start(&format!(
        "[tokens.viewer]\ntoken = \"viewer-0123456789\"\nrights = {{ view = [\"OAK1/CAM_A\"] }}\n{CONFIG}"
    ));
    let stranger = guarded.get("/cameras");
    assert_eq!((stranger.status, stranger.header("content-type")), (401, Some("application/json")));
    assert!(stranger.header("www-authenticate").is_some());
    assert!(read(&stranger)["detail"].as_str().is_some_and(|words| words.starts_with("say who you are")));
    let bearer = [("Authorization", "Bearer viewer-0123456789")];
    let denied = http::request(guarded.address(), "POST", &format!("{STREAM}/control"), &bearer, b"{}");
    assert_eq!((denied.status, read(&denied)), (403, json!({ "detail": "you may not do this" })));
}

#[test]
fn the_front_door_is_the_wall_for_browsers_and_robopipe_s_sentence_for_programs() {
    let server = Server::start(CONFIG);
    for headers in [&[][..], &[("Accept", "*/*")], &[("Accept", "application/json")]] {
        let answer = http::get(server.address(), "/", headers);
        assert_eq!((answer.status, answer.body.as_str()), (200, "Hello from Robopipe API!"));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }
    let page = http::get(server.address(), "/", &[("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")]);
    assert!(page.status == 200 && page.body.contains("<html"), "{}", page.body);
}

#[test]
fn a_video_socket_with_a_name_that_cannot_be_is_refused_as_the_original_does() {
    let server = Server::start(CONFIG);
    for (path, status, body) in [
        ("/cameras/lower/streams/CAM_A/video", 403, ""),
        ("/cameras/OAK1/streams/CAM_Z/video", 403, ""),
        ("/cameras/OAK1/streams/CAM_A/zoom", 403, ""),
        ("/cameras/OAK1/streams/CAM_H/video", 404, "null"),
    ] {
        let upgrade = [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let answer = http::get(server.address(), path, &upgrade);
        assert_eq!((answer.status, answer.body.as_str()), (status, body), "{path}");
    }
}

#[test]
fn streams_are_listed_in_both_published_shapes() {
    let server = Server::start(CONFIG);
    let object = json!({ "CAM_A": { "active": true }, "CAM_B": { "active": true } });
    let array = json!([{ "name": "CAM_A", "active": true }, { "name": "CAM_B", "active": true }]);
    for path in ["/cameras/OAK1/streams", "/cameras/OAK1/streams/", "/camera/OAK1/sensors"] {
        assert_eq!(get(&server, path), (200, object.clone()), "{path}");
    }
    for header in [("Sec-Fetch-Mode", "cors"), ("Origin", "http://studio.example")] {
        assert_eq!(read(&http::get(server.address(), "/cameras/OAK1/streams", &[header])), array);
    }
    let fixed = Server::start(&format!("[robopipe]\nstream_list = \"array\"\n{CONFIG}"));
    assert_eq!(get(&fixed, "/cameras/OAK1/streams"), (200, array));
    let fixed = Server::start(&format!("[robopipe]\nstream_list = \"object\"\n{CONFIG}"));
    let page = http::get(fixed.address(), "/cameras/OAK1/streams", &[("Sec-Fetch-Mode", "cors")]);
    assert_eq!(read(&page), object);
}

#[test]
fn a_stream_that_is_deactivated_stops_for_everybody_until_it_is_activated() {
    let server = Server::start(CONFIG);
    let mut player = Viewer::open(&server, &format!("{STREAM}/video"));
    player.binaries(3);
    let mut ours = Viewer::open(&server, "/OAK1/CAM_A/ws?format=fmp4");
    ours.binaries(3);
    let mut other = Viewer::open(&server, "/cameras/OAK1/streams/CAM_B/video");
    other.binaries(3);

    assert_eq!(call(&server, "DELETE", &format!("{STREAM}/"), None), (202, Value::Null));
    assert_eq!(player.close_code().0, 1008);
    server.await_state("OAK1/CAM_A", "off", Duration::from_secs(5));
    let list = get(&server, "/cameras/OAK1/streams").1;
    assert_eq!(list, json!({ "CAM_A": { "active": false }, "CAM_B": { "active": true } }));
    assert_eq!(get(&server, "/cameras/OAK1/").1["state"], "X_LINK_BOOTED", "CAM_B still is");
    for path in ["config", "control", "still", "nn"] {
        assert_eq!(get(&server, &format!("{STREAM}/{path}")), (404, Value::Null), "{path}");
    }
    assert_eq!(Viewer::open_with(server.address(), &format!("{STREAM}/video"), &[]).response().status, 404);
    other.binaries(10);

    // Whoever watches does not start it, and is served again when it may run.
    assert_eq!(call(&server, "POST", STREAM, None), (201, Value::Null));
    ours.binaries(30);
    Viewer::open(&server, &format!("{STREAM}/video")).binaries(3);
}

#[test]
fn a_camera_is_shut_down_and_booted_with_all_its_streams() {
    let server = Server::start(CONFIG);
    let mut players: Vec<Viewer> = ["CAM_A", "CAM_B"]
        .iter()
        .map(|sensor| Viewer::open(&server, &format!("/cameras/OAK1/streams/{sensor}/video")))
        .collect();
    players.iter_mut().for_each(|player| drop(player.binaries(3)));
    let (status, camera) = call(&server, "DELETE", "/cameras/OAK1/", None);
    assert_eq!((status, &camera["state"]), (200, &json!("X_LINK_UNBOOTED")));
    for player in &mut players {
        player.close_code();
    }
    server.await_state("OAK1/CAM_B", "off", Duration::from_secs(5));
    let (status, camera) = call(&server, "POST", "/cameras/OAK1", None);
    assert_eq!((status, &camera["state"]), (200, &json!("X_LINK_BOOTED")));
    Viewer::open(&server, &format!("{STREAM}/video")).binaries(3);
    // Nothing of ours fills it, so there is nothing to stop.
    let guest = call(&server, "DELETE", "/cameras/GUEST1/", None);
    assert_eq!(wrongs(guest), wrong("not_settable", &["path", "mxid"]));
    assert_eq!(get(&server, "/cameras/GUEST1/").1["state"], "X_LINK_BOOTED");
}

#[test]
fn config_sets_size_and_pace_and_ends_the_sockets_of_the_stream() {
    let server = Server::start(CONFIG);
    let config = format!("{STREAM}/config");
    let (status, mut object) = get(&server, &config);
    assert_eq!(status, 200);
    let size = json!([320, 240]);
    assert_eq!(
        object,
        json!({ "resolution": size, "still_size": size, "preview_size": size, "video_size": size, "fps": 30.0 })
    );
    let mut player = Viewer::open(&server, &format!("{STREAM}/video"));
    player.binaries(3);
    assert_eq!(call(&server, "POST", &config, object.clone()), (200, object.clone()), "as it is");
    player.binaries(3);

    object["resolution"] = json!([640, 480]);
    object["fps"] = json!(20);
    let (status, new) = call(&server, "POST", &config, object);
    assert_eq!((status, &new["resolution"], &new["fps"]), (200, &json!([640, 480]), &json!(20.0)));
    assert_eq!(new["video_size"], json!([640, 480]));
    player.close_code();
    // What the next one gets first may be the last of the old pictures.
    let path = format!("{STREAM}/video");
    eventually("a player gets the new size", || {
        let init = Viewer::open(&server, &path).binary();
        (dimensions(&init) == (640, 480) && timescales(&init) == [10_240]).then_some(())
    });
    assert_eq!(server.stream("OAK1/CAM_A")["tracks"][0]["width"], 640);

    let word = call(&server, "POST", &config, json!({ "resolution": "THE_720_P" }));
    assert_eq!((word.0, &word.1["resolution"]), (200, &json!([1280, 720])));
}

#[test]
fn what_a_source_cannot_obey_is_refused_with_the_reason_and_changes_nothing() {
    let clip = clip::file("320x240", 2, PLAIN, false, "mp4");
    let server = Server::start(&format!("{CONFIG}[streams.CLIP1]\nsource = \"file:{}\"\n", clip.display()));
    let config = "/cameras/CLIP1/streams/CAM_A/config";
    let (status, object) = get(&server, config);
    assert_eq!((status, &object["resolution"], &object["fps"]), (200, &json!([320, 240]), &json!(25.0)));
    assert_eq!(call(&server, "POST", config, object.clone()), (200, object), "as it is");
    let refused = call(&server, "POST", config, json!({ "fps": 10 }));
    let reason = refused.1["detail"][0]["msg"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("file:") && reason.contains("frame rate"), "{reason}");
    assert_eq!(wrongs(refused), wrong("not_settable", &["body", "fps"]));
    let control = "/cameras/CLIP1/streams/CAM_A/control";
    let object = get(&server, control).1;
    assert_eq!(call(&server, "POST", control, object.clone()), (200, object), "as it is");
    assert_eq!(
        wrongs(call(&server, "POST", control, json!({ "brightness": 1 }))),
        wrong("not_settable", &["body", "brightness"])
    );

    let own = format!("{STREAM}/config");
    for (body, kind, key) in [
        (json!({ "fps": 29.97 }), "not_settable", "fps"),
        (json!({ "fps": 0 }), "greater_than_equal", "fps"),
        (json!({ "resolution": [320, 241] }), "not_settable", "resolution"),
        (json!({ "resolution": [9000, 9000] }), "not_settable", "resolution"),
        (json!({ "resolution": "LARGE" }), "enum", "resolution"),
        (json!({ "still_size": [64, 64] }), "not_settable", "still_size"),
        (json!({ "resolution": [160, 120], "iris": 2 }), "extra_forbidden", "iris"),
    ] {
        assert_eq!(wrongs(call(&server, "POST", &own, body.clone())), wrong(kind, &["body", key]), "{body}");
    }
    assert_eq!(get(&server, &own).1["resolution"], json!([320, 240]));
}

#[test]
fn control_sets_what_the_camera_has_and_takes_the_whole_object_back() {
    let server = Server::start(CONFIG);
    let control = format!("{STREAM}/control");
    let (status, object) = get(&server, &control);
    assert_eq!(status, 200);
    assert_eq!(object.as_object().unwrap().len(), 15);
    assert_eq!((&object["sensitivity_iso"], &object["focus"]), (&json!(850), &Value::Null));
    assert_eq!(call(&server, "POST", &control, object.clone()), (200, object), "Studio posts all of it");

    let (status, set) = call(&server, "POST", &control, json!({ "contrast": 3, "brightness": null }));
    assert_eq!((status, &set["contrast"], &set["brightness"]), (200, &json!(3), &json!(0)));
    assert_eq!(get(&server, &control).1, set);
    for (body, kind, key) in [
        (json!({ "contrast": 30 }), "less_than_equal", "contrast"),
        (json!({ "brightness": 5, "exposure_time": 500 }), "not_settable", "exposure_time"),
        (json!({ "auto_whitebalance_mode": "MOONLIGHT" }), "enum", "auto_whitebalance_mode"),
        (json!({ "focus": { "lens_position": 0.5 } }), "not_settable", "focus"),
        (json!({ "zoom": 2 }), "extra_forbidden", "zoom"),
    ] {
        assert_eq!(
            wrongs(call(&server, "POST", &control, body.clone())),
            wrong(kind, &["body", key]),
            "{body}"
        );
    }
    assert_eq!(get(&server, &control).1, set, "all or nothing");
}

/// The mean luma of a picture in a player's first messages.
fn brightness(messages: &[Vec<u8>]) -> f64 {
    let arguments = [
        "-v",
        "error",
        "-f",
        "mp4",
        "-i",
        "-",
        "-vf",
        "signalstats,metadata=print:file=-",
        "-f",
        "null",
        "-",
    ];
    let (lines, errors) = tool::run("ffmpeg", &arguments, &messages.concat());
    assert_eq!(errors, "");
    let values: Vec<f64> =
        lines.lines().filter_map(|line| line.strip_prefix("lavfi.signalstats.YAVG=")?.parse().ok()).collect();
    values.last().copied().expect("a picture was judged")
}

#[test]
fn brightness_is_seen_in_the_picture_while_it_runs() {
    let server = Server::start(CONFIG);
    let mut player = Viewer::open(&server, &format!("{STREAM}/video"));
    let mut messages = player.binaries(5);
    let dark = brightness(&messages);
    assert_eq!(call(&server, "POST", &format!("{STREAM}/control"), json!({ "brightness": 10 })).0, 200);
    eventually("the picture is brighter, on the same socket", || {
        messages.truncate(1);
        messages.extend(player.binaries(5));
        (brightness(&messages) > dark + 40.0).then_some(())
    });
}

#[test]
fn stats_lights_networks_and_controllers_say_what_there_is() {
    let server = Server::start(CONFIG);
    let (status, stats) = get(&server, "/cameras/OAK1/stats");
    assert_eq!(status, 200);
    let memory = &stats["ddr_memory_usage"];
    let figure = |name: &str| memory[name].as_u64().unwrap();
    assert!(figure("total") > 0 && figure("used") + figure("remaining") == figure("total"), "{stats}");
    assert!(stats["chip_temperature"]["average"].is_f64() && stats["cmx_memory_usage"]["total"].is_u64());

    let lights = "/cameras/OAK1/ir";
    assert_eq!(get(&server, lights), (200, Value::Null));
    assert_eq!(call(&server, "POST", lights, json!({ "flood_light": 0.0 })), (200, Value::Null));
    assert_eq!(
        wrongs(call(&server, "POST", lights, json!({ "flood_light": 1.5 }))),
        wrong("less_than_equal", &["body", "flood_light"])
    );
    assert_eq!(
        wrongs(call(&server, "POST", lights, json!({ "flood_light": 0.5 }))),
        wrong("not_settable", &["body", "flood_light"])
    );

    let network = format!("{STREAM}/nn");
    assert_eq!(get(&server, &network), (200, Value::Null), "none runs");
    for method in ["POST", "DELETE"] {
        let (status, said) = call(&server, method, &network, None);
        assert_eq!((status, said["detail"].as_str()), (501, Some("neural networks are not run here")));
    }
    assert_eq!(Viewer::open_with(server.address(), &network, &[]).response().status, 501);

    for path in ["/controller", "/controller/", "/controller/led", "/controller/di/"] {
        assert_eq!(get(&server, path), (200, json!([])), "{path}");
    }
    for path in ["/controller/watchdog", "/controller/led/1_01"] {
        assert_eq!(get(&server, path), (404, Value::Null), "{path}");
    }
}

#[test]
fn a_still_is_the_picture_as_it_is_now_in_the_format_asked_for() {
    let server = Server::start(CONFIG);
    let still = format!("{STREAM}/still");
    for (query, mime, magic) in [
        ("", "image/jpeg", &b"\xff\xd8\xff"[..]),
        ("?format=jpeg", "image/jpeg", b"\xff\xd8\xff"),
        ("?format=png", "image/png", b"\x89PNG\r\n\x1a\n"),
    ] {
        let taken = server.get(&format!("{still}{query}"));
        assert_eq!((taken.status, taken.header("content-type")), (200, Some(mime)), "{query}");
        assert!(taken.bytes.starts_with(magic), "{query}");
    }
    let png = server.get(&format!("{still}?format=png")).bytes;
    assert_eq!(png[16..24], [0, 0, 1, 64, 0, 0, 0, 240], "320 x 240");
    assert_eq!(wrongs(get(&server, &format!("{still}?format=bmp"))), wrong("enum", &["query", "format"]));
    let nobody = http::get(server.address(), "/cameras/GUEST1/streams/CAM_A/still", &[]);
    assert_eq!(nobody.status, 503, "nobody publishes: {}", nobody.body);
}

#[test]
fn a_body_that_is_no_object_is_refused_with_its_place() {
    let server = Server::start(CONFIG);
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        let response = http::request(server.address(), "POST", &format!("{STREAM}/control"), headers, body);
        (response.status, read(&response))
    };
    let json_type = [("Content-Type", "application/json")];
    let broken = post(&json_type, b"{\"contrast\": ");
    assert_eq!(broken.1["detail"][0]["type"], "json_invalid");
    assert_eq!(wrongs(post(&json_type, b"[1]")), wrong("model_attributes_type", &["body"]));
    assert_eq!(wrongs(post(&json_type, b"")), wrong("missing", &["body"]));
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(wrongs(post(&form, b"contrast=3")), wrong("model_attributes_type", &["body"]));
    let long = vec![b' '; 100_000];
    assert_eq!(wrongs(post(&json_type, &long)), wrong("too_long", &["body"]));
}

#[test]
fn pages_that_are_listed_may_read_and_change_and_others_may_not() {
    let server = Server::start(&format!("[http]\nallow_origins = [\"http://studio.example\"]\n{CONFIG}"));
    let control = format!("{STREAM}/control");
    let (studio, other) = (("Origin", "http://studio.example"), ("Origin", "http://other.example"));
    let preflight = |origin| {
        let asked = [
            origin,
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "content-type"),
        ];
        http::request(server.address(), "OPTIONS", &control, &asked, b"")
    };
    let allowed = preflight(studio);
    assert_eq!((allowed.status, allowed.body.as_str()), (200, "OK"));
    for (name, value) in [
        ("access-control-allow-origin", "http://studio.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),
        ("access-control-allow-headers", "content-type"),
        ("access-control-max-age", "600"),
        ("vary", "Origin"),
    ] {
        assert_eq!(allowed.header(name), Some(value), "{name}");
    }
    assert_eq!(preflight(other).status, 400);
    assert_eq!(preflight(other).header("access-control-allow-origin"), None);

    let seen = http::get(server.address(), "/cameras", &[studio]);
    assert_eq!(seen.header("access-control-allow-origin"), Some("http://studio.example"));
    let missing = http::get(server.address(), "/cameras/NOPE", &[studio]);
    assert_eq!(missing.header("access-control-allow-origin"), Some("http://studio.example"));
    assert_eq!(http::get(server.address(), "/cameras", &[other]).header("access-control-allow-origin"), None);

    // A page may send a text without asking first.
    let text = |origin| {
        let headers = [origin, ("Content-Type", "text/plain")];
        http::request(server.address(), "DELETE", STREAM, &headers, b"").status
    };
    assert_eq!(text(other), 403);
    assert_eq!(get(&server, "/cameras/OAK1/streams").1["CAM_A"]["active"], true);
    let socket = format!("{STREAM}/video");
    assert_eq!(Viewer::open_with(server.address(), &socket, &[other]).response().status, 403);
    let mut player = Viewer::open_with(server.address(), &socket, &[studio]);
    assert!(matches!(player.message(), Message::Binary(_)));
    assert_eq!(text(studio), 202);
}

#[test]
fn the_star_shows_every_page_what_anybody_may_see_without_cookies() {
    let server = Server::start(&format!("[http]\nallow_origins = [\"*\"]\n{CONFIG}"));
    let seen = http::get(server.address(), "/cameras", &[("Origin", "http://any.example")]);
    assert_eq!(seen.header("access-control-allow-origin"), Some("*"));
    assert_eq!(seen.header("access-control-allow-credentials"), None);
}

#[test]
fn the_document_and_its_page_describe_the_addresses() {
    let server = Server::start(CONFIG);
    let (status, document) = get(&server, "/openapi.json");
    assert_eq!(status, 200);
    assert_eq!((&document["openapi"], &document["info"]["title"]), (&json!("3.1.0"), &json!("Robopipe API")));
    let control = &document["paths"]["/cameras/{mxid}/streams/{stream_name}/control"];
    assert!(control["get"].is_object() && control["post"]["requestBody"].is_object());
    // Each address of the document that takes no more than names is one.
    for (path, operations) in document["paths"].as_object().unwrap() {
        if operations.get("get").is_none() || path.contains("{circuit}") {
            continue;
        }
        let path = path.replace("{mxid}", "OAK1").replace("{stream_name}", "CAM_A").replace("{type}", "led");
        assert_eq!(server.get(&path).status, 200, "{path}");
    }
    let page = server.get("/docs");
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("/cameras/{mxid}/ir") && !page.body.contains("<script"));
    assert!(!page.body.contains("http://") && !page.body.contains("https://"), "it asks nothing of others");
}

#[test]
fn who_may_see_one_stream_sees_a_camera_with_that_stream_and_changes_nothing() {
    let users = r#"
[tokens.viewer]
token = "viewer-0123456789"
rights = { view = ["OAK1/CAM_A"] }
[tokens.keeper]
token = "keeper-0123456789"
rights = { admin = ["OAK1/CAM_A"] }
"#;
    let server = Server::start(&format!("{users}{CONFIG}"));
    let ask = |token: &str, method: &str, path: &str| {
        let bearer = format!("Bearer {token}-0123456789");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        http::request(server.address(), method, path, &headers, b"")
    };
    assert_eq!(server.get("/cameras").status, 401);
    let cameras = read(&ask("viewer", "GET", "/cameras"));
    assert_eq!((cameras.as_array().map(Vec::len), &cameras[0]["mxid"]), (Some(1), &json!("OAK1")));
    let streams = read(&ask("viewer", "GET", "/cameras/OAK1/streams"));
    assert_eq!(streams, json!({ "CAM_A": { "active": true } }));
    let hidden = ask("viewer", "GET", "/cameras/GUEST1/stats");
    assert_eq!((hidden.status, read(&hidden)), (404, Value::Null), "as if it were not there");
    assert_eq!(ask("viewer", "GET", &format!("{STREAM}/control")).status, 200);
    for (method, path) in [("POST", "/control"), ("POST", "/config"), ("DELETE", "/")] {
        assert_eq!(ask("viewer", method, &format!("{STREAM}{path}")).status, 403, "{method} {path}");
    }
    assert_eq!(ask("viewer", "DELETE", "/cameras/OAK1/").status, 403);

    let all = ask("keeper", "DELETE", "/cameras/OAK1/");
    assert_eq!((all.status, read(&all)["detail"].is_string()), (403, true), "CAM_B is not theirs");
    assert_eq!(ask("keeper", "DELETE", "/cameras/OAK1/streams/CAM_B/").status, 403);
    assert_eq!(ask("keeper", "DELETE", STREAM).status, 202);
}
