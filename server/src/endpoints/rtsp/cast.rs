//! Players over UDP who have all there is, sent to together.
//!
//! What [`viewers`](crate::viewers) is to those on connections: one task for a packaging is woken once for a chunk, takes it apart once, and gives each
//! run of packets to one player after the other. A socket for UDP never makes anybody wait: what the kernel does not take is lost. So nobody
//! here is slow, and whoever is sent to stays until they leave, pause, or nothing more comes.
//!
//! Invariant: a player is sent each chunk once, from the one it joined at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hub::{Next, Subscription};
use media::Chunk;
use rtsp::{Channels, Run, Runs};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::datagrams::Peer;
use crate::metrics::Timings;
use crate::supervise::tasks::Tasks;

/// One task sends to this many at most (some milliseconds for a picture); more make a second one, which another core can run.
const MOST_PLAYERS: usize = 256;

/// What is being sent, by stream and packaging.
#[derive(Debug)]
pub(super) struct Casts {
    tasks: Tasks,
    by_key: Mutex<HashMap<Key, Vec<Weak<Cast>>>>,
}

/// Stream and packaging. The stream's address in memory: a living cast holds its stream, so no other can have it.
type Key = (usize, String);

/// One packaging on its way to many; ends with the last who have a place in it.
#[derive(Debug)]
struct Cast {
    shared: Arc<Shared>,
    _end: DropGuard,
}

#[derive(Debug, Default)]
struct Shared {
    joining: Mutex<Vec<Arc<Player>>>,
    changed: Notify,
    /// Nothing comes any more: what was described is over.
    over: CancellationToken,
}

/// Somebody's place among those who are sent to; dropping it leaves.
#[derive(Debug)]
pub(super) struct Place {
    cast: Arc<Cast>,
    player: Arc<Player>,
}

/// Where a player's packets go.
#[derive(Debug)]
struct Player {
    to: Vec<(Channels, Peer)>,
    /// The chunk to be sent next; none once it has left.
    next: Mutex<Option<u64>>,
}

impl Casts {
    pub(super) fn new(tasks: Tasks) -> Self {
        Self { tasks, by_key: Mutex::default() }
    }

    /// Takes in a player who has everything before chunk `next`.
    pub(super) fn join(
        &self,
        key: &str,
        subscription: &Subscription<Chunk>,
        timings: &Arc<Timings>,
        to: Vec<(Channels, Peer)>,
        next: u64,
    ) -> Place {
        let cast = self.find(key, subscription, timings);
        let player = Arc::new(Player { to, next: Mutex::new(Some(next)) });
        cast.shared.joining().push(Arc::clone(&player));
        cast.shared.changed.notify_one();
        Place { cast, player }
    }

    fn find(&self, key: &str, subscription: &Subscription<Chunk>, timings: &Arc<Timings>) -> Arc<Cast> {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        by_key.retain(|_, casts| casts.iter().any(|cast| cast.strong_count() > 0));
        let key = (Arc::as_ptr(subscription.stream()).addr(), key.to_owned());
        let casts = by_key.entry(key).or_default();
        casts.retain(|cast| cast.strong_count() > 0);
        let roomy = casts.iter().filter(|cast| cast.strong_count() < MOST_PLAYERS);
        if let Some(cast) = roomy.filter_map(Weak::upgrade).find(|cast| !cast.shared.over.is_cancelled()) {
            return cast;
        }
        let (shared, end) = (Arc::new(Shared::default()), CancellationToken::new());
        let cast = Arc::new(Cast { shared: Arc::clone(&shared), _end: end.clone().drop_guard() });
        casts.push(Arc::downgrade(&cast));
        let sender = Sender {
            players: Vec::new(),
            subscription: subscription.observe(),
            timings: Arc::clone(timings),
            shared,
        };
        self.tasks.spawn("rtsp-cast", async move {
            tokio::select! {
                () = sender.run() => {}
                () = end.cancelled() => {}
            }
        });
        cast
    }
}

impl Place {
    /// Until nothing comes any more.
    pub(super) async fn over(&self) {
        self.cast.shared.over.cancelled().await;
    }

    /// Leaves; gives the chunk that would have been next.
    pub(super) fn leave(&self) -> Option<u64> {
        self.player.next().take()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
        // Its sockets are to be let go at once, not at the next chunk, which may never come.
        self.cast.shared.changed.notify_one();
    }
}

impl Shared {
    fn joining(&self) -> MutexGuard<'_, Vec<Arc<Player>>> {
        self.joining.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Player {
    fn next(&self) -> MutexGuard<'_, Option<u64>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends chunk `number`, unless it has that already; `false` once the player has left.
    fn send(&self, number: u64, runs: &[Run]) -> bool {
        let mut next = self.next();
        match *next {
            None => return false,
            Some(next) if number < next => return true,
            Some(_) => *next = Some(number + 1),
        }
        send(&self.to, runs);
        true
    }
}

/// Sends each run where its channel says.
pub(super) fn send(to: &[(Channels, Peer)], runs: &[Run]) {
    for run in runs {
        if let Some((channels, peer)) =
            to.iter().find(|(channels, _)| [channels.0, channels.1].contains(&run.channel))
        {
            peer.send(run.channel == channels.1, run);
        }
    }
}

struct Sender {
    players: Vec<Arc<Player>>,
    subscription: Subscription<Chunk>,
    timings: Arc<Timings>,
    shared: Arc<Shared>,
}

impl Sender {
    /// Until what was described is over.
    async fn run(mut self) {
        let _over = self.shared.over.clone().drop_guard();
        loop {
            let next = tokio::select! {
                biased;
                next = self.subscription.next() => next,
                () = self.shared.changed.notified() => {
                    self.players.retain(|player| player.next().is_some());
                    if let Some(next) = self.subscription.position() {
                        self.take_in_before(next);
                    }
                    continue;
                }
            };
            let chunk = match next {
                Next::Item(chunk) if chunk.init.is_none() => chunk,
                // As a whole too slow: for each of them packets are lost, and a random access point comes next.
                Next::Skipped { .. } => continue,
                Next::Item(_) | Next::Closed(_) => return,
            };
            let Some(number) = self.subscription.position().map(|next| next.saturating_sub(1)) else {
                continue;
            };
            // Those who joined while the chunk was on its way need it too.
            self.take_in_before(number);
            let runs: Vec<Run> = Runs::of(chunk.bytes).collect();
            self.players.retain(|player| player.send(number, &runs));
            // Once for all of them: what the last one waited.
            if !self.players.is_empty() {
                self.timings.delay.observe(chunk.arrival.elapsed());
            }
        }
    }

    /// Takes in those who joined, and brings each up to (not including) chunk `next`.
    fn take_in_before(&mut self, next: u64) {
        for player in std::mem::take(&mut *self.shared.joining()) {
            let Some(at) = *player.next() else { continue };
            for number in at..next {
                if let Some(chunk) = self.subscription.peek(number).filter(|chunk| chunk.init.is_none()) {
                    player.send(number, &Runs::of(chunk.bytes).collect::<Vec<_>>());
                }
            }
            self.players.push(player);
        }
    }
}
