//! Keys of JSON Web Tokens that are fetched from their issuer by HTTPS, whatever becomes of the issuer.

#![allow(clippy::unwrap_used)] // a test may

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use firstlight_e2e::http::{self, Response};
use firstlight_e2e::{Server, eventually, program};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer as Authority, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

/// A key that an issuer signs with.
struct Key {
    pair: Ed25519KeyPair,
    id: &'static str,
}

impl Key {
    fn new(id: &'static str) -> Self {
        Self { pair: Ed25519KeyPair::generate().unwrap(), id }
    }

    fn set(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": x }] }).to_string()
    }

    /// `Authorization` of somebody who may see everything.
    fn bearer(&self, name: &str) -> String {
        let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({ "alg": "EdDSA", "kid": self.id }));
        let claims = part(json!({ "sub": name, "exp": 4_000_000_000_u64, "firstlight": { "view": ["*"] } }));
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(signed.as_bytes()));
        format!("Bearer {signed}.{signature}")
    }
}

/// A server of keys whose certificate is of an authority of its own.
struct Issuer {
    /// What it answers; nothing if it is down.
    answer: Arc<Mutex<Option<String>>>,
    url: String,
    authority: PathBuf,
}

impl Issuer {
    fn start(name: &str, answer: String) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let own = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&own).unwrap();
        let authority = program::scratch().join(format!("{name}-{}.pem", std::process::id()));
        std::fs::write(&authority, certificate.pem()).unwrap();
        let signer = Authority::new(params, own);
        let key = KeyPair::generate().unwrap();
        let leaf =
            CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &signer).unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], private)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/keys", listener.local_addr().unwrap().port());
        let answer = Arc::new(Mutex::new(Some(answer)));
        let (given, config) = (Arc::clone(&answer), Arc::new(config));
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let Some(body) = given.lock().unwrap().clone() else { continue };
                let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
                let mut heard = Vec::new();
                let mut byte = [0];
                while !heard.ends_with(b"\r\n\r\n") && tls.read(&mut byte).is_ok_and(|read| read == 1) {
                    heard.push(byte[0]);
                }
                let length = body.len();
                // Whoever does not believe the certificate has gone.
                let _ = write!(tls, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        });
        Self { answer, url, authority }
    }

    fn config(&self, more: &str) -> String {
        format!(
            "[auth.jwt]\njwks_url = \"{}\"\njwks_ca = \"{}\"\n{more}\n[streams.front]\n",
            self.url,
            self.authority.display()
        )
    }

    fn turn_into(&self, answer: Option<String>) {
        *self.answer.lock().unwrap() = answer;
    }
}

fn ask(server: &Server, bearer: &str) -> Response {
    http::get(server.address(), "/api/v1/streams", &[("Authorization", bearer)])
}

#[test]
fn keys_are_fetched_renewed_and_kept_while_their_issuer_is_down() {
    let (first, second) = (Key::new("first"), Key::new("second"));
    let issuer = Issuer::start("issuer", first.set());
    let server = Server::start(&issuer.config(""));
    // Whoever comes before the keys are there waits for them.
    let answer = eventually("the first key is known", || {
        let answer = ask(&server, &first.bearer("anna"));
        (answer.status != 429 && answer.status != 401).then_some(answer)
    });
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(ask(&server, &second.bearer("bert")).status, 401);

    issuer.turn_into(Some(second.set()));
    server.configure(&issuer.config("claim = \"firstlight\""));
    server.hang_up();
    eventually("the second key is known", || {
        (ask(&server, &second.bearer("bert")).status == 200).then_some(())
    });
    assert_ne!(ask(&server, &first.bearer("carl")).status, 200, "the first key has gone");

    for broken in [None, Some("{\"keys\":[]}".to_owned())] {
        issuer.turn_into(broken.clone());
        let told = server.log().matches("stay as they were").count();
        server.configure(&issuer.config(if broken.is_none() { "" } else { "claim = \"firstlight\"" }));
        server.hang_up();
        eventually("it says so", || (server.log().matches("stay as they were").count() > told).then_some(()));
        eventually("the last good key stays", || {
            (ask(&server, &second.bearer(if broken.is_none() { "dora" } else { "emil" })).status == 200)
                .then_some(())
        });
    }
}

#[test]
fn an_issuer_that_proves_nothing_is_not_believed() {
    let key = Key::new("key");
    let issuer = Issuer::start("stranger", key.set());
    let config = format!("[auth.jwt]\njwks_url = \"{}\"\n[streams.front]\n", issuer.url);
    let server = Server::start(&config);
    let log =
        eventually("it says why", || Some(server.log()).filter(|log| log.contains("stay as they were")));
    assert!(log.contains("certificate"), "{log}");
    assert_eq!(ask(&server, &key.bearer("anna")).status, 401);
    assert_eq!(server.get("/health").status, 200);
}
