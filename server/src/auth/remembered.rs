//! Credentials that were right a moment ago.
//!
//! A program that names itself in each request must not cost a password's hash each time, and whoever is known must not wait for
//! somebody at the same address who guesses. Kept under a keyed digest: what is here cannot be used elsewhere.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;

use super::credentials::Credential;
use super::policy::Holder;
use super::secret;

/// Right credentials and whose they are.
#[derive(Debug)]
pub(super) struct Remembered {
    key: hmac::Key,
    by_mark: Mutex<HashMap<Mark, (Holder, Instant)>>,
}

/// A credential, told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mark([u8; 32]);

impl Default for Remembered {
    fn default() -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret::random_bytes::<32>());
        Self { key, by_mark: Mutex::default() }
    }
}

impl Remembered {
    pub(super) fn mark(&self, credential: &Credential) -> Mark {
        let mut context = hmac::Context::with_key(&self.key);
        match credential {
            // No name holds a NUL that would let two meet: it is the configuration's.
            Credential::Password { user, password } => {
                context.update(b"password\0");
                context.update(user.as_bytes());
                context.update(b"\0");
                context.update(password.as_bytes());
            }
            Credential::Token(token) => {
                context.update(b"token\0");
                context.update(token.as_bytes());
            }
        }
        let mut mark = [0; 32];
        mark.copy_from_slice(context.sign().as_ref());
        Mark(mark)
    }

    /// Of whoever answered this nonce.
    pub(super) fn mark_of_nonce(&self, user: &str, nonce: &str) -> Mark {
        let text = format!("digest\0{user}\0{nonce}");
        let mut mark = [0; 32];
        mark.copy_from_slice(hmac::sign(&self.key, text.as_bytes()).as_ref());
        Mark(mark)
    }

    pub(super) fn get(&self, mark: &Mark, now: Instant) -> Option<Holder> {
        self.lock().get(mark).filter(|(_, ends)| *ends > now).map(|(holder, _)| holder.clone())
    }

    pub(super) fn put(&self, mark: Mark, holder: Holder, now: Instant) {
        let mut by_mark = self.lock();
        by_mark.retain(|_, (_, ends)| *ends > now);
        if by_mark.len() >= MOST
            && let Some(first) = by_mark.iter().min_by_key(|(_, (_, ends))| *ends).map(|(mark, _)| *mark)
        {
            by_mark.remove(&first);
        }
        by_mark.insert(mark, (holder, now + LENGTH));
    }

    /// Another policy may judge otherwise.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Mark, (Holder, Instant)>> {
        self.by_mark.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const LENGTH: Duration = Duration::from_secs(5 * 60);
const MOST: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::secret::Digest;

    #[test]
    fn what_was_right_is_remembered_for_a_while_and_nothing_else() {
        let remembered = Remembered::default();
        let now = Instant::now();
        let password = |user: &str, password: &str| {
            remembered.mark(&Credential::Password { user: user.to_owned(), password: password.to_owned() })
        };
        let holder = Holder::token(Digest::of("x"));
        remembered.put(password("anna", "right"), holder.clone(), now);
        assert_eq!(remembered.get(&password("anna", "right"), now), Some(holder));
        assert_eq!(remembered.get(&password("anna", "wrong"), now), None);
        assert_eq!(remembered.get(&password("bert", "right"), now), None);
        assert_eq!(remembered.get(&password("anna", "right"), now + LENGTH), None);
    }
}
