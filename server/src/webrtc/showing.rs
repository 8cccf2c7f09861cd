//! One viewer's pictures and sound: from which packet on, under which numbers and times.
//!
//! Whoever comes is given what there is since the last random access point, at once; a browser shows pictures as far apart as their times
//! say, so those of the past are moved close together, up to the present one. Numbers are each viewer's own and have no gap, since a gap
//! would be asked for again.

use std::time::{Duration, Instant};

use hub::Subscription;
use media::{Chunk, MediaKind};
use str0m::Rtc;
use str0m::media::{Mid, Pt};
use str0m::rtp::RtpWrite;

use super::feed::{Feed, Packet, packets};
use crate::supervise::audience::Admission;

/// Somebody who watches.
#[derive(Debug)]
pub(super) struct Showing {
    pub(super) feed: Feed,
    /// Keeps the source running; read when they join.
    subscription: Subscription<Chunk>,
    pub(super) admission: Admission,
    outputs: Outputs,
    stage: Stage,
    is_served: bool,
    refreshed: Option<Instant>,
}

/// Where a session's pictures and sound go.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    pub(super) video: Option<Output>,
    pub(super) audio: Option<Output>,
}

/// One medium that is sent.
#[derive(Debug)]
pub(super) struct Output {
    mid: Mid,
    payload_type: Pt,
    /// Number of the next packet.
    number: u64,
    /// Timestamp of the last one.
    timestamp: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is no connection yet.
    Connecting,
    /// The next random access point is waited for.
    Waiting,
    /// Has everything before the chunk of this number.
    From(u64),
}

impl Output {
    /// Begins with a number of chance, low enough to stay far from where it starts over (RFC 3711 §3.3.1).
    pub(super) fn new(mid: Mid, payload_type: Pt, chance: u32) -> Self {
        Self { mid, payload_type, number: u64::from(chance & 0x3fff), timestamp: None }
    }

    fn write(&mut self, rtc: &mut Rtc, packet: &Packet, timestamp: u32, wallclock: Instant) {
        let mut direct = rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(self.mid, None) else { return };
        let write = RtpWrite::new(
            self.payload_type,
            self.number.into(),
            timestamp,
            wallclock,
            std::sync::Arc::clone(&packet.payload),
        );
        stream.write_rtp(write.marker(packet.marker).nackable(packet.kind == MediaKind::Video));
        self.number += 1;
        self.timestamp = Some(timestamp);
    }
}

impl Outputs {
    fn of(&mut self, kind: MediaKind) -> Option<&mut Output> {
        match kind {
            MediaKind::Video => self.video.as_mut(),
            MediaKind::Audio => self.audio.as_mut(),
        }
    }
}

impl Showing {
    pub(super) fn new(feed: Feed, admission: Admission, outputs: Outputs) -> Self {
        let subscription = feed.subscribe();
        Self {
            feed,
            subscription,
            admission,
            outputs,
            stage: Stage::Connecting,
            is_served: false,
            refreshed: None,
        }
    }

    /// Is connected, or needs a beginning again: sends what there is. What follows is given to [`Self::show`].
    pub(super) fn join(&mut self, rtc: &mut Rtc, now: Instant) -> &Subscription<Chunk> {
        // What was held on to until now may be long ago.
        self.subscription = self.feed.subscribe();
        let mut past = Vec::new();
        while let Some(next) = self.subscription.try_next() {
            match next {
                hub::Next::Item(chunk) => past.push(chunk),
                hub::Next::Skipped { .. } => past.clear(),
                hub::Next::Closed(_) => break,
            }
        }
        self.stage =
            self.subscription.position().filter(|_| !past.is_empty()).map_or(Stage::Waiting, Stage::From);
        self.catch_up(rtc, &past, now);
        &self.subscription
    }

    /// Sends the pictures of the past, close together. Their sound is over.
    fn catch_up(&mut self, rtc: &mut Rtc, past: &[Chunk], now: Instant) {
        let leading = if self.outputs.video.is_some() { MediaKind::Video } else { return };
        let pictures: Vec<Vec<Packet>> = past
            .iter()
            .map(|chunk| packets(chunk).into_iter().filter(|packet| packet.kind == leading).collect())
            .filter(|packets: &Vec<Packet>| !packets.is_empty())
            .collect();
        let (Some(output), Some(newest)) = (self.outputs.of(leading), pictures.last()) else { return };
        let count = u32::try_from(pictures.len()).unwrap_or(u32::MAX);
        let step = (ROOM / count).clamp(1, STEP);
        // After what they had, if they had anything; else up to the present.
        let first = match output.timestamp {
            Some(last) => last.wrapping_add(step),
            None => newest[0].timestamp.wrapping_sub(step.wrapping_mul(count - 1)),
        };
        for (at, picture) in (0..).zip(&pictures) {
            for packet in picture {
                output.write(rtc, packet, first.wrapping_add(step.wrapping_mul(at)), now);
            }
        }
        self.is_served_now();
    }

    /// Sends a chunk of this number, if it is this viewer's turn; whether anything was sent.
    pub(super) fn show(
        &mut self,
        rtc: &mut Rtc,
        number: u64,
        chunk: &Chunk,
        all: &[Packet],
        at: Instant,
    ) -> bool {
        match self.stage {
            Stage::Connecting => return false,
            Stage::Waiting if !chunk.random_access => return false,
            Stage::From(from) if number < from => return false,
            Stage::Waiting | Stage::From(_) => {}
        }
        self.stage = Stage::From(number + 1);
        for packet in all {
            if let Some(output) = self.outputs.of(packet.kind) {
                output.write(rtc, packet, packet.timestamp, at);
            }
        }
        self.is_served_now();
        true
    }

    /// Loses what follows up to the next random access point.
    pub(super) fn fall_behind(&mut self) {
        if let Stage::From(_) = self.stage {
            self.stage = Stage::Waiting;
        }
    }

    /// The viewer cannot go on without a random access point; whether one has to be sent again, since the source makes none when asked.
    pub(super) fn needs_beginning(&mut self, now: Instant) -> bool {
        let stream = self.feed.stream();
        stream.request_keyframe();
        if stream.answers_keyframe_requests() || self.refreshed.is_some_and(|at| now < at + BETWEEN_REFRESHES)
        {
            return false;
        }
        self.refreshed = Some(now);
        true
    }

    fn is_served_now(&mut self) {
        if !std::mem::replace(&mut self.is_served, true) {
            self.admission.served();
        }
    }
}

/// Ticks of 90 kHz between pictures of the past: a millisecond, or less if there are many.
const STEP: u32 = 90;
/// They all fit between two pictures.
const ROOM: u32 = 1_500;
/// The past is sent again this often at most.
const BETWEEN_REFRESHES: Duration = Duration::from_secs(1);
