//! A certificate of our own making: nobody vouches for it, but once a browser or a player has been told to trust it, it keeps others
//! from listening. It is made once and kept, so that what was told stays true.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tracing::info;

use super::{TlsError, files, provider};
use crate::net::machine;

/// Apple's systems take none that is good for longer than 825 days.
const GOOD_FOR: Duration = Duration::from_secs(820 * 86_400);
/// And made anew, at a start, this long before.
const EARLY: Duration = Duration::from_secs(30 * 86_400);
/// Certificate and key.
const FILE: &str = "self-signed.pem";

/// The certificate kept in `dir`, or a new one; without a folder, one for this run alone.
pub(super) fn certificate(names: &[String], dir: Option<&Path>) -> Result<CertifiedKey, TlsError> {
    let file = dir.map(|dir| dir.join(FILE));
    if let Some(file) = file.as_deref().filter(|file| is_good(file)) {
        let kept = files::read(file, file)?;
        tell(&kept, Some(file));
        return Ok(kept);
    }
    let pem = make(names)?;
    if let (Some(dir), Some(file)) = (dir, file.as_deref()) {
        keep(dir, file, pem.as_bytes()).map_err(|source| TlsError::File { path: file.to_owned(), source })?;
    }
    let unusable = |error: &dyn std::fmt::Display| TlsError::Unusable(error.to_string());
    let chain = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| unusable(&e))?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|e| unusable(&e))?;
    let made = CertifiedKey::from_der(vec![chain], key, &provider()).map_err(|e| unusable(&e))?;
    tell(&made, file.as_deref());
    Ok(made)
}

/// Whether it is there and will be good for a while.
fn is_good(file: &Path) -> bool {
    let age = fs::metadata(file).and_then(|m| m.modified()).ok().and_then(|made| made.elapsed().ok());
    age.is_some_and(|age| age < GOOD_FOR.saturating_sub(EARLY))
}

fn make(names: &[String]) -> Result<String, TlsError> {
    let unusable = |error: rcgen::Error| TlsError::Unusable(format!("no certificate for {names:?}: {error}"));
    let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let host = machine::hostname();
    all.extend([host.clone(), format!("{host}.local")]);
    all.extend(machine::outward().map(|address| address.to_string()));
    all.extend(names.iter().cloned());
    all.sort();
    all.dedup();
    let mut params = CertificateParams::new(all).map_err(unusable)?;
    params.distinguished_name.push(DnType::CommonName, format!("firstlight on {host}"));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    params.not_before = epoch + now.saturating_sub(Duration::from_secs(86_400));
    params.not_after = epoch + now + GOOD_FOR;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unusable)?;
    let certificate = params.self_signed(&key).map_err(unusable)?;
    Ok(format!("{}{}", certificate.pem(), key.serialize_pem()))
}

/// Writes what only we may read.
pub(super) fn keep(dir: &Path, file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    let beside = file.with_extension("new");
    let mut new = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    new.write_all(bytes)?;
    new.sync_all()?;
    drop(new);
    fs::rename(&beside, file)
}

/// Says how to know it again.
fn tell(certificate: &CertifiedKey, file: Option<&Path>) {
    let Some(own) = certificate.cert.first() else { return };
    let digits: Vec<String> =
        digest(&SHA256, own).as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    let kept = file.map_or_else(|| "for this run".to_owned(), |file| file.display().to_string());
    info!(
        sha256 = digits.join(":"),
        kept, "TLS by a certificate of our own; browsers ask before they trust it"
    );
}
