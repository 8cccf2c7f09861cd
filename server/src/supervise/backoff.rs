//! How long to wait before trying again.

use std::time::Duration;

/// Doubles from a quarter of a second to a second and a half, each with up to a quarter of jitter so that a hundred
/// cameras behind one switch do not come back in the same millisecond. Somebody is watching (or it would not be tried),
/// and is to see the camera within two seconds of its return, however long it was gone.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_millis(1_500);

impl Default for Backoff {
    fn default() -> Self {
        Self::between(FIRST, LONGEST)
    }
}

impl Backoff {
    /// Doubles from one wait to another, for what is not so urgent.
    pub const fn between(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// The wait after one more failure; `random` is any number.
    pub fn next(&mut self, random: u64) -> Duration {
        let base = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        let jitter = base.as_micros() as u64 / 4;
        base - Duration::from_micros(random % jitter.max(1))
    }

    /// It worked: the next failure starts over.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the last failure is worth a line in the log: the first ones are, the hundredth of the same kind is not.
    pub fn is_news(&self) -> bool {
        self.failures <= 5 || self.failures.is_power_of_two()
    }
}

/// Enough randomness to spread retries and to begin counts at, and none for secrets; std seeds each hasher differently.
pub fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_cap_and_start_over_after_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..8).map(|_| backoff.next(0).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1_000, 1_500, 1_500, 1_500, 1_500, 1_500]);
        backoff.reset();
        assert_eq!(backoff.next(0).as_millis(), 250);
    }

    #[test]
    fn jitter_shortens_by_less_than_a_quarter() {
        for random in [0, 1, 77_777, u64::MAX] {
            let wait = Backoff::default().next(random);
            assert!(wait <= FIRST && wait > FIRST * 3 / 4, "{wait:?}");
        }
    }
}
