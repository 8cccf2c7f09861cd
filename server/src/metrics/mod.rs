//! What is counted, for whoever watches over the server.
//!
//! Counting is done where things happen and costs an atomic addition; nothing here is locked or allocated after the start.
//! What the server knows anyway (streams, viewers, tasks) is not counted again but asked when somebody scrapes (`http::metrics`).

pub mod exposition;
mod histogram;
pub mod process;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

pub use self::histogram::Histogram;

/// What the server as a whole counts.
#[derive(Debug)]
pub struct Metrics {
    started: Instant,
    /// One for each status code there can be, from 100 to 599.
    answers: [AtomicU64; 500],
    refusals: [AtomicU64; Refused::ALL.len()],
}

/// What one stream measures.
#[derive(Debug, Default)]
pub struct Timings {
    /// From a viewer's admission to the first chunk that was written to it whole.
    pub join: Histogram,
    /// From a chunk's arrival until it was written to the last of the viewers that are served together.
    pub delay: Histogram,
}

/// Why somebody is turned away who did nothing wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// As many connections as may be.
    Connections,
    /// As many connections as one address may have.
    ConnectionsOfAddress,
    /// As many viewers as may be.
    Viewers,
    /// As many viewers as one stream may have.
    ViewersOfStream,
    /// The server has used up its share of the processors.
    Cpu,
    /// The server has used up its memory.
    Memory,
}

impl Refused {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Connections,
        Self::ConnectionsOfAddress,
        Self::Viewers,
        Self::ViewersOfStream,
        Self::Cpu,
        Self::Memory,
    ];

    /// Its label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsOfAddress => "connections_of_address",
            Self::Viewers => "viewers",
            Self::ViewersOfStream => "viewers_of_stream",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            answers: [const { AtomicU64::new(0) }; 500],
            refusals: [const { AtomicU64::new(0) }; Refused::ALL.len()],
        }
    }
}

impl Metrics {
    /// When counting began, which is when the server started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// A request was answered with this status.
    pub fn answered(&self, status: u16) {
        if let Some(count) = usize::from(status).checked_sub(100).and_then(|at| self.answers.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Somebody was turned away.
    pub fn refused(&self, why: Refused) {
        self.refusals[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Status codes that were ever answered with, and how often.
    pub fn answers(&self) -> impl Iterator<Item = (usize, u64)> {
        let counts = self.answers.iter().map(|count| count.load(Ordering::Relaxed));
        (100..).zip(counts).filter(|(_, count)| *count > 0)
    }

    /// How often each reason to turn somebody away was given.
    pub fn refusals(&self) -> impl Iterator<Item = (Refused, u64)> {
        Refused::ALL.into_iter().map(|why| (why, self.refusals[why as usize].load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_counter_of_its_own() {
        let metrics = Metrics::default();
        for why in Refused::ALL {
            metrics.refused(why);
        }
        assert!(metrics.refusals().all(|(_, count)| count == 1));
    }

    #[test]
    fn statuses_are_counted_and_nonsense_is_not() {
        let metrics = Metrics::default();
        for status in [0, 99, 100, 200, 200, 599, 600, u16::MAX] {
            metrics.answered(status);
        }
        assert_eq!(metrics.answers().collect::<Vec<_>>(), [(100, 1), (200, 2), (599, 1)]);
    }
}
