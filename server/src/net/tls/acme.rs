//! A certificate from an authority by ACME (RFC 8555), for names that the world knows this server by.
//!
//! The names are proved by TLS-ALPN-01 (RFC 8737): the authority connects to the server's own TLS address and is shown a certificate that
//! only the holder of the account can have made. So no other port and no file is needed; the world must reach a TLS address at port 443. Or by
//! HTTP-01 (RFC 8555 §8.3), where the world reaches port 80: the authority asks for an address with a token in it (`http/proof.rs`).

use std::fs;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, BodyWrapper, BytesResponse, ChallengeType, HttpClient,
    Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use tracing::{info, warn};
use x509_parser::parse_x509_certificate;

use super::self_signed::keep;
use super::{Certificates, TlsError, files, provider};
use crate::config::tls::{AcmePlan, Challenge};
use crate::net::fetch::{Address, Client};

/// The account's address and key, as `instant-acme` writes them.
const ACCOUNT: &str = "acme-account.json";
/// Chain and key.
const CERTIFICATE: &str = "acme.pem";
/// An authority answers within this time, and in no more bytes.
const ANSWER: Duration = Duration::from_secs(30);
const MOST: usize = 256 * 1_024;
/// After a failure so long is waited, then twice as long, up to the second: authorities count failures.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(6 * 3_600));
/// How often is looked whether it is time.
const LOOK: Duration = Duration::from_secs(3_600);

/// The way to a certificate.
#[derive(Debug)]
pub(super) struct Acme {
    plan: AcmePlan,
    client: Client,
    /// From when on the certificate that is there is to be replaced.
    due: Option<SystemTime>,
}

impl Acme {
    /// What was fetched before, if it is there.
    pub(super) fn open(plan: AcmePlan) -> Result<(Self, Option<CertifiedKey>), TlsError> {
        let client = Client::new(plan.directory_ca.as_deref()).map_err(TlsError::Authority)?;
        let file = plan.dir.join(CERTIFICATE);
        let kept = if file.exists() { Some(files::read(&file, &file)?) } else { None };
        let due = kept.as_ref().and_then(due);
        Ok((Self { plan, client, due }, kept))
    }

    /// Fetches a certificate when there is none and whenever two thirds of its life are over.
    pub(super) async fn renew(mut self, certificates: &Certificates) {
        let mut patience = PATIENCE.0;
        loop {
            if self.due.is_some_and(|due| due > SystemTime::now()) {
                tokio::time::sleep(LOOK).await;
                continue;
            }
            let obtained = self.obtain(certificates).await;
            certificates.prove(None);
            certificates.answers.forget();
            match obtained {
                Ok(certificate) => {
                    self.due = due(&certificate);
                    certificates.show(certificate);
                    patience = PATIENCE.0;
                    info!(names = ?self.plan.names, "a certificate was fetched");
                    // One that is due as soon as it is there is not asked for in a loop.
                    tokio::time::sleep(PATIENCE.0).await;
                }
                Err(error) => {
                    warn!(%error, directory = self.plan.directory, again_in_s = patience.as_secs(), "no certificate was fetched");
                    tokio::time::sleep(patience).await;
                    patience = (patience * 2).min(PATIENCE.1);
                }
            }
        }
    }

    async fn obtain(&self, certificates: &Certificates) -> Result<CertifiedKey, TlsError> {
        let account = self.account().await?;
        let names: Vec<Identifier> = self.plan.names.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await.map_err(refused)?;
        prove(&mut order, self.plan.challenge, certificates).await?;
        let key = KeyPair::generate().map_err(unusable)?;
        let request =
            CertificateParams::new(self.plan.names.clone()).and_then(|params| params.serialize_request(&key));
        order.finalize_csr(request.map_err(unusable)?.der()).await.map_err(refused)?;
        let chain = order.poll_certificate(&RetryPolicy::default()).await.map_err(refused)?;
        let file = self.plan.dir.join(CERTIFICATE);
        self.write(&file, format!("{chain}{}", key.serialize_pem()).as_bytes())?;
        files::read(&file, &file)
    }

    /// The account at the authority; made the first time.
    async fn account(&self) -> Result<Account, TlsError> {
        let file = self.plan.dir.join(ACCOUNT);
        let builder = || Account::builder_with_http(Box::new(Asking(self.client.clone())));
        if let Ok(text) = fs::read_to_string(&file) {
            let credentials: AccountCredentials = serde_json::from_str(&text)
                .map_err(|error| TlsError::Content { path: file, message: error.to_string() })?;
            return builder().from_credentials(credentials).await.map_err(refused);
        }
        let contact = self.plan.email.as_deref().map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted =
            NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let made = builder().create(&wanted, self.plan.directory.clone(), None).await;
        let (account, credentials) = made.map_err(refused)?;
        let text = serde_json::to_vec(&credentials).map_err(|error| TlsError::Unusable(error.to_string()))?;
        self.write(&file, &text)?;
        Ok(account)
    }

    fn write(&self, file: &Path, bytes: &[u8]) -> Result<(), TlsError> {
        keep(&self.plan.dir, file, bytes).map_err(|source| TlsError::File { path: file.to_owned(), source })
    }
}

/// Proves every name of the order.
async fn prove(order: &mut Order, by: Challenge, certificates: &Certificates) -> Result<(), TlsError> {
    let (kind, called) = match by {
        Challenge::TlsAlpn => (ChallengeType::TlsAlpn01, "tls-alpn-01"),
        Challenge::Http => (ChallengeType::Http01, "http-01"),
    };
    let mut proofs = std::collections::HashMap::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(refused)?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let mut challenge = authorization
            .challenge(kind.clone())
            .ok_or_else(|| TlsError::Authority(format!("it does not offer {called}")))?;
        let (name, key) = (challenge.identifier().to_string(), challenge.key_authorization());
        match by {
            Challenge::TlsAlpn => {
                proofs.insert(name.clone(), proof(&name, key.digest().as_ref())?.into());
                certificates.prove(Some(proofs.clone()));
            }
            Challenge::Http => certificates.answers.add(challenge.token.clone(), key.as_str().to_owned()),
        }
        challenge.set_ready().await.map_err(refused)?;
    }
    match order.poll_ready(&RetryPolicy::default()).await.map_err(refused)? {
        OrderStatus::Ready | OrderStatus::Valid => Ok(()),
        status => {
            let mut authorizations = order.authorizations();
            while let Some(Ok(authorization)) = authorizations.next().await {
                if let Some(problem) = authorization.challenges.iter().find_map(|c| c.error.as_ref()) {
                    return Err(TlsError::Authority(problem.to_string()));
                }
            }
            Err(TlsError::Authority(format!("the names were not proved: {status:?}")))
        }
    }
}

/// The certificate that proves a name (RFC 8737 §3).
fn proof(name: &str, digest: &[u8]) -> Result<CertifiedKey, TlsError> {
    let mut params = CertificateParams::new([name.to_owned()]).map_err(unusable)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(unusable)?;
    let certificate = params.self_signed(&key).map_err(unusable)?;
    let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())
        .map_err(|error| TlsError::Unusable(error.to_string()))?;
    let key = provider()
        .key_provider
        .load_private_key(private)
        .map_err(|error| TlsError::Unusable(error.to_string()))?;
    // Not looked at as others are: it has a critical extension that is for the authority alone.
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

/// When two thirds of a certificate's life are over; `None` if it does not say.
fn due(certificate: &CertifiedKey) -> Option<SystemTime> {
    let own = certificate.cert.first()?;
    let (_, parsed) = parse_x509_certificate(own).ok()?;
    let seconds = |time: i64| u64::try_from(time).ok();
    let from = seconds(parsed.validity().not_before.timestamp())?;
    let until = seconds(parsed.validity().not_after.timestamp())?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(from + until.saturating_sub(from) / 3 * 2))
}

#[allow(clippy::needless_pass_by_value)] // it is given to `map_err`
fn refused(error: instant_acme::Error) -> TlsError {
    TlsError::Authority(crate::error::chain(&error))
}

#[allow(clippy::needless_pass_by_value)] // it is given to `map_err`
fn unusable(error: rcgen::Error) -> TlsError {
    TlsError::Unusable(error.to_string())
}

/// Our client, as `instant-acme` asks.
struct Asking(Client);

impl HttpClient for Asking {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let other = |error| instant_acme::Error::Other(error);
            let address: Address =
                request.uri().to_string().parse().map_err(|error: String| other(error.into()))?;
            let (head, body) = request.into_parts();
            let Ok(body) = body.collect().await;
            let request = Request::from_parts(head, body.to_bytes());
            let answer =
                client.send(&address, request, MOST, ANSWER).await.map_err(|error| other(error.into()))?;
            Ok(BytesResponse::from(answer.map(http_body_util::Full::new)))
        })
    }
}
