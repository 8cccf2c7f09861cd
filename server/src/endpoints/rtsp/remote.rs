//! Another RTSP server as an address names it: a camera, or one that a stream is pushed to.
//!
//! Credentials stand in the address or beside it, and nowhere else: neither label nor errors show them, nor what stands behind the question
//! mark, which is a password with some cameras.

use rtsp::Credentials;

use crate::net::dial::{Dialer, Place, Trust};

/// One server, and what of it is meant.
#[derive(Debug)]
pub(super) struct Remote {
    /// Without credentials.
    pub(super) url: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) dialer: Dialer,
    pub(super) is_encrypted: bool,
    pub(super) credentials: Option<Credentials>,
    /// Without secrets.
    pub(super) label: String,
}

/// The words for an address that is none, without showing it.
pub(super) const EXPECTED: &str =
    "expected an address as rtsp://HOST/PATH, rtsps://HOST/PATH, rtsp://USER:PASSWORD@HOST:PORT/PATH";

impl Remote {
    /// The server at this place, which has to prove who it is where it is reached by TLS.
    ///
    /// # Errors
    /// What is wrong, in words without secrets.
    pub(super) fn new(place: Place, trust: &Trust) -> Result<Self, String> {
        let Place { scheme, credentials, authority, host, port, path } = place;
        let is_encrypted = match scheme.as_str() {
            "rtsp" => false,
            "rtsps" => true,
            _ => return Err(EXPECTED.to_owned()),
        };
        let without_query = path.split('?').next().unwrap_or_default();
        Ok(Self {
            url: format!("{scheme}://{authority}{path}"),
            label: format!("{scheme}://{authority}{without_query}"),
            host,
            port: port.unwrap_or(if is_encrypted { DEFAULT_TLS_PORT } else { DEFAULT_PORT }),
            dialer: Dialer::new(is_encrypted, trust)?,
            is_encrypted,
            credentials: credentials.map(|(user, password)| Credentials::new(user, password)),
        })
    }
}

const DEFAULT_PORT: u16 = 554;
const DEFAULT_TLS_PORT: u16 = 322;

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(url: &str) -> Result<Remote, String> {
        Remote::new(Place::parse(url).unwrap(), &Trust::System)
    }

    #[test]
    fn an_address_is_taken_apart_and_its_secrets_are_not_shown() {
        let camera = remote("rtsp://admin:p%40ss@[fd00::1]:8554/live?channel=1&password=x").unwrap();
        assert_eq!((camera.host.as_str(), camera.port), ("fd00::1", 8_554));
        assert_eq!(camera.url, "rtsp://[fd00::1]:8554/live?channel=1&password=x");
        assert_eq!(camera.label, "rtsp://[fd00::1]:8554/live");
        assert_eq!(camera.credentials, Some(Credentials::new("admin", "p@ss")));
        let camera = remote("RTSP://cam/").unwrap();
        assert_eq!((camera.host.as_str(), camera.port, camera.credentials.is_some()), ("cam", 554, false));
        let camera = remote("rtsps://cam/live").unwrap();
        assert_eq!((camera.url.as_str(), camera.port, camera.is_encrypted), ("rtsps://cam/live", 322, true));
        assert_eq!(remote("http://cam/").unwrap_err(), EXPECTED);
    }
}
