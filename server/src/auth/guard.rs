//! Reads from each request who makes it, and whether that is so.
//!
//! What is quick is judged at once. A password is not: it comes back as a [`Check`], which whoever asked runs where it delays nobody and
//! hands to [`Guard::settle`]; so does a token that names a key which its issuer must be asked for. How many run at a time, and how many wait, is bounded, so a flood of logins eats no core that those who
//! watch need.
//!
//! What a browser sends by itself (cookies, and the password it was told once) is believed only for pages that may act for their
//! viewer: so no page of another server can do anything in somebody's name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Method, header, request};
use hub::StreamName;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tracing::warn;

use super::Right;
use super::credentials::{Carried, Credential};
use super::digest::{self, Answer, Nonces, Secrets};
use super::identity::{Disbelief, Identity};
use super::keys::RemoteKeys;
use super::link;
use super::password::PasswordHash;
use super::policy::{Holder, Policy, unix_seconds};
use super::remembered::{Mark, Remembered};
use super::rights::Rights;
use super::sessions::Sessions;
use super::slowdown::Slowdown;
use crate::net::origin::OriginPolicy;
use crate::net::peer::Peer;
use crate::telemetry::Throttle;

/// Reads identities from requests.
#[derive(Debug)]
pub struct Guard {
    policy: RwLock<Arc<Policy>>,
    /// Said when there is another.
    replaced: Notify,
    origins: Arc<OriginPolicy>,
    slowdown: Slowdown,
    remembered: Remembered,
    nonces: Nonces,
    sessions: Sessions,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    refusals: Throttle,
}

/// Somebody who said who they are.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who they are.
    pub identity: Identity,
    /// For a session: whose credentials were right.
    pub(super) holder: Option<Holder>,
}

/// What became of a question.
#[derive(Debug)]
pub enum Outcome {
    /// Answered.
    Caller(Caller),
    /// A password has to be checked first.
    Check(Check),
    /// Too many were wrong, from there or in all: ask again after this.
    Slowed(Duration),
}

/// A Digest that is right, for a nonce that is no longer good: ask again with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale;

/// A password to be checked, or a token whose key is asked for, on a thread where that delays nobody.
pub struct Check {
    question: Question,
    /// `None` for a name that nobody has: the check takes as long, and fails. And for a token, until its key is known.
    holder: Option<Holder>,
    mark: Mark,
    address: IpAddr,
}

enum Question {
    Password { password: String, hash: PasswordHash },
    Token { token: String, policy: Arc<Policy>, issuer: Arc<RemoteKeys> },
}

impl Guard {
    /// A guard with this policy, to whom these pages are known.
    pub fn new(policy: Policy, origins: Arc<OriginPolicy>) -> Self {
        Self {
            policy: RwLock::new(Arc::new(policy)),
            replaced: Notify::new(),
            origins,
            slowdown: Slowdown::default(),
            remembered: Remembered::default(),
            nonces: Nonces::default(),
            sessions: Sessions::default(),
            turns: Arc::new(Semaphore::new(AT_A_TIME)),
            waiting: AtomicUsize::new(0),
            refusals: Throttle::new(Duration::from_secs(1)),
        }
    }

    /// Takes another policy, and says whether it did. Whoever the new one no longer knows is a stranger from the next request on; those who
    /// watch or publish are looked at by `supervise::standing`.
    ///
    /// A server that asks nobody does not begin to while it runs, nor the other way round: which addresses it may listen on depends on
    /// that. And a token that was printed at the start is not forgotten.
    pub fn replace(&self, mut policy: Policy) -> bool {
        let mut current = self.policy.write().unwrap_or_else(PoisonError::into_inner);
        if current.is_open() || policy.is_open() || current.admits_more {
            return false;
        }
        if let (Some(new), Some(old)) = (policy.issuer(), current.issuer()) {
            new.inherit(old);
        }
        if policy.link_key_is_made && current.link_key_is_made {
            policy.link_key = current.link_key.clone();
        }
        *current = Arc::new(policy);
        drop(current);
        self.remembered.forget();
        self.replaced.notify_waiters();
        true
    }

    /// Until there is another policy.
    pub async fn replaced(&self) {
        self.replaced.notified().await;
    }

    /// Keeps the keys of the policy's issuer as new as it says, if it names one, for ever.
    pub async fn keep_keys(&self) {
        loop {
            let replaced = self.replaced.notified();
            tokio::pin!(replaced);
            replaced.as_mut().enable();
            let policy = self.policy();
            let keep = async {
                match policy.issuer() {
                    Some(issuer) => issuer.keep().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = keep => {}
                () = replaced => {}
            }
        }
    }

    /// Who makes this request.
    pub fn identify(&self, head: &request::Parts) -> Outcome {
        let policy = self.policy();
        if policy.is_open() {
            return Outcome::caller(if self.may_act_alone(head) {
                Identity::everybody()
            } else {
                Identity::disbelieved(Disbelief::Foreign)
            });
        }
        let address = address(head);
        let stranger = || Identity::stranger(Arc::clone(&policy.strangers));
        match Carried::read(head) {
            Carried::Nothing if self.may_act_alone(head) => Outcome::caller(stranger()),
            Carried::Nothing => Outcome::caller(Identity::disbelieved(Disbelief::Foreign)),
            Carried::Garbled => Outcome::caller(Identity::disbelieved(Disbelief::Wrong)),
            Carried::Basic(_) if !self.is_trusted(head, false) => {
                Outcome::caller(Identity::disbelieved(Disbelief::Foreign))
            }
            Carried::Query(credential) | Carried::Bearer(credential) | Carried::Basic(credential) => {
                self.judge(credential, address)
            }
            Carried::Link(link) => {
                Outcome::caller(match link::stream(&policy.link_key, &link, unix_seconds()) {
                    Ok(stream) => Identity::known("link".into(), Arc::new(Rights::to_view(&stream))),
                    Err(why) => Identity::disbelieved(why),
                })
            }
            Carried::Cookie(id) => {
                let holder = self.sessions.holder(&id, Instant::now());
                let known = holder.and_then(|holder| Some((policy.identity(&holder)?, holder)));
                match known {
                    // A session that is over is none: the browser does not know it.
                    None if self.may_act_alone(head) => Outcome::caller(stranger()),
                    Some((identity, holder)) if self.is_trusted(head, is_unsafe(&head.method)) => {
                        Outcome::Caller(Caller { identity, holder: Some(holder) })
                    }
                    _ => Outcome::caller(Identity::disbelieved(Disbelief::Foreign)),
                }
            }
        }
    }

    /// Whether these credentials are right, from this address.
    pub fn judge(&self, credential: Credential, address: IpAddr) -> Outcome {
        let (policy, now) = (self.policy(), Instant::now());
        let mark = self.remembered.mark(&credential);
        if let Some(caller) = self.remembered.get(&mark, now).and_then(|holder| Caller::new(&policy, holder))
        {
            return Outcome::Caller(caller);
        }
        if let Err(wait) = self.slowdown.attempt(address, now) {
            return Outcome::Slowed(wait);
        }
        match credential {
            Credential::Token(token) => match policy.holder_of_token(&token) {
                None => match policy.unknown_key(&token).cloned() {
                    Some(issuer) => {
                        let question = Question::Token { token, policy, issuer };
                        Outcome::Check(Check { question, holder: None, mark, address })
                    }
                    None => Outcome::Caller(self.conclude(None, mark, address)),
                },
                holder => Outcome::Caller(self.conclude(holder, mark, address)),
            },
            Credential::Password { user, password } => {
                let known = policy.users.get_key_value(user.as_str());
                let decoy = || policy.users.values().next().map(|user| user.password.clone());
                let (hash, holder) = match known {
                    Some((name, user)) => {
                        let holder = Holder::User { name: Arc::clone(name), password: user.mark() };
                        (Some(user.password.clone()), Some(holder))
                    }
                    None => (decoy(), None),
                };
                match hash {
                    Some(hash) => {
                        let question = Question::Password { password, hash };
                        Outcome::Check(Check { question, holder, mark, address })
                    }
                    None => Outcome::Caller(self.conclude(None, mark, address)),
                }
            }
        }
    }

    /// Whether this answer to one of our Digest challenges is right, from this address, for a request by this method. `is_asked` says whether
    /// what it is an answer for is what the request asks for.
    ///
    /// What was right is remembered with its nonce, so that nobody at the same address who guesses delays those who are known.
    ///
    /// # Errors
    /// It is right and came too late.
    pub fn judge_digest(
        &self,
        answer: &Answer,
        method: &str,
        is_asked: bool,
        address: IpAddr,
    ) -> Result<Outcome, Stale> {
        let (policy, now) = (self.policy(), Instant::now());
        if policy.is_open() {
            return Ok(Outcome::caller(Identity::everybody()));
        }
        let mark = self.remembered.mark_of_nonce(&answer.user, &answer.nonce);
        let known = policy.users.get_key_value(answer.user.as_str());
        let secrets = known.and_then(|(_, user)| user.digest.as_ref());
        // For a name that has none it takes as long, and fails.
        let is_right = secrets.unwrap_or(&Secrets::decoy()).are_known_to(answer, method) && is_asked;
        let holder = known
            .filter(|_| is_right && secrets.is_some())
            .map(|(name, user)| Holder::User { name: Arc::clone(name), password: user.mark() });
        let is_remembered = holder.is_some() && self.remembered.get(&mark, now) == holder;
        if !is_remembered && let Err(wait) = self.slowdown.attempt(address, now) {
            return Ok(Outcome::Slowed(wait));
        }
        if holder.is_some() && !self.nonces.is_good(&answer.nonce, address, unix_seconds()) {
            if !is_remembered {
                self.slowdown.right(address, now);
            }
            return Err(Stale);
        }
        Ok(Outcome::Caller(self.conclude(holder, mark, address)))
    }

    /// What asks somebody at this address for a Digest, if that may be asked of those who have this right on this stream: if each of them
    /// could answer; or anybody, if the client itself `wants` it.
    pub fn digest_challenges(
        &self,
        (right, stream): (Right, Option<&StreamName>),
        wants: bool,
        is_stale: bool,
        address: IpAddr,
    ) -> Vec<String> {
        let policy = self.policy();
        let is_offered = wants && policy.some_can_digest()
            || is_stale
            || stream.is_some_and(|stream| policy.all_can_digest(right, stream));
        if !is_offered {
            return Vec::new();
        }
        digest::challenges(&self.nonces.make(address, unix_seconds()), is_stale).collect()
    }

    /// Waits for a turn to check a password. Whoever checks holds it, even if nobody waits for the answer any more.
    ///
    /// # Errors
    /// Too many wait already: ask again after this.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, Duration> {
        let waiting = Waiting::enter(&self.waiting).ok_or(BUSY)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| BUSY)?;
        drop(waiting);
        Ok(turn)
    }

    /// Who it is, now that the password was checked.
    pub fn settle(&self, check: Check, right: bool) -> Caller {
        let Check { holder, mark, address, .. } = check;
        self.conclude(holder.filter(|_| right), mark, address)
    }

    /// Begins a session for somebody who said who they are; gives what the cookie holds, and for how long. `None` for those whom nobody
    /// knows by name.
    pub fn begin_session(&self, caller: &Caller) -> Option<(String, Duration)> {
        let length = self.policy().session;
        let id = self.sessions.begin(caller.holder.clone()?, length, Instant::now());
        Some((id, length))
    }

    /// Ends a session.
    pub fn end_session(&self, id: &str) {
        self.sessions.end(id);
    }

    /// The query of a link that lets whoever has it watch a stream until then (Unix seconds).
    pub fn link(&self, stream: &StreamName, expires: u64) -> String {
        link::query(&self.policy().link_key, stream, expires)
    }

    /// Whether everybody may do everything.
    pub fn is_open(&self) -> bool {
        self.policy().is_open()
    }

    /// Whether a request without credentials is what it seems. A page of another server may look, as its `<img>` does, but change nothing.
    fn may_act_alone(&self, head: &request::Parts) -> bool {
        !is_unsafe(&head.method) || self.origins.allows(&head.headers)
    }

    /// Whether what a browser sends by itself was sent for a page of ours, or for one that the configuration names.
    fn is_trusted(&self, head: &request::Parts, must_say: bool) -> bool {
        if head.headers.contains_key(header::ORIGIN) {
            return self.origins.trusts(&head.headers);
        }
        !must_say || head.headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin")
    }

    fn conclude(&self, holder: Option<Holder>, mark: Mark, address: IpAddr) -> Caller {
        let caller = holder.clone().and_then(|holder| Caller::new(&self.policy(), holder));
        let now = Instant::now();
        match (caller, holder) {
            (Some(caller), Some(holder)) => {
                self.slowdown.right(address, now);
                self.remembered.put(mark, holder, now);
                caller
            }
            (_, holder) => {
                if let Some(held) = self.refusals.allow() {
                    warn!(%address, held, "wrong credentials");
                }
                // Known, but no longer alive: that may be said to whoever has it.
                let why = if holder.is_some() { Disbelief::Expired } else { Disbelief::Wrong };
                Caller { identity: Identity::disbelieved(why), holder: None }
            }
        }
    }

    /// Who may do what, as it is now.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Default for Guard {
    /// Nobody is asked.
    fn default() -> Self {
        Self::new(Policy::default(), Arc::default())
    }
}

impl Caller {
    fn new(policy: &Policy, holder: Holder) -> Option<Self> {
        Some(Self { identity: policy.identity(&holder)?, holder: Some(holder) })
    }
}

impl Outcome {
    const fn caller(identity: Identity) -> Self {
        Self::Caller(Caller { identity, holder: None })
    }
}

impl Check {
    /// Takes some 30 ms of a core, or waits up to 2 s for an issuer.
    pub fn run(mut self) -> (Self, bool) {
        let right = match &self.question {
            Question::Password { password, hash } => hash.is_of(password) && self.holder.is_some(),
            Question::Token { token, policy, issuer } => {
                issuer.await_newer();
                self.holder = policy.holder_of_token(token);
                self.holder.is_some()
            }
        };
        (self, right)
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check(…)")
    }
}

/// One of those who wait for a turn.
struct Waiting<'g>(&'g AtomicUsize);

impl<'g> Waiting<'g> {
    fn enter(count: &'g AtomicUsize) -> Option<Self> {
        let waiting = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < MOST_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The address that a request's attempts are counted by.
pub fn address(head: &request::Parts) -> IpAddr {
    head.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), Peer::bucket)
}

/// Whether a request of this method changes something (RFC 9110 §9.2.1).
fn is_unsafe(method: &Method) -> bool {
    !method.is_safe()
}

/// Whether a session's cookie is in these headers, and what it holds.
pub fn session_of(headers: &HeaderMap) -> Option<String> {
    super::credentials::session_cookie(headers)
}

/// Passwords that are checked at a time: half of the smallest machine.
const AT_A_TIME: usize = 1;
/// Passwords that wait to be checked: at 30 ms each, no longer than anybody waits for a page.
const MOST_WAITING: usize = 32;
const BUSY: Duration = Duration::from_secs(2);
