//! What is kept of the packets that a viewer was sent, in case it asks for one again: half of what a viewer costs in memory.
//!
//! Whoever comes is sent all since the last random access point at once, and it is not known yet what their road is like: much is kept at
//! first. Who loses nothing is near, or on a good road, and what they might ask for is kept only until they would have.
//!
//! str0m keeps the packets, and gives up none of the room it once took unless it begins anew, with nothing kept: that is done while nothing
//! is asked for.

use std::time::{Duration, Instant};

use peer::agreed::RESENT;
use str0m::rtp::StreamTx;
use str0m::stats::MediaEgressStats;

/// How long packets of one viewer are kept.
#[derive(Debug)]
pub(super) struct Kept {
    within: Duration,
    /// Since when nothing was asked for.
    calm: Option<Instant>,
    /// How often something was asked for again, since all was calm.
    losses: u32,
    asked: u64,
}

impl Default for Kept {
    fn default() -> Self {
        Self { within: AT_FIRST, calm: None, losses: 0, asked: 0 }
    }
}

impl Kept {
    /// Hears what was asked for; for how long they are to be kept from now on, if that is to change.
    pub(super) fn hear(&mut self, stats: &MediaEgressStats) -> Option<Duration> {
        let now = stats.timestamp;
        if stats.nacks != self.asked {
            self.calm = Some(now);
            self.losses += 1;
        }
        self.asked = stats.nacks;
        let calm = now.saturating_duration_since(*self.calm.get_or_insert(now));
        // Not before anybody said that something arrived.
        let enough = LEAST + TIMES * stats.rtt?;
        let waits = if self.losses == 0 { SHORT } else { LONG };
        let within = if calm >= waits { enough.min(AT_FIRST) } else { AT_FIRST };
        let changes = match within > self.within {
            // Once is nothing.
            true => self.losses != 1 && within > self.within * 3 / 2,
            // What is kept is lost by it.
            false => within < self.within * 2 / 3,
        };
        if calm >= waits {
            self.losses = 0;
        }
        if changes {
            self.within = within;
        }
        changes.then_some(within)
    }
}

/// Has a stream keep packets for so long, from now on.
pub(super) fn keep(stream: &mut StreamTx, within: Duration) {
    stream.set_rtx_cache(RESENT, within, Some(MOST_AGAIN));
}

/// What is asked for later than this has been shown or given up.
pub(super) const AT_FIRST: Duration = Duration::from_secs(1);
/// The part of all bytes that may be sent again: with one packet in ten lost it is more than a tenth now and then.
const MOST_AGAIN: f32 = 0.3;
/// What is missing is noticed and asked for, and asked for again if that is lost as well: in so many round trips, and what a browser, which
/// may not know how long those take, waits beside that.
const TIMES: u32 = 2;
const LEAST: Duration = Duration::from_millis(250);
/// So long nothing is to be lost before less is kept: of whom nothing ever was, and of others.
const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn report(after: u64, start: Instant, nacks: u64) -> MediaEgressStats {
        MediaEgressStats {
            mid: "0".into(),
            rid: None,
            bytes: 0,
            packets: 0,
            firs: 0,
            plis: 0,
            nacks,
            rtt: Some(Duration::from_millis(10)),
            loss: Some(0.0),
            timestamp: start + Duration::from_millis(after),
            remote: None,
        }
    }

    #[test]
    fn less_is_kept_of_who_loses_nothing_and_all_again_once_they_do() {
        let start = Instant::now();
        let mut kept = Kept::default();
        let near = Some(Duration::from_millis(270));
        for (after, nacks, expected) in [
            (250, 0, None), // it is early
            (1_000, 0, None),
            (1_250, 0, near),
            (1_500, 0, None),
            (1_750, 1, None), // one packet
            (2_000, 1, None),
            (2_250, 2, Some(AT_FIRST)),
            (2_500, 3, None),
            (20_000, 3, None),
            (33_000, 3, near),
        ] {
            assert_eq!(kept.hear(&report(after, start, nacks)), expected, "after {after} ms");
        }
    }

    #[test]
    fn all_is_kept_of_who_loses_now_and_then_and_more_of_who_is_far() {
        let start = Instant::now();
        let mut kept = Kept::default();
        for second in 1..60 {
            assert_eq!(kept.hear(&report(second * 1_000, start, second)), None);
        }
        let mut kept = Kept::default();
        let far =
            |after| MediaEgressStats { rtt: Some(Duration::from_millis(400)), ..report(after, start, 0) };
        assert_eq!(kept.hear(&far(1_000)), None);
        assert_eq!(kept.hear(&far(2_500)), None, "two round trips are nearly all that is kept at all");
    }
}
