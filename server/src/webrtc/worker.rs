//! A task that serves many sessions: their datagrams, their time, and the packets of the streams they watch.
//!
//! There are as many workers as cores, each used once those before it have enough to do, and no task for a viewer. A stream's chunk is taken
//! apart once in each worker and given to one viewer after the other, none of whom is waited for.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub::{Next, PackagingKey, Subscription};
use media::Chunk;
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::warn;

use super::check::SessionReport;
use super::feed::{Parts, Past, Placed};
use super::peer::{Ended, Peer};
use super::port::{Outbox, Way};
use super::{Message, Patch, Patched, Running};
use crate::telemetry::Throttle;

/// What a worker is asked for.
#[derive(Debug)]
pub(super) enum Command {
    Open(Box<Peer>),
    Datagram { number: u64, way: Way, bytes: Bytes, arrival: Instant },
    Patch { number: u64, patch: Patch, reply: oneshot::Sender<Patched> },
    Say { number: u64, message: Message },
    Close { number: u64 },
    Report { reply: oneshot::Sender<Vec<SessionReport>> },
}

/// The sessions of one task.
#[derive(Debug)]
pub(super) struct Worker {
    running: Arc<Running>,
    commands: mpsc::Receiver<Command>,
    /// Each in a place of its own: they are large, and the table has room for twice as many.
    peers: HashMap<u64, Box<Peer>>,
    due: BTreeSet<(Instant, u64)>,
    groups: HashMap<Key, Group>,
    /// A stream of some group has something.
    rung: Arc<Notify>,
    outbox: Outbox,
    /// Those who are to be given a beginning.
    joining: Vec<u64>,
    index: usize,
    checked: Instant,
    /// For how long it had something to do since then.
    busy: Duration,
    reordered: Throttle,
}

/// A stream's address in memory, and the packaging. A group holds its stream, so no other can have that address.
type Key = (usize, PackagingKey);

/// Those who watch the same.
#[derive(Debug)]
struct Group {
    observer: Subscription<Chunk>,
    members: Vec<u64>,
    past: Past,
    bell: Arc<Bell>,
    waker: Waker,
    placed: Placed,
}

/// Wakes the worker, and says for which group.
#[derive(Debug)]
struct Bell {
    is_rung: AtomicBool,
    worker: Arc<Notify>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_rung.store(true, Ordering::Release);
        self.worker.notify_one();
    }
}

impl Worker {
    pub(super) fn new(index: usize, running: Arc<Running>, commands: mpsc::Receiver<Command>) -> Self {
        Self {
            running,
            commands,
            peers: HashMap::new(),
            due: BTreeSet::new(),
            groups: HashMap::new(),
            rung: Arc::default(),
            outbox: Outbox::default(),
            joining: Vec::new(),
            index,
            checked: Instant::now(),
            busy: Duration::ZERO,
            reordered: Throttle::new(Duration::from_secs(10)),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            let check = self.checked + BETWEEN_CHECKS;
            let wake = self.due.first().map_or(check, |(at, _)| check.min(*at));
            let command = tokio::select! {
                biased;
                () = self.running.stop.cancelled() => return self.end_all("the server ends"),
                () = self.rung.notified() => None,
                command = self.commands.recv() => match command {
                    Some(command) => Some(command),
                    None => return self.end_all("the server ends"),
                },
                // Nothing to do without anybody.
                () = tokio::time::sleep_until(wake.into()), if !self.peers.is_empty() => None,
            };
            let begun = Instant::now();
            self.take(command);
            self.advance();
            self.deliver();
            for number in std::mem::take(&mut self.joining) {
                self.join(number, Instant::now());
            }
            self.outbox.flush(&self.running.ports);
            self.busy += begun.elapsed();
        }
    }

    /// Takes a command, and some of those that wait behind it.
    fn take(&mut self, first: Option<Command>) {
        let mut next = first;
        for _ in 0..AT_ONCE {
            match next.take() {
                Some(command) => self.obey(command),
                None => return,
            }
            next = self.commands.try_recv().ok();
        }
        if let Some(command) = next {
            self.obey(command);
        }
    }

    fn obey(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Open(peer) => {
                let number = peer.place.number;
                self.due.insert((peer.deadline, number));
                self.peers.insert(number, peer);
                self.with(number, now, |peer, outbox, running| peer.advance(now, outbox, running));
            }
            Command::Datagram { number, way, bytes, arrival } => {
                self.with(number, now, |peer, outbox, running| {
                    peer.receive(way, &bytes, arrival, outbox, running)
                });
            }
            Command::Patch { number, patch, reply } => self.with(number, now, |peer, _, running| {
                // Whoever asked may be gone.
                let _ = reply.send(peer.patch(patch, running));
                Ok(())
            }),
            Command::Say { number, message } => self.with(number, now, |peer, _, _| peer.say(&message)),
            Command::Report { reply } => {
                // As above.
                let _ = reply.send(self.peers.values().map(|peer| peer.report(now)).collect());
            }
            Command::Close { number } => self.with(number, now, |_, _, _| Err("the peer asked for it")),
        }
    }

    /// Does something to a session, and what follows from it.
    fn with(
        &mut self,
        number: u64,
        now: Instant,
        act: impl FnOnce(&mut Peer, &mut Outbox, &Running) -> Result<(), Ended>,
    ) {
        let Self { peers, outbox, running, .. } = self;
        let Some(peer) = peers.get_mut(&number) else { return };
        let before = peer.deadline;
        let done = act(peer, outbox, running).and_then(|()| peer.settle(now, outbox, running));
        place(&mut self.due, number, before, done.is_ok().then_some(peer.deadline));
        match done {
            Ok(needs) => {
                if needs.join || needs.beginning {
                    self.joining.push(number);
                }
            }
            Err(reason) => self.remove(number, reason),
        }
    }

    /// Gives a viewer what there is, and a place in the group of those who watch the same. That group has nothing before it then that the
    /// viewer lacks.
    fn join(&mut self, number: u64, now: Instant) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        let Some(showing) = &peer.showing else { return };
        let key = (Arc::as_ptr(showing.feed.stream()).addr(), showing.feed.key().clone());
        let mut group = self.groups.entry(key);
        let mut alone = Past::default();
        let past = match &mut group {
            Entry::Occupied(group) => &mut group.get_mut().past,
            Entry::Vacant(_) => &mut alone,
        };
        let Some(subscription) = peer.join(past, now, &mut self.outbox, &self.running) else { return };
        let group = group.or_insert_with(|| {
            let bell = Arc::new(Bell { is_rung: AtomicBool::new(true), worker: Arc::clone(&self.rung) });
            let waker = Waker::from(Arc::clone(&bell));
            let observer = subscription.observe();
            Group { observer, members: Vec::new(), past: alone, bell, waker, placed: Placed::default() }
        });
        if !group.members.contains(&number) {
            group.members.push(number);
        }
        // The observer waits for nothing yet.
        group.bell.is_rung.store(true, Ordering::Release);
        self.rung.notify_one();
        self.with(number, now, |peer, outbox, running| peer.advance(now, outbox, running));
    }

    /// Gives all viewers what their streams have.
    fn deliver(&mut self) {
        let rung = |group: &Group| group.bell.is_rung.load(Ordering::Acquire);
        let keys: Vec<Key> =
            self.groups.iter().filter(|(_, group)| rung(group)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            let Some(mut group) = self.groups.remove(&key) else { continue };
            group.bell.is_rung.store(false, Ordering::Release);
            let mut over = None;
            loop {
                let waker = group.waker.clone();
                match group.observer.poll_next(&Context::from_waker(&waker)) {
                    Poll::Ready(Next::Item(chunk)) => {
                        if let Err(reason) = self.show(&mut group, &chunk) {
                            over = Some(reason);
                            break;
                        }
                    }
                    // The next one is a random access point: everybody goes on there.
                    Poll::Ready(Next::Skipped { .. }) => {}
                    Poll::Ready(Next::Closed(_)) => {
                        over = Some("the stream is closed");
                        break;
                    }
                    Poll::Pending => break,
                }
            }
            match over {
                Some(reason) => group.members.iter().for_each(|number| self.remove(*number, reason)),
                None if group.members.is_empty() => {}
                None => {
                    self.groups.insert(key, group);
                }
            }
        }
    }

    fn show(&mut self, group: &mut Group, chunk: &Chunk) -> Result<(), Ended> {
        // A change that was to be negotiated: they have to ask again.
        if chunk.init.is_some() {
            return Err("the stream is another one now");
        }
        let stream = group.observer.stream();
        if chunk.random_access && stream.is_reordered() {
            if let Some(held) = self.reordered.allow() {
                warn!(stream = %stream.name(), held,
                    "the stream has B-frames, which WebRTC cannot carry; switch B-frames off in the encoder, or watch by another way");
            }
            return Err("the stream has B-frames");
        }
        let number = group.observer.position().map_or(0, |next| next.saturating_sub(1));
        let parts = Parts::of(chunk);
        group.past.goes_on(number, chunk.random_access, &parts);
        let at = group.placed.place(chunk);
        let now = Instant::now();
        let mut timings = None;
        let Self { peers, outbox, running, due, .. } = self;
        group.members.retain(|member| {
            let Some(peer) = peers.get_mut(member) else { return false };
            let before = peer.deadline;
            if peer.show(number, chunk, &parts, at, now, outbox, running) {
                let admission = peer.showing.as_ref().map(|showing| &showing.admission);
                timings =
                    timings.take().or_else(|| admission.map(|admission| Arc::clone(admission.timings())));
            }
            place(due, *member, before, Some(peer.deadline));
            true
        });
        self.outbox.flush(&self.running.ports);
        // Once for all of them: what the last one waited.
        if let Some(timings) = timings {
            timings.delay.observe(chunk.arrival.elapsed());
        }
        Ok(())
    }

    /// Lets time pass for those whose time it is, and looks for those who are gone.
    fn advance(&mut self) {
        let now = Instant::now();
        for _ in 0..self.due.len() {
            let Some((_, number)) = self.due.first().copied().filter(|(at, _)| *at <= now) else { break };
            self.with(number, now, |peer, outbox, running| peer.advance(now, outbox, running));
        }
        if now < self.checked + BETWEEN_CHECKS {
            return;
        }
        let passed = (now - self.checked).as_secs_f32();
        // Never more than all of it.
        self.running.was_busy(self.index, (self.busy.as_secs_f32() / passed * 1_000.0) as u32);
        self.busy = Duration::ZERO;
        self.checked = now;
        let Self { peers, outbox, running, .. } = self;
        let check =
            |(number, peer): (&u64, &mut Box<Peer>)| Some((*number, peer.check(now, outbox, running).err()?));
        let over: Vec<(u64, Ended)> = peers.iter_mut().filter_map(check).collect();
        over.into_iter().for_each(|(number, reason)| self.remove(number, reason));
    }

    fn remove(&mut self, number: u64, reason: Ended) {
        let Some(peer) = self.peers.remove(&number) else { return };
        self.due.remove(&(peer.deadline, number));
        if peer.showing.is_some() {
            for group in self.groups.values_mut() {
                group.members.retain(|member| *member != number);
            }
            self.groups.retain(|_, group| !group.members.is_empty());
        }
        peer.end(reason, &mut self.outbox, &self.running);
        self.running.left(self.index);
        if self.peers.is_empty() {
            // Without anybody it looks no more how it goes.
            self.running.was_busy(self.index, 0);
        }
    }

    fn end_all(&mut self, reason: Ended) {
        let all: Vec<u64> = self.peers.keys().copied().collect();
        all.into_iter().for_each(|number| self.remove(number, reason));
        self.outbox.flush(&self.running.ports);
    }
}

/// Commands that are taken before anything else is looked at.
const AT_ONCE: usize = 64;
/// How often it is looked whether somebody is gone, or has to go.
const BETWEEN_CHECKS: Duration = Duration::from_millis(250);

/// Gives a session its place among those whose time comes, if it goes on; nearly always that is where it was.
fn place(due: &mut BTreeSet<(Instant, u64)>, number: u64, before: Instant, after: Option<Instant>) {
    if after != Some(before) {
        due.remove(&(before, number));
        due.extend(after.map(|after| (after, number)));
    }
}
