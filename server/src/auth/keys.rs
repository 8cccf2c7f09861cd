//! The public keys that JSON Web Tokens are checked with: a JWK set (RFC 7517), in a file or at its issuer's address.
//!
//! What was once good stays until something good takes its place: a file that is none for a moment, or an issuer that cannot be reached,
//! locks nobody out. An issuer is asked at the start, again as often as its answer says (`max-age`, RFC 9111), and when a token names a
//! key that is not known; then whoever holds the token waits a moment for the answer.
//!
//! Not here: what a token must say (see `jwt`), the request itself (see `net::fetch`).

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use axum::http::{HeaderMap, header};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, JwkSet};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::net::fetch::{Address, Client};

/// One key and its name.
pub(super) struct Key {
    pub(super) id: Option<String>,
    pub(super) key: DecodingKey,
}

/// A JWK set in a file, read again when the file changes.
pub(super) struct KeyFile {
    path: PathBuf,
    read: Mutex<(Version, Arc<[Key]>)>,
}

/// When a file was changed, and how long it is; `None` if it is not there.
type Version = Option<(SystemTime, u64)>;

/// A JWK set at an address.
pub(super) struct RemoteKeys {
    address: Address,
    authorities: Option<PathBuf>,
    known: Mutex<Known>,
    /// Said when the issuer was asked, whatever came of it.
    asked: Condvar,
    /// Said when somebody wants it asked.
    wanted: Notify,
}

struct Known {
    keys: Arc<[Key]>,
    /// When it was last asked, and how often in all.
    last: Option<Instant>,
    times: u64,
    /// The last time it did not answer with keys.
    failing: bool,
}

impl KeyFile {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn open(path: PathBuf) -> Result<Self, String> {
        let keys = read(&path)?;
        Ok(Self { read: Mutex::new((version(&path), keys)), path })
    }

    /// The keys as they are now; the last good ones while the file is none.
    pub(super) fn keys(&self) -> Arc<[Key]> {
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let now = version(&self.path);
        if now != known.0 {
            known.0 = now;
            match read(&self.path) {
                Ok(keys) => known.1 = keys,
                Err(error) => warn!(error, "the keys for JSON Web Tokens stay as they were"),
            }
        }
        Arc::clone(&known.1)
    }
}

impl RemoteKeys {
    /// None yet: [`RemoteKeys::keep`] asks for them. `authorities` prove who the issuer is, instead of the system's.
    pub(super) fn new(address: Address, authorities: Option<PathBuf>) -> Self {
        let known = Known { keys: Arc::new([]), last: None, times: 0, failing: false };
        let (asked, wanted) = (Condvar::new(), Notify::new());
        Self { address, authorities, known: Mutex::new(known), asked, wanted }
    }

    /// The last good ones.
    pub(super) fn keys(&self) -> Arc<[Key]> {
        Arc::clone(&self.lock().keys)
    }

    /// Takes what another of the same address knows.
    pub(super) fn inherit(&self, other: &Self) {
        if self.address == other.address {
            self.lock().keys = other.keys();
        }
    }

    /// Whether the issuer may be asked for a key that is not known.
    pub(super) fn may_be_asked(&self, now: Instant) -> bool {
        self.lock().last.is_none_or(|last| now.duration_since(last) >= AT_MOST_EVERY)
    }

    /// Has the issuer asked, and waits for what comes of it, but not for long. Blocks its thread.
    pub(super) fn await_newer(&self) {
        let known = self.lock();
        let before = known.times;
        self.wanted.notify_one();
        let waiting = |known: &mut Known| known.times == before;
        drop(self.asked.wait_timeout_while(known, PATIENCE, waiting));
    }

    /// Keeps the keys as new as the issuer says, for ever.
    pub(super) async fn keep(&self) {
        let client = match Client::new(self.authorities.as_deref()) {
            Ok(client) => client,
            Err(error) => {
                warn!(error, "the keys for JSON Web Tokens cannot be asked for");
                return std::future::pending().await;
            }
        };
        let mut failures = 0;
        loop {
            let next = match self.ask(&client).await {
                Ok(fresh) => {
                    failures = 0;
                    fresh
                }
                Err(error) => {
                    let known = self.lock();
                    if !known.failing {
                        let keys = known.keys.len();
                        warn!(address = %self.address, error, keys, "the keys for JSON Web Tokens stay as they were");
                    }
                    failures += 1;
                    FIRST_RETRY.saturating_mul(1 << failures.min(10_u32)).min(DEFAULT_AGE)
                }
            };
            self.note(failures > 0);
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = self.wanted.notified() => {}
            }
        }
    }

    /// Gives how long the keys are fresh.
    async fn ask(&self, client: &Client) -> Result<Duration, String> {
        let answer = client.get(&self.address, MOST, LIMIT).await.map_err(|error| error.to_string())?;
        let text = std::str::from_utf8(&answer.body).map_err(|error| error.to_string())?;
        let keys = parse(text)?;
        let mut known = self.lock();
        if known.failing || known.times == 0 {
            info!(address = %self.address, keys = keys.len(), "keys for JSON Web Tokens were fetched");
        }
        known.keys = keys;
        Ok(age(&answer.headers).unwrap_or(DEFAULT_AGE).clamp(SHORTEST_AGE, LONGEST_AGE))
    }

    /// The issuer was asked.
    fn note(&self, failing: bool) {
        let mut known = self.lock();
        known.failing = failing;
        known.last = Some(Instant::now());
        known.times += 1;
        self.asked.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `max-age` of `Cache-Control`.
fn age(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(header::CACHE_CONTROL).into_iter().filter_map(|line| line.to_str().ok());
    let mut directives = lines.flat_map(|line| line.split(',')).map(str::trim);
    let seconds = directives.find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse().ok())?
    })?;
    Some(Duration::from_secs(seconds))
}

fn version(path: &PathBuf) -> Version {
    let about = fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

fn read(path: &PathBuf) -> Result<Arc<[Key]>, String> {
    let wrong = |why: &dyn fmt::Display| format!("{}: {why}", path.display());
    if version(path).is_some_and(|(_, length)| length > MOST as u64) {
        return Err(wrong(&"more than 1 MiB is no set of keys"));
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
    parse(&text).map_err(|error| wrong(&error))
}

fn parse(text: &str) -> Result<Arc<[Key]>, String> {
    let set: JwkSet = serde_json::from_str(text).map_err(|error| format!("no JWK set: {error}"))?;
    // A secret in a set of public keys is a mistake that lets everybody sign who reads the set.
    let public = set.keys.iter().filter(|jwk| !matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_)));
    let keys: Arc<[Key]> = public
        .filter_map(|jwk| Some(Key { id: jwk.common.key_id.clone(), key: DecodingKey::from_jwk(jwk).ok()? }))
        .collect();
    if keys.is_empty() { Err("there is no RSA, EC or Ed25519 key in it".to_owned()) } else { Ok(keys) }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFile({})", self.path.display())
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteKeys({})", self.address)
    }
}

/// As long as a set of keys may be.
const MOST: usize = 1_024 * 1_024;
/// An issuer answers within this time.
const LIMIT: Duration = Duration::from_secs(10);
/// For whoever names a key that is not known an issuer is asked no more often than this.
const AT_MOST_EVERY: Duration = Duration::from_secs(30);
/// And they wait no longer than this.
const PATIENCE: Duration = Duration::from_secs(2);
/// Keys are fresh this long where the issuer does not say, and never shorter or longer than the others.
const DEFAULT_AGE: Duration = Duration::from_secs(600);
const SHORTEST_AGE: Duration = Duration::from_secs(30);
const LONGEST_AGE: Duration = Duration::from_secs(86_400);
/// After a failure it is tried again after twice this, and each time after twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_keys_are_fresh_is_read_from_the_answer() {
        let of = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::CACHE_CONTROL, line.parse().unwrap());
            }
            age(&headers).map(|age| age.as_secs())
        };
        assert_eq!(of(&["public, max-age=300"]), Some(300));
        assert_eq!(of(&["no-store", "Max-Age=\"60\""]), Some(60));
        assert_eq!(of(&["max-age=soon"]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn what_is_no_set_of_public_keys_is_refused() {
        for wrong in ["", "{}", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
