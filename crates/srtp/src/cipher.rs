//! One derived key with its cipher: which bytes are hidden, which only signed, and where the signature stands.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY};
use aws_lc_rs::iv::FixedLength;

use crate::SrtpError;
use crate::keys::{End, MOST_SALT, Profile, Use};

/// A key of packets, or of reports.
#[derive(Debug)]
pub(crate) enum Cipher {
    /// Hides and signs in one (RFC 7714).
    Gcm { key: LessSafeKey, salt: [u8; MOST_SALT] },
    /// Hides, and is signed with another key (RFC 3711 §4.1.1, §4.2.1).
    Counter { keys: Box<(EncryptingKey, hmac::Key)>, salt: [u8; MOST_SALT] },
}

impl Cipher {
    pub(crate) fn new(end: &End, of: Use) -> Result<Self, SrtpError> {
        let (key, length) = end.cipher_key(of)?;
        let (key, salt) = (&key[..length], end.session_salt(of)?);
        Ok(match end.profile {
            Profile::Aes128CmHmacSha1 => {
                let key = UnboundCipherKey::new(&AES_128, key).and_then(EncryptingKey::ctr);
                let key = key.map_err(|_| SrtpError::Cipher)?;
                let signs = hmac::Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &end.authentication_key(of)?);
                Self::Counter { keys: Box::new((key, signs)), salt }
            }
            Profile::AeadAes128Gcm => Self::Gcm { key: aead(&AES_128_GCM, key)?, salt },
            Profile::AeadAes256Gcm => Self::Gcm { key: aead(&AES_256_GCM, key)?, salt },
        })
    }

    /// Bytes of the signature.
    pub(crate) const fn tag(&self) -> usize {
        match self {
            Self::Gcm { .. } => 16,
            Self::Counter { .. } => 10,
        }
    }

    /// Seals an RTP packet of this index (its rollover counter and number): what follows its header is hidden, the last bytes are for the tag.
    pub(crate) fn seal(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<(), SrtpError> {
        let short = SrtpError::Short(packet.len());
        let end = packet.len().checked_sub(self.tag()).filter(|end| *end >= header).ok_or(short)?;
        match self {
            Self::Gcm { key, salt } => {
                let (header, rest) = packet.split_at_mut(header);
                let (payload, tag) = rest.split_at_mut(end - header.len());
                seal_gcm(key, nonce(salt, ssrc, index), header, payload, tag)
            }
            Self::Counter { keys, salt } => {
                let (key, signs) = &**keys;
                hide(key, salt, ssrc, index, &mut packet[header..end])?;
                let (signed, tag) = packet.split_at_mut(end);
                let mut context = hmac::Context::with_key(signs);
                context.update(signed);
                context.update(&((index >> 16) as u32).to_be_bytes());
                tag.copy_from_slice(&context.sign().as_ref()[..tag.len()]);
                Ok(())
            }
        }
    }

    /// Seals a compound RTCP packet of this index (RFC 3711 §3.4, RFC 7714 §9.2).
    pub(crate) fn seal_report(&self, packet: &mut Vec<u8>, index: u32) -> Result<(), SrtpError> {
        let ssrc = report_ssrc(packet)?;
        let word = (index | ENCRYPTED).to_be_bytes();
        match self {
            Self::Gcm { key, salt } => {
                let end = packet.len();
                packet.resize(end + self.tag(), 0);
                let (header, rest) = packet.split_at_mut(REPORT_HEADER);
                let (body, tag) = rest.split_at_mut(end - REPORT_HEADER);
                let signed = [&*header, &word].concat();
                seal_gcm(key, nonce(salt, ssrc, u64::from(index)), &signed, body, tag)?;
                packet.extend_from_slice(&word);
            }
            Self::Counter { keys, salt } => {
                let (key, signs) = &**keys;
                hide(key, salt, ssrc, u64::from(index), &mut packet[REPORT_HEADER..])?;
                packet.extend_from_slice(&word);
                let tag = hmac::sign(signs, packet);
                packet.extend_from_slice(&tag.as_ref()[..self.tag()]);
            }
        }
        Ok(())
    }

    /// Opens a compound RTCP packet where it lies: its sender, its index and how long it is.
    pub(crate) fn open_report(&self, packet: &mut [u8]) -> Result<(u32, u32, usize), SrtpError> {
        let ssrc = report_ssrc(packet)?;
        let short = SrtpError::Short(packet.len());
        let end =
            packet.len().checked_sub(self.tag() + 4).filter(|end| *end >= REPORT_HEADER).ok_or(short)?;
        let word_at = match self {
            Self::Gcm { .. } => packet.len() - 4,
            Self::Counter { .. } => end,
        };
        let word = packet[word_at..].first_chunk::<4>().copied().ok_or(short)?;
        let (index, is_hidden) =
            (u32::from_be_bytes(word) & !ENCRYPTED, u32::from_be_bytes(word) & ENCRYPTED != 0);
        match self {
            Self::Gcm { key, salt } => {
                let nonce = nonce(salt, ssrc, u64::from(index));
                if is_hidden {
                    let (header, rest) = packet.split_at_mut(REPORT_HEADER);
                    let signed = [&*header, &word].concat();
                    let sealed = &mut rest[..end - REPORT_HEADER + self.tag()];
                    key.open_in_place(nonce, Aad::from(&signed), sealed)
                        .map_err(|_| SrtpError::NotAuthentic)?;
                } else {
                    // Only signed (RFC 7714 §9.3): all of it.
                    let (shown, tag) = packet[..word_at].split_at_mut(end);
                    let signed = [&*shown, &word].concat();
                    key.open_in_place(nonce, Aad::from(&signed), tag).map_err(|_| SrtpError::NotAuthentic)?;
                }
            }
            Self::Counter { keys, salt } => {
                let (key, signs) = &**keys;
                let (signed, tag) = packet.split_at_mut(end + 4);
                let expected = hmac::sign(signs, signed);
                verify_slices_are_equal(&expected.as_ref()[..tag.len()], tag)
                    .map_err(|_| SrtpError::NotAuthentic)?;
                if is_hidden {
                    hide(key, salt, ssrc, u64::from(index), &mut signed[REPORT_HEADER..end])?;
                }
            }
        }
        Ok((ssrc, index, end))
    }
}

fn aead(algorithm: &'static aws_lc_rs::aead::Algorithm, key: &[u8]) -> Result<LessSafeKey, SrtpError> {
    UnboundKey::new(algorithm, key).map(LessSafeKey::new).map_err(|_| SrtpError::Cipher)
}

fn seal_gcm(
    key: &LessSafeKey,
    nonce: Nonce,
    signed: &[u8],
    body: &mut [u8],
    tag: &mut [u8],
) -> Result<(), SrtpError> {
    let made =
        key.seal_in_place_separate_tag(nonce, Aad::from(signed), body).map_err(|_| SrtpError::Cipher)?;
    tag.copy_from_slice(made.as_ref());
    Ok(())
}

/// RFC 7714 §8.1 and §9.1: an index of reports is one of packets whose upper bits are zero.
fn nonce(salt: &[u8; MOST_SALT], ssrc: u32, index: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&salt[..12]);
    xor(&mut nonce[2..6], &ssrc.to_be_bytes());
    xor(&mut nonce[6..], &index.to_be_bytes()[2..]);
    Nonce::assume_unique_for_key(nonce)
}

/// Hides bytes, or shows them (RFC 3711 §4.1.1).
fn hide(
    key: &EncryptingKey,
    salt: &[u8; MOST_SALT],
    ssrc: u32,
    index: u64,
    bytes: &mut [u8],
) -> Result<(), SrtpError> {
    let mut start = [0; 16];
    start[..MOST_SALT].copy_from_slice(salt);
    xor(&mut start[4..8], &ssrc.to_be_bytes());
    xor(&mut start[8..14], &index.to_be_bytes()[2..]);
    let context = EncryptionContext::Iv128(FixedLength::from(start));
    key.less_safe_encrypt(bytes, context).map_err(|_| SrtpError::Cipher)?;
    Ok(())
}

fn xor(bytes: &mut [u8], others: &[u8]) {
    bytes.iter_mut().zip(others).for_each(|(byte, other)| *byte ^= other);
}

/// Whose a compound packet is: the sender of its first report.
fn report_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    let ssrc = packet.get(4..REPORT_HEADER).and_then(<[u8]>::first_chunk);
    ssrc.map(|ssrc| u32::from_be_bytes(*ssrc)).ok_or(SrtpError::Short(packet.len()))
}

/// What of a compound packet is never hidden.
const REPORT_HEADER: usize = 8;
/// The first bit of the word with the index.
const ENCRYPTED: u32 = 1 << 31;
