//! One viewer's pictures and sound: from which packet on, under which numbers and times.
//!
//! Whoever comes is given what there is since the last random access point, at once; a browser shows pictures as far apart as their times
//! say, so those of the past are moved close together, up to the present one. Numbers are each viewer's own and have no gap, since a gap
//! would be asked for again. For the same reason a picture may be left out where a link does not carry everything: see [`super::thinning`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use hub::Subscription;
use media::{Chunk, MediaKind};
use peer::agreed::Packet;

use super::exit::Exit;
use super::feed::{Feed, Parts, Past, length};
use super::link::Link;
use super::pacer::Pacer;
use super::sender::{Run, Sender};
use super::thinning::{Admitted, Thinning};
use crate::supervise::audience::Admission;

/// Somebody who watches.
#[derive(Debug)]
pub(super) struct Showing {
    pub(super) feed: Feed,
    /// Keeps the source running; read when they join.
    subscription: Subscription<Chunk>,
    pub(super) admission: Admission,
    pub(super) sender: Sender,
    stage: Stage,
    is_served: bool,
    refreshed: Option<Instant>,
    pub(super) link: Link,
    pacer: Pacer<Run>,
    thinning: Thinning,
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

impl Showing {
    pub(super) fn new(feed: Feed, admission: Admission, sender: Sender, now: Instant) -> Self {
        let subscription = feed.subscribe();
        let thinning = Thinning::new(&feed);
        Self {
            feed,
            subscription,
            admission,
            sender,
            stage: Stage::Connecting,
            is_served: false,
            refreshed: None,
            link: Link::new(now),
            pacer: Pacer::new(now),
            thinning,
        }
    }

    /// Is connected, or needs a beginning again: sends what there is. What follows is given to [`Self::show`].
    pub(super) fn join(&mut self, known: &mut Past, now: Instant, exit: &mut Exit<'_>) {
        // What was held on to until now may be long ago.
        self.subscription = self.feed.subscribe();
        let mut past = Vec::new();
        while let Some(next) = self.subscription.try_next() {
            match next {
                hub::Next::Item(chunk) => {
                    past.push((self.subscription.position().map_or(0, |next| next.saturating_sub(1)), chunk));
                }
                hub::Next::Skipped { .. } => past.clear(),
                hub::Next::Closed(_) => break,
            }
        }
        self.stage =
            self.subscription.position().filter(|_| !past.is_empty()).map_or(Stage::Waiting, Stage::From);
        self.catch_up(&past, known, now, exit);
    }

    /// What it reads since it joined.
    pub(super) fn subscription(&self) -> &Subscription<Chunk> {
        &self.subscription
    }

    /// Sends the pictures of the past, close together. Their sound is over.
    fn catch_up(&mut self, past: &[(u64, Chunk)], known: &mut Past, now: Instant, exit: &mut Exit<'_>) {
        // What still waits is older than what follows.
        self.pacer.clear();
        if !self.sender.shows(MediaKind::Video) {
            return;
        }
        let pictures: Vec<Arc<[Packet]>> = past
            .iter()
            .map(|(number, chunk)| known.of(*number, chunk))
            .filter(|packets| !packets.is_empty())
            .collect();
        let Some(newest) = pictures.last() else { return };
        let last = self.sender.timestamp(MediaKind::Video);
        let count = u32::try_from(pictures.len()).unwrap_or(u32::MAX);
        let step = (ROOM / count).clamp(1, STEP);
        // After what they had, if they had anything; else up to the present.
        let first = match last {
            Some(last) => last.wrapping_add(step),
            None => newest[0].timestamp.wrapping_sub(step.wrapping_mul(count - 1)),
        };
        for (at, picture) in (0..).zip(&pictures) {
            self.link.carries(length(picture), now);
            let timestamp = first.wrapping_add(step.wrapping_mul(at));
            self.send(Run::of(Arc::clone(picture), timestamp, None), now, exit);
        }
        self.thinning.caught_up();
        self.is_served_now();
    }

    /// Sends a chunk of this number, if it is this viewer's turn and the link carries it; whether anything was sent.
    pub(super) fn show(
        &mut self,
        number: u64,
        chunk: &Chunk,
        parts: &Parts,
        at: Instant,
        now: Instant,
        exit: &mut Exit<'_>,
    ) -> bool {
        let shows_pictures = self.sender.shows(MediaKind::Video);
        let pictures = if shows_pictures { parts.picture_bytes } else { 0 };
        self.link.offered(pictures, now);
        let is_turn = match self.stage {
            Stage::Connecting => return false,
            Stage::From(from) if number < from => return false,
            Stage::Waiting => chunk.random_access,
            Stage::From(_) => true,
        };
        let shows = is_turn && self.has_room(number, chunk, parts, pictures, now);
        // Whoever has been without pictures for long need not wait for a distant random access point, if the source makes one when asked.
        if !is_turn && self.thinning.is_keyframe_wanted(&mut self.link, now) {
            self.feed.stream().request_keyframe();
        }
        // Sound is little, and goes on whatever becomes of the pictures.
        let sounds = shows || self.is_served;
        if sounds && !parts.sound.is_empty() && self.sender.shows(MediaKind::Audio) {
            self.link.carries(parts.sound_bytes, now);
            self.sender.send_sound(&parts.sound, at, now, exit);
        }
        if let Some(first) = parts.pictures.first().filter(|_| shows && shows_pictures) {
            self.send(Run::of(Arc::clone(&parts.pictures), first.timestamp, Some(at)), now, exit);
        }
        if shows {
            self.is_served_now();
        }
        shows || sounds
    }

    /// Whether the link takes a picture whose turn it is. If not, and others refer to it, they are left out with it.
    fn has_room(&mut self, number: u64, chunk: &Chunk, parts: &Parts, bytes: usize, now: Instant) -> bool {
        let admitted = self.thinning.admits(chunk, parts, bytes, &mut self.link, now);
        self.stage = match admitted {
            Admitted::Yes | Admitted::NotThis => Stage::From(number + 1),
            Admitted::NotUntilRandomAccess => Stage::Waiting,
        };
        admitted == Admitted::Yes
    }

    /// Sends a picture, or lets what of it is too much at once wait for its turn.
    fn send(&mut self, picture: Run, now: Instant, exit: &mut Exit<'_>) {
        let pace = self.link.pace();
        let passes = |packet: &&Packet| self.pacer.passes(packet.bytes(), pace, now);
        let passing = picture.packets().iter().take_while(passes).count();
        let (goes, waits) = picture.split(passing);
        for packet in waits.each() {
            self.pacer.hold(length(packet.packets()), packet);
        }
        self.sender.send(&goes, now, exit);
    }

    /// Sends what has waited for its turn: some of it, if it is much.
    pub(super) fn advance(&mut self, now: Instant, exit: &mut Exit<'_>) {
        while let Some(packet) = self.pacer.next(self.link.pace(), now) {
            self.sender.send(&packet, now, exit);
        }
    }

    /// When that is to be done next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pacer.deadline()
    }

    /// Looks how the link does, and tells the peer how far the clocks are: to be done now and then.
    pub(super) fn check(&mut self, now: Instant, exit: &mut Exit<'_>) {
        if let Some(news) = self.sender.news(now) {
            self.link.hear(news);
        }
        self.sender.number(self.link.is_suspected(now));
        self.sender.advance(now, exit);
    }

    /// Loses what follows up to the next random access point.
    pub(super) fn fall_behind(&mut self) {
        if let Stage::From(_) = self.stage {
            self.stage = Stage::Waiting;
        }
    }

    /// The viewer cannot go on without a random access point; whether one has to be sent again, since the source makes none when asked.
    pub(super) fn needs_beginning(&mut self, now: Instant) -> bool {
        // One that was left without is given what there is as soon as there is room.
        if self.thinning.is_behind() {
            return false;
        }
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
