//! A raw H.264 byte stream, cut anywhere, into access units with times.
//!
//! The boundaries are those of §7.4.1.2.3: a picture ends where a NAL unit comes that may only stand before the next
//! one, or a slice whose header says that it is of another picture. That is known as soon as the next picture begins,
//! which is one frame late; on a pipe from a live encoder [`flush_idle`](Assembler::flush_idle) takes the wait away.
//!
//! Invariant: without idle flushing the units are the same however the bytes were cut. Work is linear in the number of
//! bytes and memory is bounded by [`MAX_ACCESS_UNIT`] and the units not yet pulled. Broken input costs the unit it
//! is in, and the next one tells (`lost_before`).
//!
//! Not here: bytes that a container has already framed (see [`UnitBuilder`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use media::{AccessUnit, MediaTime, Timescale, Track, TrackId, Wallclock};

use super::picture::Picture;
use super::picture_order::PictureOrder;
use super::slice::{SLICE_PREFIX, SliceHeader};
use super::{NalUnit, NalUnitType, StreamClock, UnitBuilder};
use crate::CodecError;
use crate::nal::annexb::{StartCodeScanner, trim_zeros};
use crate::nal::{MAX_ACCESS_UNIT, Stamp};

/// Whether silence on the pipe is taken as the end of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdleFlush {
    /// A picture ends when the next one begins: one frame later.
    Never,
    /// A picture also ends when the pipe falls silent behind it, as it does with `rpicam-vid --flush` or ffmpeg, which
    /// write a picture at a time. That is believed once the first pictures have shown it: until then silence ends
    /// nothing, so that a camera on a slow network, or one that writes slice by slice with pauses, loses no picture.
    /// When it turns out wrong the stream falls back to [`Never`](Self::Never).
    WhenSilent,
}

/// So many of the first pictures must have been whole when silence fell before silence is taken as their end.
const PROOF: u8 = 2;

/// What is known of the silence that fell last, while silence is not yet believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    /// None fell, or it has been judged.
    Judged,
    /// It fell inside or behind the NAL unit that is open.
    Open,
    /// A NAL unit has begun since.
    Passed,
}

/// Cuts one byte stream into access units; see the module's documentation.
#[derive(Debug)]
pub struct Assembler {
    builder: UnitBuilder,
    clock: StreamClock,
    order: PictureOrder,
    idle_flush: IdleFlush,
    /// Silences that were the end of a picture, up to [`PROOF`].
    proven: u8,
    silence: Silence,
    scanner: StartCodeScanner,
    state: State,
    /// The unit so far, length-prefixed, and at its end the open NAL unit with room for its length.
    scratch: Vec<u8>,
    /// Where the open NAL unit's length stands in `scratch`.
    open_at: usize,
    /// Whether it is clear which unit the open NAL unit belongs to.
    open_placed: bool,
    picture: Picture,
    /// When the newest byte of the open NAL unit came, and when that of the unit before it.
    open_mark: Option<Mark>,
    unit_mark: Option<Mark>,
    /// Last slice of a unit that was ended by silence.
    flushed: Option<SliceHeader>,
    /// Slices of the unit before.
    slices_before: u32,
    lost: u16,
    position: u64,
    rate_version: Option<u64>,
    error: Option<CodecError>,
    ready: VecDeque<AccessUnit>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is kept until the next start code.
    Seeking,
    /// As `Seeking`, but the last unit was ended by silence and nothing but a start code may follow.
    Flushed,
    /// Inside a NAL unit.
    Open,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    arrival: Instant,
    captured: Option<Wallclock>,
}

impl Assembler {
    /// For a stream that begins now; times begin at 0 and count 90 kHz.
    pub fn new(id: TrackId, idle_flush: IdleFlush) -> Self {
        Self {
            builder: UnitBuilder::new(id, Timescale::VIDEO_90K),
            clock: StreamClock::default(),
            order: PictureOrder::default(),
            idle_flush,
            proven: 0,
            silence: Silence::Judged,
            scanner: StartCodeScanner::default(),
            state: State::Seeking,
            scratch: Vec::new(),
            open_at: 0,
            open_placed: false,
            picture: Picture::default(),
            open_mark: None,
            unit_mark: None,
            flushed: None,
            slices_before: 0,
            lost: 0,
            position: 0,
            rate_version: None,
            error: None,
            ready: VecDeque::new(),
        }
    }

    /// Takes bytes in, any number of them. Pull until `None` afterwards.
    ///
    /// # Errors
    /// The first thing that was wrong with these bytes. All of them were used nevertheless: go on.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        arrival: Instant,
        captured: Option<Wallclock>,
    ) -> Result<(), CodecError> {
        let mark = Mark { arrival, captured };
        while let Some(end) = self.scanner.find(bytes) {
            self.content(&bytes[..end - 1], mark);
            self.close_nal();
            self.open_nal();
            self.position += end as u64;
            bytes = &bytes[end..];
        }
        self.content(bytes, mark);
        self.position += bytes.len() as u64;
        self.error.take().map_or(Ok(()), Err)
    }

    /// The next complete unit.
    pub fn pull(&mut self) -> Option<AccessUnit> {
        self.ready.pop_front()
    }

    /// The pipe has been silent for some milliseconds, so what is here is probably a whole picture: ends it now.
    ///
    /// Does nothing with [`IdleFlush::Never`], without a picture, or while it has fewer slices than the one before.
    pub fn flush_idle(&mut self) {
        match self.idle_flush {
            IdleFlush::WhenSilent if self.proven >= PROOF => self.flush(self.slices_before),
            IdleFlush::WhenSilent if self.state == State::Open && self.may_be_whole(self.slices_before) => {
                self.silence = Silence::Open;
            }
            IdleFlush::WhenSilent | IdleFlush::Never => {}
        }
    }

    /// The stream has ended: so has its last picture.
    pub fn finish(&mut self) {
        self.flush(0);
    }

    /// Whether silence still ends a picture; see [`IdleFlush`].
    pub const fn idle_flush_policy(&self) -> IdleFlush {
        self.idle_flush
    }

    /// The track, once the parameter sets are known.
    pub fn track(&self) -> Option<&Arc<Track>> {
        self.builder.track()
    }

    fn content(&mut self, bytes: &[u8], mark: Mark) {
        match self.state {
            State::Seeking => {}
            State::Flushed => {
                if bytes.iter().any(|&byte| byte != 0) {
                    // The NAL unit went on: it was cut in two. What follows of its picture is of no use.
                    let last = self.flushed.take();
                    self.fall_back(last);
                    self.state = State::Seeking;
                }
            }
            State::Open => {
                if self.silence == Silence::Open && bytes.iter().any(|&byte| byte != 0) {
                    self.judge_silence(false);
                }
                self.append(bytes, mark);
            }
        }
    }

    /// The silence before these bytes was the end of a picture, or it was not.
    fn judge_silence(&mut self, was_the_end: bool) {
        self.silence = Silence::Judged;
        if was_the_end {
            self.proven = self.proven.saturating_add(1);
        } else {
            self.idle_flush = IdleFlush::Never;
        }
    }

    fn append(&mut self, mut bytes: &[u8], mark: Mark) {
        // A few zeros are more likely the beginning of a start code than the end of a picture.
        if bytes.len() > 3 || bytes.iter().any(|&byte| byte != 0) {
            self.open_mark = Some(mark);
        }
        while !bytes.is_empty() {
            // Until it is placed only as much is taken as that needs, so that little has to move.
            let length = self.scratch.len() - self.open_at - 4;
            let (piece, rest) = match (self.open_placed, length) {
                (true, _) => (bytes, &[][..]),
                (false, 0) => bytes.split_at(1),
                (false, 1..SLICE_PREFIX) => bytes.split_at(bytes.len().min(SLICE_PREFIX - length)),
                (false, _) => {
                    bytes.split_at(bytes.iter().position(|&byte| byte != 0).map_or(bytes.len(), |at| at + 1))
                }
            };
            bytes = rest;
            if self.scratch.len() + piece.len() > MAX_ACCESS_UNIT {
                self.give_up();
                return;
            }
            self.scratch.extend_from_slice(piece);
            let length = self.scratch.len() - self.open_at - 4;
            if !self.open_placed
                && piece.last() != Some(&0)
                && (length >= SLICE_PREFIX || !self.open_is_slice())
            {
                self.place_open();
            }
        }
    }

    fn open_nal(&mut self) {
        self.state = State::Open;
        if self.silence == Silence::Open {
            self.silence = Silence::Passed;
        }
        self.open_at = self.scratch.len();
        self.open_placed = false;
        self.scratch.extend_from_slice(&[0; 4]);
    }

    fn open_is_slice(&self) -> bool {
        self.scratch.get(self.open_at + 4).is_some_and(|header| matches!(header & 0x1f, 1..=5))
    }

    /// Decides whether the open NAL unit begins the next access unit, and ends the present one if so.
    fn place_open(&mut self) {
        self.open_placed = true;
        let Some(nal) = NalUnit::new(trim_zeros(&self.scratch[self.open_at + 4..])) else { return };
        let is_slice = nal.unit_type().is_slice();
        let header = if is_slice { SliceHeader::parse(nal, self.builder.parameter_sets()) } else { None };
        let ends = self.picture.ends_before(nal, header.as_ref());
        if self.silence == Silence::Passed && (ends || is_slice) {
            self.judge_silence(ends);
        }
        let flushed = if is_slice { self.flushed.take() } else { None };
        let continues = flushed.is_some_and(|last| continues_picture(&last, header.as_ref()));
        if ends {
            self.complete(self.open_at);
        }
        if continues {
            self.fall_back(flushed);
        }
        if is_slice && let Some(nal) = NalUnit::new(trim_zeros(&self.scratch[self.open_at + 4..])) {
            self.picture.add_slice(nal, header);
        }
    }

    /// The open NAL unit ends where `scratch` does, but for zeros.
    fn close_nal(&mut self) {
        if self.state != State::Open {
            return;
        }
        self.state = State::Seeking;
        let length = trim_zeros(&self.scratch[self.open_at + 4..]).len();
        self.scratch.truncate(self.open_at + 4 + length);
        if length == 0 {
            self.scratch.truncate(self.open_at);
            return;
        }
        if !self.open_placed {
            self.place_open();
        }
        let Some(nal) = NalUnit::new(&self.scratch[self.open_at + 4..]) else { return };
        let unit_type = nal.unit_type();
        match unit_type {
            NalUnitType::Sps | NalUnitType::Pps => {
                if let Err(error) = self.builder.insert(nal.bytes()) {
                    self.error.get_or_insert(error);
                }
            }
            NalUnitType::Sei => self.picture.add_sei(nal),
            _ => {}
        }
        if unit_type.is_payload() {
            // Bounded by MAX_ACCESS_UNIT.
            let prefix = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
            self.scratch[self.open_at..self.open_at + 4].copy_from_slice(&prefix);
            self.unit_mark = self.open_mark;
        } else {
            self.scratch.truncate(self.open_at);
        }
        if matches!(unit_type, NalUnitType::EndOfSequence | NalUnitType::EndOfStream)
            && self.picture.has_slice()
        {
            self.complete(self.scratch.len());
        }
    }

    /// Ends the access unit whose payload is the first `end` bytes of `scratch`.
    fn complete(&mut self, end: usize) {
        let picture = std::mem::take(&mut self.picture);
        self.slices_before = picture.slices;
        if let Some(mark) = self.unit_mark
            && !picture.orphan
            && self.builder.track().is_some()
        {
            let (dts, pts) = self.time(&picture, mark);
            let stamp =
                Stamp { dts, pts, lost_before: self.lost, captured: mark.captured, arrival: mark.arrival };
            if let Some(unit) = self.builder.finish(&picture, &self.scratch[..end], stamp) {
                self.ready.push_back(unit);
                self.lost = 0;
            }
        }
        self.scratch.copy_within(end.., 0);
        self.scratch.truncate(self.scratch.len() - end);
        self.open_at = self.open_at.saturating_sub(end);
        if self.scratch.capacity() > SCRATCH_KEPT && end < SCRATCH_KEPT / 4 {
            self.scratch.shrink_to(SCRATCH_KEPT);
        }
    }

    fn time(&mut self, picture: &Picture, mark: Mark) -> (MediaTime, MediaTime) {
        let sets = self.builder.parameter_sets();
        let active = picture.last.and_then(|slice| Some((slice, sets.active(slice.pps_id)?.1)));
        if self.rate_version != Some(sets.version())
            && let Some((frames, seconds)) = sets.sps().and_then(|sps| sps.vui()?.frame_rate())
        {
            self.clock.expect_rate(frames, seconds);
        }
        self.rate_version = Some(sets.version());
        let frames = active.map_or(0, |(slice, sps)| self.order.delay(&slice, sps));
        let dts = self.clock.next(mark.arrival);
        let delay = self.clock.period().ticks() * frames;
        (dts, dts.saturating_add(MediaTime::new(delay, Timescale::VIDEO_90K)))
    }

    fn flush(&mut self, least_slices: u32) {
        if self.state == State::Open && !self.open_placed && self.scratch.len() > self.open_at + 4 {
            self.place_open();
        }
        if !self.may_be_whole(least_slices) {
            return;
        }
        if self.state == State::Open {
            let empty = trim_zeros(&self.scratch[self.open_at + 4..]).is_empty();
            let last = self.picture.last;
            self.close_nal();
            // The end of a sequence has completed the unit already.
            if self.picture.slices > 0 {
                self.complete(self.scratch.len());
            }
            self.flushed = last;
            if empty {
                self.open_nal();
            } else {
                self.state = State::Flushed;
            }
        }
    }

    fn may_be_whole(&self, least_slices: u32) -> bool {
        self.picture.slices > 0 && !self.picture.orphan && self.picture.slices >= least_slices
    }

    /// Silence was no end of a picture: not again in this stream.
    fn fall_back(&mut self, last: Option<SliceHeader>) {
        self.idle_flush = IdleFlush::Never;
        self.lost = self.lost.saturating_add(1);
        self.picture = Picture::orphaned(last);
    }

    /// The unit has grown beyond all bounds.
    fn give_up(&mut self) {
        self.error.get_or_insert(CodecError::TooLarge {
            what: "access unit",
            limit: MAX_ACCESS_UNIT,
            position: self.position,
        });
        self.scratch = Vec::new();
        self.open_at = 0;
        self.state = State::Seeking;
        self.lost = self.lost.saturating_add(1);
        self.picture = Picture::orphaned(self.picture.last);
    }
}

/// Whether a slice goes on with the picture that silence ended.
fn continues_picture(last: &SliceHeader, header: Option<&SliceHeader>) -> bool {
    header.is_some_and(|header| header.redundant || (header.first_mb != 0 && !header.differs_from(last)))
}

/// Scratch memory kept from one unit to the next.
const SCRATCH_KEPT: usize = 1 << 20;
