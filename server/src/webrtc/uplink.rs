//! A stream's packets on their way to another server that it is published to: what of them the way there carries, and when each leaves.
//!
//! The same is left out as for a viewer (see [`super::showing`]), by the same knowledge of the way (see [`super::link`]): first pictures that
//! no other refers to, then all up to the next random access point, while sound goes on.
//!
//! Not here: the connection (`peer`), and to whom it goes (see the endpoint).

use std::time::{Duration, Instant};

use media::{Chunk, CodecParameters, MediaKind};
use peer::Arrival;
use peer::agreed::Packet;

use super::feed::{Feed, Parts};
use super::link::{Kind, Link, Report};
use super::pacer::Pacer;

/// The way to another server.
#[derive(Debug)]
pub(crate) struct Uplink {
    link: Link,
    pacer: Pacer<(Packet, Instant)>,
    tells_disposable: bool,
    /// Since when a random access point is waited for, after pictures had to be left out.
    behind: Option<Instant>,
}

impl Uplink {
    pub(crate) fn new(feed: &Feed, now: Instant) -> Self {
        let tells_disposable = matches!(feed.parameters(MediaKind::Video), Some(CodecParameters::H264(_)));
        Self { link: Link::new(now), pacer: Pacer::new(now), tells_disposable, behind: None }
    }

    /// Takes a chunk whose media was `at`; gives what of it is to leave now.
    pub(crate) fn take(&mut self, chunk: &Chunk, at: Instant, now: Instant) -> Vec<(Packet, Instant)> {
        let parts = Parts::of(chunk);
        self.link.offered(parts.picture_bytes, now);
        let has_room = parts.picture_bytes == 0 || self.has_room(chunk, &parts, now);
        self.link.carries(parts.sound_bytes, now);
        // Sound is little, and goes on whatever becomes of the pictures.
        let mut leaving: Vec<_> = parts.sound.into_iter().map(|packet| (packet, at)).collect();
        for packet in parts.pictures.iter().filter(|_| has_room) {
            if self.pacer.passes(packet.bytes(), self.link.pace(), now) {
                leaving.push((packet.clone(), at));
            } else {
                self.pacer.hold(packet.bytes(), (packet.clone(), at));
            }
        }
        leaving
    }

    /// What has waited for its turn and is to leave now.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(Packet, Instant)> {
        let Self { link, pacer, .. } = self;
        std::iter::from_fn(|| pacer.next(link.pace(), now)).collect()
    }

    /// When to ask for that.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pacer.deadline()
    }

    /// Hears how what was sent arrives.
    pub(crate) fn hear(&mut self, arrival: Arrival) {
        let Arrival { at, sent, round_trip, lost } = arrival;
        self.link.hear(Report { at, sent, round_trip, lost });
    }

    /// Whether it is good to ask the source for a random access point: there is room again, and none has come for long.
    pub(crate) fn is_keyframe_wanted(&mut self, now: Instant) -> bool {
        let is_wanted = self.behind.is_some_and(|since| now >= since + BEHIND) && self.link.is_ready(now);
        if is_wanted {
            self.behind = Some(now);
        }
        is_wanted
    }

    /// Whether pictures are left out up to the next random access point.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// Bits a second that the way is believed to carry, if that is less than the stream has.
    pub(crate) fn limit(&self) -> Option<u64> {
        self.link.report().limit
    }

    fn has_room(&mut self, chunk: &Chunk, parts: &Parts, now: Instant) -> bool {
        let kind = match chunk.random_access {
            true => Kind::Beginning,
            false if self.behind.is_some() => return false,
            false if self.tells_disposable && parts.is_unreferenced => Kind::Disposable,
            false => Kind::Needed,
        };
        let takes = self.link.takes(kind, parts.picture_bytes, now);
        if takes && kind == Kind::Beginning {
            self.behind = None;
        } else if !takes && kind != Kind::Disposable {
            self.behind.get_or_insert(now);
        }
        takes
    }
}

/// So long a random access point is waited for before one is asked for.
const BEHIND: Duration = Duration::from_secs(3);
