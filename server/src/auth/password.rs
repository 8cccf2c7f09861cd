//! Passwords: argon2id in PHC strings, as `firstlight hash-password` prints them.
//!
//! A check takes some 30 ms of a core by design, so it must not run where anything else waits: see [`super::Check`].

use std::fmt;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};

use super::secret::{Digest, random_bytes};

/// A password's hash, legal and of a strength that can be checked in reasonable time.
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// From a PHC string.
    ///
    /// # Errors
    /// What is wrong, without the text: it may be a password.
    pub fn new(text: &str) -> Result<Self, String> {
        if !text.starts_with("$argon2id$") {
            return Err("this is no argon2id hash. A password is never written into the configuration; `firstlight hash-password` \
                        asks for it and prints what to write here"
                .to_owned());
        }
        let hash = Phc::new(text)
            .map_err(|_| "this argon2id hash is incomplete; was all of it copied?".to_owned())?;
        let parameters = argon2::Params::try_from(&hash)
            .map_err(|_| "this argon2id hash has parameters out of range".to_owned())?;
        let cost = u64::from(parameters.m_cost()) * u64::from(parameters.t_cost());
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err("this argon2id hash is incomplete; was all of it copied?".to_owned());
        }
        if parameters.m_cost() > MAX_MEMORY_KIB || cost > MAX_COST {
            return Err(format!(
                "this argon2id hash asks for {} KiB and {} passes, which would take too long at each login; \
                 `firstlight hash-password` makes one that fits",
                parameters.m_cost(),
                parameters.t_cost()
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// Hashes a password.
    pub fn of(password: &str) -> Self {
        let salt: [u8; 16] = random_bytes();
        let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
        Self(hash.expect("any password within the limit can be hashed").to_string())
    }

    /// Whether this is the password. Takes its time.
    pub fn is_of(&self, password: &str) -> bool {
        let Ok(hash) = Phc::new(&self.0) else { return false };
        Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
    }

    /// The PHC string.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Changes with the password.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// The longest password, in bytes.
pub const MAX_PASSWORD: usize = 1_024;
/// 256 MiB.
const MAX_MEMORY_KIB: u32 = 256 * 1_024;
/// KiB times passes: about two seconds of a core.
const MAX_COST: u64 = 1_024 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_by_its_hash() {
        let hash = PasswordHash::of("open sesame");
        assert!(hash.as_str().starts_with("$argon2id$v=19$m="));
        assert!(hash.is_of("open sesame") && !hash.is_of("open sesam"));
        let read = PasswordHash::new(hash.as_str()).unwrap();
        assert!(read.is_of("open sesame"));
        assert_ne!(PasswordHash::of("open sesame").as_str(), hash.as_str());
    }

    #[test]
    fn a_hash_that_would_take_for_ever_or_is_none_is_refused_without_being_repeated() {
        let hash = PasswordHash::of("x").as_str().to_owned();
        let (_, rest) = hash.split_once(",t=").unwrap();
        for wrong in [
            "open sesame",
            "$argon2id$v=19",
            &hash[..hash.len() / 2],
            &format!("$argon2id$v=19$m=4000000,t={rest}"),
            &format!("$argon2id$v=19$m=19456,t=9999{}", &rest[1..]),
        ] {
            let error = PasswordHash::new(wrong).unwrap_err();
            assert!(!error.contains(wrong), "{error}");
        }
    }
}
