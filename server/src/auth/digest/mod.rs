//! Digest (RFC 7616): who somebody is, proved without saying the password, for recorders that know nothing else.
//!
//! It needs a secret that is worth as much as the password here, and that anybody can compute who guesses it; so a user has one only
//! if the configuration says so, and it is made for this realm alone. A nonce is remembered by nobody: it says itself when it was
//! made, for which address, and by a code that it is ours.
//!
//! Not here: for which streams it is offered (see [`super::Guard::digest_challenges`]), how an answer is carried.

mod answer;

use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use md5::{Digest as _, Md5};

use super::secret::random_bytes;
use crate::config::file::Section;
use crate::error::ConfigError;

pub use self::answer::Answer;

/// What the secrets are made for. Another word would make all of them worthless.
const REALM: &str = "firstlight";

/// H(user:realm:password), by each algorithm that is offered, as hexadecimal digits; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    sha256: String,
    md5: String,
}

/// What proofs are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Md5,
}

impl Algorithm {
    /// The best first, as RFC 7616 §3.7 wants it; the last one is taken by players that know only one.
    const ALL: [Self; 2] = [Self::Sha256, Self::Md5];

    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    fn hex(self, text: &str) -> String {
        match self {
            Self::Sha256 => hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()),
            Self::Md5 => hex(&Md5::digest(text)),
        }
    }

    /// Of an answer.
    fn of(answer: &Answer) -> Option<Self> {
        let Some(name) = &answer.algorithm else { return Some(Self::Md5) };
        Self::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }
}

impl Secrets {
    /// Of a user with this password.
    pub fn of(user: &str, password: &str) -> Self {
        let text = format!("{user}:{REALM}:{password}");
        Self { sha256: Algorithm::Sha256.hex(&text), md5: Algorithm::Md5.hex(&text) }
    }

    /// As a configuration holds them.
    ///
    /// # Errors
    /// What is wrong, without the value.
    pub(super) fn read(section: Section<'_>) -> Result<Self, ConfigError> {
        let place = section.clone();
        let (mut sha256, mut md5) = (None, None);
        for (key, value) in section.into_entries()? {
            let (kept, digits) = match key.as_str() {
                "sha256" => (&mut sha256, 64),
                "md5" => (&mut md5, 32),
                _ => return Err(value.error("unknown key; expected `sha256` or `md5`")),
            };
            let text = value
                .as_str()
                .filter(|text| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit()));
            let text = text.ok_or_else(|| value.error(format!("expected {digits} hexadecimal digits")))?;
            *kept = Some(text.to_ascii_lowercase());
        }
        match (sha256, md5) {
            (Some(sha256), Some(md5)) => Ok(Self { sha256, md5 }),
            _ => Err(place.error(
                "expected both `sha256` and `md5`, as `firstlight hash-password --digest NAME` prints them",
            )),
        }
    }

    /// The line of a configuration.
    pub fn to_toml(&self) -> String {
        let Self { sha256, md5 } = self;
        format!("{{ sha256 = \"{sha256}\", md5 = \"{md5}\" }}")
    }

    /// Secrets of nobody, against which an answer takes as long to judge.
    pub(super) fn decoy() -> Self {
        Self { sha256: "0".repeat(64), md5: "0".repeat(32) }
    }

    /// Changes with any of them.
    pub(super) fn text(&self) -> String {
        format!("{}{}", self.sha256, self.md5)
    }

    /// Whether whoever answered knows them, asking by this method.
    pub(super) fn are_known_to(&self, answer: &Answer, method: &str) -> bool {
        let Some(algorithm) = Algorithm::of(answer) else { return false };
        let secret = match algorithm {
            Algorithm::Sha256 => &self.sha256,
            Algorithm::Md5 => &self.md5,
        };
        let (nonce, asked) = (&answer.nonce, algorithm.hex(&format!("{method}:{}", answer.uri)));
        let expected = algorithm.hex(&match &answer.counted {
            Some((count, own)) => format!("{secret}:{nonce}:{count}:{own}:auth:{asked}"),
            None => format!("{secret}:{nonce}:{asked}"),
        });
        let given = answer.response.to_ascii_lowercase();
        answer.realm == REALM
            && constant_time::verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// Makes nonces, and knows its own again.
#[derive(Debug)]
pub(super) struct Nonces(hmac::Key);

impl Default for Nonces {
    fn default() -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &random_bytes::<32>()))
    }
}

impl Nonces {
    /// For a client at this address, now (Unix seconds).
    pub(super) fn make(&self, address: IpAddr, now: u64) -> String {
        let code = hmac::sign(&self.0, &covered(address, now));
        let mut bytes = now.to_be_bytes().to_vec();
        bytes.extend_from_slice(code.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether it is one of ours, for there, and not too old.
    pub(super) fn is_good(&self, nonce: &str, address: IpAddr, now: u64) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let Some((made, code)) = bytes.split_first_chunk::<8>() else { return false };
        let made = u64::from_be_bytes(*made);
        hmac::verify(&self.0, &covered(address, made), code).is_ok()
            && now.checked_sub(made).is_some_and(|age| age <= LIFE)
    }
}

/// The `WWW-Authenticate` headers that ask for an answer to this nonce.
///
/// Realm, nonce and `stale` stand where live555 looks for them.
pub(super) fn challenges(nonce: &str, is_stale: bool) -> impl Iterator<Item = String> {
    let stale = if is_stale { ", stale=true" } else { "" };
    Algorithm::ALL.into_iter().map(move |algorithm| {
        let name = algorithm.name();
        format!(
            "Digest realm=\"{REALM}\", nonce=\"{nonce}\"{stale}, algorithm={name}, qop=\"auth\", charset=UTF-8"
        )
    })
}

fn covered(address: IpAddr, made: u64) -> Vec<u8> {
    format!("digest\0{made}\0{address}").into_bytes()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Seconds for which a nonce may be answered: a session asks for more once or twice.
const LIFE: u64 = 5 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn secrets(user: &str, realm: &str, password: &str) -> Secrets {
        let text = format!("{user}:{realm}:{password}");
        Secrets { sha256: Algorithm::Sha256.hex(&text), md5: Algorithm::Md5.hex(&text) }
    }

    /// RFC 7616 §3.9.1, whose realm is its own.
    #[test]
    fn proofs_are_those_of_the_standard() {
        let secrets = secrets("Mufasa", "http-auth@example.org", "Circle of Life");
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let text = format!(
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", nc=00000001, \
                 cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, response=\"{response}\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let mut answer = Answer::parse(&text).unwrap().unwrap();
            // The realm is looked at as well: these secrets are another server's.
            assert!(!secrets.are_known_to(&answer, "GET"), "{algorithm}");
            answer.realm = REALM.to_owned();
            assert!(secrets.are_known_to(&answer, "GET"), "{algorithm}");
            assert!(!secrets.are_known_to(&answer, "PUT"), "{algorithm}");
            assert!(!Secrets::decoy().are_known_to(&answer, "GET"), "{algorithm}");
            answer.uri.push('x');
            assert!(!secrets.are_known_to(&answer, "GET"), "{algorithm}");
        }
    }

    /// RFC 2617 §3.5's secret and question, as RFC 2069 §2.4 has them answered.
    #[test]
    fn a_client_that_counts_nothing_is_understood() {
        let text = format!(
            "Digest username=\"Mufasa\", realm=\"{REALM}\", nonce=\"n\", uri=\"/dir/index.html\", response=\"{}\"",
            Algorithm::Md5.hex(&format!(
                "939e7578ed9e3c518a452acee763bce9:n:{}",
                Algorithm::Md5.hex("GET:/dir/index.html")
            ))
        );
        let answer = Answer::parse(&text).unwrap().unwrap();
        let secrets = secrets("Mufasa", "testrealm@host.com", "Circle Of Life");
        assert!(secrets.are_known_to(&answer, "GET"));
        let unknown = Answer { algorithm: Some("MD5-sess".to_owned()), ..answer };
        assert!(!secrets.are_known_to(&unknown, "GET"));
    }

    #[test]
    fn a_nonce_is_known_again_for_a_while_where_it_was_given() {
        let nonces = Nonces::default();
        let nonce = nonces.make(HERE, 1_000);
        assert!(nonces.is_good(&nonce, HERE, 1_000) && nonces.is_good(&nonce, HERE, 1_000 + LIFE));
        assert!(!nonces.is_good(&nonce, HERE, 1_001 + LIFE), "it has grown old");
        assert!(!nonces.is_good(&nonce, HERE, 999), "it is of the future");
        assert!(!nonces.is_good(&nonce, [10, 0, 0, 1].into(), 1_000), "it was somebody else's");
        assert!(!Nonces::default().is_good(&nonce, HERE, 1_000), "it is another server's");
        assert!(!nonces.is_good(&nonce[1..], HERE, 1_000) && !nonces.is_good("", HERE, 1_000));
    }

    #[test]
    fn secrets_are_not_shown_and_stand_in_a_configuration() {
        let secrets = Secrets::of("nvr", "x");
        assert_eq!(format!("{secrets:?}"), "Secrets(…)");
        let line = secrets.to_toml();
        assert!(line.starts_with("{ sha256 = \"") && line.contains(&secrets.md5), "{line}");
    }
}
