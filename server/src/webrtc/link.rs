//! What a viewer's link carries, and what is left out if that is less than a stream has.
//!
//! A camera goes at its own rate, so there is nothing to adapt: a link carries the stream, or part of it. Nothing is left out as long as
//! nothing is wrong. A round trip that takes longer and longer, or packets that are lost in great number, say that more is sent than
//! arrives; from then on what was sent and has not arrived yet is reckoned with (a queue somewhere on the way, of which only the length
//! matters), and what would wait in it for too long is not sent: first pictures that no other refers to, then all up to the next random
//! access point. So a viewer gets less, and not late. What is believed of the link then grows until everything goes again.
//!
//! Some loss says nothing about the rate: many links lose packets at any. They are sent again, and that is all.
//!
//! Not here: where reports come from (see `peer`), in which order packets leave (see [`super::pacer`]).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::check::LinkReport;

/// A link, as far as it is known.
#[derive(Debug)]
pub(super) struct Link {
    shortest: Shortest,
    reports: VecDeque<Report>,
    limit: Option<Limit>,
    /// What the stream would have sent.
    offered: Rate,
    /// How often it was too much lately: what failed is tried again more slowly.
    failures: u32,
    suspected: Option<Instant>,
    /// Since when the round trip has been long.
    long_since: Option<Instant>,
    left_out: u64,
}

/// What is heard of what was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    pub(super) at: Instant,
    /// Bytes that were sent until then, those sent again among them.
    pub(super) sent: u64,
    /// How long there and back takes.
    pub(super) round_trip: Duration,
    /// The part of the packets that is lost, from 0 to 1.
    pub(super) lost: f32,
}

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Needs nothing before it.
    Beginning,
    /// Others refer to it.
    Needed,
    /// Nothing refers to it.
    Disposable,
}

/// A link that does not carry everything.
#[derive(Debug, Clone, Copy)]
struct Limit {
    /// Bytes a second that it is believed to carry.
    rate: f64,
    /// Seconds it has still to do with what it was given.
    owed: f64,
    /// How much of that the last beginning was.
    beginning: f64,
    reckoned: Instant,
    /// The most that was owed in the time that is reported about, and in that before it.
    peaks: [f64; 2],
    peaked: Instant,
    /// When the rate was last lowered, and when raised.
    lowered: Instant,
    raised: Instant,
}

impl Link {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            shortest: Shortest::default(),
            reports: VecDeque::new(),
            limit: None,
            offered: Rate::new(now),
            failures: 0,
            suspected: None,
            long_since: None,
            left_out: 0,
        }
    }

    /// The stream has so many bytes, whether or not they are sent.
    pub(super) fn offered(&mut self, bytes: usize, now: Instant) {
        self.offered.count(bytes, now);
    }

    /// Whether a picture of so many bytes is to be sent; it is reckoned with then.
    pub(super) fn takes(&mut self, kind: Kind, bytes: usize, now: Instant) -> bool {
        let Some(limit) = &mut self.limit else { return true };
        let cost = limit.cost(bytes, now);
        let most = match kind {
            Kind::Beginning => READY,
            Kind::Needed => limit.beginning + LATE - cost,
            Kind::Disposable => SOON - cost,
        };
        if limit.owed > most {
            self.left_out += 1;
            return false;
        }
        limit.owed += cost;
        if kind == Kind::Beginning {
            limit.beginning = cost;
        }
        true
    }

    /// Reckons with what is sent in any case.
    pub(super) fn carries(&mut self, bytes: usize, now: Instant) {
        if let Some(limit) = &mut self.limit {
            limit.owed += limit.cost(bytes, now);
        }
    }

    /// Whether a beginning would be taken now.
    pub(super) fn is_ready(&mut self, now: Instant) -> bool {
        self.limit.as_mut().is_none_or(|limit| {
            limit.cost(0, now);
            limit.owed <= READY
        })
    }

    /// Hears how it goes.
    pub(super) fn hear(&mut self, report: Report) {
        let now = report.at;
        let shortest = self.shortest.of(report.round_trip, now).min(FARTHEST);
        let waits = |report: &Report| report.round_trip.saturating_sub(shortest).as_secs_f64();
        // Once is nothing: machines do something else for a moment now and then.
        let is_odd = |report: &Report| waits(report) > SUSPECT || report.lost > SUSPECT_LOST;
        if is_odd(&report) && self.reports.back().is_some_and(is_odd) {
            self.suspected = Some(now);
        }
        if waits(&report) > LONG / 2.0 {
            self.long_since.get_or_insert(now);
        } else {
            self.long_since = None;
        }
        // With a queue, or where less is sent already, less loss says more.
        let much = if self.limit.is_some() || waits(&report) > LONG / 2.0 { LOST } else { MUCH_LOST };
        let lately = self.reports.iter().rev().take(2).map(|before| before.lost).sum::<f32>() + report.lost;
        let is_lost = lately > 3.0 * much && self.reports.len() >= 2;
        let arrived = self.arrived(&report);
        while self.reports.front().is_some_and(|front| front.at + REMEMBERED < now) {
            self.reports.pop_front();
        }
        self.reports.push_back(report);
        let Some(limit) = &mut self.limit else {
            let is_lasting = self.long_since.is_some_and(|since| now >= since + LASTING);
            if waits(&report) > LONG && is_lasting || is_lost {
                self.begin(arrived, waits(&report), now);
            } else if self.suspected.is_none_or(|at| now > at + FORGIVEN) {
                self.failures = 0;
            }
            return;
        };
        limit.cost(0, now);
        let most = limit.peaks[0].max(limit.peaks[1]);
        // What is heard is about the time before.
        let settles = now < limit.lowered + SETTLING + report.round_trip;
        if settles {
            limit.raised = now;
        } else if waits(&report) > most + LONG || is_lost {
            limit.rate = (limit.rate * BACK).max(LEAST);
            limit.owed = limit.owed.max(waits(&report));
            (limit.lowered, limit.raised) = (now, now);
            self.failures = (self.failures + 1).min(MOST_FAILURES);
        } else if waits(&report) < most + LONG / 2.0 {
            self.raise(now);
        }
    }

    /// It is another one from now on.
    pub(super) fn is_replaced(&mut self) {
        (self.shortest, self.limit, self.long_since) = (Shortest::default(), None, None);
        self.reports.clear();
    }

    /// Whether something seems wrong, so that it is good to hear more often how it goes.
    pub(super) fn is_suspected(&self, now: Instant) -> bool {
        self.limit.is_some() || self.suspected.is_some_and(|at| now < at + SUSPECTED)
    }

    /// Bytes a second that may leave at once; more than the link carries, since pictures are of very different size.
    pub(super) fn pace(&self) -> f64 {
        self.limit.map_or(AT_MOST, |limit| (limit.rate * HASTE).clamp(AT_LEAST, AT_MOST))
    }

    /// What is known of it.
    pub(super) fn report(&self) -> LinkReport {
        let newest = self.reports.back();
        LinkReport {
            round_trip: newest.map(|report| report.round_trip),
            lost: newest.map(|report| report.lost),
            limit: self.limit.map(|limit| (limit.rate * 8.0) as u64),
            left_out: self.left_out,
        }
    }

    /// Bytes a second that arrived lately: what is sent while the round trip grows is still on its way.
    fn arrived(&self, report: &Report) -> Option<f64> {
        let since = |earlier: &&Report| report.at.saturating_duration_since(earlier.at);
        let earlier = self.reports.iter().rev().find(|earlier| since(earlier) >= LONG_ENOUGH)?;
        let seconds = since(&earlier).as_secs_f64() + report.round_trip.as_secs_f64()
            - earlier.round_trip.as_secs_f64();
        let bytes =
            report.sent.saturating_sub(earlier.sent) as f64 * f64::from(1.0 - report.lost.clamp(0.0, 1.0));
        (seconds > 0.1).then(|| bytes / seconds)
    }

    /// More was sent than arrives.
    fn begin(&mut self, arrived: Option<f64>, waits: f64, now: Instant) {
        let Some(arrived) = arrived else { return };
        self.limit = Some(Limit {
            rate: (arrived * BACK).max(LEAST),
            owed: waits,
            beginning: 0.0,
            reckoned: now,
            peaks: [waits, waits],
            peaked: now,
            lowered: now,
            raised: now,
        });
        self.failures = (self.failures + 1).min(MOST_FAILURES);
    }

    fn raise(&mut self, now: Instant) {
        let Some(limit) = &mut self.limit else { return };
        let seconds = now.saturating_duration_since(limit.raised).as_secs_f64().min(2.0);
        limit.raised = now;
        limit.rate *= 1.0 + GROWTH * seconds / f64::from(self.failures.max(1));
        if now >= limit.lowered + FORGIVEN && self.failures > 1 {
            self.failures -= 1;
            limit.lowered = now;
        }
        if limit.rate > self.offered.per_second(now) * ENOUGH {
            self.limit = None;
        }
    }
}

impl Limit {
    /// Seconds that so many bytes take; lets time pass first.
    fn cost(&mut self, bytes: usize, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.reckoned).as_secs_f64();
        if now >= self.peaked + PEAK {
            self.peaks = [0.0, self.peaks[0]];
            self.peaked = now;
        }
        self.peaks[0] = self.peaks[0].max(self.owed);
        self.owed = (self.owed - passed).max(0.0);
        self.reckoned = now;
        bytes as f64 / self.rate
    }
}

/// The shortest round trip of late: there is no queue in it.
#[derive(Debug, Default)]
struct Shortest {
    /// Of this span of time and the one before.
    spans: [Option<Duration>; 2],
    began: Option<Instant>,
}

impl Shortest {
    fn of(&mut self, round_trip: Duration, now: Instant) -> Duration {
        if self.began.is_none_or(|began| now >= began + SPAN) {
            self.spans = [None, self.spans[0].or(self.spans[1])];
            self.began = Some(now);
        }
        let shortest = self.spans[0].map_or(round_trip, |known| known.min(round_trip));
        self.spans[0] = Some(shortest);
        self.spans[1].map_or(shortest, |before| before.min(shortest))
    }
}

/// Bytes a second, over about two of them.
#[derive(Debug)]
struct Rate {
    began: Instant,
    bytes: f64,
    before: Option<f64>,
}

impl Rate {
    fn new(now: Instant) -> Self {
        Self { began: now, bytes: 0.0, before: None }
    }

    fn count(&mut self, bytes: usize, now: Instant) {
        let seconds = now.saturating_duration_since(self.began).as_secs_f64();
        if seconds >= 2.0 {
            self.before = Some(self.bytes / seconds);
            (self.began, self.bytes) = (now, 0.0);
        }
        self.bytes += bytes as f64;
    }

    fn per_second(&self, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(self.began).as_secs_f64().max(1.0);
        (self.bytes / seconds).max(self.before.unwrap_or_default())
    }
}

/// So many seconds what is sent may wait on the way; beyond that it is late.
const LATE: f64 = 0.4;
/// What nobody refers to is left out earlier.
const SOON: f64 = 0.15;
/// A beginning needs room: what was on the way before it has to be nearly gone.
const READY: f64 = 0.2;
/// No way is longer without a queue, not even by satellite; a link may be full from the beginning.
const FARTHEST: Duration = Duration::from_millis(700);
/// A round trip that is longer than the shortest one by so many seconds means a queue.
const LONG: f64 = 0.15;
/// If that lasts for so long.
const LASTING: Duration = Duration::from_millis(400);
/// By so many it may mean one.
const SUSPECT: f64 = 0.1;
/// What a report of once a second is about is not older than two of these.
const PEAK: Duration = Duration::from_secs(1);
/// Of radio links one packet in ten is lost at any rate; of those that are full far more.
const MUCH_LOST: f32 = 0.25;
const LOST: f32 = 0.14;
const SUSPECT_LOST: f32 = 0.04;
/// So long it is listened to more closely.
const SUSPECTED: Duration = Duration::from_secs(20);
/// Over so much time it is measured at least what arrives.
const LONG_ENOUGH: Duration = Duration::from_millis(450);
const REMEMBERED: Duration = Duration::from_secs(3);
/// After this the rate may be lowered again.
const SETTLING: Duration = Duration::from_millis(600);
/// Below what arrived, so that the queue empties.
const BACK: f64 = 0.85;
/// A few pictures a minute.
const LEAST: f64 = 8_000.0;
/// What is believed of the link grows by this in a second, if all is well.
const GROWTH: f64 = 0.12;
/// What is enough for the stream this many times over is no limit.
const ENOUGH: f64 = 1.3;
const MOST_FAILURES: u32 = 4;
/// After so long without trouble one failure is forgiven.
const FORGIVEN: Duration = Duration::from_secs(15);
/// The shortest round trip is that of this span or the one before.
const SPAN: Duration = Duration::from_secs(10);
/// A packet leaves so many times faster than the link carries it: little, since a short queue holds no large picture.
const HASTE: f64 = 1.25;
/// Bytes a second that leave in any case, and at most: 0.2 and 100 Mbit/s.
const AT_LEAST: f64 = 25_000.0;
const AT_MOST: f64 = 12_500_000.0;

#[cfg(test)]
mod tests {
    use super::super::pacer::Pacer;
    use super::*;

    /// A link of some rate, with a queue; 25 pictures a second, one in 25 a large one that begins, every second of the others disposable.
    struct Road {
        link: Link,
        pacer: Pacer<usize>,
        now: Instant,
        /// Bytes a second.
        rate: f64,
        /// Bytes on the way, and how many fit.
        queue: f64,
        room: f64,
        /// Of a hundred packets so many are lost at any rate.
        lossy: f32,
        sent: u64,
        lost: f64,
        behind: bool,
        shown: [usize; 3],
        longest: Duration,
    }

    const BIG: usize = 30_000;
    const SMALL: usize = 4_000;
    const PACKET: usize = 1_000;
    /// 126 kB a second.
    const STREAM: f64 = (BIG + 24 * SMALL) as f64;

    impl Road {
        fn new(rate: f64) -> Self {
            let now = Instant::now();
            Self {
                link: Link::new(now),
                pacer: Pacer::new(now),
                now,
                rate,
                queue: 0.0,
                room: f64::MAX,
                lossy: 0.0,
                sent: 0,
                lost: 0.0,
                behind: false,
                shown: [0; 3],
                longest: Duration::ZERO,
            }
        }

        fn waits(&self) -> Duration {
            Duration::from_secs_f64(self.queue / self.rate)
        }

        fn put(&mut self, bytes: usize) {
            self.sent += bytes as u64;
            self.queue += bytes as f64;
            let over = (self.queue - self.room).max(0.0);
            self.queue -= over;
            self.lost += over + bytes as f64 * f64::from(self.lossy);
        }

        /// So many seconds, the last part of which counts.
        fn run(&mut self, seconds: usize, counts: usize) {
            let (mut before, mut lost_before) = (self.sent, self.lost);
            for at in 0..seconds * 25 {
                if at == (seconds - counts) * 25 {
                    (self.shown, self.longest) = ([0; 3], Duration::ZERO);
                }
                for _ in 0..8 {
                    self.now += Duration::from_millis(5);
                    self.queue = (self.queue - self.rate * 0.005).max(0.0);
                    while let Some(bytes) = self.pacer.next(self.link.pace(), self.now) {
                        self.put(bytes);
                    }
                }
                let (kind, bytes) = match at % 25 {
                    0 => (Kind::Beginning, BIG),
                    odd if odd % 2 == 1 => (Kind::Disposable, SMALL),
                    _ => (Kind::Needed, SMALL),
                };
                self.link.offered(bytes, self.now);
                let goes =
                    (!self.behind || kind == Kind::Beginning) && self.link.takes(kind, bytes, self.now);
                if goes {
                    self.behind = false;
                    self.shown[kind as usize] += 1;
                    for _ in 0..bytes / PACKET {
                        if self.pacer.passes(PACKET, self.link.pace(), self.now) {
                            self.put(PACKET);
                        } else {
                            self.pacer.hold(PACKET, PACKET);
                        }
                    }
                } else if kind != Kind::Disposable {
                    self.behind = true;
                }
                self.longest = self.longest.max(self.waits());
                // Twice a second, as slowly as anybody reports.
                if at % 12 == 11 {
                    let (sent, lost) = (self.sent - before, self.lost - lost_before);
                    (before, lost_before) = (self.sent, self.lost);
                    let lost = if sent == 0 { 0.0 } else { (lost / sent as f64) as f32 };
                    let round_trip = Duration::from_millis(30) + self.waits();
                    self.link.hear(Report { at: self.now, sent: self.sent, round_trip, lost });
                }
            }
        }
    }

    #[test]
    fn a_good_link_carries_everything() {
        let mut road = Road::new(10.0 * STREAM);
        road.run(60, 60);
        assert_eq!((road.shown, road.link.left_out), ([60, 12 * 60, 12 * 60], 0));
        assert!(!road.link.is_suspected(road.now));
    }

    #[test]
    fn loss_that_is_there_at_any_rate_leaves_nothing_out() {
        let mut road = Road::new(10.0 * STREAM);
        road.lossy = 0.1;
        road.run(60, 60);
        assert_eq!(road.link.left_out, 0);
        assert!(road.link.is_suspected(road.now), "it is listened to more closely");
    }

    #[test]
    fn a_link_of_half_the_rate_carries_less_and_not_late() {
        let mut road = Road::new(STREAM / 2.0);
        road.run(60, 40);
        assert!(road.longest < Duration::from_millis(1_300), "{:?}", road.longest);
        let [beginnings, needed, disposable] = road.shown;
        assert!(beginnings >= 15 && needed >= 60, "{:?}", road.shown);
        assert!(needed > disposable, "what nobody refers to goes first: {:?}", road.shown);
    }

    #[test]
    fn a_link_that_drops_what_it_cannot_hold_is_not_drowned() {
        let mut road = Road::new(STREAM / 2.0);
        road.room = STREAM / 20.0;
        road.run(40, 20);
        assert!(road.link.left_out > 100, "{}", road.link.left_out);
    }

    #[test]
    fn a_link_that_was_full_from_the_beginning_is_emptied() {
        let mut road = Road::new(STREAM / 2.0);
        road.queue = 2.0 * road.rate;
        road.run(20, 10);
        assert!(road.longest < Duration::from_millis(1_500), "{:?}", road.longest);
    }

    #[test]
    fn a_link_that_recovers_carries_everything_again() {
        let mut road = Road::new(STREAM / 3.0);
        road.run(20, 10);
        assert!(road.link.left_out > 0);
        road.rate = 10.0 * STREAM;
        road.run(60, 10);
        assert_eq!(road.shown, [10, 120, 120]);
    }

    #[test]
    fn packets_leave_faster_than_the_link_carries_them_and_never_all_at_once() {
        let mut road = Road::new(STREAM / 2.0);
        assert!((road.link.pace() - AT_MOST).abs() < 1.0);
        road.run(20, 10);
        assert!((AT_LEAST..AT_MOST / 2.0).contains(&road.link.pace()), "{}", road.link.pace());
    }
}
