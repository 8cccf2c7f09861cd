//! Secrets as they are kept: digests, compared without telling how much of them was right.

use std::fmt;
use std::hash::{Hash, Hasher};

use aws_lc_rs::{constant_time, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What is kept of a secret that is random or long: enough to know it again, and not to give it away.
///
/// Not for passwords, which can be guessed: those are hashed slowly (see `password`).
#[derive(Clone, Copy, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The SHA-256 of a secret.
    pub fn of(secret: impl AsRef<[u8]>) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, secret.as_ref()).as_ref());
        Self(bytes)
    }

    /// From 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(…)")
    }
}

/// 256 random bits, as text that stands in URLs and cookies.
pub fn random() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

/// Random bytes, of the system itself: the library's own source takes 30 ms and a megabyte to begin with.
pub(super) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let flags = rustix::rand::GetRandomFlags::empty();
    // Up to 256 bytes come whole (getrandom(2)).
    let made = rustix::rand::getrandom(&mut bytes, flags).expect("the system gives random bytes");
    assert_eq!(made, N, "the system gives as many as are asked for");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_what_sha256sum_writes() {
        let written = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        assert_eq!(Digest::from_hex(written), Some(Digest::of("foo")));
        assert_ne!(Digest::of("foo"), Digest::of("fop"));
        assert_eq!(Digest::from_hex(&written[1..]), None);
        assert_eq!(Digest::from_hex(&written.replace('2', "g")), None);
    }

    #[test]
    fn random_texts_differ_and_have_256_bits() {
        assert_ne!(random(), random());
        assert_eq!(random().len(), 43);
    }

    #[test]
    fn a_digest_is_not_shown() {
        assert_eq!(format!("{:?}", Digest::of("foo")), "Digest(…)");
    }
}
