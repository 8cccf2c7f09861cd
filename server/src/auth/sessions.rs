//! Who has logged in, by the cookie of their browser.
//!
//! A session is a random number here, not a signed statement in the cookie: so logging out ends it, a changed password ends it, and
//! nothing has to be kept secret over a restart, which ends them all. They are few and bounded.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::policy::Holder;
use super::secret::{self, Digest};

/// The sessions there are.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_id: Mutex<HashMap<Digest, Session>>,
}

#[derive(Debug)]
struct Session {
    holder: Holder,
    began: Instant,
    ends: Instant,
}

impl Sessions {
    /// Begins a session and gives what the cookie holds.
    pub(super) fn begin(&self, holder: Holder, length: Duration, now: Instant) -> String {
        let id = secret::random();
        let mut by_id = self.lock();
        by_id.retain(|_, session| session.ends > now);
        // One user (or a leaked token) cannot push out the others.
        drop_oldest(&mut by_id, MOST_EACH, |session| session.holder == holder);
        drop_oldest(&mut by_id, MOST, |_| true);
        by_id.insert(Digest::of(&id), Session { holder, began: now, ends: now + length });
        id
    }

    /// Whose session it is.
    pub(super) fn holder(&self, id: &str, now: Instant) -> Option<Holder> {
        self.lock()
            .get(&Digest::of(id))
            .filter(|session| session.ends > now)
            .map(|session| session.holder.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, id: &str) {
        self.lock().remove(&Digest::of(id));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Session>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room for one more where `most` may be.
fn drop_oldest(by_id: &mut HashMap<Digest, Session>, most: usize, counts: impl Fn(&Session) -> bool) {
    let counted = || by_id.iter().filter(|(_, session)| counts(session));
    if counted().count() >= most
        && let Some(id) = counted().min_by_key(|(_, session)| session.began).map(|(id, _)| *id)
    {
        by_id.remove(&id);
    }
}

const MOST: usize = 4_096;
const MOST_EACH: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn anna() -> Holder {
        Holder::token(Digest::of("anna"))
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_session_ends_by_logging_out_and_by_itself() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let (first, second) = (sessions.begin(anna(), HOUR, now), sessions.begin(anna(), HOUR, now));
        assert_ne!(first, second);
        assert_eq!(sessions.holder(&first, now), Some(anna()));
        sessions.end(&first);
        assert_eq!(sessions.holder(&first, now), None);
        assert_eq!(sessions.holder(&second, now + HOUR - Duration::from_secs(1)), Some(anna()));
        assert_eq!(sessions.holder(&second, now + HOUR), None);
        assert_eq!(sessions.holder("guessed", now), None);
    }

    #[test]
    fn whoever_logs_in_for_ever_pushes_out_only_themselves() {
        let sessions = Sessions::default();
        let now = Instant::now();
        let other = sessions.begin(Holder::token(Digest::of("bert")), HOUR, now);
        for _ in 0..200 {
            sessions.begin(anna(), HOUR, now);
        }
        assert_eq!(sessions.lock().len(), MOST_EACH + 1);
        assert!(sessions.holder(&other, now).is_some());
    }
}
