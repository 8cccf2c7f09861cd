//! One live presentation under one name.
//!
//! A stream outlives its publishers: viewers wait through a camera's restart on the same subscription. All its state
//! is behind one lock, so that joining is serialised with publishing and a backfill has no gap.
//!
//! Not here: starting and stopping the source (the server's supervisor watches [`Stream::demand`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use media::{AccessUnit, Chunk, MediaKind, Muxer, Track};
use slab::Slab;
use tokio::sync::watch;

use crate::fanout::Fanout;
use crate::packaging::Packaging;
use crate::registry::Streams;
use crate::subscription::Place;
use crate::timeline::Timeline;
use crate::{
    Hold, LagPolicy, PackagingKey, PublishError, Publisher, Reason, RingLimits, StreamName, Subscription,
};

/// A joiner who would start further behind the newest unit than this asks the source for a keyframe.
const JOIN_LAG: Duration = Duration::from_millis(500);
/// Keyframe requests reach the source at most this often: an encoder that makes one for each joiner chokes the rest.
const KEYFRAME_SPACING: Duration = Duration::from_millis(300);

/// One live presentation. See the module's text.
#[derive(Debug)]
pub struct Stream {
    name: StreamName,
    limits: RingLimits,
    siblings: Weak<Streams>,
    demand: watch::Sender<usize>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) tracks: Vec<Arc<Track>>,
    pub(crate) units: Fanout<AccessUnit>,
    pub(crate) packagings: Slab<Packaging>,
    pub(crate) closed: Option<Reason>,
    pub(crate) counters: Counters,
    timeline: Timeline,
    /// Number of the publisher that may push, if there is one.
    publisher: Option<u64>,
    publishers: u64,
    /// The publisher has not yet sent a unit that a decoder can start at.
    gated: bool,
    /// The publisher makes a random access point when asked.
    answers: bool,
    pub(crate) keyframe_wanted: bool,
    keyframe_asked: Option<Instant>,
}

#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counters {
    pub(crate) units: u64,
    pub(crate) bytes: u64,
    pub(crate) keyframes: u64,
    pub(crate) pictures: u64,
    pub(crate) reordered: u64,
    pub(crate) skipped: u64,
    pub(crate) joins: u64,
}

/// What a stream is doing, at one moment.
#[derive(Debug, Clone)]
pub struct StreamSnapshot {
    /// Its name.
    pub name: StreamName,
    /// Its tracks, empty before the first publisher.
    pub tracks: Vec<Arc<Track>>,
    /// Whether a publisher has sent something a viewer can see or hear, and is still there.
    pub live: bool,
    /// Subscriptions of all kinds.
    pub subscriptions: usize,
    /// Units published since the stream was made.
    pub units: u64,
    /// Payload bytes published since the stream was made.
    pub bytes: u64,
    /// Random access points of the leading track since the stream was made.
    pub keyframes: u64,
    /// Video units published since the stream was made.
    pub pictures: u64,
    /// Units whose PTS differs from their DTS since the stream was made: the stream has B-frames.
    pub reordered: u64,
    /// Items that slow readers missed since the stream was made.
    pub skipped: u64,
    /// Subscriptions that were ever made.
    pub joins: u64,
    /// Payload bytes the rings hold now.
    pub held_bytes: usize,
    /// Packagings that exist now.
    pub packagings: Vec<PackagingSnapshot>,
}

/// One packaging of a [`StreamSnapshot`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagingSnapshot {
    /// Its key.
    pub key: PackagingKey,
    /// How many read it.
    pub readers: usize,
    /// Units the format could not carry.
    pub refused: u64,
}

impl Stream {
    pub(crate) fn new(name: StreamName, limits: RingLimits, siblings: Weak<Streams>) -> Arc<Self> {
        Arc::new(Self {
            name,
            limits,
            siblings,
            demand: watch::Sender::new(0),
            state: Mutex::new(State {
                tracks: Vec::new(),
                units: Fanout::new(limits),
                packagings: Slab::new(),
                closed: None,
                counters: Counters::default(),
                timeline: Timeline::default(),
                publisher: None,
                publishers: 0,
                gated: true,
                answers: false,
                keyframe_wanted: false,
                keyframe_asked: None,
            }),
        })
    }

    /// Its name.
    pub fn name(&self) -> &StreamName {
        &self.name
    }

    /// Another stream of the same hub, as it is now: for a source that is made from it.
    pub fn sibling(&self, name: &StreamName) -> Option<Arc<Self>> {
        self.siblings.upgrade()?.get(name.as_str())
    }

    /// How many subscriptions exist, to be watched by whoever starts and stops the source.
    pub fn demand(&self) -> watch::Receiver<usize> {
        self.demand.subscribe()
    }

    /// Takes the exclusive right to push.
    ///
    /// # Errors
    /// [`PublishError::Taken`] while another publisher lives, [`PublishError::Closed`] after [`Stream::close`].
    pub fn publish(self: &Arc<Self>) -> Result<Publisher, PublishError> {
        let mut state = self.lock();
        if state.closed.is_some() {
            return Err(PublishError::Closed(self.name.clone()));
        }
        if state.publisher.is_some() {
            return Err(PublishError::Taken(self.name.clone()));
        }
        let number = state.admit_publisher();
        drop(state);
        Ok(Publisher::new(Arc::clone(self), number))
    }

    /// Takes the exclusive right to push from whoever has it: what that publisher still pushes is refused. Readers stay, and go
    /// on at the new one's first random access point.
    ///
    /// # Errors
    /// [`PublishError::Closed`] after [`Stream::close`].
    pub fn take_over(self: &Arc<Self>) -> Result<Publisher, PublishError> {
        let mut state = self.lock();
        if state.closed.is_some() {
            return Err(PublishError::Closed(self.name.clone()));
        }
        if state.publisher.is_some() {
            state.timeline.restart();
        }
        let number = state.admit_publisher();
        drop(state);
        Ok(Publisher::new(Arc::clone(self), number))
    }

    /// Watches without reading.
    pub fn hold(self: &Arc<Self>) -> Hold {
        Hold::new(Arc::clone(self))
    }

    /// The newest random access point of the present publisher's video, and its number among all there were: it differs where the unit does.
    pub fn newest_keyframe(&self) -> Option<(u64, AccessUnit)> {
        let state = self.lock();
        let live = state.publisher.is_some() && !state.gated;
        let unit =
            state.units.ring.last_join().filter(|_| live).and_then(|join| state.units.ring.get(join))?;
        (unit.track.kind() == MediaKind::Video).then(|| (state.counters.keyframes, unit.clone()))
    }

    /// Reads access units, starting at the last random access point.
    pub fn subscribe(self: &Arc<Self>, policy: LagPolicy) -> Subscription<AccessUnit> {
        let mut state = self.lock();
        let slot = state.units.add_reader();
        self.joined(state, Place::units(slot), policy)
    }

    /// Reads a packaging, starting at its last random access point; `make` is called if nobody reads it yet.
    pub fn subscribe_packaged(
        self: &Arc<Self>,
        key: &PackagingKey,
        policy: LagPolicy,
        make: impl FnOnce() -> Box<dyn Muxer>,
    ) -> Subscription<Chunk> {
        let mut state = self.lock();
        let known = state.packagings.iter().find(|(_, p)| p.key == *key).map(|(index, _)| index);
        let index = known.unwrap_or_else(|| {
            let mut packaging = Packaging::new(key.clone(), make(), self.limits);
            if !state.gated && state.publisher.is_some() {
                packaging.set_tracks(&state.tracks);
                if let Some(join) = state.units.ring.last_join() {
                    for unit in state.units.ring.iter_from(join) {
                        packaging.push(unit, &mut Vec::new());
                    }
                }
            }
            state.packagings.insert(packaging)
        });
        let slot = state.packagings[index].fanout.add_reader();
        self.joined(state, Place::packaged(index, slot), policy)
    }

    /// Whether a picture was ever shown in another order than it was decoded: the stream has B-frames.
    pub fn is_reordered(&self) -> bool {
        self.lock().counters.reordered > 0
    }

    /// Whether asking for a keyframe helps: the publisher makes one soon, and does not only take note.
    pub fn answers_keyframe_requests(&self) -> bool {
        self.lock().answers
    }

    /// Asks the source for a random access point soon; many requests are one.
    pub fn request_keyframe(&self) {
        self.lock().keyframe_wanted = true;
    }

    /// Ends every subscription, now and in future.
    pub fn close(&self, reason: Reason) {
        let mut woken = Vec::new();
        {
            let mut state = self.lock();
            state.closed.get_or_insert(reason);
            state.units.take_waiting(&mut woken);
            for (_, packaging) in &mut state.packagings {
                packaging.fanout.take_waiting(&mut woken);
            }
        }
        wake(&mut woken);
    }

    /// What it is doing now.
    pub fn snapshot(&self) -> StreamSnapshot {
        let state = self.lock();
        let packagings = state.packagings.iter().map(|(_, p)| PackagingSnapshot {
            key: p.key.clone(),
            readers: p.fanout.readers(),
            refused: p.refused,
        });
        let held: usize = state.packagings.iter().map(|(_, p)| p.fanout.ring.bytes()).sum();
        StreamSnapshot {
            name: self.name.clone(),
            tracks: state.tracks.clone(),
            live: state.publisher.is_some() && !state.gated,
            subscriptions: *self.demand.borrow(),
            units: state.counters.units,
            bytes: state.counters.bytes,
            keyframes: state.counters.keyframes,
            pictures: state.counters.pictures,
            reordered: state.counters.reordered,
            skipped: state.counters.skipped,
            joins: state.counters.joins,
            held_bytes: held + state.units.ring.bytes(),
            packagings: packagings.collect(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing inside panics but by a bug; a viewer of another stream must not die of it, nor this one's next one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn joined<T>(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        place: Place<T>,
        policy: LagPolicy,
    ) -> Subscription<T>
    where
        T: crate::subscription::Readable,
    {
        state.counters.joins += 1;
        let live = state.publisher.is_some() && !state.gated;
        let late = match (state.units.ring.last_join(), state.units.ring.newest()) {
            (Some(join), Some(newest)) => {
                state.units.ring.get(join).is_none_or(|u| newest.arrival.duration_since(u.arrival) > JOIN_LAG)
            }
            _ => true,
        };
        if late {
            state.keyframe_wanted = true;
        }
        let ring = &place.fanout(&mut state).expect("the reader was just added").ring;
        let cursor = ring.last_join().filter(|_| live);
        let end = ring.end();
        drop(state);
        self.demand.send_modify(|count| *count += 1);
        Subscription::new(Arc::clone(self), place, policy, cursor, end)
    }

    pub(crate) fn add_observer<T: crate::subscription::Readable>(&self, place: &Place<T>) -> usize {
        let mut state = self.lock();
        place.fanout(&mut state).expect("its reader holds the fan-out").add_observer()
    }

    pub(crate) fn left<T: crate::subscription::Readable>(&self, place: &Place<T>, counted: bool) {
        let mut dropped = None;
        {
            let mut state = self.lock();
            if let Some(fanout) = place.fanout(&mut state) {
                fanout.remove_reader(place.slot(), counted);
            }
            if let Some(index) = place.packaging()
                && state.packagings.get(index).is_some_and(|p| p.fanout.is_unread())
            {
                dropped = state.packagings.try_remove(index);
            }
        }
        drop(dropped);
        if counted {
            self.demand.send_modify(|count| *count -= 1);
        }
        self.forget_if_abandoned(&mut self.lock());
    }

    pub(crate) fn held(&self, begins: bool) {
        self.demand.send_modify(|count| if begins { *count += 1 } else { *count -= 1 });
        if !begins {
            self.forget_if_abandoned(&mut self.lock());
        }
    }

    /// Without publisher and without reader nobody will ever read what is kept.
    fn forget_if_abandoned(&self, state: &mut State) {
        if state.publisher.is_none() && *self.demand.borrow() == 0 {
            state.units.ring.clear();
        }
    }

    pub(crate) fn set_tracks(&self, publisher: u64, tracks: Vec<Arc<Track>>) {
        let mut state = self.lock();
        if state.publisher == Some(publisher) && state.tracks != tracks {
            state.tracks = tracks;
            state.announce_tracks();
        }
    }

    pub(crate) fn push(
        &self,
        publisher: u64,
        mut unit: AccessUnit,
        woken: &mut Vec<Waker>,
    ) -> Result<(), PublishError> {
        {
            let mut guard = self.lock();
            let state = &mut *guard;
            if state.closed.is_some() {
                return Err(PublishError::Closed(self.name.clone()));
            }
            if state.publisher != Some(publisher) {
                return Err(PublishError::Replaced(self.name.clone()));
            }
            state.learn_track(&unit.track);
            let join_point = unit.random_access && state.leads(&unit.track);
            if state.gated {
                if !join_point {
                    return Ok(());
                }
                state.begin();
            }
            state.timeline.place(&mut unit);
            state.counters.units += 1;
            state.counters.bytes += unit.data.len() as u64;
            state.counters.keyframes += u64::from(join_point);
            state.counters.pictures += u64::from(unit.track.kind() == MediaKind::Video);
            state.counters.reordered += u64::from(unit.pts != unit.dts);
            for (_, packaging) in &mut state.packagings {
                packaging.push(&unit, woken);
            }
            state.units.ring.push(unit, join_point);
            state.units.take_waiting(woken);
        }
        wake(woken);
        Ok(())
    }

    pub(crate) fn set_answers(&self, publisher: u64) {
        let mut state = self.lock();
        state.answers |= state.publisher == Some(publisher);
    }

    pub(crate) fn take_keyframe_request(&self, publisher: u64, now: Instant) -> bool {
        let mut state = self.lock();
        let spaced =
            state.keyframe_asked.is_none_or(|at| now.saturating_duration_since(at) >= KEYFRAME_SPACING);
        if state.publisher != Some(publisher) || !state.keyframe_wanted || !spaced {
            return false;
        }
        state.keyframe_wanted = false;
        state.keyframe_asked = Some(now);
        true
    }

    pub(crate) fn unpublish(&self, publisher: u64) {
        let mut state = self.lock();
        if state.publisher == Some(publisher) {
            state.publisher = None;
            state.timeline.restart();
            self.forget_if_abandoned(&mut state);
        }
    }
}

impl State {
    /// A number for a new publisher, who is the only one from now on.
    fn admit_publisher(&mut self) -> u64 {
        self.publishers += 1;
        self.publisher = Some(self.publishers);
        self.gated = true;
        self.answers = false;
        // What the last publisher had says nothing about this one.
        self.tracks.clear();
        self.keyframe_asked = None;
        self.publishers
    }

    /// The publisher's first unit a decoder can start at: what the last publisher left is of no use to anybody now.
    fn begin(&mut self) {
        self.gated = false;
        self.keyframe_wanted = false;
        self.units.ring.clear();
        for (_, packaging) in &mut self.packagings {
            packaging.fanout.ring.forget_joins();
        }
        self.announce_tracks();
    }

    fn announce_tracks(&mut self) {
        for (_, packaging) in &mut self.packagings {
            packaging.set_tracks(&self.tracks);
        }
    }

    fn learn_track(&mut self, track: &Arc<Track>) {
        match self.tracks.iter_mut().find(|known| known.id == track.id) {
            Some(known) if Arc::ptr_eq(known, track) => return,
            Some(known) => {
                let same = **known == **track;
                *known = Arc::clone(track);
                if same {
                    return;
                }
            }
            None => self.tracks.push(Arc::clone(track)),
        }
        self.announce_tracks();
    }

    /// Video leads if there is any.
    fn leads(&self, track: &Track) -> bool {
        track.kind() == MediaKind::Video || self.tracks.iter().all(|t| t.kind() != MediaKind::Video)
    }
}

pub(crate) fn wake(woken: &mut Vec<Waker>) {
    for waker in woken.drain(..) {
        waker.wake();
    }
}
