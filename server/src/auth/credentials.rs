//! What a request says about who makes it: header, query or cookie.
//!
//! Only reads; whether it is true is the [`super::Guard`]'s question. Everything here comes from a network.

use std::fmt;

use axum::http::{HeaderMap, header, request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use super::password::MAX_PASSWORD;

/// Who somebody says they are. Never shown: it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user's name and password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token of the configuration, or a JWT.
    Token(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// What a request carries, and where.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Carried {
    /// Nothing.
    Nothing,
    /// `Authorization: Bearer`: somebody's program put it there.
    Bearer(Credential),
    /// `Authorization: Basic`: a browser that was told once sends it to us from every page.
    Basic(Credential),
    /// `?token=`.
    Query(Credential),
    /// `?stream=…&exp=…&sig=…`.
    Link(Link),
    /// The cookies that may be sessions; browsers send those of every server under one name.
    Cookie(String),
    /// An `Authorization` that cannot be read.
    Garbled,
}

/// A signed link's query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) stream: String,
    pub(super) expires: u64,
    pub(super) signature: String,
}

impl Carried {
    /// Reads a request's head. What is said on purpose goes before what a browser sends by itself.
    pub(super) fn read(head: &request::Parts) -> Self {
        if let Some(value) = head.headers.get(header::AUTHORIZATION) {
            return value.to_str().ok().and_then(authorization).unwrap_or(Self::Garbled);
        }
        let query = head.uri.query().unwrap_or_default();
        if let Some(token) = parameter(query, "token") {
            return Self::Query(Credential::Token(token));
        }
        if let Some(signature) = parameter(query, "sig") {
            let expires = parameter(query, "exp").and_then(|text| text.parse().ok()).unwrap_or(0);
            let stream = parameter(query, "stream").unwrap_or_default();
            return Self::Link(Link { stream, expires, signature });
        }
        session_cookie(&head.headers).map_or(Self::Nothing, Self::Cookie)
    }
}

/// `Bearer` and `Basic` (RFC 6750, RFC 7617).
fn authorization(value: &str) -> Option<Carried> {
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if rest.len() > MAX_CREDENTIAL {
        return None;
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Carried::Bearer(Credential::Token(rest.to_owned())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    (password.len() <= MAX_PASSWORD).then(|| {
        Carried::Basic(Credential::Password { user: user.to_owned(), password: password.to_owned() })
    })
}

/// The first value of that name in a query.
fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

/// The session's cookie, if there is one.
pub(super) fn session_cookie(headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(headers);
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let value = cookies
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(&name)?.strip_prefix('='))?;
    (value.len() <= MAX_CREDENTIAL).then(|| value.to_owned())
}

/// What our cookie is called: browsers keep cookies by host alone, and two servers of one machine must not log each other out.
pub fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').map(|(_, port)| port);
    let port =
        port.filter(|port| port.len() <= 5 && !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    format!("firstlight-{}", port.unwrap_or("80"))
}

/// As long as a JWT with many claims.
const MAX_CREDENTIAL: usize = 8 * 1_024;

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn carried(uri: &str, headers: &[(&str, &str)]) -> Carried {
        let mut request = Request::builder().uri(uri).header(header::HOST, "cam:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Carried::read(&request.body(()).unwrap().into_parts().0)
    }

    fn token(text: &str) -> Credential {
        Credential::Token(text.to_owned())
    }

    fn is(found: &Carried, wanted: &Carried) -> bool {
        found == wanted
    }

    #[test]
    fn credentials_are_found_where_each_player_can_put_them() {
        let anna = Credential::Password { user: "anna".to_owned(), password: "a:b".to_owned() };
        assert!(is(&carried("/", &[("authorization", "Bearer abc")]), &Carried::Bearer(token("abc"))));
        assert!(is(&carried("/", &[("authorization", "basic YW5uYTphOmI=")]), &Carried::Basic(anna)));
        assert!(is(&carried("/front/ws?format=fmp4&token=a%2Bb", &[]), &Carried::Query(token("a+b"))));
        let link = Link { stream: "front".to_owned(), expires: 5, signature: "s".to_owned() };
        assert!(is(&carried("/front/?stream=front&exp=5&sig=s", &[]), &Carried::Link(link)));
        let cookies = [("cookie", "firstlight-80=no; x=1; firstlight-8080=yes")];
        assert!(is(&carried("/", &cookies), &Carried::Cookie("yes".to_owned())));
        assert!(is(&carried("/?tokens=1", &[]), &Carried::Nothing));
    }

    #[test]
    fn what_is_said_on_purpose_goes_before_what_a_browser_sends() {
        let cookie = ("cookie", "firstlight-8080=yes");
        assert!(is(&carried("/?token=q", &[cookie]), &Carried::Query(token("q"))));
        assert!(is(
            &carried("/?token=q", &[cookie, ("authorization", "Bearer h")]),
            &Carried::Bearer(token("h"))
        ));
    }

    #[test]
    fn garbled_credentials_are_not_taken_for_none() {
        let long = format!("Bearer {}", "x".repeat(9_000));
        for value in ["", "Bearer", "Basic !!!", "Basic YW5uYQ==", "Digest a=b", "Basic /////w==", &long] {
            assert!(is(&carried("/", &[("authorization", value)]), &Carried::Garbled), "{value}");
        }
    }
}
