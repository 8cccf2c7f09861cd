//! `[limits]` and `[budget]`: how much of what a peer may have, and from where on newcomers are turned away.
//!
//! Only the values, and where the limits that are in force stand while the server runs. They are kept to where the thing is done: connections in `net::connections`, viewers and the budget in
//! `supervise`, sizes where bytes are read.

use std::sync::{Arc, PoisonError, RwLock};

use serde::Deserialize;

use super::file::Section;
use super::values::{Bitrate, Size};
use crate::error::ConfigError;

/// `[limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address; of this machine itself any number.
    pub connections_per_address: usize,
    /// Viewers at once, of all streams.
    pub viewers: usize,
    /// Viewers of one stream at once; `None` for as many as of all.
    pub viewers_per_stream: Option<usize>,
    /// The longest head of a request.
    pub head: Size,
    /// The longest body of a request, except of those that publish.
    pub body: Size,
    /// The longest message a publisher may send over a WebSocket.
    pub message: Size,
    /// How much a publisher may send, in bits per second.
    pub publish_rate: Bitrate,
}

/// The limits that are in force; another configuration may set others while the server runs. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LiveLimits(Arc<RwLock<Limits>>);

impl LiveLimits {
    /// These, until others are set.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(RwLock::new(limits)))
    }

    /// As they are now.
    pub fn now(&self) -> Limits {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets others, for whoever comes from now on.
    pub fn set(&self, limits: Limits) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = limits;
    }
}

/// `[budget]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    /// Share of the processors that this process may use before newcomers are turned away.
    pub cpu: Option<f64>,
    /// Memory that it may use before newcomers are turned away.
    pub memory: Option<Size>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            connections_per_address: 256,
            viewers: 4_096,
            viewers_per_stream: None,
            head: Size(16 << 10),
            body: Size(1 << 20),
            message: Size(16 << 20),
            publish_rate: Bitrate(200_000_000),
        }
    }
}

impl Limits {
    /// Reads the section.
    ///
    /// # Errors
    /// [`ConfigError`] for a limit that would let nobody in, or that cannot be kept.
    pub fn parse(section: Section<'_>) -> Result<Self, ConfigError> {
        let place = section.clone();
        let limits: Self = section.parse()?;
        let counts = [
            ("connections", limits.connections),
            ("connections_per_address", limits.connections_per_address),
            ("viewers", limits.viewers),
            ("viewers_per_stream", limits.viewers_per_stream.unwrap_or(1)),
        ];
        if let Some((key, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(place.error(format!("{key} must be at least 1")));
        }
        // Below 8 KiB hyper has no room to read.
        if !(8 << 10..=1 << 20).contains(&limits.head.0) {
            return Err(place.error("head must be from \"8k\" to \"1M\""));
        }
        for (key, size) in [("body", limits.body), ("message", limits.message)] {
            if !(1 << 10..=1 << 30).contains(&size.0) {
                return Err(place.error(format!("{key} must be from \"1k\" to \"1G\"")));
            }
        }
        Ok(limits)
    }

    /// Viewers of one stream at once.
    pub fn viewers_per_stream(&self) -> usize {
        self.viewers_per_stream.unwrap_or(self.viewers)
    }
}

impl Budget {
    /// Reads the section.
    ///
    /// # Errors
    /// [`ConfigError`] for a share that is none.
    pub fn parse(section: Section<'_>) -> Result<Self, ConfigError> {
        let place = section.clone();
        let budget: Self = section.parse()?;
        if budget.cpu.is_some_and(|cpu| !(0.01..=1.0).contains(&cpu)) {
            return Err(place.error("cpu is a share of all processors, from 0.01 to 1.0"));
        }
        if budget.memory.is_some_and(|memory| memory.0 < 16 << 20) {
            return Err(place.error("memory must be at least \"16M\": less is used before anybody watches"));
        }
        Ok(budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::Text;

    fn limits(toml: &str) -> Result<Limits, ConfigError> {
        let text = Text { origin: "test".to_owned(), toml: format!("[limits]\n{toml}") };
        Limits::parse(text.sections().unwrap().pop().unwrap().1)
    }

    fn budget(toml: &str) -> Result<Budget, ConfigError> {
        let text = Text { origin: "test".to_owned(), toml: format!("[budget]\n{toml}") };
        Budget::parse(text.sections().unwrap().pop().unwrap().1)
    }

    #[test]
    fn what_is_left_out_is_the_default() {
        let limits = limits("viewers = 10\nbody = \"64k\"\n").unwrap();
        assert_eq!((limits.viewers, limits.viewers_per_stream()), (10, 10));
        assert_eq!(limits.body, Size(65_536));
        assert_eq!(limits.connections, Limits::default().connections);
        assert_eq!(budget("cpu = 0.9").unwrap(), Budget { cpu: Some(0.9), memory: None });
    }

    #[test]
    fn a_limit_that_lets_nobody_in_is_refused() {
        for wrong in [
            "connections = 0",
            "viewers = 0",
            "viewers_per_stream = 0",
            "head = \"1k\"",
            "body = 0",
            "conections = 1",
        ] {
            assert!(limits(wrong).is_err(), "{wrong}");
        }
        for wrong in ["cpu = 90", "cpu = 0", "memory = \"1M\"", "memory = \"much\""] {
            assert!(budget(wrong).is_err(), "{wrong}");
        }
    }
}
