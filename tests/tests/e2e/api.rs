//! Streams, viewers and the configuration are changed by the API while the server runs, and what it says was done is there after a crash.

#![allow(clippy::unwrap_used)] // a test may

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use firstlight_e2e::http::{self, Response};
use firstlight_e2e::random::Random;
use firstlight_e2e::{Server, Viewer, eventually};
use serde_json::{Value, json};

const SMALL: &str = "{ test = { width = 64, height = 64, fps = 30, audio = false } }";

fn small() -> Value {
    json!({ "test": { "width": 64, "height": 64, "fps": 30, "audio": false } })
}

fn parsed(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap_or_else(|e| panic!("{e}: {}", response.body))
}

/// A refusal must be a problem document of its status; gives what it says.
fn problem(response: &Response, status: u16) -> String {
    assert_eq!(response.status, status, "{}", response.body);
    assert_eq!(response.header("content-type"), Some("application/problem+json"), "{}", response.body);
    let problem = parsed(response);
    assert_eq!(problem["status"], status);
    problem["detail"].as_str().unwrap().to_owned()
}

fn delete(server: &Server, path: &str) -> Response {
    http::request(server.address(), "DELETE", path, &[], b"")
}

fn names(server: &Server) -> Vec<String> {
    let list = parsed(&server.get("/api/v1/streams"));
    list.as_array().unwrap().iter().map(|stream| stream["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_stream_is_made_watched_renamed_changed_and_removed() {
    let server = Server::start("[streams.fixed]\n");
    let made = server.send("POST", "/api/v1/streams", &json!({ "name": "desk/left", "source": small() }));
    assert_eq!(
        (made.status, made.header("location")),
        (201, Some("/api/v1/streams/desk/left")),
        "{}",
        made.body
    );
    let made = parsed(&made);
    assert_eq!(
        (&made["kept"], &made["defined_by"], &made["changeable"]),
        (&json!(true), &json!("api"), &json!(true))
    );

    let mut viewer = Viewer::open(&server, "/desk/left/ws?format=fmp4");
    viewer.message();
    let slower = server.send("PATCH", "/api/v1/streams/desk/left", &json!({ "linger": "1m" }));
    assert_eq!((slower.status, &parsed(&slower)["linger_s"]), (200, &json!(60.0)));
    viewer.message();
    assert_eq!(server.stream("desk/left")["starts"], 1, "the source went on");

    let renamed = server.send("PATCH", "/api/v1/streams/desk/left", &json!({ "name": "desk/right" }));
    assert_eq!((renamed.status, &parsed(&renamed)["linger_s"]), (200, &json!(60.0)), "{}", renamed.body);
    assert_eq!(viewer.close_code().0, 1000, "who watches is told that the stream was removed");
    assert_eq!(names(&server), ["desk/right", "fixed"]);

    let mut viewer = Viewer::open(&server, "/desk/right/ws?format=fmp4");
    viewer.message();
    let other = json!({ "source": { "test": { "width": 128, "height": 64 } } });
    assert_eq!(server.send("PUT", "/api/v1/streams/desk/right", &other).status, 200);
    assert_eq!(viewer.close_code().0, 1000);
    assert_eq!(server.stream("desk/right")["linger_s"], 10.0, "PUT defines it anew");

    assert_eq!(delete(&server, "/api/v1/streams/desk/right").status, 204);
    problem(&delete(&server, "/api/v1/streams/desk/right"), 404);
    assert_eq!(names(&server), ["fixed"]);
    assert_eq!(server.get("/desk/right/").status, 404);
}

#[test]
fn a_program_or_a_file_never_comes_through_the_api() {
    let server = Server::start("");
    let sources = [
        json!("exec:touch owned"),
        json!({ "exec": "touch owned" }),
        json!({ "exec": { "command": "touch owned" } }),
        json!({ "exec": {}, "test": {} }),
        json!({ "test": {}, "exec": {} }),
        json!("file:/etc/passwd"),
        json!({ "file": { "path": "/etc/passwd" } }),
    ];
    for source in sources {
        for (method, path) in
            [("POST", "/api/v1/streams"), ("PUT", "/api/v1/streams/bad"), ("PATCH", "/api/v1/streams/good")]
        {
            assert!([200, 201].contains(&server.send("PUT", "/api/v1/streams/good", &json!({})).status));
            let body = if method == "POST" {
                json!({ "name": "bad", "source": source })
            } else {
                json!({ "source": source })
            };
            let refused = server.send(method, path, &body);
            assert!([403, 422].contains(&refused.status), "{method} {source}: {}", refused.body);
            problem(&refused, refused.status);
        }
    }
    assert_eq!(names(&server), ["good"]);
    assert_eq!(server.stream("good")["source"], Value::Null);
    assert_eq!(server.descendants(), [] as [u32; 0]);
    // Nor by writing into the file that the API keeps.
    let mut server = server;
    server.kill();
    let file = server.directory().join("firstlight.streams.toml");
    fs::write(&file, format!("[streams.bad]\nsource = \"exec:sleep 1000\"\non_demand = false\n[streams.good]\nsource = {SMALL}\n")).unwrap();
    server.start_again();
    assert_eq!(names(&server), ["good"]);
    assert_eq!(server.descendants(), [] as [u32; 0]);
}

#[test]
fn a_stream_of_the_configuration_is_changed_there_and_nowhere_else() {
    let server = Server::start("\n[streams.fixed]\n");
    let refusals = [
        server.send("PUT", "/api/v1/streams/fixed", &json!({})),
        server.send("PATCH", "/api/v1/streams/fixed", &json!({ "linger": "1s" })),
        server.send("POST", "/api/v1/streams", &json!({ "name": "fixed" })),
        delete(&server, "/api/v1/streams/fixed"),
    ];
    for refusal in refusals {
        let words = problem(&refusal, 409);
        assert!(words.contains("firstlight.toml:2"), "it says where: {words}");
    }
    assert_eq!(server.stream("fixed")["changeable"], false);
}

#[test]
fn what_is_wrong_is_said_by_key_and_changes_nothing() {
    let server = Server::start("");
    let wrong = [
        (json!({ "name": "a b" }), "name"),
        (json!({}), "name"),
        (json!({ "name": 1 }), "name"),
        (json!({ "name": "api" }), ""),
        (json!({ "name": "a", "source": "gopher://x" }), "source"),
        (json!({ "name": "a", "source": { "test": { "fps": 1000 } } }), "source.test"),
        (json!({ "name": "a", "source": 7 }), "source"),
        (json!({ "name": "a", "source": { "test": { "gop": null } } }), "source.test.gop"),
        (json!({ "name": "a", "linger": "long" }), "linger"),
        (json!({ "name": "a", "on_demand": "no" }), "on_demand"),
        (json!({ "name": "a", "zzz": 1 }), "zzz"),
    ];
    for (body, key) in wrong {
        let refused = server.send("POST", "/api/v1/streams", &body);
        problem(&refused, 422);
        assert_eq!(parsed(&refused)["errors"][0]["key"], key, "{body}: {}", refused.body);
    }
    let good = json!({ "name": "a", "source": "tcp://192.0.2.1:8000" });
    assert_eq!(server.send("POST", "/api/v1/streams?check=true", &good).status, 204);
    problem(
        &server.send("POST", "/api/v1/streams?check=true", &json!({ "name": "a", "source": "exec:x" })),
        403,
    );
    let post = |kind, body: &[u8]| {
        http::request(server.address(), "POST", "/api/v1/streams", &[("Content-Type", kind)], body)
    };
    problem(&post("text/plain", b"{}"), 415);
    problem(&post("application/json", b"{"), 400);
    problem(&post("application/json", b"[]"), 400);
    problem(&post("application/json", &vec![b' '; 70_000]), 413);
    problem(
        &post(
            "application/json",
            format!("{{\"source\":{}1{}}}", "[".repeat(200), "]".repeat(200)).as_bytes(),
        ),
        400,
    );
    problem(&server.get("/api/v1/zzz"), 404);
    problem(&server.get("/api/v1/streams/zzz"), 404);
    let wrong_method = http::request(server.address(), "DELETE", "/api/v1/server", &[], b"");
    problem(&wrong_method, 405);
    assert!(wrong_method.header("allow").is_some_and(|allow| allow.contains("GET")));
    assert_eq!(names(&server), [] as [&str; 0]);
}

#[test]
fn a_page_of_somebody_else_changes_nothing() {
    let server = Server::start("");
    let headers = [("Content-Type", "application/json"), ("Origin", "http://evil.example")];
    let refused = http::request(server.address(), "POST", "/api/v1/streams", &headers, b"{\"name\":\"a\"}");
    problem(&refused, 403);
    problem(&http::request(server.address(), "POST", "/api/v1/reload", &headers[1..], b""), 403);
    let own = format!("http://{}", server.address());
    let headers = [("Content-Type", "application/json"), ("Origin", own.as_str())];
    assert_eq!(
        http::request(server.address(), "POST", "/api/v1/streams", &headers, b"{\"name\":\"a\"}").status,
        201
    );
}

#[test]
fn who_read_a_stream_before_changing_it_undoes_nobody_elses_change() {
    let server = Server::start("");
    server.send("PUT", "/api/v1/streams/a", &json!({ "linger": "1s" }));
    let tag = server.get("/api/v1/streams/a").header("etag").unwrap().to_owned();
    let change = |linger: &str| {
        let headers = [("Content-Type", "application/json"), ("If-Match", tag.as_str())];
        let body = json!({ "linger": linger }).to_string();
        http::request(server.address(), "PATCH", "/api/v1/streams/a", &headers, body.as_bytes())
    };
    assert_eq!(change("2s").status, 200);
    problem(&change("3s"), 412);
    assert_eq!(server.stream("a")["linger_s"], 2.0);
}

#[test]
fn the_server_killed_forty_times_during_two_hundred_changes_has_every_one_it_confirmed() {
    let mut server = Server::start("");
    let file = server.directory().join("firstlight.streams.toml");
    let mut random = Random::new(9);
    let (mut confirmed, mut attempts) = (0, 0);
    for round in 0..40 {
        let address = server.address();
        // Until the server is gone; gives the last number that was confirmed, and the last that was tried.
        let writer = std::thread::spawn(move || {
            let mut last = confirmed;
            for number in confirmed + 1.. {
                let body =
                    json!({ "linger": format!("{number}s"), "on_demand": number % 2 == 0 }).to_string();
                match put(address, "/api/v1/streams/written", &body) {
                    Some(200 | 201) => last = number,
                    _ => return (last, number),
                }
            }
            (last, last)
        });
        within_file(&file, confirmed + 4);
        // At another moment of another write each time: one takes a millisecond or some.
        std::thread::sleep(Duration::from_micros(random.below(5_000) as u64));
        server.kill();
        let before = confirmed;
        let (last, tried) = writer.join().unwrap();
        (confirmed, attempts) = (last, attempts + tried - before);
        let kept: toml::Table = fs::read_to_string(&file).unwrap().parse().expect("the file is whole");
        let linger = kept["streams"]["written"]["linger"].as_str().unwrap();
        let number: u32 = linger.trim_end_matches('s').parse().unwrap();
        assert!(
            number == confirmed || number == confirmed + 1,
            "round {round}: {number} is kept, {confirmed} was confirmed"
        );
        assert_eq!(
            kept["streams"]["written"]["on_demand"].as_bool(),
            Some(number.is_multiple_of(2)),
            "of one change"
        );
        confirmed = number;
        server.start_again();
        assert_eq!(server.stream("written")["linger_s"], f64::from(number));
        assert!(!server.log().contains("damaged"), "{}", server.log());
    }
    assert!(attempts >= 200, "{attempts}");
}

/// Waits until the file says that this many changes were made.
fn within_file(file: &std::path::Path, number: u32) {
    eventually("the changes are written", || {
        let text = fs::read_to_string(file).ok()?;
        let (_, rest) = text.split_once("linger = \"")?;
        (rest.split_once("s\"")?.0.parse::<u32>().ok()? >= number).then_some(())
    });
}

/// The status; `None` if there is no answer.
fn put(address: std::net::SocketAddr, path: &str, body: &str) -> Option<u16> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let length = body.len();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    socket.write_all(head.as_bytes()).ok()?;
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).ok()?;
    line.split(' ').nth(1)?.parse().ok()
}

#[test]
fn a_damaged_file_of_streams_stops_nothing_and_is_kept_aside() {
    let mut server = Server::start(&format!("[streams.front]\nsource = {SMALL}\n"));
    server.kill();
    let damage = "[streams.a]\nsource = \"te";
    fs::write(server.directory().join("firstlight.streams.toml"), damage).unwrap();
    server.start_again();
    assert_eq!(names(&server), ["front"]);
    assert_eq!(server.send("PUT", "/api/v1/streams/b", &json!({})).status, 201);
    let entries = fs::read_dir(server.directory()).unwrap().flatten();
    let aside = entries.map(|entry| entry.path()).find(|path| path.to_string_lossy().contains(".damaged-"));
    assert_eq!(fs::read_to_string(aside.expect("a copy is kept")).unwrap(), damage);
}

#[test]
fn a_change_that_cannot_be_kept_is_not_made() {
    let server = Server::start("");
    // A folder where the file is to be written cannot be replaced by it.
    fs::create_dir_all(server.directory().join("firstlight.streams.toml/x")).unwrap();
    let words = problem(&server.send("PUT", "/api/v1/streams/a", &json!({})), 500);
    assert!(words.contains("firstlight.streams.toml"), "{words}");
    assert_eq!(names(&server), [] as [&str; 0]);
}

#[test]
fn a_configuration_read_again_changes_what_it_changes_and_nothing_else() {
    let server =
        Server::start(&format!("[streams.stays]\nsource = {SMALL}\n[streams.goes]\nsource = {SMALL}\n"));
    let mut stays = Viewer::open(&server, "/stays/ws?format=fmp4");
    let mut goes = Viewer::open(&server, "/goes/ws?format=fmp4");
    stays.message();
    goes.message();

    server.configure("[streams.stays]\nsource = \"zzz:\"\n[zzz]\n");
    let refused = server.send("POST", "/api/v1/reload", &json!({}));
    problem(&refused, 422);
    let errors = parsed(&refused)["errors"].as_array().unwrap().len();
    assert_eq!(errors, 2, "both errors are named: {}", refused.body);
    server.hang_up();
    eventually("the wrong file is said", || server.log().contains("nothing was changed").then_some(()));
    assert_eq!(names(&server), ["goes", "stays"]);

    server.configure(&format!(
        "[websocket]\nmax_lag = \"2s\"\n[streams.stays]\nsource = {SMALL}\n[streams.new]\n"
    ));
    server.hang_up();
    eventually("the new one is there", || (names(&server) == ["new", "stays"]).then_some(()));
    assert_eq!(goes.close_code().0, 1000);
    for _ in 0..60 {
        stays.message();
    }
    assert_eq!(server.stream("stays")["starts"], 1);
    let again = parsed(&server.send("POST", "/api/v1/reload", &json!({})));
    assert_eq!(again["added"], json!([]));
    assert_eq!(again["needs_restart"], json!(["websocket"]));
}

#[test]
fn viewers_are_listed_and_sent_away() {
    let server = Server::start(&format!("[streams.a]\nsource = {SMALL}\n[streams.b]\nsource = {SMALL}\n"));
    let mut first = Viewer::open(&server, "/a/ws?format=fmp4");
    let mut second = Viewer::open(&server, "/b/ws?format=annexb");
    first.message();
    second.message();
    let list =
        |query: &str| parsed(&server.get(&format!("/api/v1/viewers{query}"))).as_array().unwrap().clone();
    assert_eq!(list("").len(), 2);
    let of_a = list("?stream=a");
    assert_eq!((of_a.len(), &of_a[0]["stream"], &of_a[0]["format"]), (1, &json!("a"), &json!("fmp4")));
    assert!(of_a[0]["address"].as_str().unwrap().starts_with("127.0.0.1:"));

    assert_eq!(delete(&server, &format!("/api/v1/viewers/{}", of_a[0]["id"])).status, 204);
    first.close_code();
    second.message();
    eventually("the list is shorter", || (list("").len() == 1).then_some(()));
    problem(&delete(&server, "/api/v1/viewers/999999"), 404);
    problem(&delete(&server, "/api/v1/viewers/zzz"), 404);
}

#[test]
fn what_happens_to_streams_is_told_as_it_happens() {
    let server = Server::start(&format!("[streams.a]\nsource = {SMALL}\nlinger = \"100ms\"\n"));
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
        .write_all(format!("GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", server.address()).as_bytes())
        .unwrap();
    let mut lines = BufReader::new(socket).lines().map(Result::unwrap);
    // The next event of that kind whose data is as wanted.
    let mut told = |kind: &str, wanted: &dyn Fn(&Value) -> bool| loop {
        let line = lines.next().expect("the connection stays");
        let Some(name) = line.strip_prefix("event: ") else { continue };
        let data = lines.next().unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        if name == kind && wanted(&data) {
            return data;
        }
    };
    let all = told("streams", &|_| true);
    assert_eq!(all, json!([{ "name": "a", "state": "idle", "reason": null, "viewers": 0 }]));
    let mut viewer = Viewer::open(&server, "/a/ws?format=fmp4");
    viewer.message();
    told("stream", &|stream| stream["name"] == "a" && stream["state"] == "live" && stream["viewers"] == 1);
    drop(viewer);
    told("stream", &|stream| stream["name"] == "a" && stream["state"] == "idle" && stream["viewers"] == 0);
    server.send("PUT", "/api/v1/streams/b", &json!({}));
    told("stream", &|stream| stream["name"] == "b" && stream["state"] == "waiting");
    delete(&server, "/api/v1/streams/b");
    assert_eq!(told("removed", &|_| true), json!({ "name": "b" }));
}

#[test]
fn the_last_failure_of_a_source_stays_to_be_seen() {
    // The port is closed at first.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let server = Server::start(&format!("[streams.a]\nsource = \"tcp://{address}\"\nlinger = \"100ms\"\n"));
    let viewer = Viewer::open(&server, "/a/ws?format=fmp4");
    let reason = server.await_reason("a");
    drop(viewer);
    server.await_state("a", "idle", Duration::from_secs(10));
    let stream = server.stream("a");
    assert_eq!(stream["last_error"]["reason"], reason);
    assert!(stream["last_error"]["at"].as_i64().unwrap() > 1_700_000_000_000_000);
    assert_eq!(stream["reason"], Value::Null);
}

#[test]
fn rights_on_some_streams_are_no_rights_on_others() {
    let server = Server::start(&format!(
        "[tokens.keeper]\ntoken = \"keeper-0123456789\"\nrights = {{ view = [\"*\"], admin = [\"mine/*\"] }}\n\
         [tokens.mine]\ntoken = \"onlymine-0123456789\"\nrights = {{ view = [\"mine/*\"], admin = [\"mine/*\"] }}\n\
         [tokens.admin]\ntoken = \"admin-0123456789\"\nrights = {{ admin = [\"*\"] }}\n\
         [streams.theirs]\nsource = {SMALL}\n"
    ));
    let ask = |token: &str, method: &str, path: &str, body: &Value| {
        let bearer = format!("Bearer {token}-0123456789");
        let headers = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
        http::request(server.address(), method, path, &headers, body.to_string().as_bytes())
    };
    let make = |token: &str, name: &str| {
        ask(token, "POST", "/api/v1/streams", &json!({ "name": name, "source": small() }))
    };
    assert_eq!(make("keeper", "mine/a").status, 201);
    problem(&make("keeper", "other"), 403);
    problem(&ask("keeper", "PATCH", "/api/v1/streams/mine/a", &json!({ "name": "other" })), 403);
    assert_eq!(make("admin", "other").status, 201);
    problem(&ask("keeper", "DELETE", "/api/v1/streams/other", &Value::Null), 403);
    problem(&ask("keeper", "POST", "/api/v1/reload", &Value::Null), 403);

    let list =
        |token: &str, path: &str| parsed(&ask(token, "GET", path, &Value::Null)).as_array().unwrap().clone();
    let shown: Vec<_> = list("keeper", "/api/v1/streams")
        .iter()
        .map(|stream| (stream["name"].clone(), stream["changeable"].clone(), stream["defined_in"].clone()))
        .collect();
    let expected = [
        (json!("mine/a"), json!(true), json!("the API")),
        (json!("other"), json!(false), Value::Null),
        (json!("theirs"), json!(false), Value::Null),
    ];
    assert_eq!(shown, expected);
    assert_eq!(list("onlymine", "/api/v1/streams").len(), 1);

    let mut theirs = Viewer::open(&server, "/theirs/ws?format=fmp4&token=keeper-0123456789");
    let mut mine = Viewer::open(&server, "/mine/a/ws?format=fmp4&token=keeper-0123456789");
    theirs.message();
    mine.message();
    for viewer in list("keeper", "/api/v1/viewers") {
        let own = viewer["stream"] == "mine/a";
        assert_eq!(viewer["address"].is_string() && viewer["user"] == "keeper", own, "{viewer}");
        let dismissed = ask("keeper", "DELETE", &format!("/api/v1/viewers/{}", viewer["id"]), &Value::Null);
        assert_eq!(dismissed.status, if own { 204 } else { 403 });
        if !own {
            // Nor does whoever may not see the stream learn that somebody watches it.
            problem(
                &ask("onlymine", "DELETE", &format!("/api/v1/viewers/{}", viewer["id"]), &Value::Null),
                404,
            );
        }
    }
    mine.close_code();
    theirs.message();
    let secrets = ask("admin", "GET", "/api/v1/streams", &Value::Null).body
        + &ask("admin", "GET", "/api/v1/server", &Value::Null).body;
    assert!(!secrets.contains("0123456789"));
}

#[test]
fn a_stream_is_made_from_another_by_the_api_and_is_there_after_a_restart() {
    let mut server = Server::start(&format!("[streams.front]\nsource = {SMALL}\n"));
    let source = json!({ "from": "front", "video": { "width": 32 }, "audio": false });
    let made = server.send("POST", "/api/v1/streams", &json!({ "name": "small", "source": source }));
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(server.stream("small")["made_from"], "front");
    let width =
        |path: &str| Viewer::open(&server, path).control("configuration")["tracks"][0]["width"].clone();
    assert_eq!(width("/small/ws?format=webcodecs"), 32);
    let wider = json!({ "source": { "from": "front", "video": { "width": 48 } } });
    assert_eq!(server.send("PATCH", "/api/v1/streams/small", &wider).status, 200);
    assert_eq!(width("/small/ws?format=webcodecs"), 48);
    let smaller = json!({ "source": "from:small" });
    assert_eq!(server.send("PUT", "/api/v1/streams/smaller", &smaller).status, 201);

    for (name, source, words) in [
        ("small", "from:smaller", "it is made from itself: small from smaller from small"),
        ("new", "from:new", "a stream cannot be made from itself"),
        ("new", "from:nobody", "there is no stream named nobody"),
    ] {
        let refused = server.send("PUT", &format!("/api/v1/streams/{name}"), &json!({ "source": source }));
        let told = problem(&refused, 422);
        assert!(told.contains(words), "{told}");
        assert_eq!(parsed(&refused)["errors"][0]["key"], "source", "{}", refused.body);
    }
    let filled = json!({ "filler": "from:waits" });
    problem(&server.send("PUT", "/api/v1/streams/waits", &filled), 422);

    server.kill();
    server.start_again();
    assert_eq!(names(&server), ["front", "small", "smaller"]);
    assert_eq!(
        (&server.stream("small")["made_from"], &server.stream("smaller")["made_from"]),
        (&json!("front"), &json!("small"))
    );
    assert_eq!(delete(&server, "/api/v1/streams/smaller").status, 204);
    // Its origin goes: it says so.
    assert_eq!(server.send("PUT", "/api/v1/streams/origin", &json!({ "source": small() })).status, 201);
    assert_eq!(server.send("PUT", "/api/v1/streams/made", &json!({ "source": "from:origin" })).status, 201);
    let mut viewer = Viewer::open(&server, "/made/ws?format=fmp4");
    viewer.message();
    assert_eq!(delete(&server, "/api/v1/streams/origin").status, 204);
    assert!(server.await_reason("made").contains("origin"), "{}", server.stream("made"));
}

#[test]
fn nobody_gets_a_stream_to_see_made_from_one_they_may_not_see() {
    let server = Server::start(&format!(
        "[tokens.admin]\ntoken = \"admin-0123456789\"\nrights = {{ admin = [\"*\"] }}\n\
         [tokens.guest]\ntoken = \"guest-0123456789\"\nrights = {{ admin = [\"guest/*\"], view = [\"lobby\"] }}\n\
         [streams.secret]\nsource = {SMALL}\n[streams.lobby]\nsource = {SMALL}\n"
    ));
    let put = |who: &str, name: &str, body: Value| {
        let bearer = format!("Bearer {who}-0123456789");
        let headers = [("Content-Type", "application/json"), ("Authorization", bearer.as_str())];
        let path = format!("/api/v1/streams/{name}");
        http::request(server.address(), "PUT", &path, &headers, body.to_string().as_bytes())
    };
    let hidden = problem(&put("guest", "guest/a", json!({ "source": "from:secret" })), 403);
    let missing = problem(&put("guest", "guest/a", json!({ "source": "from:nobody" })), 403);
    assert_eq!(hidden, missing.replace("nobody", "secret"), "whether there is one is not told");
    problem(&put("guest", "guest/a", json!({ "filler": { "from": "secret" } })), 403);
    assert_eq!(put("guest", "guest/a", json!({ "source": "from:lobby" })).status, 201);
    // What somebody else made for them may be slowed, and not be made to show more.
    let made = |width: u32, linger: &str| json!({ "source": { "from": "secret", "video": { "width": width } }, "linger": linger });
    assert_eq!(put("admin", "guest/b", made(32, "1s")).status, 201);
    let slowed = put("guest", "guest/b", made(32, "2s"));
    assert_eq!((slowed.status, &parsed(&slowed)["made_from"]), (200, &Value::Null), "{}", slowed.body);
    problem(&put("guest", "guest/b", made(64, "2s")), 403);
}

#[test]
fn a_stream_that_waits_has_a_filler_and_a_rule_for_second_publishers() {
    let server = Server::start("");
    let body = json!({ "filler": small(), "on_second_publisher": "take_over" });
    assert_eq!(server.send("PUT", "/api/v1/streams/guest", &body).status, 201);
    Viewer::open(&server, "/guest/ws?format=fmp4").message();
    assert_eq!(server.state("guest"), "waiting");
    for (body, key) in [
        (json!({ "on_second_publisher": "fight" }), "on_second_publisher"),
        (json!({ "on_second_publisher": "refuse", "source": "test" }), "on_second_publisher"),
        (json!({ "filler": "gopher://x" }), "filler"),
    ] {
        let refused = server.send("PUT", "/api/v1/streams/guest", &body);
        problem(&refused, 422);
        assert_eq!(parsed(&refused)["errors"][0]["key"], key, "{body}: {}", refused.body);
    }
    for filler in [json!("exec:touch owned"), json!("file:/etc/passwd"), json!({ "exec": {}, "test": {} })] {
        let refused = server.send("PUT", "/api/v1/streams/guest", &json!({ "filler": filler }));
        assert!([403, 422].contains(&refused.status), "{filler}: {}", refused.body);
    }
}
