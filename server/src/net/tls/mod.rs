//! TLS: one certificate for every protocol, exchanged while the server runs.
//!
//! Not here: the handshake of a connection (`supervise::accept`), reading and writing on one (`net::transport`).

mod acme;
mod answers;
mod files;
mod self_signed;
pub mod trust;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;

use self::acme::Acme;
pub use self::answers::ProofAnswers;
use self::files::Files;
use crate::config::tls::CertificatePlan;

/// The protocol of RFC 8737, spoken by an authority that wants a proof.
const ACME_TLS: &[u8] = b"acme-tls/1";

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// What is in a file is not what it should be.
    #[error("{path}: {message}")]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Certificate or key cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// The authority did not give one.
    #[error("the certificate authority: {0}")]
    Authority(String),
}

/// The certificate that is shown at present.
#[derive(Debug, Default)]
pub struct Certificates {
    current: RwLock<Option<Arc<CertifiedKey>>>,
    /// Shown to an authority that asks whether a name is ours, by name.
    proofs: RwLock<Option<Proofs>>,
    /// Given to one that asks by HTTP.
    answers: Arc<ProofAnswers>,
}

type Proofs = HashMap<String, Arc<CertifiedKey>>;

impl Certificates {
    fn show(&self, certificate: CertifiedKey) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(certificate));
    }

    fn prove(&self, proofs: Option<Proofs>) {
        *self.proofs.write().unwrap_or_else(PoisonError::into_inner) = proofs;
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut offered| offered.any(|protocol| protocol == ACME_TLS)) {
            let proofs = self.proofs.read().unwrap_or_else(PoisonError::into_inner);
            return proofs.as_ref()?.get(hello.server_name()?).cloned();
        }
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The server's TLS.
#[derive(Debug)]
pub struct Tls {
    certificates: Arc<Certificates>,
    config: Arc<ServerConfig>,
    care: Care,
}

/// What is to be done for the certificate while the server runs.
#[derive(Debug)]
enum Care {
    Files(Files),
    Acme(Box<Acme>),
    Nothing,
}

/// The one provider of cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

impl Tls {
    /// Reads or makes the certificate; `keeps` says whether something that is made can be kept.
    ///
    /// # Errors
    /// [`TlsError`] if there is none to be had. An authority is not asked yet.
    pub fn new(plan: CertificatePlan, keeps: bool) -> Result<Self, TlsError> {
        let certificates = Arc::new(Certificates::default());
        let care = match plan {
            CertificatePlan::Files { certificate, key } => {
                let (files, first) = Files::open(certificate, key)?;
                certificates.show(first);
                Care::Files(files)
            }
            CertificatePlan::SelfSigned { names, dir } => {
                certificates.show(self_signed::certificate(&names, keeps.then_some(dir.as_path()))?);
                Care::Nothing
            }
            CertificatePlan::Acme(plan) => {
                let (acme, kept) = Acme::open(plan)?;
                if let Some(kept) = kept {
                    certificates.show(kept);
                }
                Care::Acme(Box::new(acme))
            }
        };
        let resolver: Arc<dyn ResolvesServerCert> = certificates.clone();
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|e| TlsError::Unusable(e.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec(), ACME_TLS.to_vec()];
        Ok(Self { certificates, config: Arc::new(config), care })
    }

    /// How connections agree on TLS.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// What an authority is answered that asks by HTTP.
    pub fn answers(&self) -> Arc<ProofAnswers> {
        Arc::clone(&self.certificates.answers)
    }

    /// Keeps the certificate good for as long as the server runs.
    pub async fn look_after(self) {
        match self.care {
            Care::Files(files) => files.watch(&self.certificates).await,
            Care::Acme(acme) => acme.renew(&self.certificates).await,
            Care::Nothing => {}
        }
    }
}
