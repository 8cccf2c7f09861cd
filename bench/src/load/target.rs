//! Where a viewer connects: a `ws://`, `http://`, `whep://` (`whep+gro://`: packets are read together), `rtmp://` or `rtsp://` URL
//! (`rtsp+udp://`: packets by UDP), split and resolved once for all viewers.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::error::{BenchError, Context};

/// The protocol spoken on the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    WebSocket,
    Http,
    Rtmp,
    /// Over TCP.
    Rtsp,
    /// RTSP whose packets go by UDP.
    RtspUdp,
    /// The floor by UDP.
    Datagrams,
    /// The floor by UDP with AES-GCM.
    SealedDatagrams {
        together: bool,
    },
    /// WebRTC, asked for by HTTP.
    Whep {
        together: bool,
    },
}

/// A resolved URL.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) address: SocketAddr,
    pub(crate) authority: String,
    /// Path and query.
    pub(crate) path: String,
}

impl Target {
    /// Splits and resolves `url`.
    pub(crate) fn parse(url: &str) -> Result<Self, BenchError> {
        let fail = |why| BenchError::Url { url: url.to_owned(), why };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| fail("no scheme"))?;
        let scheme = match scheme {
            "ws" => Scheme::WebSocket,
            "http" => Scheme::Http,
            "rtmp" => Scheme::Rtmp,
            "rtsp" => Scheme::Rtsp,
            "rtsp+udp" => Scheme::RtspUdp,
            "udp" => Scheme::Datagrams,
            "srtp" | "srtp+gro" => Scheme::SealedDatagrams { together: scheme.ends_with("gro") },
            "whep" | "whep+gro" => Scheme::Whep { together: scheme.ends_with("gro") },
            _ => {
                return Err(fail(
                    "only ws://, http://, whep://, rtmp://, rtsp:// and rtsp+udp:// are spoken",
                ));
            }
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => (&rest[..at], &rest[at..]),
            None => (rest, "/"),
        };
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let default = match scheme {
            Scheme::WebSocket
            | Scheme::Http
            | Scheme::Whep { .. }
            | Scheme::Datagrams
            | Scheme::SealedDatagrams { .. } => 80,
            Scheme::Rtmp => 1935,
            Scheme::Rtsp | Scheme::RtspUdp => 554,
        };
        let with_port = if has_port { authority.to_owned() } else { format!("{authority}:{default}") };
        let address = with_port
            .to_socket_addrs()
            .context(format!("resolving {authority}"))?
            .next()
            .ok_or_else(|| fail("the host has no address"))?;
        Ok(Self { scheme, address, authority: authority.to_owned(), path: path.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_into_address_and_path() {
        let target = Target::parse("ws://127.0.0.1:8080/front/ws?format=fmp4").unwrap();
        assert_eq!(target.scheme, Scheme::WebSocket);
        assert_eq!(target.address, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(target.path, "/front/ws?format=fmp4");
    }

    #[test]
    fn a_missing_port_is_eighty_and_a_missing_path_is_the_root() {
        let target = Target::parse("http://127.0.0.1").unwrap();
        assert_eq!(target.address.port(), 80);
        assert_eq!(target.path, "/");
    }

    #[test]
    fn an_unknown_scheme_is_refused() {
        assert!(Target::parse("gopher://127.0.0.1/").is_err());
    }
}
