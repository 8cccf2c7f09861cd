//! A certificate in files that somebody else looks after (certbot, a company's own authority), read again when they change.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tracing::{info, warn};

use super::{Certificates, TlsError, provider};

/// How often is looked whether the files have changed. Not by the system's notices: a renewed certificate is mostly a link turned to
/// another file, in a folder that may be on a network.
const LOOK: Duration = Duration::from_secs(2);

/// The files.
#[derive(Debug)]
pub(super) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    stamp: Stamp,
}

/// What changes when a file is written anew.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Files {
    /// Reads them.
    pub(super) fn open(certificate: PathBuf, key: PathBuf) -> Result<(Self, CertifiedKey), TlsError> {
        let stamp = stamp(&certificate, &key);
        let first = read(&certificate, &key)?;
        Ok((Self { certificate, key, stamp }, first))
    }

    /// Shows what is in them from then on, as long as it is good.
    pub(super) async fn watch(mut self, certificates: &Certificates) {
        loop {
            tokio::time::sleep(LOOK).await;
            let now = stamp(&self.certificate, &self.key);
            if now == self.stamp {
                continue;
            }
            self.stamp = now;
            match read(&self.certificate, &self.key) {
                Ok(certificate) => {
                    certificates.show(certificate);
                    info!(file = %self.certificate.display(), "the certificate was read again");
                }
                // Half of it may be written: the other half changes the stamp again.
                Err(error) => {
                    warn!(%error, "the certificate changed and cannot be used; the one before stays");
                }
            }
        }
    }
}

fn stamp(certificate: &Path, key: &Path) -> Stamp {
    [certificate, key].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

/// A chain and its key.
pub(super) fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| explain(certificate, error))?;
    if chain.is_empty() {
        return Err(content(certificate, "there is no certificate in it (PEM, BEGIN CERTIFICATE)"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| explain(key, error))?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            content(key, &format!("this is not the key of {}", certificate.display()))
        }
        error => content(key, &error.to_string()),
    })
}

fn explain(path: &Path, error: pem::Error) -> TlsError {
    match error {
        pem::Error::Io(source) => TlsError::File { path: path.to_owned(), source },
        pem::Error::NoItemsFound => content(path, "there is no private key in it (PEM, BEGIN PRIVATE KEY)"),
        error => content(path, &format!("this is no PEM: {error}")),
    }
}

fn content(path: &Path, message: &str) -> TlsError {
    TlsError::Content { path: path.to_owned(), message: message.to_owned() }
}
