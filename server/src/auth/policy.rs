//! Who is known, and what each may do: what the configuration says, judged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use hub::StreamName;

use super::Right;
use super::digest::Secrets;
use super::identity::{Disbelief, Identity};
use super::jwt::{Claims, Jwt};
use super::keys::RemoteKeys;
use super::link;
use super::password::PasswordHash;
use super::rights::Rights;
use super::secret::{self, Digest};
use crate::telemetry::unix_micros;

/// Who may do what.
#[derive(Debug)]
pub struct Policy {
    pub(super) openness: Openness,
    pub(super) users: BTreeMap<Arc<str>, User>,
    pub(super) tokens: Vec<Token>,
    pub(super) strangers: Arc<Rights>,
    /// How long one stays logged in.
    pub(super) session: Duration,
    /// The key of signed links, and whether it was made up at the start.
    pub(super) link_key: hmac::Key,
    pub(super) link_key_is_made: bool,
    /// Somebody holds a token that no configuration knows.
    pub(super) admits_more: bool,
    pub(super) jwt: Option<Jwt>,
}

/// Whether anybody is asked who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Openness {
    /// Nobody said so: only this machine may reach the server.
    Unsaid,
    /// The configuration says that everybody may do everything.
    Open,
    /// Everybody is asked.
    Asking,
}

#[derive(Debug)]
pub(super) struct User {
    pub(super) password: PasswordHash,
    /// What a Digest of theirs is checked against, if they may come by one.
    pub(super) digest: Option<Secrets>,
    pub(super) rights: Arc<Rights>,
}

#[derive(Debug)]
pub(super) struct Token {
    pub(super) name: Arc<str>,
    pub(super) digest: Digest,
    pub(super) rights: Arc<Rights>,
    /// Unix seconds.
    pub(super) expires: Option<u64>,
}

/// Whose credentials were right: what is remembered of a login instead of the rights, so that a change of the configuration counts at
/// once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holder {
    /// A user, while the password is the same.
    User {
        name: Arc<str>,
        password: Digest,
    },
    Token(Digest),
    /// Whoever came with a JSON Web Token, while any are taken.
    Jwt {
        name: Arc<str>,
        rights: Arc<Rights>,
        /// Unix seconds.
        expires: u64,
    },
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            openness: Openness::Unsaid,
            users: BTreeMap::new(),
            tokens: Vec::new(),
            strangers: Arc::default(),
            session: DEFAULT_SESSION,
            link_key: link_key(&secret::random_bytes::<32>()),
            link_key_is_made: true,
            admits_more: false,
            jwt: None,
        }
    }
}

impl Policy {
    /// Whether the server may be reached from other machines: somebody is asked, or the configuration says that nobody need be.
    pub fn may_be_reached(&self) -> bool {
        self.openness != Openness::Unsaid
    }

    /// Whether everybody who reaches the server may do everything.
    pub fn is_open(&self) -> bool {
        self.openness != Openness::Asking
    }

    /// Lets whoever holds a token do something, until the server ends.
    pub fn admit(&mut self, name: &str, token: &str, rights: Rights) {
        self.openness = Openness::Asking;
        self.admits_more = true;
        let (digest, rights) = (Digest::of(token), Arc::new(rights));
        self.tokens.push(Token { name: name.into(), digest, rights, expires: None });
    }

    /// The query of a link that lets whoever has it watch a stream until then (Unix seconds); `None` if the configuration has no key, so
    /// that no server would know it.
    pub fn sign_link(&self, stream: &StreamName, expires: u64) -> Option<String> {
        (!self.link_key_is_made).then(|| link::query(&self.link_key, stream, expires))
    }

    /// The issuer to ask if a token names a key of its that is not known.
    pub(super) fn unknown_key(&self, token: &str) -> Option<&Arc<RemoteKeys>> {
        self.jwt.as_ref()?.unknown_key(token)
    }

    /// The issuer whose keys are fetched, if any are.
    pub(super) fn issuer(&self) -> Option<&Arc<RemoteKeys>> {
        self.jwt.as_ref()?.remote()
    }

    /// Whether somebody can prove who they are by a Digest, and of those who have this right on this stream everybody can. A client that is
    /// offered a Digest tries nothing else, so where one cannot it would be shut out.
    pub(super) fn all_can_digest(&self, right: Right, stream: &StreamName) -> bool {
        self.some_can_digest()
            && self.users.values().all(|user| user.digest.is_some() || !user.rights.on(right, stream))
    }

    /// Whether anybody can prove who they are by a Digest.
    pub(super) fn some_can_digest(&self) -> bool {
        self.users.values().any(|user| user.digest.is_some())
    }

    pub(super) fn holder_of_token(&self, token: &str) -> Option<Holder> {
        let digest = Digest::of(token);
        if self.tokens.iter().any(|known| known.digest == digest) {
            return Some(Holder::Token(digest));
        }
        let Claims { name, rights, expires } = self.jwt.as_ref()?.read(token)?;
        Some(Holder::Jwt { name, rights, expires })
    }

    /// Who somebody is now who was known as `identity` before, by what they came with then.
    pub fn renewed(&self, identity: &Identity) -> Identity {
        match identity.holder() {
            Some(holder) => self.identity(holder).unwrap_or(Identity::disbelieved(Disbelief::Expired)),
            None if identity.is_stranger() => Identity::stranger(Arc::clone(&self.strangers)),
            None => identity.clone(),
        }
    }

    /// Who that is now; `None` if they are no longer known, or their time is over.
    pub(super) fn identity(&self, holder: &Holder) -> Option<Identity> {
        match holder {
            Holder::User { name, password } => {
                let (name, user) = self.users.get_key_value(name)?;
                (user.mark() == *password)
                    .then(|| Identity::held(Arc::clone(name), Arc::clone(&user.rights), holder.clone()))
            }
            Holder::Token(digest) => {
                let token = self.tokens.iter().find(|token| token.digest == *digest)?;
                let alive = token.expires.is_none_or(|expires| unix_seconds() < expires);
                alive.then(|| {
                    Identity::held(Arc::clone(&token.name), Arc::clone(&token.rights), holder.clone())
                })
            }
            Holder::Jwt { name, rights, expires } => (self.jwt.is_some() && unix_seconds() < *expires)
                .then(|| Identity::held(Arc::clone(name), Arc::clone(rights), holder.clone())),
        }
    }
}

impl User {
    /// Changes with whatever proves who they are.
    pub(super) fn mark(&self) -> Digest {
        match &self.digest {
            None => self.password.digest(),
            Some(secrets) => Digest::of(format!("{}\0{}", self.password.as_str(), secrets.text())),
        }
    }
}

impl Holder {
    #[cfg(test)]
    pub(super) const fn token(digest: Digest) -> Self {
        Self::Token(digest)
    }
}

pub(super) fn link_key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

/// Unix seconds.
pub(super) fn unix_seconds() -> u64 {
    u64::try_from(unix_micros() / 1_000_000).unwrap_or(0)
}

const DEFAULT_SESSION: Duration = Duration::from_secs(7 * 86_400);
