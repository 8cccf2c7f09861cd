//! Another server that speaks WHEP or WHIP: its address taken apart, and the one request that takes an offer to it.
//!
//! Whoever calls has a way of its own to the other server (full ICE, on ports of its own), whatever `[webrtc]` says of those who call here.
//! Credentials stand in the address or beside it: neither label nor errors show them, nor what stands behind the question mark, nor a part
//! of the path that is as long as a key.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use peer::{Connection, PeerError, Plan};
use serde_json::Value;

use crate::net::dial::{Dialer, Place, Trust};
use crate::net::fetch::{Address, Client};
use crate::supervise::backoff::random;
use crate::supervise::ice_servers::IceServers;

/// Where to, and how.
#[derive(Debug)]
pub(super) struct Remote {
    client: Client,
    address: Address,
    /// Scheme and host of the address.
    base: String,
    path: String,
    authorization: Option<HeaderValue>,
    /// Without secrets.
    pub(super) label: String,
    /// What is never shown.
    secrets: Vec<String>,
}

/// Why a call came to nothing, in words without secrets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) words: String,
    /// The other server does not take what is offered, and would not the next time.
    pub(super) is_refusal: bool,
}

/// What came of an offer.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) answer: String,
    /// Where it is ended.
    at: Option<Address>,
}

/// The words for an address that is none, without showing it.
pub(super) const EXPECTED: &str = "expected an address as https://HOST/PATH/whep, whep://HOST/PATH or wheps://HOST/PATH; for a push whip in its place";

impl Remote {
    /// The server at this place, which has to prove who it is where it is reached by TLS.
    ///
    /// # Errors
    /// What is wrong, in words without secrets.
    pub(super) fn new(place: Place, trust: &Trust, token: Option<&str>) -> Result<Self, String> {
        let Place { scheme, credentials, authority, path, .. } = place;
        let tls = match scheme.as_str() {
            "whep" | "whip" | "http" => false,
            "wheps" | "whips" | "https" => true,
            _ => return Err(EXPECTED.to_owned()),
        };
        let base = format!("{}://{authority}", if tls { "https" } else { "http" });
        let address: Address = format!("{base}{path}").parse().map_err(|_| EXPECTED.to_owned())?;
        let said = match (&credentials, token) {
            (Some(_), Some(_)) => return Err("either token or credentials in the address".to_owned()),
            (None, None) => None,
            (None, Some(token)) => Some(format!("Bearer {token}")),
            // A name alone is a token: it has nowhere else to stand where there is nothing but an address.
            (Some((token, password)), None) if password.is_empty() => Some(format!("Bearer {token}")),
            (Some((user, password)), None) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
        };
        let authorization = match said.map(|said| HeaderValue::from_str(&said)) {
            None => None,
            Some(Ok(mut value)) => {
                value.set_sensitive(true);
                Some(value)
            }
            Some(Err(_)) => {
                return Err("the credentials have characters that no header line takes".to_owned());
            }
        };
        let (plain, query) = path.split_once('?').unwrap_or((&path, ""));
        let shown = |part: &str| if part.len() < KEY { part.to_owned() } else { "…".to_owned() };
        let shown: Vec<_> = plain.split('/').map(shown).collect();
        let in_place =
            credentials.iter().map(|(user, password)| if password.is_empty() { user } else { password });
        let secrets = in_place
            .map(String::as_str)
            .chain(token)
            .chain(query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value))
            .chain(plain.split('/').filter(|part| part.len() >= KEY))
            .filter(|secret| !secret.is_empty())
            .map(str::to_owned)
            .collect();
        Ok(Self {
            client: Client::over(Dialer::new(tls, trust)?),
            address,
            label: format!("{base}{}", shown.join("/")),
            base,
            path: plain.to_owned(),
            authorization,
            secrets,
        })
    }

    /// A connection that will carry this, its offer taken to the server and the answer brought back. How others see this machine says whoever of
    /// these is asked.
    ///
    /// # Errors
    /// [`Failed`].
    pub(super) async fn call(
        &self,
        plan: Plan,
        servers: &IceServers,
    ) -> Result<(Connection, Session), Failed> {
        let sockets =
            servers.sockets().await.map_err(|error| format!("there is no socket to be had: {error}"))?;
        let mut connection = Connection::new(sockets, plan, random() as u32);
        let offer = connection.offer().map_err(|error| error.to_string())?;
        let session = self.ask(offer).await?;
        match connection.accept(&session.answer) {
            // What of it fits whoever called sees by what is sent.
            Ok(()) | Err(PeerError::NothingInCommon) => Ok((connection, session)),
            Err(error) => {
                self.end(&session).await;
                Err(self.failed(&error).into())
            }
        }
    }

    async fn ask(&self, offer: String) -> Result<Session, Failed> {
        let request = self.request(Method::POST, offer.into())?;
        let answer = self.client.send(&self.address, request, MOST_BYTES, PATIENCE).await;
        let (head, body) = answer.map_err(|error| self.failed(&error))?.into_parts();
        if head.status != 201 {
            // What others answer to formats that they do not know.
            let is_refusal = matches!(head.status.as_u16(), 400 | 406 | 415 | 422);
            let words = self.failed(&refusal(&Response::from_parts(head, body)));
            return Err(Failed { words, is_refusal });
        }
        let answer = String::from_utf8(body.into()).map_err(|_| "its answer is no text".to_owned())?;
        Ok(Session { answer, at: self.session(&head.headers) })
    }

    /// Ends a session; one that is not ended is missed by the server after a while.
    pub(super) async fn end(&self, session: &Session) {
        if let Some(at) = &session.at
            && let Ok(request) = self.request(Method::DELETE, Bytes::new())
        {
            let _ = self.client.send(at, request, MOST_BYTES, GOODBYE).await;
        }
    }

    fn request(&self, method: Method, body: Bytes) -> Result<Request<Bytes>, String> {
        let mut request = Request::builder().method(method).uri("/");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/sdp");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request.body(body).map_err(|error| error.to_string())
    }

    /// Where a session is ended; nowhere else than on the server that was asked, since credentials go there.
    fn session(&self, headers: &HeaderMap) -> Option<Address> {
        let location = headers.get(header::LOCATION)?.to_str().ok()?;
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let at = match location {
            _ if location.starts_with("//") => return None,
            _ if location.starts_with('/') => format!("{}{location}", self.base),
            _ if location.contains("://") => location.to_owned(),
            _ => format!("{}{folder}/{location}", self.base),
        };
        at.strip_prefix(&self.base).filter(|rest| rest.starts_with('/'))?;
        at.parse().ok()
    }

    /// What went wrong, without secrets.
    pub(super) fn failed(&self, problem: &dyn std::fmt::Display) -> String {
        self.secrets.iter().fold(problem.to_string(), |words, secret| words.replace(secret, "…"))
    }
}

impl From<String> for Failed {
    fn from(words: String) -> Self {
        Self { words, is_refusal: false }
    }
}

/// Why an offer was not taken, in the server's words if it has any.
fn refusal(answer: &Response<Bytes>) -> String {
    let text = String::from_utf8_lossy(answer.body());
    let detail = serde_json::from_str::<Value>(&text).ok();
    let detail = detail.as_ref().and_then(|problem| problem.get("detail")?.as_str());
    let words = detail.or_else(|| text.lines().next()).unwrap_or_default().trim();
    let is_page = words.starts_with('<');
    let words: String = words.chars().filter(|c| !c.is_control() && !is_page).take(MOST_WORDS).collect();
    let status = answer.status();
    if words.is_empty() { format!("it answers {status}") } else { format!("it answers {status}: {words}") }
}

/// A server may wait for a camera before it answers, and ours does for 10 s.
const PATIENCE: Duration = Duration::from_secs(15);
const GOODBYE: Duration = Duration::from_secs(1);
const MOST_BYTES: usize = 64 << 10;
const MOST_WORDS: usize = 200;
/// A part of a path this long is a key, and no name.
const KEY: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(url: &str, token: Option<&str>) -> Result<Remote, String> {
        Remote::new(Place::parse(url).unwrap(), &Trust::System, token)
    }

    fn said(remote: &Remote) -> Option<&str> {
        remote.authorization.as_ref().map(|value| value.to_str().unwrap())
    }

    #[test]
    fn an_address_is_taken_apart_and_its_secrets_are_not_shown() {
        let plain = remote("whep://cam:8080/front/whep?token=hidden", None).unwrap();
        assert_eq!(plain.address.to_string(), "http://cam:8080/front/whep?token=hidden");
        assert_eq!((&plain.label[..], said(&plain)), ("http://cam:8080/front/whep", None));
        assert_eq!(plain.failed(&"hidden is wrong"), "… is wrong");
        let secure = remote("whips://hidden@live.example/a/whip", None).unwrap();
        assert_eq!(
            (&secure.label[..], said(&secure)),
            ("https://live.example/a/whip", Some("Bearer hidden"))
        );
        let named = remote("https://me:hidden@live.example/b1c2d3e4f5a6b7c8d9e0/publish", None).unwrap();
        assert_eq!(
            (&named.label[..], said(&named)),
            ("https://live.example/…/publish", Some("Basic bWU6aGlkZGVu"))
        );
        assert_eq!(named.failed(&"no b1c2d3e4f5a6b7c8d9e0 for hidden"), "no … for …");
        assert_eq!(said(&remote("http://cam/whep", Some("t")).unwrap()), Some("Bearer t"));
        for (wrong, token) in [
            ("rtsp://cam/front", None),
            ("http://a:b@cam/whep", Some("t")),
            ("http://cam/whep", Some("a\nb")),
        ] {
            assert!(remote(wrong, token).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_session_is_ended_only_where_it_began() {
        let remote = remote("http://cam:8080/front/whep", None).unwrap();
        let at = |location: &'static str| {
            let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(location))]);
            remote.session(&headers).map(|at| at.to_string())
        };
        for (location, session) in [
            ("/front/whep/1", Some("http://cam:8080/front/whep/1")),
            ("whep/1", Some("http://cam:8080/front/whep/1")),
            ("http://cam:8080/s/1", Some("http://cam:8080/s/1")),
            ("http://cam:8080.evil.example/s/1", None),
            ("http://evil.example/s/1", None),
            ("//evil.example/s/1", None),
        ] {
            assert_eq!(at(location).as_deref(), session, "{location}");
        }
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let told = |status: u16, body: &'static str| {
            refusal(&Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap())
        };
        assert_eq!(told(406, r#"{"detail": "it is H.265"}"#), "it answers 406 Not Acceptable: it is H.265");
        assert_eq!(told(409, "taken\nmore"), "it answers 409 Conflict: taken");
        assert_eq!(told(404, "<html>"), "it answers 404 Not Found");
    }
}
