//! What a server asks a client for (RFC 7617, RFC 7616): Basic, and Digest as cameras speak it, with MD5.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::Method;

/// A user and what they know; never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

/// How a server wants to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    Basic,
    Digest { realm: String, nonce: String, opaque: Option<String>, is_counted: bool, uses: u32 },
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl Credentials {
    /// Of a user.
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    /// The `Authorization` that answers a challenge.
    pub(crate) fn answer(&self, challenge: &mut Challenge, method: Method, uri: &str) -> String {
        let Self { user, password } = self;
        match challenge {
            Challenge::Basic => format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))),
            Challenge::Digest { realm, nonce, opaque, is_counted, uses } => {
                let secret = hex(&format!("{user}:{realm}:{password}"));
                let asked = hex(&format!("{}:{uri}", method.name()));
                let quote = |text: &str| text.replace(['"', '\\', '\r', '\n'], "");
                let mut answer = format!(
                    "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{}\"",
                    quote(user),
                    quote(uri)
                );
                if *is_counted {
                    *uses = uses.wrapping_add(1);
                    // The client's nonce protects against servers that choose theirs; nothing here depends on that.
                    let (count, own) = (format!("{uses:08x}"), hex(&format!("{secret}{uses}")));
                    let response = hex(&format!("{secret}:{nonce}:{count}:{own}:auth:{asked}"));
                    answer += &format!(", qop=auth, nc={count}, cnonce=\"{own}\", response=\"{response}\"");
                } else {
                    answer += &format!(", response=\"{}\"", hex(&format!("{secret}:{nonce}:{asked}")));
                }
                if let Some(opaque) = opaque {
                    answer += &format!(", opaque=\"{opaque}\"");
                }
                answer
            }
        }
    }
}

impl Challenge {
    /// The best of those that a server's `WWW-Authenticate` headers have.
    pub(crate) fn choose<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Self> {
        let known = headers.filter_map(Self::parse);
        known.max_by_key(|challenge| matches!(challenge, Self::Digest { .. }))
    }

    fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.split_once(' ').unwrap_or((header, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let parameters = parameters(rest);
        let get = |name: &str| {
            parameters
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.clone())
        };
        if get("algorithm").is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case("md5")) {
            return None;
        }
        let is_counted = get("qop").is_some_and(|qop| qop.split(',').any(|one| one.trim() == "auth"));
        Some(Self::Digest {
            realm: get("realm")?,
            nonce: get("nonce")?,
            opaque: get("opaque"),
            is_counted,
            uses: 0,
        })
    }
}

/// `name=value, name="value"`.
fn parameters(mut text: &str) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    while let Some((name, rest)) = text.split_once('=') {
        let rest = rest.trim_start();
        let (value, tail) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => {
                rest.split_once(',').map_or((rest.trim_end(), ""), |(value, tail)| (value.trim_end(), tail))
            }
        };
        parameters.push((name.trim_matches([' ', ',', '\t']).to_owned(), value.to_owned()));
        if parameters.len() == MOST_PARAMETERS {
            break;
        }
        text = tail;
    }
    parameters
}

fn hex(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

const MOST_PARAMETERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_one_of_the_standard() {
        // RFC 2617 §3.5, without its counted quality of protection.
        let header = "Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let mut challenge = Challenge::choose(["Basic realm=\"x\"", header].into_iter()).unwrap();
        let answer = Credentials::new("Mufasa", "Circle Of Life").answer(
            &mut challenge,
            Method::Describe,
            "/dir/index.html",
        );
        let expected = hex(&format!(
            "939e7578ed9e3c518a452acee763bce9:dcd98b7102dd2f0e8b11d0f600bfb0c093:{}",
            hex("DESCRIBE:/dir/index.html")
        ));
        assert!(answer.contains(&format!("response=\"{expected}\"")), "{answer}");
        assert!(answer.ends_with("opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""), "{answer}");
    }

    #[test]
    fn uses_of_a_nonce_are_counted_where_the_server_counts() {
        let mut challenge =
            Challenge::choose(["digest nonce=abc , qop=\"auth-int,auth\",realm=\"r\""].into_iter()).unwrap();
        let credentials = Credentials::new("u", "p");
        assert!(credentials.answer(&mut challenge, Method::Play, "a").contains("nc=00000001"));
        assert!(credentials.answer(&mut challenge, Method::Play, "a").contains("nc=00000002"));
    }

    #[test]
    fn what_is_not_known_is_no_challenge_and_secrets_are_not_shown() {
        assert_eq!(
            Challenge::choose(
                ["Bearer realm=x", "Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256"].into_iter()
            ),
            None
        );
        assert_eq!(Challenge::choose(["Digest realm=\"r\""].into_iter()), None);
        assert_eq!(Challenge::choose(["basic"].into_iter()), Some(Challenge::Basic));
        assert_eq!(format!("{:?}", Credentials::new("u", "p")), "Credentials(…)");
    }
}
