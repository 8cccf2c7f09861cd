//! TLS: certificates that are made, kept and exchanged, and media that goes through it unharmed.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use firstlight_e2e::tls::TlsClient;
use firstlight_e2e::{Server, eventually, tool, within};
use hls::reading::MediaPlaylist;

const SMALL: &str = "{ test = { width = 320, height = 240, fps = 25 } }";
/// Pictures of 100 kB and more, so that a viewer who does not read is behind at once.
const LARGE: &str = "{ test = { width = 1280, height = 720, fps = 30, bitrate = \"20M\" } }";

fn start(config: &str) -> Server {
    Server::start(&format!("[http]\nlisten_tls = [\"127.0.0.1:0\"]\n{config}"))
}

/// Where it listens by HTTPS.
fn secure(server: &Server) -> SocketAddr {
    // The line about HTTP is enough for a server to be there; this one comes behind it.
    eventually("it says where it listens by HTTPS", || {
        let said = server.said();
        let (_, rest) = said.split_once("open https://")?;
        rest.split_once("/\n").and_then(|(address, _)| address.parse().ok())
    })
}

/// A certificate for `localhost` and its key, PEM, and the certificate's DER.
fn certificate() -> (String, String, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name is enough");
    (made.cert.pem(), made.signing_key.serialize_pem(), made.cert.der().to_vec())
}

#[test]
fn a_certificate_is_made_once_and_kept_for_us_alone() {
    let mut server = start(&format!("[streams.front]\nsource = {SMALL}\n"));
    let shown = TlsClient::connect(secure(&server)).certificate();
    let file = server.directory().join("firstlight.tls/self-signed.pem");
    let mode = fs::metadata(&file).expect("it is kept").permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else reads the key: {mode:o}");
    assert!(server.log().contains("sha256="), "{}", server.log());
    server.terminate();
    server.await_end(Duration::from_secs(10));
    server.start_again();
    assert_eq!(TlsClient::connect(secure(&server)).certificate(), shown);
}

#[test]
fn ffmpeg_that_trusts_the_certificate_plays_by_https() {
    let server = start(&format!("[streams.front]\nsource = {SMALL}\n"));
    let file = server.directory().join("firstlight.tls/self-signed.pem");
    let url = format!("https://{}/front/stream.ts", secure(&server));
    let trusted = file.to_str().expect("the path is text");
    tool::run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-xerror",
            "-tls_verify",
            "1",
            "-ca_file",
            trusted,
            "-i",
            &url,
            "-t",
            "1",
            "-f",
            "null",
            "-",
        ],
        &[],
    );
}

#[test]
fn a_player_of_hls_waits_and_is_answered_by_https_too() {
    let server = start(&format!("[streams.front]\nsource = {LARGE}\n"));
    let mut player = TlsClient::connect(secure(&server));
    let read = |(head, body): (String, Vec<u8>)| {
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        MediaPlaylist::parse(&String::from_utf8(body).expect("it is text")).expect("it is a playlist")
    };
    read(player.get("/front/live.m3u8"));
    let mut last = read(player.get("/front/live.m3u8"));
    for _ in 0..4 {
        let ((segment, part), hint) = (last.next(), last.preload.clone().expect("there is a hint"));
        last = read(player.get(&format!("/front/live.m3u8?_HLS_msn={segment}&_HLS_part={part}")));
        assert!(last.next() > (segment, part));
        let (head, media) = player.get(&format!("/front/{hint}"));
        assert!(head.starts_with("HTTP/1.1 200 ") && &media[4..8] == b"moof", "{head}");
    }
}

#[test]
fn a_viewer_who_reads_slowly_gets_whole_packets_and_one_who_does_not_delays_nobody() {
    let server = start(&format!("[progressive]\nsend_timeout = \"2m\"\n[streams.front]\nsource = {LARGE}\n"));
    let watch = || {
        let mut client = TlsClient::connect(secure(&server));
        client.ask("/front/stream.ts");
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        client
    };
    let _stalled = watch();
    let (mut slow, mut fast) = (watch(), watch());
    let mut packet = [0; 188];
    for count in 0..30_000 {
        fast.read_exact(&mut packet);
        assert_eq!(packet[0], 0x47, "packet {count}");
    }
    // By now the slow one is far behind, with the end of a record waiting for room.
    for count in 0..20_000 {
        slow.read_exact(&mut packet);
        assert_eq!(packet[0], 0x47, "packet {count} of the slow one");
    }
}

#[test]
fn files_are_read_again_when_they_change_and_a_broken_one_changes_nothing() {
    let ((first, first_key, first_der), (second, second_key, second_der)) = (certificate(), certificate());
    let folder = firstlight_e2e::program::scratch().join("tls-files");
    fs::create_dir_all(&folder).expect("the target directory can be written to");
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    let write = |(certificate, private): (&str, &str)| {
        fs::write(&chain, certificate).expect("the target directory can be written to");
        fs::write(&key, private).expect("the target directory can be written to");
    };
    write((&first, &first_key));
    let tls = format!("[tls]\ncertificate = {chain:?}\nkey = {key:?}\n");
    let server = start(&format!("{tls}[streams.front]\nsource = {SMALL}\n"));
    let mut viewer = TlsClient::connect(secure(&server));
    assert_eq!(viewer.certificate(), first_der);
    viewer.ask("/front/stream.ts");
    viewer.head();
    write(("nonsense", &first_key));
    within(Duration::from_secs(10), "the broken file is told of", || {
        server.log().contains("the one before stays").then_some(())
    });
    assert_eq!(TlsClient::connect(secure(&server)).certificate(), first_der);
    write((&second, &second_key));
    within(Duration::from_secs(10), "the new certificate is shown", || {
        (TlsClient::connect(secure(&server)).certificate() == second_der).then_some(())
    });
    viewer.read_exact(&mut [0; 188 * 100]);
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_at_the_start_with_the_reason() {
    let ((first, _, _), (_, other_key, _)) = (certificate(), certificate());
    let folder = firstlight_e2e::program::scratch().join("tls-refused");
    fs::create_dir_all(&folder).expect("the target directory can be written to");
    fs::write(folder.join("chain.pem"), first).expect("the target directory can be written to");
    fs::write(folder.join("key.pem"), other_key).expect("the target directory can be written to");
    let file = folder.join("firstlight.toml");
    let refused = |tls: &str| {
        let config =
            format!("[http]\nlisten = [\"127.0.0.1:0\"]\nlisten_tls = [\"127.0.0.1:0\"]\n[tls]\n{tls}");
        fs::write(&file, config).expect("the target directory can be written to");
        let output = Server::refused(&["--config", file.to_str().expect("the path is text")]);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = refused("certificate = \"chain.pem\"\nkey = \"key.pem\"");
    assert!(said.contains("key.pem: this is not the key of"), "{said}");
    let said = refused("certificate = \"none.pem\"\nkey = \"key.pem\"");
    assert!(said.contains("none.pem: No such file"), "{said}");
    let said = refused("certificate = \"key.pem\"\nkey = \"key.pem\"");
    assert!(said.contains("key.pem: there is no certificate in it"), "{said}");
}

#[test]
fn a_session_that_began_by_https_is_not_sent_in_the_clear() {
    let token = "0123456789abcdef0123456789abcdef";
    let server = start(&format!(
        "[tokens.phone]\ntoken = \"{token}\"\nrights = {{ view = [\"*\"] }}\n[streams.front]\nsource = {SMALL}\n"
    ));
    let mut client = TlsClient::connect(secure(&server));
    client.send("/login", &format!("{{\"token\":\"{token}\"}}"));
    let head = client.head().to_ascii_lowercase();
    let cookie = head.lines().find(|line| line.starts_with("set-cookie:")).unwrap_or_default();
    assert!(cookie.contains("; secure"), "{head}");
}

#[test]
fn what_is_no_tls_is_let_go_and_hurts_nobody() {
    use std::io::{Read, Write};
    let server = start(&format!("[streams.front]\nsource = {SMALL}\n"));
    for garbage in
        [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], &[0x16, 3, 1, 0xff, 0xff, 1], &[0; 4_096]]
    {
        let mut socket = std::net::TcpStream::connect(secure(&server)).expect("the server listens");
        socket.write_all(garbage).expect("a socket takes bytes");
        socket.shutdown(std::net::Shutdown::Write).expect("a socket can be shut");
        // An alert, or nothing; then the end.
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    assert!(TlsClient::greet(secure(&server)).is_ok());
}
