//! The keys that packets are sealed with: what the DTLS handshake ends with (RFC 5764 §4.2), which str0m keeps to itself.
//!
//! str0m lets its DTLS be exchanged. Ours is the one it would have used, with an ear at it: what a handshake exports is laid down where the
//! session finds it that was being served by this thread at that moment ([`overheard`]).

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use srtp::{End, Opener, Profile, Sealer, SrtpError};
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
    SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider, from_feature_flags};

thread_local! {
    /// Of the handshake that ended last on this thread: our end, and theirs.
    static HEARD: Cell<Option<[End; 2]>> = const { Cell::new(None) };
}

/// What one session's packets are sealed with, and its peer's reports opened.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
}

impl Keys {
    /// Those of the handshake that ended since this was asked last, on this thread; to be asked after each step of a session that has none yet.
    pub(super) fn overheard() -> Option<Result<Self, SrtpError>> {
        let [ours, theirs] = HEARD.take()?;
        let both = Sealer::new(&ours).and_then(|sealer| Ok((sealer, Opener::new(&theirs)?)));
        Some(both.map(|(sealer, opener)| Self { sealer, opener }))
    }
}

/// What str0m is to use: its own ciphers, and DTLS that is overheard.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { dtls_provider: &OVERHEARD, ..from_feature_flags() })
}

static OVERHEARD: Overheard = Overheard;

#[derive(Debug)]
struct Overheard;

impl DtlsProvider for Overheard {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        from_feature_flags().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = from_feature_flags().dtls_provider.new_dtls(certificate, now, version, mtu)?;
        Ok(Box::new(Instance { inner }))
    }
}

/// One handshake.
#[derive(Debug)]
struct Instance {
    inner: Box<dyn DtlsInstance>,
}

impl DtlsInstance for Instance {
    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.inner.poll_output(buffer);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            let profile = match profile {
                SrtpProfile::AES128_CM_SHA1_80 => Some(Profile::Aes128CmHmacSha1),
                SrtpProfile::AEAD_AES_128_GCM => Some(Profile::AeadAes128Gcm),
                SrtpProfile::AEAD_AES_256_GCM => Some(Profile::AeadAes256Gcm),
                _ => None,
            };
            let ends = profile.and_then(|profile| srtp::ends(profile, material).ok());
            HEARD.set(ends.map(|ends| match self.inner.is_active() {
                true => [ends.client, ends.server],
                false => [ends.server, ends.client],
            }));
        }
        output
    }

    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}
