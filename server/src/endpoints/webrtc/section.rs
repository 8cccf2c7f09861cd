//! `[webrtc]`.

use std::net::IpAddr;

use serde::Deserialize;

use crate::config::file::Section;
use crate::config::values::{ListenAddress, ListenAddresses};
use crate::error::ConfigError;
use crate::webrtc::{IceServer, Settings};

/// The section's values.
#[derive(Debug, Clone)]
pub(super) struct Values {
    /// Addresses, of UDP and TCP alike; none if it is off.
    pub(super) listen: Vec<ListenAddress>,
    /// Nobody said where.
    pub(super) is_default: bool,
    pub(super) settings: Settings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    listen: Option<ListenAddresses>,
    public_addresses: Vec<IpAddr>,
    ice_servers: Vec<Server>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "the URL of a STUN server, or a table with url, user and password of a TURN server"
)]
enum Server {
    Url(String),
    Table(Table),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    url: String,
    user: Option<String>,
    password: Option<String>,
}

impl Values {
    pub(super) fn parse(section: Option<Section<'_>>) -> Result<Self, ConfigError> {
        let place = section.clone();
        let written: Written = section.map_or_else(|| Ok(Written::default()), Section::parse)?;
        let servers = written.ice_servers.into_iter().map(ice_server).collect::<Result<_, _>>();
        let ice_servers = match (servers, place) {
            (Ok(servers), _) => servers,
            (Err(wrong), Some(place)) => return Err(place.error(wrong)),
            (Err(_), None) => Vec::new(),
        };
        let is_default = written.listen.is_none();
        let default = || vec![DEFAULT_LISTEN.parse().expect("the default address is one")];
        let listen = written.listen.map_or_else(default, |written| written.0);
        Ok(Self {
            listen,
            is_default,
            settings: Settings { public_addresses: written.public_addresses, ice_servers },
        })
    }
}

/// A server whose URL stands in a header line as it is.
fn ice_server(server: Server) -> Result<IceServer, String> {
    let Table { url, user, password } = match server {
        Server::Url(url) => Table { url, user: None, password: None },
        Server::Table(table) => table,
    };
    let host = ["stun:", "stuns:", "turn:", "turns:"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\<>".contains(&byte));
    let credentials = match (user, password) {
        (Some(user), Some(password)) => Some((user, password)),
        (None, None) if url.starts_with("turn") => {
            return Err(format!("ice_servers: {url:?} needs a user and a password"));
        }
        (None, None) => None,
        _ => return Err(format!("ice_servers: {url:?} needs a user and a password, or neither")),
    };
    let words = credentials.iter().flat_map(|(user, password)| [user, password]);
    if host.is_none_or(|host| host.is_empty() || !is_plain(host))
        || !words.into_iter().all(|word| is_plain(word))
    {
        return Err(format!(
            "ice_servers: {url:?} is no server for ICE: write \"stun:host:3478\", or {{ url = \"turn:host:3478\", user = \"…\", password = \"…\" }}"
        ));
    }
    Ok(IceServer { url, credentials })
}

/// Where WebRTC is if nobody says otherwise.
const DEFAULT_LISTEN: &str = "127.0.0.1:8555";

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str, credentials: Option<(&str, &str)>) -> Result<IceServer, String> {
        let (user, password) =
            credentials.map(|(user, password)| (user.to_owned(), password.to_owned())).unzip();
        ice_server(Server::Table(Table { url: url.to_owned(), user, password }))
    }

    #[test]
    fn a_server_for_ice_is_one_that_browsers_know() {
        assert!(server("stun:stun.example.org:3478", None).is_ok());
        assert!(server("turn:turn.example.org?transport=tcp", Some(("me", "secret"))).is_ok());
        for (url, credentials) in [
            ("turn:turn.example.org", None),
            ("https://example.org", None),
            ("stun:", None),
            ("stun:a>; rel=\"x", None),
            ("turn:turn.example.org", Some(("me\"", "secret"))),
        ] {
            assert!(server(url, credentials).unwrap_err().starts_with("ice_servers: "), "{url}");
        }
    }
}
