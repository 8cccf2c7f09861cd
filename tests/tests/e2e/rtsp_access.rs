//! Who may watch and publish by RTSP: tokens, names and passwords, and Digest for those who know nothing else.

#![allow(clippy::unwrap_used)] // a test may

use firstlight_e2e::rtsp::{ANYWHERE, CAMERA, Client, address, gstreamer_play, play, publish, url};
use firstlight_e2e::{Server, eventually, program};

#[test]
fn who_may_not_is_refused_and_learns_nothing() {
    let server = Server::start(&format!(
        "{ANYWHERE}[streams.front]\n{CAMERA}[streams.guest]\n\
         [tokens.wall]\ntoken = \"token-of-the-wall-5f2a\"\nrights = {{ view = [\"front\"] }}\n\
         [tokens.gate]\ntoken = \"token-of-the-gate-5f2a\"\nrights = {{ publish = [\"guest\"] }}\n"
    ));
    let describe = |path: &str| {
        let mut client = Client::connect(&server);
        client.ask("DESCRIBE", &url(&server, path), &[], "")
    };
    for path in ["front", "guest", "nowhere"] {
        let answer = describe(path);
        assert_eq!((answer.status, answer.headers.contains_key("www-authenticate")), (401, true), "{path}");
    }
    assert_eq!(describe("front?token=token-of-the-wall-5f2a").status, 200);
    assert_eq!(describe("guest?token=token-of-the-wall-5f2a").status, 403);
    assert_eq!(describe("nowhere?token=token-of-the-wall-5f2a").status, 403);
    assert_eq!(describe("front?token=token-of-nobody-at-all").status, 401);
    // A player that was let in once plays on without saying it again; ffmpeg puts the track behind the query.
    let (errors, pictures, _) = play(&url(&server, "front?token=token-of-the-wall-5f2a"), "tcp", 10);
    assert_eq!((errors.as_str(), pictures), ("", 10));
    let _publisher = publish(&url(&server, "guest?token=token-of-the-gate-5f2a"), "tcp");
    server_is_live(&server, "guest");
}

/// The API asks for credentials as well.
fn server_is_live(server: &Server, name: &str) {
    eventually("somebody publishes", || {
        let log = server.log();
        log.contains("a publisher begins").then_some(()).filter(|()| log.contains(name))
    });
}

/// What `firstlight hash-password` prints.
fn hash_password(password: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program::firstlight())
        .arg("hash-password")
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            use std::io::Write;
            child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes())?;
            child.wait_with_output()
        });
    String::from_utf8(output.unwrap().stdout).unwrap().trim().to_owned()
}

/// Two users, of whom one has what a Digest is checked against: of another password, so that it shows by which of the two ways a client
/// came in. Both may watch `front`.
fn with_digest() -> Server {
    let anna = hash_password("a:long password", &[]);
    let nvr = hash_password("by-basic", &[]);
    let lines = hash_password("by-digest", &["--digest", "nvr"]);
    let (password, digest) = lines.split_once('\n').unwrap();
    assert!(password.starts_with("password = \"$argon2id$"), "{lines}");
    Server::start(&format!(
        "{ANYWHERE}[streams.front]\n{CAMERA}[streams.yard]\n{CAMERA}[streams.guest]\n\
         [users.anna]\npassword = \"{anna}\"\nrights = {{ view = [\"front\"] }}\n\
         [users.nvr]\npassword = \"{nvr}\"\n{digest}\nrights = {{ view = [\"front\", \"yard\"], publish = [\"guest\"] }}\n"
    ))
}

#[test]
fn a_user_watches_with_name_and_password() {
    let server = with_digest();
    let at = address(&server);
    let (errors, pictures, _) = play(&format!("rtsp://anna:a%3Along%20password@{at}/front"), "tcp", 10);
    assert_eq!((errors.as_str(), pictures), ("", 10));
    let (errors, ..) = play(&format!("rtsp://anna:wrong@{at}/front"), "tcp", 10);
    assert!(errors.contains("401"), "{errors}");
    let options = ["user-id=anna", "user-pw=\"a:long password\"", "protocols=tcp"];
    assert_eq!(gstreamer_play(&format!("rtsp://{at}/front"), &options), [""; 0]);
    let (errors, pictures, _) = play(&format!("rtsp://nvr:by-basic@{at}/front"), "tcp", 10);
    assert_eq!((errors.as_str(), pictures), ("", 10), "where somebody has no Digest nobody is asked for one");
}

#[test]
fn players_that_know_digest_come_in_by_it_where_nobody_is_shut_out_or_the_address_asks_for_it() {
    let server = with_digest();
    let at = address(&server);
    for (path, transport) in [("yard", "tcp"), ("yard", "udp"), ("front?auth=digest", "tcp")] {
        let (errors, pictures, _) = play(&format!("rtsp://nvr:by-digest@{at}/{path}"), transport, 10);
        assert_eq!((errors.as_str(), pictures), ("", 10), "{path} {transport}");
    }
    for (path, protocols) in [("yard", "tcp"), ("yard", "udp"), ("front?auth=digest", "tcp")] {
        let options = ["user-id=nvr", "user-pw=by-digest", &format!("protocols={protocols}")];
        assert_eq!(gstreamer_play(&format!("rtsp://{at}/{path}"), &options), [""; 0], "{path} {protocols}");
    }
    let (errors, ..) = play(&format!("rtsp://nvr:by-basic@{at}/yard"), "tcp", 10);
    assert!(errors.contains("401"), "{errors}");
    let _publisher = publish(&format!("rtsp://nvr:by-digest@{at}/guest"), "tcp");
    server_is_live(&server, "guest");
}

#[test]
fn a_digest_is_for_one_stream_one_method_and_a_while_and_guesses_are_slowed() {
    let server = with_digest();
    let yard = url(&server, "yard");
    let mut client = Client::connect(&server);
    let ask = |client: &mut Client, url: &str, authorization: &str| {
        client.ask("DESCRIBE", url, &[&format!("Authorization: {authorization}")], "")
    };
    let asked = client.ask("DESCRIBE", &yard, &[], "").headers["www-authenticate"].clone();
    let ways: Vec<_> = asked.lines().collect();
    assert!(
        matches!(ways[..], [sha, md5, basic] if sha.contains("SHA-256") && md5.contains("MD5") && basic.starts_with("Basic")),
        "{asked}"
    );
    let front = client.ask("DESCRIBE", &url(&server, "front"), &[], "").headers["www-authenticate"].clone();
    assert_eq!(front, *ways[2], "anna has no Digest");
    let nonce = ways[0].split('"').nth(3).unwrap();
    let hex = |text: &str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let digest = |password: &str, nonce: &str, method: &str, uri: &str| {
        let (secret, asked) = (hex(&format!("nvr:firstlight:{password}")), hex(&format!("{method}:{uri}")));
        let response = hex(&format!("{secret}:{nonce}:00000001:own:auth:{asked}"));
        format!(
            "Digest username=\"nvr\", realm=\"firstlight\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm=SHA-256, \
             qop=auth, nc=00000001, cnonce=\"own\", response=\"{response}\""
        )
    };
    // live555 answers for the stream whichever of its tracks it sets up.
    let right = digest("by-digest", nonce, "DESCRIBE", &format!("{yard}/"));
    assert_eq!(ask(&mut client, &yard, &right).status, 200);
    let stale = ask(&mut Client::connect(&server), &yard, &digest("by-digest", "bm9uZQ", "DESCRIBE", &yard));
    assert_eq!((stale.status, stale.headers["www-authenticate"].matches("stale=true").count()), (401, 2));
    let wrong = ask(&mut client, &yard, &digest("by-basic", "bm9uZQ", "DESCRIBE", &yard));
    assert_eq!((wrong.status, wrong.headers["www-authenticate"].contains("stale")), (401, false));
    let mut client = Client::connect(&server);
    let elsewhere = ask(&mut client, &format!("{}?auth=digest", url(&server, "front")), &right);
    assert_eq!(elsewhere.status, 401, "it was made for another stream");
    assert_eq!(ask(&mut client, &yard, &digest("by-digest", nonce, "SETUP", &yard)).status, 401);
    let guesses: Vec<_> = (0..8)
        .map(|at| ask(&mut client, &yard, &digest(&format!("guess {at}"), nonce, "DESCRIBE", &yard)).status)
        .collect();
    assert!(guesses.ends_with(&[429]), "{guesses:?}");
    assert_eq!(ask(&mut client, &yard, &right).status, 200, "whoever was right is not slowed by who guesses");
}
