//! Users, tokens and links, as they are used: with each way to say who one is, from programs, browsers and pages of other servers.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use firstlight_e2e::http::{Response, request};
use firstlight_e2e::{Server, Viewer, eventually, program};

const TOKEN: &str = "token-of-the-wall-5f2a";
const SOURCE: &str = "{ test = { width = 320, height = 240, fps = 15, gop = 15, audio = false } }";

/// What `firstlight hash-password` prints for a password.
fn hash(password: &str) -> String {
    let mut child = Command::new(program::firstlight())
        .arg("hash-password")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    writeln!(child.stdin.take().expect("it is a pipe"), "{password}").expect("the program reads");
    let output = child.wait_with_output().expect("the program ends");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("a hash is ASCII").trim().to_owned()
}

fn server() -> Server {
    let hash = hash("open sesame");
    Server::start(&format!(
        "[auth]\nanonymous = {{ view = [\"lobby\"] }}\n\
         jwt = {{ secret = \"0123456789abcdef0123456789abcdef\" }}\n\
         [users.anna]\npassword = \"{hash}\"\nrights = {{ view = [\"front\"], admin = [\"yard\"] }}\n\
         [tokens.wall]\ntoken = \"{TOKEN}\"\nrights = {{ view = [\"*\"] }}\n\
         [streams.front]\nsource = {SOURCE}\n[streams.yard]\nsource = {SOURCE}\n[streams.lobby]\nsource = {SOURCE}\n"
    ))
}

fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> Response {
    request(server.address(), "GET", path, headers, b"")
}

fn log_in(server: &Server, body: &str, headers: &[(&str, &str)]) -> Response {
    let mut all = vec![("Content-Type", "application/json")];
    all.extend_from_slice(headers);
    request(server.address(), "POST", "/login", &all, body.as_bytes())
}

/// The `Cookie` line that a browser would send after this answer.
fn cookie(response: &Response) -> String {
    let set = response.header("set-cookie").expect("a cookie is set");
    assert!(set.contains("; HttpOnly; SameSite=Strict; "), "{set}");
    set.split(';').next().expect("split gives one").to_owned()
}

fn names(response: &Response) -> Vec<String> {
    assert_eq!(response.status, 200, "{}", response.body);
    let list: serde_json::Value = serde_json::from_str(&response.body).expect("the API answers with JSON");
    list.as_array().into_iter().flatten().filter_map(|s| s["name"].as_str().map(str::to_owned)).collect()
}

const ANNA: &str = "{\"user\":\"anna\",\"password\":\"open sesame\"}";
/// `anna:open sesame`.
const BASIC: (&str, &str) = ("Authorization", "Basic YW5uYTpvcGVuIHNlc2FtZQ==");

#[test]
fn each_way_to_say_who_one_is_shows_the_same_streams() {
    let server = server();
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(names(&get(&server, "/api/v1/streams", &[])), ["lobby"]);
    assert_eq!(names(&get(&server, "/api/v1/streams", &[BASIC])), ["front", "yard"]);
    assert_eq!(
        names(&get(&server, "/api/v1/streams", &[("Authorization", &bearer)])),
        ["front", "lobby", "yard"]
    );
    let by_query = get(&server, &format!("/api/v1/streams?token={TOKEN}"), &[]);
    assert_eq!(names(&by_query), ["front", "lobby", "yard"]);
    let cookie = cookie(&log_in(&server, ANNA, &[]));
    assert_eq!(names(&get(&server, "/api/v1/streams", &[("Cookie", &cookie)])), ["front", "yard"]);
    assert_eq!(get(&server, "/api/v1/streams/front", &[]).status, 401);
    assert_eq!(get(&server, "/api/v1/streams/lobby", &[BASIC]).status, 403);
    // {"sub":"bert","exp":4000000000,"firstlight":{"view":["yard"]}}, signed with HS256 by openssl.
    let jwt = jwt("{\"sub\":\"bert\",\"exp\":4000000000,\"firstlight\":{\"view\":[\"yard\"]}}");
    let bearer = format!("Bearer {jwt}");
    assert_eq!(names(&get(&server, "/api/v1/streams", &[("Authorization", &bearer)])), ["yard"]);
    let who = get(&server, "/api/v1/session", &[("Authorization", &bearer)]);
    assert!(who.body.contains("\"bert\""), "{}", who.body);
}

/// A token as somebody else's server makes it, with openssl.
fn jwt(claims: &str) -> String {
    let script = r#"b() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
        signed="$(printf '{"alg":"HS256","typ":"JWT"}' | b).$(cat | b)"
        printf '%s.%s' "$signed" "$(printf %s "$signed" | openssl dgst -binary -sha256 -hmac 0123456789abcdef0123456789abcdef | b)""#;
    firstlight_e2e::tool::run("sh", &["-c", script], claims.as_bytes()).0
}

#[test]
fn whoever_may_watch_gets_a_picture_and_nobody_else() {
    let server = server();
    let open = |path: &str, headers: &[(&str, &str)]| Viewer::open_with(server.address(), path, headers);
    assert_eq!(open("/front/ws?format=fmp4", &[]).response().status, 401);
    assert_eq!(open("/front/ws?format=fmp4&token=wrong-wrong-wrong-1", &[]).response().status, 401);
    assert_eq!(open("/lobby/ws?format=fmp4", &[BASIC]).response().status, 403);
    for mut viewer in [
        open("/front/ws?format=fmp4", &[BASIC]),
        open(&format!("/front/ws?format=fmp4&token={TOKEN}"), &[]),
        open("/lobby/ws?format=fmp4", &[]),
    ] {
        assert_eq!(viewer.response().status, 101);
        assert!(!viewer.binaries(2).is_empty());
    }
}

#[test]
fn a_signed_link_shows_one_stream_until_it_expires() {
    let server = server();
    let sign = |stream: &str, seconds: u32, headers: &[(&str, &str)]| {
        let body = format!("{{\"seconds\": {seconds}}}");
        request(server.address(), "POST", &format!("/api/v1/sign/{stream}"), headers, body.as_bytes())
    };
    assert_eq!(sign("front", 60, &[BASIC]).status, 403, "who may view may not give others a view");
    let link = |seconds| {
        let response = sign("yard", seconds, &[BASIC]);
        assert_eq!(response.status, 200, "{}", response.body);
        let link: serde_json::Value =
            serde_json::from_str(&response.body).expect("the API answers with JSON");
        link["query"].as_str().expect("it has a query").to_owned()
    };
    let query = link(60);
    assert_eq!(get(&server, &format!("/yard/?{query}"), &[("Accept", "text/html")]).status, 200);
    assert_eq!(names(&get(&server, &format!("/api/v1/streams?{query}"), &[])), ["yard"]);
    assert_eq!(get(&server, &format!("/api/v1/streams/front?{query}"), &[]).status, 403);
    let longer = query.replace("exp=1", "exp=2");
    assert_eq!(get(&server, &format!("/yard/?{longer}"), &[]).status, 401);
    let mut viewer = Viewer::open(&server, &format!("/yard/ws?format=fmp4&{query}"));
    assert!(!viewer.binaries(2).is_empty());

    let short = link(1);
    let page = eventually("the link expires", || {
        let response = get(&server, &format!("/yard/?{short}"), &[("Accept", "text/html")]);
        (response.status == 303).then_some(response)
    });
    assert_eq!(page.header("location"), Some("/login?next=/yard/&because=expired"));
}

#[test]
fn a_page_of_another_server_can_do_nothing_in_somebodys_name() {
    let server = server();
    let cookie = cookie(&log_in(&server, ANNA, &[]));
    let own = format!("http://{}", server.address());
    let sign = |headers: &[(&str, &str)]| {
        request(server.address(), "POST", "/api/v1/sign/yard", headers, b"{\"seconds\":60}").status
    };
    let cookie = ("Cookie", cookie.as_str());
    assert_eq!(sign(&[cookie, ("Origin", &own)]), 200);
    assert_eq!(sign(&[cookie, ("Sec-Fetch-Site", "same-origin")]), 200);
    assert_eq!(sign(&[cookie, ("Origin", "http://evil.example")]), 403);
    assert_eq!(sign(&[cookie, ("Origin", "null")]), 403);
    assert_eq!(sign(&[cookie]), 403, "a browser always says where a change comes from");
    assert_eq!(sign(&[BASIC]), 200, "a program says nothing");
    assert_eq!(
        sign(&[BASIC, ("Origin", "http://evil.example")]),
        403,
        "a browser sends a password it was told once"
    );
    // It can neither look with the cookie, nor log anybody in or out.
    assert_eq!(
        get(&server, "/api/v1/streams/front", &[cookie, ("Origin", "http://evil.example")]).status,
        403
    );
    let viewer =
        Viewer::open_with(server.address(), "/front/ws", &[cookie, ("Origin", "http://evil.example")]);
    assert_eq!(viewer.response().status, 403);
    assert_eq!(log_in(&server, ANNA, &[("Origin", "http://evil.example")]).status, 403);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(request(server.address(), "POST", "/login", &form, b"user=anna").status, 415);
    let out = |headers: &[(&str, &str)]| request(server.address(), "POST", "/logout", headers, b"").status;
    assert_eq!(out(&[cookie, ("Origin", "http://evil.example")]), 403);
    assert_eq!(get(&server, "/api/v1/streams/front", &[cookie]).status, 200);
    assert_eq!(out(&[cookie, ("Origin", &own)]), 204);
    assert_eq!(get(&server, "/api/v1/streams/front", &[cookie]).status, 401);
}

#[test]
fn where_nobody_is_asked_a_page_of_another_server_still_changes_nothing() {
    let server = Server::start(&format!("[streams.front]\nsource = {SOURCE}\n"));
    let sign = |headers: &[(&str, &str)]| {
        request(server.address(), "POST", "/api/v1/sign/front", headers, b"{\"seconds\":60}").status
    };
    assert_eq!(sign(&[]), 200);
    assert_eq!(sign(&[("Origin", "http://evil.example")]), 403);
}

#[test]
fn a_link_with_a_token_shows_its_page_and_changes_nobodys_session() {
    let server = server();
    let page = get(&server, &format!("/?token={TOKEN}"), &[("Accept", "text/html")]);
    assert_eq!(page.status, 200);
    assert_eq!(page.header("set-cookie"), None);
    // The page begins a session where there is none (tests/interop/login.test.js).
    let cookie = cookie(&log_in(&server, &format!("{{\"token\":\"{TOKEN}\"}}"), &[]));
    assert_eq!(names(&get(&server, "/api/v1/streams", &[("Cookie", &cookie)])), ["front", "lobby", "yard"]);
    let refused = get(&server, "/front/?token=wrong-wrong-wrong-1&fit=fill", &[("Accept", "text/html")]);
    assert_eq!(refused.status, 303);
    assert_eq!(refused.header("location"), Some("/login?next=/front/%3Ffit%3Dfill&because=wrong"));
    assert_eq!(refused.header("set-cookie"), None);
}

#[test]
fn a_flood_of_logins_is_slowed_and_those_who_are_known_are_not() {
    let server = server();
    assert_eq!(get(&server, "/api/v1/streams", &[BASIC]).status, 200);
    let cookie = cookie(&log_in(&server, ANNA, &[]));
    let mut watching = Viewer::open_with(server.address(), "/front/ws?format=fmp4", &[("Cookie", &cookie)]);
    watching.binaries(2);
    let wrong = "{\"user\":\"anna\",\"password\":\"guess\"}";
    let began = Instant::now();
    let answers: Vec<Response> = (0..40).map(|_| log_in(&server, wrong, &[])).collect();
    let slowed: Vec<&Response> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!(slowed.len() >= 30, "{:?}", answers.iter().map(|a| a.status).collect::<Vec<_>>());
    assert!(slowed.iter().all(|answer| answer.header("retry-after").is_some()));
    assert!(began.elapsed() < Duration::from_secs(15));
    // The right password from there has to wait too, or guessing would not be slowed.
    assert_eq!(log_in(&server, "{\"token\":\"0123456789abcdefg\"}", &[]).status, 429);
    assert_eq!(get(&server, "/api/v1/streams", &[BASIC]).status, 200);
    assert_eq!(get(&server, "/api/v1/streams", &[("Cookie", &cookie)]).status, 200);
    watching.binaries(2);
}

#[test]
fn no_secret_comes_back_in_an_answer_or_the_log() {
    let server = server();
    let secrets = [
        "open sesame",
        TOKEN,
        "$argon2id$",
        "0123456789abcdef",
        "guess-guess-guess-1",
        "YW5uYTpvcGVuIHNlc2FtZQ",
    ];
    let bearer = format!("Bearer {TOKEN}");
    let mut said = String::new();
    for path in [
        "/api/v1/streams",
        "/api/v1/server",
        "/api/v1/session",
        "/api/v1/viewers",
        "/nowhere",
        "/",
        "/front/ws",
        "/metrics",
    ] {
        for (query, headers) in [
            (format!("?token={TOKEN}"), vec![]),
            ("?token=guess-guess-guess-1".to_owned(), vec![]),
            (String::new(), vec![("Authorization", bearer.as_str())]),
            (String::new(), vec![BASIC]),
        ] {
            let response = get(&server, &format!("{path}{query}"), &headers);
            said.push_str(&format!("{:?}\n{}\n", response.headers, response.body));
        }
    }
    said.push_str(&log_in(&server, ANNA, &[]).body);
    said.push_str(
        &log_in(&server, "{\"user\":\"guess-guess-guess-1\",\"password\":\"open sesame\"}", &[]).body,
    );
    let log = server.log();
    assert!(log.contains("wrong credentials"), "{log}");
    for secret in secrets {
        assert!(!said.contains(secret), "{secret} came back");
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[test]
fn nothing_listens_to_others_before_somebody_says_who_may_do_what() {
    let refused = Server::refused(&["--listen", ":0", "test"]);
    assert_eq!(refused.status.code(), Some(1));
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    for way in ["[users.NAME]", "hash-password", "--lan", "auth = \"open\""] {
        assert!(words.contains(way), "{words}");
    }
    let file = program::scratch().join(format!("exposed-{}.toml", std::process::id()));
    std::fs::write(&file, "[http]\nlisten = [\":0\"]\n").expect("the target directory can be written to");
    let refused = Server::refused(&["check", &file.to_string_lossy()]);
    assert_eq!(refused.status.code(), Some(1));
    std::fs::write(&file, "auth = \"open\"\n[http]\nlisten = [\":0\"]\n")
        .expect("the target directory can be written to");
    let good = Server::refused(&["check", &file.to_string_lossy()]);
    assert_eq!(good.status.code(), Some(0), "{}", String::from_utf8_lossy(&good.stderr));
    std::fs::remove_file(&file).expect("it was written");
}

#[test]
fn a_link_is_signed_on_the_command_line_with_the_configurations_key_alone() {
    let config = format!(
        "[auth]\nlink_key = \"0123456789abcdef0123456789abcdef\"\nanonymous = {{ view = [\"lobby\"] }}\n\
         [streams.front]\nsource = {SOURCE}\n"
    );
    let server = Server::start(&config);
    let file = server.directory().join("firstlight.toml").to_string_lossy().into_owned();
    let place = format!("http://{}/", server.address());
    let sign = |arguments: &[&str]| {
        let arguments = [&["sign-url", "front", "--config", &file], arguments].concat();
        let output = Server::refused(&arguments);
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, link) = sign(&["--for", "90s", "--server", &place]);
    assert_eq!(code, Some(0), "{link}");
    let path = link.trim().strip_prefix(place.trim_end_matches('/')).expect("it is an address of the server");
    assert_eq!(get(&server, path, &[("Accept", "text/html")]).status, 200);
    let (_, query) = path.split_once('?').expect("it has a query");
    let mut viewer = Viewer::open(&server, &format!("/front/ws?format=fmp4&{query}"));
    assert!(!viewer.binaries(2).is_empty());
    assert_eq!(get(&server, "/front/", &[]).status, 401);

    let (code, words) = sign(&["--for", "400d"]);
    assert!(code == Some(1) && words.contains("a year"), "{words}");
    let (code, words) = sign(&["--server", "cameras.example"]);
    assert!(code == Some(1) && words.contains("https://"), "{words}");
    server.configure("auth = \"open\"\n[streams.front]\n");
    let (code, words) = sign(&[]);
    assert!(code == Some(1) && words.contains("no [auth] link_key") && words.contains("openssl"), "{words}");
}

/// A server that believes its own machine about whom it speaks for.
const PROXY: &str = "[http]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";

#[test]
fn behind_a_trusted_proxy_one_guesser_slows_nobody_else() {
    let tokens = format!(
        "[tokens.wall]\ntoken = \"{TOKEN}\"\nrights = {{ admin = [\"*\"] }}\n[streams.front]\nsource = {SOURCE}\n"
    );
    let server = Server::start(&format!("{PROXY}{tokens}"));
    let ask = |token: &str, from: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("X-Forwarded-For", from)];
        get(&server, "/api/v1/streams", &headers).status
    };
    let guesses: Vec<u16> = (0..10).map(|n| ask(&format!("wrong-wrong-wrong-{n}"), "192.0.2.66")).collect();
    assert!(guesses.contains(&429), "{guesses:?}");
    assert_eq!(
        ask("wrong-wrong-wrong-1", "192.0.2.66, 192.0.2.7"),
        401,
        "what the client wrote counts for nothing"
    );
    assert_eq!(ask(TOKEN, "192.0.2.8"), 200);
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("Authorization", bearer.as_str()), ("Forwarded", "for=\"[2001:db8::5]:99\"")];
    let mut viewer = Viewer::open_with(server.address(), "/front/ws?format=fmp4", &headers);
    viewer.binaries(1);
    let viewers = get(&server, "/api/v1/viewers", &[("Authorization", &bearer)]).body;
    assert!(viewers.contains("[2001:db8::5]:99"), "{viewers}");
    // Without the word of the configuration the header is nothing.
    server.configure(&tokens);
    let reloaded = request(server.address(), "POST", "/api/v1/reload", &[("Authorization", &bearer)], b"");
    assert!(reloaded.status == 200 && reloaded.body.contains("\"needs_restart\":[]"), "{}", reloaded.body);
    let guesses: Vec<u16> =
        (0..10).map(|n| ask(&format!("guess-guess-guess-{n}"), &format!("192.0.2.{n}"))).collect();
    assert!(guesses.contains(&429), "{guesses:?}");
}

#[test]
fn whoever_loses_the_right_is_shown_the_door_and_others_are_not() {
    let config = |guest: &str, anonymous: &str, expires: &str| {
        format!(
            "[auth]\nanonymous = {{ {anonymous} }}\n\
             [tokens.stays]\ntoken = \"stays-0123456789\"\nrights = {{ view = [\"*\"] }}\n\
             [tokens.guest]\ntoken = \"guest-0123456789\"\nrights = {{ {guest} }}\n\
             [tokens.short]\ntoken = \"short-0123456789\"\nrights = {{ view = [\"front\"] }}\n{expires}\
             [streams.front]\nsource = {SOURCE}\n[streams.guest]\n"
        )
    };
    let (rights, front) = ("view = [\"front\"], publish = [\"guest\"]", "view = [\"front\"]");
    let server = Server::start(&config(rights, front, ""));
    let open = |query: &str| {
        let mut viewer = Viewer::open(&server, &format!("/front/ws?format=fmp4{query}"));
        viewer.binaries(1);
        viewer
    };
    let (mut stays, mut guest) = (open("&token=stays-0123456789"), open("&token=guest-0123456789"));
    let (mut stranger, mut short) = (open(""), open("&token=short-0123456789"));
    let soon = Command::new("date").args(["-u", "-d", "2 seconds", "+expires = %Y-%m-%dT%H:%M:%SZ"]).output();
    let soon = String::from_utf8(soon.expect("date is there").stdout).expect("it is ASCII");
    server.configure(&config(rights, front, &soon));
    server.hang_up();
    assert_eq!(short.close_code().0, 1008, "its token has expired");

    let mut publisher = Viewer::open(&server, "/guest/ws?publish=mpegts&token=guest-0123456789");
    publisher.control("accepted");
    assert!(!stays.binaries(2).is_empty() && !guest.binaries(2).is_empty());
    server.configure(&config("view = [\"other\"]", "", ""));
    server.hang_up();
    assert_eq!(publisher.close_code().0, 1008);
    assert_eq!((guest.close_code().0, stranger.close_code().0), (1008, 1008));
    assert!(!stays.binaries(20).is_empty());
}

#[test]
fn who_may_read_what_is_counted_need_not_see_or_change_anything() {
    let server = Server::start(&format!(
        "[tokens.scraper]\ntoken = \"scraper-0123456789\"\nrights = {{ metrics = true }}\n[streams.front]\nsource = {SOURCE}\n"
    ));
    let bearer = ("Authorization", "Bearer scraper-0123456789");
    let metrics = get(&server, "/metrics", &[bearer]);
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.contains("stream=\"front\""), "{}", metrics.body);
    assert_eq!(get(&server, "/front/snapshot.jpg", &[bearer]).status, 403);
    assert_eq!(get(&server, "/api/v1/streams", &[bearer]).status, 403);
}
