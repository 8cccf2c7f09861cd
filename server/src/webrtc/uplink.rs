//! A stream's packets on their way to another server that it is published to: what of them the way there carries, and when each leaves.
//!
//! The same is left out as for a viewer (see [`super::thinning`]), by the same knowledge of the way (see [`super::link`]), while sound goes
//! on.
//!
//! Not here: the connection (`peer`), and to whom it goes (see the endpoint).

use std::time::Instant;

use media::Chunk;
use peer::Arrival;
use peer::agreed::Packet;

use super::feed::{Feed, Parts};
use super::link::{Link, Report};
use super::pacer::Pacer;
use super::thinning::{Admitted, Thinning};

/// The way to another server.
#[derive(Debug)]
pub(crate) struct Uplink {
    link: Link,
    pacer: Pacer<(Packet, Instant)>,
    thinning: Thinning,
}

impl Uplink {
    pub(crate) fn new(feed: &Feed, now: Instant) -> Self {
        Self { link: Link::new(now), pacer: Pacer::new(now), thinning: Thinning::new(feed) }
    }

    /// Takes a chunk whose media was `at`; gives what of it is to leave now.
    pub(crate) fn take(&mut self, chunk: &Chunk, at: Instant, now: Instant) -> Vec<(Packet, Instant)> {
        let parts = Parts::of(chunk);
        self.link.offered(parts.picture_bytes, now);
        let admitted = self.thinning.admits(chunk, &parts, parts.picture_bytes, &mut self.link, now);
        self.link.carries(parts.sound_bytes, now);
        // Sound is little, and goes on whatever becomes of the pictures.
        let mut leaving: Vec<_> = parts.sound.into_iter().map(|packet| (packet, at)).collect();
        for packet in parts.pictures.iter().filter(|_| admitted == Admitted::Yes) {
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
        self.thinning.is_keyframe_wanted(&mut self.link, now)
    }

    /// Whether pictures are left out up to the next random access point.
    pub(crate) fn is_behind(&self) -> bool {
        self.thinning.is_behind()
    }

    /// Bits a second that the way is believed to carry, if that is less than the stream has.
    pub(crate) fn limit(&self) -> Option<u64> {
        self.link.report().limit
    }
}
