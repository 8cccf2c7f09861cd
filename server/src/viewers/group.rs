//! Viewers that keep up, served together.
//!
//! A task per viewer costs a wake-up, a lock and cold caches for each message; the write itself is most of what must be paid. So the
//! viewers of one packaging who have all there is share one task: it frames a chunk once and writes it to one socket after the other
//! without waiting. Whoever does not take a message whole at once goes back to their own session, which waits, skips and comes back
//! when it has caught up. A slow viewer therefore delays nobody, and there is still no queue.
//!
//! Invariant: a member has every chunk before the group's next one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use hub::{Next, Subscription};
use media::{Chunk, InitSegment};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use super::framing::Framing;
use super::line::{Line, same};
use super::session::Manners;
use crate::metrics::Timings;
use crate::supervise::tasks::Tasks;

/// One group writes to this many viewers at most (3 ms of writes); more make a second group, which another core can serve.
const MAX_MEMBERS: usize = 512;

/// B-frames are looked for once in so many messages: about once a second.
const REORDERING_EVERY: u64 = 32;

/// The groups there are, by stream and packaging.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_key: Mutex<HashMap<Key, Vec<Weak<Group>>>>,
}

/// Stream and packaging. The stream's address in memory, since one may come after another by the same name; a living group holds its
/// stream, so no other can have that address.
type Key = (usize, String);

/// A viewer's place in a group; the group ends with the last one.
#[derive(Debug)]
pub(super) struct Group {
    shared: Arc<Shared>,
    _end: DropGuard,
}

#[derive(Debug, Default)]
struct Shared {
    joining: Mutex<Vec<Arc<Line>>>,
    /// Somebody left: their socket is to be let go at once, not at the next chunk, which may never come.
    left: AtomicBool,
    changed: Notify,
}

impl Groups {
    /// The group for one more viewer of this packaging; made if there is none with room. `unordered` is the format's name, if it has no place
    /// for pictures that are shown in another order than they are decoded.
    pub(super) fn find(
        &self,
        key: String,
        unordered: Option<&'static str>,
        manners: &Manners,
        subscription: &Subscription<Chunk>,
        timings: &Arc<Timings>,
        tasks: &Tasks,
    ) -> Arc<Group> {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = by_key.entry((Arc::as_ptr(subscription.stream()).addr(), key)).or_default();
        groups.retain(|group| group.strong_count() > 0);
        let roomy = groups.iter().filter(|group| group.strong_count() < MAX_MEMBERS).find_map(Weak::upgrade);
        if let Some(group) = roomy {
            return group;
        }
        let (shared, end) = (Arc::new(Shared::default()), CancellationToken::new());
        let group = Arc::new(Group { shared: Arc::clone(&shared), _end: end.clone().drop_guard() });
        groups.push(Arc::downgrade(&group));
        let sender = Sender {
            members: Vec::new(),
            subscription: subscription.observe(),
            init: None,
            framing: manners.framing,
            init_alone: !manners.init_pause.is_zero() || !manners.framing.takes_another_init(),
            unordered,
            timings: Arc::clone(timings),
            shared,
        };
        tasks.spawn("ws-group", sender.run(end));
        // Keys of streams that nobody watches any more must not pile up.
        if by_key.len() > 64 {
            by_key.retain(|_, groups| groups.iter().any(|group| group.strong_count() > 0));
        }
        group
    }
}

impl Group {
    /// Takes a viewer in whose line was just given away.
    pub(super) fn join(&self, line: Arc<Line>) {
        self.shared.joining.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        self.shared.changed.notify_one();
    }

    /// Lets go of the viewers whose sessions took the turn for good.
    pub(super) fn leave(&self) {
        self.shared.left.store(true, Ordering::Release);
        self.shared.changed.notify_one();
    }
}

struct Sender {
    members: Vec<Arc<Line>>,
    subscription: Subscription<Chunk>,
    init: Option<Arc<InitSegment>>,
    framing: Framing,
    /// A new init segment is followed by a pause, or is the end: a session's business.
    init_alone: bool,
    /// The format's name, if it has no place for reordered pictures and nobody was warned yet.
    unordered: Option<&'static str>,
    timings: Arc<Timings>,
    shared: Arc<Shared>,
}

impl Sender {
    async fn run(mut self, end: CancellationToken) {
        loop {
            let next = tokio::select! {
                biased;
                next = self.subscription.next() => next,
                () = self.shared.changed.notified() => {
                    if self.shared.left.swap(false, Ordering::Acquire) {
                        self.members.retain(|line| line.place().is_some());
                    }
                    self.take_in();
                    continue;
                }
                () = end.cancelled() => return,
            };
            // Those who joined while the chunk was on its way need it too.
            let number = self.subscription.position().map(|next| next.saturating_sub(1));
            match (next, number) {
                (Next::Item(chunk), Some(number)) => {
                    self.take_in_before(number);
                    self.send(number, &chunk);
                    if number % REORDERING_EVERY == 0 {
                        self.look_for_reordering();
                    }
                }
                // Too slow as a whole, or over: each session sees the same and knows what to tell its viewer.
                (Next::Closed(_), _) => {
                    self.take_in();
                    self.release_all();
                    // A session may join that looked just before the end.
                    tokio::select! {
                        () = self.shared.changed.notified() => {}
                        () = end.cancelled() => return,
                    }
                }
                (Next::Item(_) | Next::Skipped { .. }, _) => self.release_all(),
            }
        }
    }

    fn send(&mut self, number: u64, chunk: &Chunk) {
        let init = chunk.init.as_ref().filter(|_| !same(&self.init, &chunk.init));
        if init.is_some() && self.init_alone {
            return self.release_all();
        }
        let message = self.framing.message(init.map(|init| &init.bytes), &chunk.bytes);
        self.init.clone_from(&chunk.init);
        self.members.retain(|line| line.send(number, &message, &chunk.init));
        // Once for all of them: what the last one waited.
        if !self.members.is_empty() {
            self.timings.delay.observe(chunk.arrival.elapsed());
        }
    }

    fn take_in(&mut self) {
        if let Some(next) = self.subscription.position() {
            self.take_in_before(next);
        } else {
            self.joining().iter().for_each(|line| line.release());
        }
    }

    /// Takes in those who joined, and brings each up to (not including) chunk `next`.
    fn take_in_before(&mut self, next: u64) {
        for line in self.joining() {
            if self.members.iter().any(|member| Arc::ptr_eq(member, &line)) {
                continue; // it went and came back between two chunks
            }
            if self.bring_up(&line, next) {
                self.members.push(line);
            } else {
                line.release();
            }
        }
    }

    /// Sends what a viewer lacks before chunk `next`; `false` if its session must do that.
    fn bring_up(&mut self, line: &Line, next: u64) -> bool {
        let Some((at, init)) = line.place() else { return false };
        if at > next {
            return true; // it will be passed over until then
        }
        if self.members.is_empty() {
            self.init.clone_from(&init);
        }
        same(&init, &self.init)
            && (at..next).all(|number| match self.subscription.peek(number) {
                Some(chunk) if same(&chunk.init, &self.init) => {
                    line.send(number, &self.framing.message(None, &chunk.bytes), &chunk.init)
                }
                _ => false,
            })
    }

    /// Says once that a viewer of this format sees pictures in the wrong order.
    fn look_for_reordering(&mut self) {
        if self.unordered.is_some()
            && self.subscription.stream().is_reordered()
            && let Some(format) = self.unordered.take()
        {
            warn!(stream = %self.subscription.stream().name(), format,
                "the stream has B-frames, which this format cannot carry: pictures will jump; switch B-frames off in the encoder, or watch by format=fmp4");
        }
    }

    fn release_all(&mut self) {
        self.members.drain(..).for_each(|line| line.release());
    }

    fn joining(&self) -> Vec<Arc<Line>> {
        std::mem::take(&mut *self.shared.joining.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
