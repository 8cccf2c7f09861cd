//! Who may have what, of everything there is: each line of the route table is asked for with each kind of credentials, over a socket, and
//! what must come of it follows from what the line asks for. A new route is in the table, so it is in this test.

#![allow(clippy::unwrap_used)] // a test may

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use firstlight::app::App;
use firstlight::auth::{Access, Right};
use firstlight::config::file::Text;
use firstlight::config::plan::plan;
use firstlight::endpoints::ENDPOINTS;
use firstlight::http::router::Entry;
use firstlight::roster::Home;
use hub::StreamName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

const CONFIG: &str = r#"
[http]
listen = ["127.0.0.1:0"]
[tokens.viewer]
token = "viewer-0123456789"
rights = { view = ["front"] }
[tokens.other]
token = "other-0123456789"
rights = { view = ["yard"] }
[tokens.publisher]
token = "publisher-0123456789"
rights = { publish = ["front"] }
[tokens.driver]
token = "driver-0123456789"
rights = { control = ["front"] }
[tokens.keeper]
token = "keeper-0123456789"
rights = { admin = ["front"] }
[tokens.scraper]
token = "scraper-0123456789"
rights = { metrics = true }
[tokens.admin]
token = "admin-0123456789"
rights = { admin = ["*"] }
[streams.front]
[streams.yard]
"#;

/// Somebody, with what they hold on the stream `front`, on any stream, and on all.
struct Somebody {
    token: Option<&'static str>,
    front: &'static [Right],
    any: &'static [Right],
    server: bool,
    metrics: bool,
    /// What they are told if they may not.
    refusal: u16,
}

const ALL: &[Right] = &[Right::View, Right::Publish, Right::Control, Right::Admin];
const SOMEBODIES: &[Somebody] = &[
    Somebody { token: None, front: &[], any: &[], server: false, metrics: false, refusal: 401 },
    Somebody {
        token: Some("wrong-0123456789"),
        front: &[],
        any: &[],
        server: false,
        metrics: false,
        refusal: 401,
    },
    Somebody {
        token: Some("viewer-0123456789"),
        front: &[Right::View],
        any: &[Right::View],
        server: false,
        metrics: false,
        refusal: 403,
    },
    Somebody {
        token: Some("other-0123456789"),
        front: &[],
        any: &[Right::View],
        server: false,
        metrics: false,
        refusal: 403,
    },
    Somebody {
        token: Some("publisher-0123456789"),
        front: &[Right::Publish],
        any: &[Right::Publish],
        server: false,
        metrics: false,
        refusal: 403,
    },
    Somebody {
        token: Some("driver-0123456789"),
        front: &[Right::Control],
        any: &[Right::Control],
        server: false,
        metrics: false,
        refusal: 403,
    },
    Somebody {
        token: Some("scraper-0123456789"),
        front: &[],
        any: &[],
        server: false,
        metrics: true,
        refusal: 403,
    },
    Somebody {
        token: Some("keeper-0123456789"),
        front: ALL,
        any: ALL,
        server: false,
        metrics: false,
        refusal: 403,
    },
    Somebody {
        token: Some("admin-0123456789"),
        front: ALL,
        any: ALL,
        server: true,
        metrics: false,
        refusal: 403,
    },
];

impl Somebody {
    fn may(&self, access: Access) -> bool {
        match access {
            Access::Public => true,
            Access::Stream(right) => self.front.contains(&right),
            Access::Either(one, other) => self.front.contains(&one) || self.front.contains(&other),
            Access::Any(right) => self.any.contains(&right),
            Access::AnyOf(rights) => rights.iter().any(|right| self.any.contains(right)),
            Access::Server => self.server,
            Access::Metrics => self.server || self.metrics,
        }
    }
}

fn start() -> App {
    let text = Text { origin: "test.toml".to_owned(), toml: CONFIG.to_owned() };
    App::start(plan(&text, ENDPOINTS).unwrap(), Home::default()).unwrap()
}

fn is_of_a_stream(entry: &Entry) -> bool {
    matches!(entry.access, Access::Stream(_) | Access::Either(..))
}

/// The path of a route, for a stream of that name, and the name that the route finds in it.
fn address(entry: &Entry, stream: &str) -> (String, Option<StreamName>) {
    let mut values = Vec::new();
    let parts: Vec<&str> = entry
        .path
        .split('/')
        .map(|part| {
            if !part.starts_with('{') {
                return part;
            }
            let value = match part {
                "{stream}" | "{name}" | "{*name}" | "{mxid}" => stream,
                "{sensor}" | "{stream_name}" => "CAM_A",
                _ => "1",
            };
            values.push(value);
            value
        })
        .collect();
    (parts.join("/"), entry.stream.as_ref().and_then(|find| find(&values)))
}

/// Status, and the head of the answer in lower case. Each request comes from an address of its own, so that wrong credentials slow nobody else.
async fn ask(server: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let answer = tokio::time::timeout(Duration::from_secs(20), ask_patiently(server, method, path, headers));
    answer.await.unwrap_or_else(|_| panic!("{method} {path}: no answer"))
}

async fn ask_patiently(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, String) {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let socket = TcpSocket::new_v4().unwrap();
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    socket.bind(([127, 1, high, low], 0).into()).unwrap();
    let mut stream = socket.connect(server).await.unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nContent-Length: 0\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut bytes = [0; 4_096];
        let read = stream.read(&mut bytes).await.unwrap();
        assert!(read > 0, "{method} {path}: ended with {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&bytes[..read]);
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split("\r\n\r\n").next().unwrap().to_ascii_lowercase())
}

async fn ask_as(server: SocketAddr, token: Option<&str>, method: &str, path: &str) -> u16 {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
    ask(server, method, path, &headers).await.0
}

const HEADERS: &[&str] =
    &["x-content-type-options: nosniff", "referrer-policy: ", "cross-origin-resource-policy: "];
const REFUSALS: &[u16] = &[401, 403, 429];

#[tokio::test]
async fn every_route_is_open_to_those_it_names_and_closed_to_all_others() {
    let app = start();
    let server = app.addresses()[0];
    let table = app.routes().table();
    assert!(table.len() > 10, "{table:?}");
    // What is refused changes nothing, so all of that comes first.
    let mut wrong = Vec::new();
    for allowed in [false, true] {
        let mut asked = JoinSet::new();
        for entry in table {
            let (path, stream) = address(entry, "front");
            if is_of_a_stream(entry) {
                let name = stream.map(|stream| stream.to_string());
                assert_eq!(
                    name.as_deref(),
                    Some("front"),
                    "{entry:?}: this test must know what to put for its parameters"
                );
            }
            for somebody in SOMEBODIES.iter().filter(|somebody| somebody.may(entry.access) == allowed) {
                let (entry, path) = (entry.clone(), path.clone());
                asked.spawn(async move {
                    let question = ask_as(server, somebody.token, entry.method.as_str(), &path);
                    let status = if allowed {
                        // Whoever is let in may have to wait for a picture.
                        tokio::time::timeout(Duration::from_secs(3), question).await.ok()
                    } else {
                        Some(question.await)
                    };
                    let good = match status {
                        Some(status) if allowed => !REFUSALS.contains(&status),
                        Some(status) => status == somebody.refusal,
                        None => allowed,
                    };
                    let who = somebody.token.unwrap_or("nobody");
                    (!good).then(|| format!("{entry:?} as {who}: {status:?}, allowed: {allowed}"))
                });
            }
        }
        wrong.extend(asked.join_all().await.into_iter().flatten());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(app.stop().await);
}

#[tokio::test]
async fn whether_a_stream_exists_learns_only_who_may_see_it() {
    let app = start();
    let server = app.addresses()[0];
    let mut asked = 0;
    for entry in app.routes().table().iter().filter(|entry| is_of_a_stream(entry)) {
        let ((front, _), (nowhere, _)) = (address(entry, "front"), address(entry, "nowhere"));
        for token in [None, Some("other-0123456789")] {
            let method = entry.method.as_str();
            let (there, missing) =
                (ask_as(server, token, method, &front).await, ask_as(server, token, method, &nowhere).await);
            assert_eq!(there, missing, "{entry:?}");
            asked += 1;
        }
    }
    // The address without its slash is no route of its own.
    for token in [None, Some("other-0123456789")] {
        assert_eq!(
            ask_as(server, token, "GET", "/front").await,
            ask_as(server, token, "GET", "/nowhere").await
        );
    }
    assert_eq!(ask_as(server, Some("viewer-0123456789"), "GET", "/front").await, 308);
    assert!(asked > 4);
    assert!(app.stop().await);
}

#[tokio::test]
async fn a_person_with_a_browser_is_led_to_the_login_page() {
    let app = start();
    let server = app.addresses()[0];
    for path in ["/", "/front/", "/nowhere/", "/front"] {
        let (status, head) = ask(server, "GET", path, &[("Accept", "text/html,*/*;q=0.8")]).await;
        assert_eq!(status, 303, "{path}: {head}");
        assert!(head.contains(&format!("\r\nlocation: /login?next={path}\r\n")), "{head}");
    }
    let (status, head) = ask(server, "GET", "/login", &[("Accept", "text/html")]).await;
    assert_eq!(status, 200);
    assert!(head.contains("frame-ancestors 'none'"), "{head}");
    assert!(app.stop().await);
}

#[tokio::test]
async fn every_answer_says_what_a_browser_must_not_do_with_it() {
    let app = start();
    let server = app.addresses()[0];
    let mut asked = JoinSet::new();
    for entry in app.routes().table().iter().filter(|entry| entry.method == "GET") {
        for token in ["wrong-0123456789", "admin-0123456789"] {
            let ((path, _), entry) = (address(entry, "front"), entry.clone());
            asked.spawn(async move {
                let bearer = format!("Bearer {token}");
                let headers = [("Authorization", bearer.as_str())];
                let question = ask(server, "GET", &path, &headers);
                // An answer that waits for a picture is none to look at.
                let Ok((_, head)) = tokio::time::timeout(Duration::from_secs(3), question).await else {
                    return;
                };
                for header in HEADERS {
                    assert!(head.contains(header), "{entry:?}: {head}");
                }
                if head.contains("content-type: text/html") {
                    assert!(head.contains("content-security-policy: "), "{entry:?}: {head}");
                }
            });
        }
    }
    asked.join_all().await;
    assert!(app.stop().await);
}
