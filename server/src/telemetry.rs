//! Logs: structured, one line an event, on standard error.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

/// Starts logging. `filter` is a level or a filter of the form `info,firstlight=debug`.
///
/// # Errors
/// The filter is not understood.
pub fn start(filter: &str, json: bool) -> Result<(), String> {
    let targets: Targets = filter.parse().map_err(|e| format!("log filter {filter:?}: {e}"))?;
    let unasked = TALKATIVE.into_iter().filter(|library| !filter.contains(library));
    let filter = targets.with_targets(unasked.map(|library| (library, LevelFilter::OFF)));
    // Colours are for terminals: in a file or a journal they are noise.
    let ansi = std::io::stderr().is_terminal();
    let log =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(ansi);
    let logger = tracing_subscriber::registry().with(filter);
    // Fails only if logging was started before, as tests in one process do: the first one stays.
    let _ = if json { logger.with(log.json()).try_init() } else { logger.with(log).try_init() };
    Ok(())
}

/// They tell what happens to each of their messages, errors among them that are ordinary. What matters of it we say ourselves.
const TALKATIVE: [&str; 4] = ["turn_client_proto", "turn_types", "stun_proto", "stun_types"];

/// Wall time: microseconds since the Unix epoch.
pub fn unix_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Lets a recurring event through at most so often, and counts what it held back.
#[derive(Debug)]
pub struct Throttle {
    every: Duration,
    started: Instant,
    /// Milliseconds since `started` from which the next one is let through.
    open_at: AtomicU64,
    held: AtomicU64,
}

impl Throttle {
    /// At most one event each `every`.
    pub fn new(every: Duration) -> Self {
        Self { every, started: Instant::now(), open_at: AtomicU64::new(0), held: AtomicU64::new(0) }
    }

    /// `Some` if this event may be logged: with how many were held back since the last one, if any were.
    pub fn allow(&self) -> Option<Option<u64>> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let open_at = self.open_at.load(Ordering::Relaxed);
        let next = now.saturating_add(u64::try_from(self.every.as_millis()).unwrap_or(u64::MAX));
        let won = now >= open_at
            && self.open_at.compare_exchange(open_at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if won {
            Some(Some(self.held.swap(0, Ordering::Relaxed)).filter(|held| *held > 0))
        } else {
            self.held.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_with_others_for_modules() {
        for good in ["info", "warn", "off", "info,firstlight::ws=debug", "firstlight=trace"] {
            assert_eq!(start(good, false), Ok(()), "{good}");
        }
        assert!(start("firstlight=loud", false).unwrap_err().starts_with("log filter \"firstlight=loud\": "));
    }

    #[test]
    fn a_recurring_event_is_logged_once_and_counted() {
        let throttle = Throttle::new(Duration::from_secs(3_600));
        assert_eq!(throttle.allow(), Some(None));
        assert_eq!(throttle.allow(), None);
        assert_eq!(throttle.held.load(Ordering::Relaxed), 1);
    }
}
