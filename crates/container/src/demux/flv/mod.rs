//! FLV, from tags in a file or a pipe, and from the messages of RTMP, which are tags without the file's framing.
//!
//! Tags come whole or not at all, so nothing is searched for: a framing that breaks is the end. A tag that cannot be read is left out and
//! counted. At most one tag is held, and a length is believed only as far as bytes come.

mod body;
mod tags;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use media::{AccessUnit, Track};

use self::tags::TagUnits;
use super::collector::Collector;
use super::{DemuxError, DemuxStats};
use crate::flv::TagKind;

/// The demuxer of a file or a pipe.
#[derive(Debug)]
pub(super) struct FlvDemuxer {
    /// The header or the tag that is being read.
    buffer: Vec<u8>,
    /// Of the first byte of the buffer.
    position: u64,
    state: State,
    units: TagUnits,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// In the header of the file.
    File,
    /// Before a tag: so many bytes are of no interest (the rest of the header, the size of the tag before).
    Skip(usize),
    /// In the header of a tag.
    Header,
    /// In a tag with a body of so many bytes.
    Body(usize),
}

impl FlvDemuxer {
    pub(super) fn new() -> Self {
        Self { buffer: Vec::new(), position: 0, state: State::File, units: TagUnits::default() }
    }

    /// # Errors
    /// [`DemuxError::Flv`] where no tag can be; nothing more can be pushed then.
    pub(super) fn push(&mut self, mut bytes: &[u8], collector: &mut Collector) -> Result<(), DemuxError> {
        while !bytes.is_empty() {
            if let State::Skip(left) = self.state {
                let skipped = left.min(bytes.len());
                bytes = &bytes[skipped..];
                self.position += skipped as u64;
                self.state = if skipped == left { State::Header } else { State::Skip(left - skipped) };
                continue;
            }
            let wanted = match self.state {
                State::File => FILE_HEADER,
                State::Body(size) => TAG_HEADER + size,
                State::Header | State::Skip(_) => TAG_HEADER,
            };
            let taken = wanted.saturating_sub(self.buffer.len()).min(bytes.len());
            self.buffer.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.buffer.len() >= wanted {
                self.complete(collector)?;
            }
        }
        Ok(())
    }

    /// The input is over.
    pub(super) fn finish(&mut self, collector: &mut Collector) {
        if !self.buffer.is_empty() {
            collector.damaged(self.buffer.len());
            self.buffer.clear();
        }
    }

    /// What the state waited for is in the buffer.
    fn complete(&mut self, collector: &mut Collector) -> Result<(), DemuxError> {
        match (self.state, &self.buffer[..]) {
            (State::File, [b'F', b'L', b'V', 1, _, a, b, c, d]) => {
                let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
                let rest = length.checked_sub(FILE_HEADER).filter(|rest| *rest <= MAX_HEADER_REST);
                let rest = rest.ok_or_else(|| self.error("a header of impossible length"))?;
                self.next(State::Skip(rest + TAG_SIZE));
            }
            (State::File, _) => return Err(self.error("not the header of an FLV file, version 1")),
            (State::Header, [kind, s0, s1, s2, ..]) => {
                if kind & RESERVED != 0 || TagKind::from_number(kind & TYPE).is_none() {
                    return Err(self.error("no tag of sound, picture or script"));
                }
                let size = u32::from_be_bytes([0, *s0, *s1, *s2]) as usize;
                self.state = State::Body(size);
                if size == 0 {
                    self.next(State::Skip(TAG_SIZE));
                }
            }
            (State::Body(_), [kind, _, _, _, t0, t1, t2, t3, _, _, _, body @ ..]) => {
                let timestamp = u32::from_be_bytes([*t3, *t0, *t1, *t2]);
                if kind & ENCRYPTED != 0 {
                    collector.note("encrypted tags are left out");
                    collector.discarded(body.len());
                } else if let Some(kind) = TagKind::from_number(*kind) {
                    self.units.push(kind, timestamp, body, collector);
                }
                self.next(State::Skip(TAG_SIZE));
            }
            (State::Header | State::Body(_) | State::Skip(_), _) => {}
        }
        Ok(())
    }

    fn next(&mut self, state: State) {
        self.position += self.buffer.len() as u64;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT);
        self.state = state;
    }

    const fn error(&self, problem: &'static str) -> DemuxError {
        DemuxError::Flv { offset: self.position, problem }
    }
}

/// The messages of one RTMP publisher into access units.
#[derive(Debug)]
pub struct TagsDemuxer {
    units: TagUnits,
    collector: Collector,
}

impl TagsDemuxer {
    /// Nothing has come yet; `now` is when the input begins.
    pub fn new(now: Instant) -> Self {
        Self { units: TagUnits::default(), collector: Collector::new(now) }
    }

    /// Takes the body of a message that came at `arrival`; its units go to the end of `out`. What cannot be read is left out and counted.
    pub fn push(
        &mut self,
        kind: TagKind,
        timestamp: u32,
        body: &[u8],
        arrival: Instant,
        out: &mut VecDeque<AccessUnit>,
    ) {
        self.collector.arrival = arrival;
        self.collector.stats.bytes += body.len() as u64;
        self.units.push(kind, timestamp, body, &mut self.collector);
        self.collector.release(out);
    }

    /// The tracks known so far, by id.
    pub fn tracks(&self) -> &[Arc<Track>] {
        self.collector.tracks()
    }

    /// What has come so far.
    pub const fn stats(&self) -> DemuxStats {
        self.collector.stats
    }

    /// Takes out what the operator should know, each once.
    pub fn notes(&mut self) -> Vec<String> {
        self.collector.take_notes()
    }
}

const FILE_HEADER: usize = 9;
const TAG_HEADER: usize = 11;
/// The size of the tag before, behind each tag.
const TAG_SIZE: usize = 4;
const MAX_HEADER_REST: usize = 1_024;
const RESERVED: u8 = 0xc0;
const ENCRYPTED: u8 = 0x20;
const TYPE: u8 = 0x1f;
/// Memory kept from one tag to the next.
const BUFFER_KEPT: usize = 1 << 20;
