//! The `webcodecs` framing, version 1 (`docs/ref/websocket.md`): units with flags and capture time.
//!
//! The delay of a picture is receipt of its whole message minus capture time, by the one clock of this machine.
//! Pictures captured before the viewer joined are the backfill and have no delay.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::super::seen::{Moment, Seen};
use super::{Format, Head, MessageKind};

/// When each picture was there, in order.
pub(crate) type Arrivals = Arc<Mutex<Vec<Arrival>>>;

/// A picture was there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) at: Instant,
    /// Unix time in microseconds at which the server had it.
    pub(crate) captured_us: i64,
}

/// A reader of units.
#[derive(Debug)]
pub(crate) struct WebCodecs {
    joined_us: i64,
    kind: MessageKind,
    text: Head,
    /// The unit header being gathered.
    header: [u8; HEADER],
    have: usize,
    /// Payload bytes of the unit at hand still to come.
    left: usize,
    decodable: bool,
    /// A random access picture is in the message at hand.
    random_access: bool,
    /// Capture time of the last picture in the message at hand.
    captured: Option<i64>,
    /// Capture times of the pictures in the message at hand.
    pictures: Vec<i64>,
    arrivals: Option<Arrivals>,
}

impl WebCodecs {
    /// One that also notes when each picture was there.
    pub(crate) fn noting(arrivals: Arrivals) -> Self {
        Self { arrivals: Some(arrivals), ..Self::new(0) }
    }

    pub(super) fn new(joined_us: i64) -> Self {
        Self {
            joined_us,
            kind: MessageKind::Text,
            text: Head::default(),
            header: [0; HEADER],
            have: 0,
            left: 0,
            decodable: false,
            random_access: false,
            captured: None,
            pictures: Vec::new(),
            arrivals: None,
        }
    }

    fn unit(&mut self) {
        let h = &self.header;
        self.left = u32::from_be_bytes([h[4], h[5], h[6], h[7]]) as usize;
        if h[1] == VIDEO {
            self.random_access |= h[2] & 1 != 0;
            let captured = i64::from_be_bytes([h[16], h[17], h[18], h[19], h[20], h[21], h[22], h[23]]);
            self.pictures.push(captured);
            if captured >= self.joined_us {
                self.captured = Some(captured);
            }
        }
    }

    fn control(&self, seen: &mut Seen) {
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(&self.text.bytes) else { return };
        if message["type"] == "skipped" {
            seen.missing += message["items"].as_u64().unwrap_or(1);
        }
    }
}

impl Format for WebCodecs {
    fn begin(&mut self, kind: MessageKind, _: Option<u64>) {
        self.kind = kind;
        self.text.begin(MAX_TEXT);
        (self.have, self.left, self.random_access, self.captured) = (0, 0, false, None);
        self.pictures.clear();
    }

    fn payload(&mut self, bytes: &[u8]) {
        if self.kind == MessageKind::Text {
            return self.text.extend(bytes);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.left > 0 {
                let part = self.left.min(rest.len());
                self.left -= part;
                rest = &rest[part..];
                continue;
            }
            let part = (HEADER - self.have).min(rest.len());
            self.header[self.have..self.have + part].copy_from_slice(&rest[..part]);
            self.have += part;
            rest = &rest[part..];
            if self.have == HEADER {
                self.have = 0;
                self.unit();
            }
        }
    }

    fn end(&mut self, at: &Moment, seen: &mut Seen) {
        if self.kind == MessageKind::Text {
            return self.control(seen);
        }
        if self.random_access && !self.decodable {
            self.decodable = true;
            seen.decodable = true;
        }
        if let Some(captured) = self.captured {
            seen.delay(at.unix_us - captured);
        }
        if let Some(Ok(mut arrivals)) = self.arrivals.as_ref().map(|arrivals| arrivals.lock()) {
            let arrival = |captured_us: &i64| Arrival { at: at.instant, captured_us: *captured_us };
            arrivals.extend(self.pictures.iter().map(arrival));
        }
    }
}

const HEADER: usize = 24;
const VIDEO: u8 = 1;
const MAX_TEXT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(track: u8, flags: u8, captured: i64, payload: usize) -> Vec<u8> {
        let mut bytes = vec![1, track, flags, 0];
        bytes.extend((payload as u32).to_be_bytes());
        bytes.extend(0_i64.to_be_bytes());
        bytes.extend(captured.to_be_bytes());
        bytes.resize(bytes.len() + payload, 0);
        bytes
    }

    fn feed(reader: &mut WebCodecs, kind: MessageKind, message: &[u8], at_us: i64) -> Seen {
        let mut seen = Seen::default();
        reader.begin(kind, Some(message.len() as u64));
        message.chunks(5).for_each(|part| reader.payload(part));
        reader.end(&Moment { unix_us: at_us, ..Moment::now() }, &mut seen);
        seen
    }

    #[test]
    fn the_backfill_is_decodable_but_has_no_delay() {
        let mut reader = WebCodecs::new(1_000_000);
        let seen = feed(&mut reader, MessageKind::Binary, &unit(1, 1, 900_000, 100), 1_000_500);
        assert!(seen.decodable);
        assert!(seen.delays.is_empty());
    }

    #[test]
    fn the_delay_is_that_of_the_picture_not_of_the_sound() {
        let mut reader = WebCodecs::new(0);
        let mut message = unit(2, 1, 5_000, 30);
        message.extend(unit(1, 0, 30_000, 7));
        let seen = feed(&mut reader, MessageKind::Binary, &message, 32_000);
        assert!(!seen.decodable);
        assert_eq!(seen.delays, [2_000]);
    }

    #[test]
    fn every_picture_of_a_message_is_noted() {
        let arrivals = Arrivals::default();
        let mut message = unit(1, 1, 0, 3);
        message.extend([unit(2, 0, 0, 30), unit(1, 0, 0, 7)].concat());
        feed(&mut WebCodecs::noting(Arc::clone(&arrivals)), MessageKind::Binary, &message, 0);
        assert_eq!(arrivals.lock().unwrap().len(), 2);
    }

    #[test]
    fn skipped_items_are_missing() {
        let text = br#"{"type":"skipped","items":31}"#;
        assert_eq!(feed(&mut WebCodecs::new(0), MessageKind::Text, text, 0).missing, 31);
    }
}
