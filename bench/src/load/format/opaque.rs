//! Any bytes: nothing is known but that something came.

use super::super::seen::{Moment, Seen};
use super::{Format, MessageKind};

/// A reader that only counts.
#[derive(Debug)]
pub(super) struct Opaque;

impl Format for Opaque {
    fn begin(&mut self, _: MessageKind, _: Option<u64>) {}
    fn payload(&mut self, _: &[u8]) {}
    fn end(&mut self, _: &Moment, seen: &mut Seen) {
        seen.decodable = true;
    }
}
