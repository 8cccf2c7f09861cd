//! The keys that packets are sealed with: what the DTLS handshake ends with (RFC 5764 §4.2), which str0m keeps to itself.
//!
//! str0m lets its DTLS be exchanged. Ours is the one it would have used, with an ear at it: what a handshake exports is laid down in a place
//! that the session was given as its DTLS was made ([`overheard`]), and in no other's.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use srtp::{End, Opener, Profile, Sealer, SrtpError};
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
    SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider, from_feature_flags};

thread_local! {
    /// The place for the DTLS that is being made on this thread.
    static NEXT: RefCell<Option<KeyPlace>> = const { RefCell::new(None) };
}

/// Where the keys of one session are laid down when its handshake ends: our end, and theirs.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyPlace(Arc<OnceLock<[End; 2]>>);

/// What one session's packets are sealed with, and its peer's reports opened.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
}

impl KeyPlace {
    /// The keys, once there are any.
    pub(super) fn keys(&self) -> Option<Result<Keys, SrtpError>> {
        let [ours, theirs] = self.0.get()?;
        let both = Sealer::new(ours).and_then(|sealer| Ok((sealer, Opener::new(theirs)?)));
        Some(both.map(|(sealer, opener)| Keys { sealer, opener }))
    }
}

/// Makes a session, whose DTLS is made with it, and the place where its keys will be.
pub(super) fn overheard<T>(make: impl FnOnce() -> T) -> (T, KeyPlace) {
    let place = KeyPlace::default();
    NEXT.with_borrow_mut(|next| *next = Some(place.clone()));
    let made = make();
    NEXT.with_borrow_mut(|next| *next = None);
    (made, place)
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
        let place = NEXT.with_borrow_mut(Option::take).unwrap_or_default();
        Ok(Box::new(Instance { inner, place }))
    }
}

/// One handshake.
#[derive(Debug)]
struct Instance {
    inner: Box<dyn DtlsInstance>,
    place: KeyPlace,
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
            if let Some(ends) = ends {
                let is_client = self.inner.is_active();
                let both = if is_client { [ends.client, ends.server] } else { [ends.server, ends.client] };
                // There is one handshake in a session.
                let _ = self.place.0.set(both);
            }
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

#[cfg(test)]
mod tests {
    use str0m::RtcConfig;

    use super::*;

    #[test]
    fn every_session_has_a_place_of_its_own() {
        let made = || RtcConfig::new().set_crypto_provider(provider()).build(Instant::now());
        let (one, of_one) = overheard(made);
        let (two, of_two) = overheard(made);
        assert!(!Arc::ptr_eq(&of_one.0, &of_two.0));
        // A session's DTLS holds on to it as well: it was made meanwhile.
        assert_eq!([&of_one, &of_two].map(|place| Arc::strong_count(&place.0)), [2, 2]);
        drop(one);
        assert_eq!([&of_one, &of_two].map(|place| Arc::strong_count(&place.0)), [1, 2]);
        drop(two);
        assert!(of_two.keys().is_none());
    }
}
