//! Keys: what a handshake agreed on, and what is derived from it.

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use crate::SrtpError;

/// How packets are sealed (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// `SRTP_AES128_CM_HMAC_SHA1_80`.
    Aes128CmHmacSha1,
    /// `SRTP_AEAD_AES_128_GCM`.
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM`.
    AeadAes256Gcm,
}

impl Profile {
    /// Bytes of a master key.
    pub(crate) const fn key(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1 | Self::AeadAes128Gcm => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of a salt.
    pub(crate) const fn salt(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1 => MOST_SALT,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }

    /// Bytes that sealing adds to an RTP packet.
    pub const fn tag(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1 => 10,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
        }
    }
}

/// The master key of one end: what it sends is sealed with it.
#[derive(Clone, Copy)]
pub struct End {
    pub(crate) profile: Profile,
    key: [u8; MOST_KEY],
    salt: [u8; MOST_SALT],
}

/// Both ends of a handshake.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// Who began it.
    pub client: End,
    /// Who answered.
    pub server: End,
}

impl std::fmt::Debug for End {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "End({:?})", self.profile)
    }
}

/// What a handshake exported (RFC 5764 §4.2): both keys, then both salts, the client's first.
///
/// # Errors
/// [`SrtpError::Material`].
pub fn ends(profile: Profile, material: &[u8]) -> Result<Ends, SrtpError> {
    let (key, salt) = (profile.key(), profile.salt());
    let needs = 2 * (key + salt);
    if material.len() < needs {
        return Err(SrtpError::Material { got: material.len(), needs });
    }
    let (keys, salts) = material.split_at(2 * key);
    let end = |at: usize| {
        let mut end = End { profile, key: [0; MOST_KEY], salt: [0; MOST_SALT] };
        end.key[..key].copy_from_slice(&keys[at * key..(at + 1) * key]);
        end.salt[..salt].copy_from_slice(&salts[at * salt..(at + 1) * salt]);
        end
    };
    Ok(Ends { client: end(0), server: end(1) })
}

/// What a derived key is for (RFC 3711 §4.3.1): of packets, or of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Rtp,
    Rtcp,
}

impl End {
    pub(crate) fn cipher_key(&self, of: Use) -> Result<([u8; MOST_KEY], usize), SrtpError> {
        let mut key = [0; MOST_KEY];
        let length = self.profile.key();
        self.derive(of.label(0), &mut key[..length])?;
        Ok((key, length))
    }

    pub(crate) fn authentication_key(&self, of: Use) -> Result<[u8; 20], SrtpError> {
        let mut key = [0; 20];
        self.derive(of.label(1), &mut key)?;
        Ok(key)
    }

    pub(crate) fn session_salt(&self, of: Use) -> Result<[u8; MOST_SALT], SrtpError> {
        let mut salt = [0; MOST_SALT];
        self.derive(of.label(2), &mut salt[..self.profile.salt()])?;
        Ok(salt)
    }

    /// The stream of AES in counter mode under the master key, from a start that the label tells apart (RFC 3711 §4.3.3). A shorter salt is
    /// filled up with zeros (RFC 7714 §11).
    fn derive(&self, label: u8, out: &mut [u8]) -> Result<(), SrtpError> {
        let mut start = [0; 16];
        start[..MOST_SALT].copy_from_slice(&self.salt);
        start[7] ^= label;
        let algorithm = if self.profile.key() == 16 { &AES_128 } else { &AES_256 };
        let key = UnboundCipherKey::new(algorithm, &self.key[..self.profile.key()]);
        let key = key.and_then(EncryptingKey::ctr).map_err(|_| SrtpError::Cipher)?;
        out.fill(0);
        let context = EncryptionContext::Iv128(FixedLength::from(start));
        key.less_safe_encrypt(out, context).map_err(|_| SrtpError::Cipher)?;
        Ok(())
    }
}

impl Use {
    const fn label(self, which: u8) -> u8 {
        match self {
            Self::Rtp => which,
            Self::Rtcp => 3 + which,
        }
    }
}

const MOST_KEY: usize = 32;
pub(crate) const MOST_SALT: usize = 14;
