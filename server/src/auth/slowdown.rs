//! Wrong credentials are slowed, address by address.
//!
//! An attempt is counted before it is judged, and taken back if it was right: so a thousand at once are no way around it. The first
//! few wrong ones cost nothing, each further one twice the wait of the one before.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts wrong attempts by address.
#[derive(Debug, Default)]
pub(super) struct Slowdown {
    by_address: Mutex<HashMap<IpAddr, Attempts>>,
}

#[derive(Debug, Clone, Copy)]
struct Attempts {
    wrong: u32,
    /// No attempt is judged before.
    open_at: Instant,
    last: Instant,
}

impl Slowdown {
    /// Counts an attempt as wrong until [`Self::right`] is called.
    ///
    /// # Errors
    /// How long to wait: the attempt is not to be judged.
    pub(super) fn attempt(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut by_address = self.lock();
        if by_address.len() >= MOST && !by_address.contains_key(&address) {
            make_room(&mut by_address, now);
        }
        let attempts = by_address.entry(address).or_insert(Attempts { wrong: 0, open_at: now, last: now });
        if let Some(wait) = attempts.open_at.checked_duration_since(now).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        if now.duration_since(attempts.last) > FORGET {
            attempts.wrong = 0;
        }
        attempts.wrong = attempts.wrong.saturating_add(1);
        attempts.last = now;
        attempts.open_at = now + delay(attempts.wrong);
        Ok(())
    }

    /// The last attempt was right after all.
    pub(super) fn right(&self, address: IpAddr, now: Instant) {
        let mut by_address = self.lock();
        if let Some(attempts) = by_address.get_mut(&address) {
            attempts.wrong = attempts.wrong.saturating_sub(1);
            attempts.open_at = now;
            if attempts.wrong == 0 {
                by_address.remove(&address);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Attempts>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The wait after so many wrong attempts.
fn delay(wrong: u32) -> Duration {
    match wrong.checked_sub(FREE) {
        None | Some(0) => Duration::ZERO,
        Some(beyond) => LONGEST.min(Duration::from_secs(1 << (beyond - 1).min(20))),
    }
}

/// Forgets those who tried nothing for a while, or else the one who did so longest.
fn make_room(by_address: &mut HashMap<IpAddr, Attempts>, now: Instant) {
    by_address.retain(|_, attempts| now.duration_since(attempts.last) <= FORGET);
    if by_address.len() >= MOST
        && let Some(address) = by_address.iter().min_by_key(|(_, attempts)| attempts.last).map(|(a, _)| *a)
    {
        by_address.remove(&address);
    }
}

/// Wrong attempts without a wait: people mistype.
const FREE: u32 = 5;
const LONGEST: Duration = Duration::from_secs(60);
/// Wrong attempts are forgotten when none came for this long.
const FORGET: Duration = Duration::from_secs(15 * 60);
/// Addresses that are remembered.
const MOST: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_few_mistakes_are_free_and_then_each_wait_is_twice_the_last() {
        let slowdown = Slowdown::default();
        let mut now = Instant::now();
        for _ in 0..FREE {
            assert_eq!(slowdown.attempt(HERE, now), Ok(()));
        }
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(slowdown.attempt(HERE, now), Ok(()));
            assert_eq!(slowdown.attempt(HERE, now), Err(Duration::from_secs(seconds)));
            now += Duration::from_secs(seconds);
        }
        now += FORGET + Duration::from_secs(61);
        for _ in 0..FREE {
            assert_eq!(slowdown.attempt(HERE, now), Ok(()));
        }
    }

    #[test]
    fn one_address_does_not_slow_another_and_what_was_right_is_not_counted() {
        let slowdown = Slowdown::default();
        let now = Instant::now();
        for _ in 0..=FREE {
            assert_eq!(slowdown.attempt(HERE, now), Ok(()));
        }
        assert!(slowdown.attempt(HERE, now).is_err());
        for _ in 0..100 {
            assert_eq!(slowdown.attempt([10, 0, 0, 1].into(), now), Ok(()));
            slowdown.right([10, 0, 0, 1].into(), now);
        }
    }

    #[test]
    fn a_flood_from_everywhere_grows_nothing() {
        let slowdown = Slowdown::default();
        let now = Instant::now();
        for address in 0..5_000_u32 {
            let _ = slowdown.attempt(IpAddr::V4(address.into()), now);
        }
        assert_eq!(slowdown.lock().len(), MOST);
    }
}
