//! A certificate by ACME, from a real authority's test server (Let's Encrypt's Pebble, in Debian) that checks the name at our TLS
//! address, or over HTTP.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use firstlight_e2e::tls::TlsClient;
use firstlight_e2e::{Server, program, within};

const NAME: &str = "cameras.example";

/// Pebble and its names; they end with it.
struct Authority {
    children: Vec<Child>,
    directory: String,
    certificate: PathBuf,
}

impl Authority {
    /// Asks for proof at these ports.
    fn start(folder: &Path, tls: u16, http: u16) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name is enough");
        let (certificate, key) = (folder.join("authority.pem"), folder.join("authority.key"));
        fs::write(&certificate, made.cert.pem()).expect("the target directory can be written to");
        fs::write(&key, made.signing_key.serialize_pem()).expect("the target directory can be written to");
        let (listen, management, names, control) = (free(), free(), free(), free());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": listen.to_string(), "managementListenAddress": management.to_string(),
            "certificate": certificate, "privateKey": key, "httpPort": http, "tlsPort": tls,
            "ocspResponderURL": "", "externalAccountBindingRequired": false,
        } });
        let file = folder.join("pebble.json");
        fs::write(&file, config.to_string()).expect("the target directory can be written to");
        let log =
            |name: &str| File::create(folder.join(name)).expect("the target directory can be written to");
        let mut resolver = Command::new("pebble-challtestsrv");
        resolver.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]);
        resolver.args(["-dns01", &names.to_string(), "-management", &control.to_string()]);
        let mut pebble = Command::new("pebble");
        pebble.args(["-dnsserver", &names.to_string(), "-config"]).arg(&file).env("PEBBLE_VA_NOSLEEP", "1");
        let children = [(&mut resolver, "names.log"), (&mut pebble, "pebble.log")].map(|(command, name)| {
            let (out, error) = (log(name), log(&format!("{name}.err")));
            command.stdin(Stdio::null()).stdout(out).stderr(error).spawn().expect("pebble is installed")
        });
        within(Duration::from_secs(20), "pebble listens", || TcpStream::connect(listen).ok());
        let directory = format!("https://localhost:{}/dir", listen.port());
        Self { children: children.into(), directory, certificate }
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Passes whoever comes to `door` on to `inside`, as a router that leads a port to another does.
fn lead(door: TcpListener, inside: SocketAddr) {
    std::thread::spawn(move || {
        while let (Ok((outer, _)), Ok(inner)) = (door.accept(), TcpStream::connect(inside)) {
            let (from, to) = (outer.try_clone(), inner.try_clone());
            let (Ok(mut from), Ok(mut to)) = (from, to) else { continue };
            std::thread::spawn(move || io::copy(&mut from, &mut to));
            std::thread::spawn(move || io::copy(&mut &inner, &mut &outer));
        }
    });
}

/// An address that nobody listens on.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("a listener has an address")
}

#[test]
fn a_certificate_is_fetched_for_a_name_that_is_proved_and_kept_for_the_next_start() {
    let folder = program::scratch().join("acme");
    fs::create_dir_all(&folder).expect("the target directory can be written to");
    let own = free();
    let authority = Authority::start(&folder, own.port(), free().port());
    let mut server = Server::start(&format!(
        "[http]\nlisten_tls = [\"{own}\"]\n[tls]\nnames = [\"{NAME}\"]\n\
         acme = {{ email = \"me@{NAME}\", directory = \"{}\", directory_ca = {:?} }}\n[streams.front]\nsource = \"test\"\n",
        authority.directory, authority.certificate
    ));
    assert!(TlsClient::greet(own).is_err(), "there is no certificate yet, and none of another kind is shown");
    let shown = within(Duration::from_secs(90), "the certificate is there", || {
        let client = TlsClient::greet(own).ok();
        assert!(!server.log().contains("no certificate was fetched"), "{}", server.log());
        client.map(|client| client.certificate())
    });
    let (_, parsed) = x509_parser::parse_x509_certificate(&shown).expect("it is a certificate");
    assert!(parsed.issuer().to_string().contains("Pebble"), "{}", parsed.issuer());
    let names = parsed.subject_alternative_name().expect("it has extensions").expect("it has names");
    assert!(format!("{:?}", names.value).contains(NAME), "{names:?}");
    drop(authority);
    server.terminate();
    server.await_end(Duration::from_secs(10));
    server.start_again();
    assert_eq!(TlsClient::connect(own).certificate(), shown, "it is kept, and the authority not asked again");
}

#[test]
fn a_name_may_be_proved_by_http() {
    let folder = program::scratch().join("acme-http");
    fs::create_dir_all(&folder).expect("the target directory can be written to");
    let secure = free();
    // In the place of port 80: where the server listens it says only once it runs.
    let door = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let port = door.local_addr().expect("a listener has an address").port();
    let authority = Authority::start(&folder, free().port(), port);
    let server = Server::start(&format!(
        "[http]\nlisten_tls = [\"{secure}\"]\n[tls]\nnames = [\"{NAME}\"]\n\
         acme = {{ challenge = \"http-01\", directory = \"{}\", directory_ca = {:?} }}\n[streams.front]\nsource = \"test\"\n",
        authority.directory, authority.certificate
    ));
    lead(door, server.address());
    let shown = within(Duration::from_secs(90), "the certificate is there", || {
        assert!(!server.log().contains("no certificate was fetched"), "{}", server.log());
        TlsClient::greet(secure).ok().map(|client| client.certificate())
    });
    let (_, parsed) = x509_parser::parse_x509_certificate(&shown).expect("it is a certificate");
    assert!(parsed.issuer().to_string().contains("Pebble"), "{}", parsed.issuer());
    assert_eq!(server.get("/.well-known/acme-challenge/another").status, 404);
    let log = server.log();
    assert!(log.contains("asks by HTTP at this port of the names") && log.contains("port=80"), "{log}");
}

#[test]
fn an_authority_that_is_not_there_is_told_of_and_nothing_else_suffers() {
    let server = Server::start(&format!(
        "[http]\nlisten_tls = [\"127.0.0.1:0\"]\n[tls]\nnames = [\"{NAME}\"]\n\
         acme = {{ directory = \"https://{}/dir\" }}\n[streams.front]\nsource = \"test\"\n",
        free()
    ));
    within(Duration::from_secs(10), "the log says so", || {
        server.log().contains("no certificate was fetched").then_some(())
    });
    assert_eq!(server.get("/health").status, 200);
}
