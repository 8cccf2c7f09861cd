//! What an authority is answered by HTTP that wants a proof that a name is ours (RFC 8555 §8.3).

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// Answers by token, while a certificate is asked for.
#[derive(Debug, Default)]
pub struct ProofAnswers {
    by_token: RwLock<HashMap<String, String>>,
}

impl ProofAnswers {
    /// The answer to whoever asks for this token.
    pub fn find(&self, token: &str) -> Option<String> {
        self.by_token.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    pub(super) fn add(&self, token: String, answer: String) {
        self.by_token.write().unwrap_or_else(PoisonError::into_inner).insert(token, answer);
    }

    pub(super) fn forget(&self) {
        self.by_token.write().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
