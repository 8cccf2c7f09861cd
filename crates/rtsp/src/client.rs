//! The client's side: requests with their numbers, credentials and session, and what their answers say.
//!
//! The driver sends what [`Client::request`] gives and hands the answer to [`Client::answered`]. Where a server asks for credentials the
//! request is made again, once.

use std::time::Duration;

use crate::credentials::Challenge;
use crate::{Credentials, Method, Request, Response, RtspError};

/// One session with a server.
#[derive(Debug)]
pub struct Client {
    credentials: Option<Credentials>,
    challenge: Option<Challenge>,
    cseq: u32,
    session: Option<String>,
    timeout: Duration,
}

impl Client {
    /// Nothing is said yet.
    pub const fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, challenge: None, cseq: 0, session: None, timeout: Duration::from_secs(60) }
    }

    /// A request, to be sent next.
    pub fn request(&mut self, method: Method, uri: &str) -> Request {
        let mut request = Request::new(method, uri);
        self.cseq = self.cseq.wrapping_add(1);
        request.headers.add("CSeq", self.cseq.to_string());
        request.headers.add("User-Agent", AGENT);
        if let (Some(credentials), Some(challenge)) = (&self.credentials, &mut self.challenge) {
            request.headers.add("Authorization", credentials.answer(challenge, method, uri));
        }
        if let Some(session) = &self.session {
            request.headers.add("Session", session.clone());
        }
        request
    }

    /// What an answer means: `true` if the request is to be made again, with credentials.
    ///
    /// # Errors
    /// [`RtspError::Refused`] in the server's words.
    pub fn answered(&mut self, method: Method, response: &Response) -> Result<bool, RtspError> {
        if response.status == 401 && self.credentials.is_some() {
            let challenge = Challenge::choose(response.headers.all("WWW-Authenticate"));
            let is_new = match (&self.challenge, &challenge) {
                (None, Some(_)) => true,
                // A nonce that is used up.
                (Some(Challenge::Digest { nonce, .. }), Some(Challenge::Digest { nonce: new, .. })) => {
                    nonce != new
                }
                _ => false,
            };
            if is_new {
                self.challenge = challenge;
                return Ok(true);
            }
        }
        if !response.is_success() {
            let (status, reason) = (response.status, response.reason.chars().take(80).collect());
            return Err(RtspError::Refused { method: method.name(), status, reason });
        }
        if let Some(value) = response.headers.get("Session") {
            let mut parts = value.split(';').map(str::trim);
            self.session = parts.next().map(str::to_owned);
            // Some say it with the first answer alone.
            if let Some(timeout) = parts.find_map(|part| part.strip_prefix("timeout=")?.parse::<u64>().ok()) {
                self.timeout = Duration::from_secs(timeout.clamp(5, 3_600));
            }
        }
        Ok(false)
    }

    /// How long the server waits for a sign of life.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }
}

const AGENT: &str = concat!("firstlight/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_given_when_they_are_asked_for_and_only_once() {
        let mut client = Client::new(Some(Credentials::new("u", "p")));
        let first = client.request(Method::Describe, "rtsp://h/a");
        assert_eq!(first.headers.get("Authorization"), None);
        let asking = Response::new(401).with("WWW-Authenticate", "Basic realm=\"x\"");
        assert_eq!(client.answered(Method::Describe, &asking), Ok(true));
        let second = client.request(Method::Describe, "rtsp://h/a");
        assert_eq!(second.headers.get("Authorization"), Some("Basic dTpw"));
        assert_eq!(second.headers.get("CSeq"), Some("2"));
        let error = client.answered(Method::Describe, &asking).unwrap_err();
        assert_eq!(error.to_string(), "DESCRIBE: the server answered 401 Unauthorized");
    }

    #[test]
    fn the_session_is_kept_and_its_timeout_believed() {
        let mut client = Client::new(None);
        let response = Response::new(200).with("Session", "abc; timeout=15");
        assert_eq!(client.answered(Method::Setup, &response), Ok(false));
        assert_eq!(client.timeout(), Duration::from_secs(15));
        assert_eq!(client.request(Method::Play, "x").headers.get("Session"), Some("abc"));
        assert_eq!(client.answered(Method::Play, &Response::new(200).with("Session", "abc")), Ok(false));
        assert_eq!(client.timeout(), Duration::from_secs(15));
    }
}
