//! `[tls]`: which certificate the server shows.
//!
//! Only the values; what is done with them is `net::tls`'s.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::file::Section;
use crate::error::ConfigError;

/// Where the certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificatePlan {
    /// Files of somebody who looks after them; read again when they change.
    Files {
        /// The chain, PEM.
        certificate: PathBuf,
        /// The private key, PEM.
        key: PathBuf,
    },
    /// Made by ourselves at the first start, and kept.
    SelfSigned {
        /// Names and addresses besides those of this machine.
        names: Vec<String>,
        /// The folder it is kept in.
        dir: PathBuf,
    },
    /// Fetched from a certificate authority by ACME (RFC 8555), and renewed.
    Acme(AcmePlan),
}

/// `[tls] acme`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmePlan {
    /// The public names.
    pub names: Vec<String>,
    /// Where the authority writes to if something is wrong.
    pub email: Option<String>,
    /// How it is proved that they are ours.
    pub challenge: Challenge,
    /// The authority's directory.
    pub directory: String,
    /// Whom the directory itself is trusted by, if not by those the system trusts: PEM.
    pub directory_ca: Option<PathBuf>,
    /// The folder that account and certificate are kept in.
    pub dir: PathBuf,
}

/// How an authority is shown that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Challenge {
    /// By TLS at port 443 (RFC 8737).
    #[default]
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn,
    /// By HTTP at port 80 (RFC 8555 §8.3).
    #[serde(rename = "http-01")]
    Http,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Tls {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    names: Vec<String>,
    dir: Option<PathBuf>,
    acme: Option<Acme>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Acme {
    email: Option<String>,
    #[serde(default)]
    challenge: Challenge,
    #[serde(default = "lets_encrypt")]
    directory: String,
    directory_ca: Option<PathBuf>,
}

fn lets_encrypt() -> String {
    "https://acme-v02.api.letsencrypt.org/directory".to_owned()
}

/// What is kept, beside the configuration.
const DIR: &str = "firstlight.tls";

impl Default for CertificatePlan {
    fn default() -> Self {
        Self::SelfSigned { names: Vec::new(), dir: PathBuf::from(DIR) }
    }
}

impl CertificatePlan {
    /// Reads the section.
    ///
    /// # Errors
    /// [`ConfigError`] for keys that say two things, or half of one.
    pub fn parse(section: Section<'_>) -> Result<Self, ConfigError> {
        let place = section.clone();
        let Tls { certificate, key, names, dir, acme } = section.parse()?;
        let dir = dir.unwrap_or_else(|| PathBuf::from(DIR));
        match (certificate, key, acme) {
            (Some(certificate), Some(key), None) if names.is_empty() => Ok(Self::Files { certificate, key }),
            (Some(_), Some(_), None) => {
                Err(place.error("names is for a certificate that is made here; yours has its own"))
            }
            (None, None, None) => Ok(Self::SelfSigned { names, dir }),
            (None, None, Some(_)) if names.is_empty() => Err(place.error(
                "acme needs names: the public names of this server, as in names = [\"cam.example.org\"]",
            )),
            (None, None, Some(Acme { email, challenge, directory, directory_ca })) => {
                if !directory.starts_with("https://") {
                    return Err(place.error(format!("acme.directory {directory:?} is no https:// address")));
                }
                Ok(Self::Acme(AcmePlan { names, email, challenge, directory, directory_ca, dir }))
            }
            (_, _, Some(_)) => Err(place.error("either certificate and key, or acme")),
            _ => Err(place
                .error("certificate and key belong together: both, or neither for one that is made here")),
        }
    }

    /// The port by which an authority asks whether the names are ours, and by what; `None` where none does.
    pub fn is_asked_at(&self) -> Option<(u16, &'static str)> {
        match self {
            Self::Acme(AcmePlan { challenge: Challenge::Http, .. }) => Some((80, "HTTP")),
            Self::Acme(AcmePlan { challenge: Challenge::TlsAlpn, .. }) => Some((443, "TLS")),
            Self::Files { .. } | Self::SelfSigned { .. } => None,
        }
    }

    /// The files that must be there before it runs.
    pub fn files(&self) -> Vec<&Path> {
        match self {
            Self::Files { certificate, key } => vec![certificate, key],
            Self::SelfSigned { .. } => Vec::new(),
            Self::Acme(acme) => acme.directory_ca.iter().map(PathBuf::as_path).collect(),
        }
    }

    /// Relative paths are meant from the configuration's folder.
    #[must_use]
    pub fn within(mut self, folder: &Path) -> Self {
        let paths: Vec<&mut PathBuf> = match &mut self {
            Self::Files { certificate, key } => vec![certificate, key],
            Self::SelfSigned { dir, .. } => vec![dir],
            Self::Acme(acme) => std::iter::once(&mut acme.dir).chain(&mut acme.directory_ca).collect(),
        };
        for path in paths {
            *path = folder.join(&*path);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::Text;

    fn parse(toml: &str) -> Result<CertificatePlan, ConfigError> {
        let text = Text { origin: "test.toml".to_owned(), toml: format!("[tls]\n{toml}") };
        let (_, section) = text.sections().unwrap().pop().unwrap();
        CertificatePlan::parse(section)
    }

    #[test]
    fn a_certificate_is_given_or_fetched_or_made() {
        assert!(matches!(parse("certificate = \"a\"\nkey = \"b\""), Ok(CertificatePlan::Files { .. })));
        assert_eq!(parse(""), Ok(CertificatePlan::default()));
        let acme = parse("names = [\"cam.example\"]\nacme = { email = \"me@cam.example\" }").unwrap();
        let CertificatePlan::Acme(acme) = acme else { panic!("{acme:?}") };
        assert_eq!((acme.directory, acme.challenge), (lets_encrypt(), Challenge::TlsAlpn));
        let by_http = parse("names = [\"cam.example\"]\nacme = { challenge = \"http-01\" }").unwrap();
        assert!(matches!(by_http, CertificatePlan::Acme(AcmePlan { challenge: Challenge::Http, .. })));
    }

    #[test]
    fn half_of_something_and_two_things_at_once_are_refused() {
        for (toml, says) in [
            ("certificate = \"a\"", "belong together"),
            ("key = \"a\"", "belong together"),
            ("acme = {}", "needs names"),
            ("certificate = \"a\"\nkey = \"b\"\nacme = {}", "either"),
            ("certificate = \"a\"\nkey = \"b\"\nnames = [\"c\"]", "has its own"),
            ("names = [\"c\"]\nacme = { directory = \"http://a\" }", "no https://"),
            ("names = [\"c\"]\nacme = { challenge = \"dns-01\" }", "dns-01"),
            ("pem = \"a\"", "pem"),
        ] {
            let error = parse(toml).unwrap_err().to_string();
            assert!(error.contains(says), "{toml}: {error}");
        }
    }

    #[test]
    fn paths_are_meant_from_the_configurations_folder() {
        let plan = parse("certificate = \"a\"\nkey = \"/b\"").unwrap().within(Path::new("/etc/firstlight"));
        assert_eq!(
            plan,
            CertificatePlan::Files { certificate: "/etc/firstlight/a".into(), key: "/b".into() }
        );
    }
}
