//! One certificate that is believed when we connect by TLS, whoever made it.
//!
//! Devices make their certificates themselves, for names that nobody calls them by. Such a one is believed by what it is: its SHA-256, as
//! this server writes its own into the log. What authorities vouch for is `dial`'s.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::provider;

/// The SHA-256 of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl std::str::FromStr for Fingerprint {
    type Err = String;

    /// Hexadecimal digits, with or without colons between the bytes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "a certificate's SHA-256 has 64 hexadecimal digits".to_owned();
        let digits: Vec<char> = text.chars().filter(|c| *c != ':').collect();
        let mut bytes = [0; 32];
        if digits.len() != 2 * bytes.len() {
            return Err(wrong());
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks(2)) {
            let nibble = |c: &char| c.to_digit(16).ok_or_else(wrong);
            *byte = (nibble(&pair[0])? << 4 | nibble(&pair[1])?) as u8;
        }
        Ok(Self(bytes))
    }
}

/// How we agree on TLS with a server that has this very certificate.
///
/// # Errors
/// If there is no TLS to be had at all.
pub fn only(fingerprint: Fingerprint) -> Result<ClientConfig, String> {
    let verifier = Arc::new(Only { fingerprint, provider: provider() });
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

/// Believes one certificate, whoever made it and for whatever name; whoever shows it has to prove that they have its key.
#[derive(Debug)]
struct Only {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if digest(&SHA256, shown).as_ref() == self.fingerprint.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_with_colons_and_without() {
        let bare = "0123456789abcdefABCDEF000000000000000000000000000000000000000042";
        let pairs: Vec<&str> = (0..32).map(|at| &bare[2 * at..2 * at + 2]).collect();
        let read: Fingerprint = bare.parse().unwrap();
        assert_eq!(pairs.join(":").parse(), Ok(read));
        assert_eq!((read.0[0], read.0[8], read.0[31]), (0x01, 0xab, 0x42));
        for wrong in ["", "01", &bare[1..], &bare.replace('4', "g"), &format!("{bare}00")] {
            assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
        }
    }
}
