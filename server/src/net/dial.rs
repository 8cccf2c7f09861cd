//! Reaching another server: TCP, or TLS on it, within a bounded time.
//!
//! Who the other server is, is proved by a certificate of the system's authorities, or of those in a file instead (WebPKI, RFC 5280); names and
//! certificates are checked by rustls. Or it is one certain certificate, known by its fingerprint: cameras sign their own, for no name.
//!
//! Not here: what is then spoken, trying again (see `supervise`).

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls::provider;
use super::tls::trust::{self, Fingerprint};
use super::transport::Carrier;

/// An address taken apart: `scheme://user:password@host:port/path?query`.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// Before the colon, in lower case.
    pub scheme: String,
    /// A name and a password, decoded.
    pub credentials: Option<(String, String)>,
    /// Host and port as they were written, for people and for protocols that repeat them.
    pub authority: String,
    /// Without the brackets of IPv6.
    pub host: String,
    /// If it was written.
    pub port: Option<u16>,
    /// All behind the host, with its slash.
    pub path: String,
}

impl Place {
    /// `None` for what is no such address.
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, authority),
        };
        if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return None;
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok()?)),
            _ => (authority, None),
        };
        let host = host.trim_matches(['[', ']']);
        let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
        let credentials = match userinfo {
            None => None,
            Some(userinfo) => {
                let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
                Some((decode(user)?, decode(password)?))
            }
        };
        (!host.is_empty()).then(|| Self {
            scheme: scheme.to_ascii_lowercase(),
            credentials,
            authority: authority.to_owned(),
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }
}

impl fmt::Debug for Place {
    /// Neither password nor path, which may be one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/…", self.scheme, self.authority)
    }
}

/// Who proves that another server is who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Trust {
    /// The system's authorities.
    #[default]
    System,
    /// Those of a PEM file.
    File(PathBuf),
    /// Nobody: it has this very certificate.
    Fingerprint(Fingerprint),
}

/// How other servers are reached. Cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    tls: Option<TlsConnector>,
}

/// A connection to another server.
pub type Line = Carrier<TlsStream<TcpStream>>;

impl Dialer {
    /// By TCP alone.
    pub const PLAIN: Self = Self { tls: None };

    /// By TLS.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn secure(trust: &Trust) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        match trust {
            Trust::Fingerprint(fingerprint) => return Self::only(*fingerprint),
            Trust::File(path) => {
                let wrong = |why: &dyn fmt::Display| format!("{}: {why}", path.display());
                for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
                    let certificate = certificate.map_err(|error| wrong(&error))?;
                    roots.add(certificate).map_err(|error| wrong(&error))?;
                }
                if roots.is_empty() {
                    return Err(wrong(&"there is no certificate in it"));
                }
            }
            // Some of what is there may be of kinds that rustls does not take; without any, no server can prove itself, and says so.
            Trust::System => {
                let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: Some(TlsConnector::from(Arc::new(config))) })
    }

    /// By TLS or by TCP alone, where nobody is trusted in particular.
    ///
    /// # Errors
    /// What is wrong with the file, in words.
    pub fn new(tls: bool, trust: &Trust) -> Result<Self, String> {
        match (tls, trust) {
            (true, trust) => Self::secure(trust),
            (false, Trust::System) => Ok(Self::PLAIN),
            (false, _) => {
                Err("without TLS nobody proves anything: ca and fingerprint have no meaning".to_owned())
            }
        }
    }

    /// By TLS; believes nobody but who has this certificate.
    ///
    /// # Errors
    /// If there is no TLS to be had.
    pub fn only(fingerprint: Fingerprint) -> Result<Self, String> {
        Ok(Self { tls: Some(TlsConnector::from(Arc::new(trust::only(fingerprint)?))) })
    }

    /// Connects, and agrees on TLS if that is how.
    ///
    /// # Errors
    /// What the system or the other server says; also that it took too long.
    pub async fn dial(&self, host: &str, port: u16, limit: Duration) -> io::Result<Line> {
        let dialled = async {
            let tcp = TcpStream::connect((host, port)).await?;
            // Only makes the connection better.
            let _ = tcp.set_nodelay(true);
            let Some(tls) = &self.tls else { return Ok(Line::Plain(tcp)) };
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            Ok(Line::Tls(Box::new(tls.connect(name, tcp).await?)))
        };
        let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no answer for {} s", limit.as_secs()));
        tokio::time::timeout(limit, dialled).await.unwrap_or_else(|_| Err(late()))
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls.is_some() { "Dialer(TLS)" } else { "Dialer(TCP)" })
    }
}

impl Line {
    /// The TCP connection below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_and_shows_no_secret() {
        let place = Place::parse("RTMP://anna:p%40ss@[::1]:1936/live/key?token=t").unwrap();
        assert_eq!((&place.scheme[..], &place.host[..], place.port), ("rtmp", "::1", Some(1936)));
        assert_eq!((&place.authority[..], &place.path[..]), ("[::1]:1936", "/live/key?token=t"));
        assert_eq!(place.credentials, Some(("anna".to_owned(), "p@ss".to_owned())));
        assert_eq!(format!("{place:?}"), "rtmp://[::1]:1936/…");
        let short = Place::parse("rtsp://cam").unwrap();
        assert_eq!((&short.host[..], short.port, &short.path[..]), ("cam", None, ""));
        for wrong in ["", "cam/live", "rtmp://", "rtmp:///live", "rtmp://cam:x/live", "rtmp://cam /live"] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
    }
}
