//! WebRTC: peers on one port, whatever they are there for.
//!
//! An endpoint has an offer and wants an answer; what is sent and taken over the connection then is said in a [`Part`]. The protocol itself
//! (ICE, DTLS, SRTP, SCTP) is str0m's, in its RTP mode: packets are made once for a stream ([`feed`]), and a viewer costs a header and a
//! cipher.
//!
//! - [`WebRtc::answer`] reads what a peer offers and makes the answer; nothing is reserved yet.
//! - [`Answered::begin`] makes a session of it, which a [worker] serves until either side ends.
//!
//! We are ICE-lite (RFC 8445 §2.5): every peer comes to us, at addresses that are told at once.
//!
//! Not here: HTTP (see `endpoints::webrtc`), who may watch and publish.

mod addresses;
mod check;
mod description;
mod directory;
mod exit;
mod feed;
mod flow;
mod keys;
mod link;
mod numbering;
mod offer;
mod pacer;
mod peer;
mod port;
mod sender;
mod settings;
mod showing;
mod streams;
mod taking;
mod thinning;
mod transactions;
mod uplink;
mod wire;
mod worker;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use str0m::RtcConfig;
use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use self::check::{LinkReport, SessionReport, Told, Unchecked, WayReport};
pub use self::description::{Asked, Medium};
pub use self::directory::Purpose;
pub use self::feed::Feed;
pub(crate) use self::feed::Placed;
pub use self::offer::{Answered, Offer, Part, Session, Unacceptable, Wants};
pub use self::peer::Heard;
pub use self::settings::{IceServer, Settings};
pub(crate) use self::uplink::Uplink;
pub use ::peer::Message;

use self::directory::{Directory, Place};
use self::port::{Port, Way};
use self::streams::Streams;
use self::worker::{Command, Worker};
use crate::net::transport::Transport;
use crate::supervise::tasks::Tasks;

/// The peers there are; none while nothing is listened on. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct WebRtc {
    running: Arc<OnceLock<Arc<Running>>>,
}

/// What all sessions share.
#[derive(Debug)]
pub(crate) struct Running {
    settings: Settings,
    ports: Vec<Port>,
    /// What is listened on.
    listening: Vec<SocketAddr>,
    streams: Streams,
    directory: Directory,
    workers: Vec<Post>,
    numbers: AtomicU64,
    /// Made for the first who comes: its certificate costs time, and the code that makes one memory.
    config: LazyLock<RtcConfig>,
    /// How many sessions are there to find a way alone.
    checks: Arc<AtomicUsize>,
    stop: CancellationToken,
}

/// Where a worker is asked for something.
#[derive(Debug)]
struct Post {
    commands: mpsc::Sender<Command>,
    load: Load,
}

/// What a worker has to do.
#[derive(Debug, Default)]
struct Load {
    sessions: AtomicUsize,
    /// The part of its time, in thousandths, that it lately had something to do: it says so itself.
    busy: AtomicU32,
}

/// What a request says of a session's ICE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch {
    /// More candidates, for the ICE session of this entity tag.
    Candidates {
        /// The tag.
        etag: String,
    },
    /// ICE begins again, with these credentials.
    Restart {
        /// `a=ice-ufrag`.
        fragment: String,
        /// `a=ice-pwd`.
        password: String,
    },
}

/// What came of a [`Patch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patched {
    /// It was taken.
    Taken,
    /// It is for an ICE session that is over.
    Outdated,
    /// It says nothing that can be.
    Wrong,
    /// ICE begins again, with these credentials of ours.
    Restarted {
        /// `a=ice-ufrag`, which is also the entity tag.
        fragment: String,
        /// `a=ice-pwd`.
        password: String,
    },
}

impl WebRtc {
    /// Begins to serve peers on these sockets.
    ///
    /// # Errors
    /// What the system says.
    pub fn listen(
        &self,
        settings: Settings,
        sockets: Vec<UdpSocket>,
        tasks: &Tasks,
        stop: &CancellationToken,
    ) -> std::io::Result<()> {
        let listening = sockets.iter().map(UdpSocket::local_addr).collect::<Result<_, _>>()?;
        let ports = sockets.into_iter().map(Port::new).collect::<Result<Vec<_>, _>>()?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (workers, inboxes): (Vec<_>, Vec<_>) = (0..cores.min(MOST_WORKERS))
            .map(|_| {
                let (commands, inbox) = mpsc::channel(WAITING);
                (Post { commands, load: Load::default() }, inbox)
            })
            .unzip();
        let running = Arc::new(Running {
            settings,
            ports,
            listening,
            streams: Streams::default(),
            directory: Directory::default(),
            workers,
            numbers: AtomicU64::new(0),
            config: LazyLock::new(offer::config),
            checks: Arc::default(),
            stop: stop.clone(),
        });
        for at in 0..running.ports.len() {
            let (running, stop) = (Arc::clone(&running), stop.clone());
            tasks.spawn("webrtc-port", async move {
                running.ports[at].receive(|way, datagram| _ = running.take(way, datagram), stop).await;
            });
        }
        for (index, inbox) in inboxes.into_iter().enumerate() {
            tasks.spawn("webrtc-worker", Worker::new(index, Arc::clone(&running), inbox).run());
        }
        // Listening twice would be a mistake of ours; the first one stays.
        let _ = self.running.set(running);
        Ok(())
    }

    /// Serves a peer that comes by TCP.
    pub async fn serve(&self, connection: Transport, peer: SocketAddr) {
        let (Some(running), Ok(local)) = (self.running.get(), connection.tcp().local_addr()) else { return };
        tokio::select! {
            () = running.streams.serve(connection, local, peer, |way, datagram| running.take(way, datagram)) => {}
            () = running.stop.cancelled() => {}
        }
    }

    /// The servers that a peer is told of, to find out its own addresses.
    pub fn ice_servers(&self) -> &[IceServer] {
        self.running.get().map_or(&[], |running| &running.settings.ice_servers)
    }

    /// How many sessions there are.
    pub fn count(&self) -> usize {
        self.running.get().map_or(0, |running| running.directory.count())
    }

    /// Says something of a session's ICE; `None` if there is no such session for this purpose.
    pub async fn patch(&self, id: &str, purpose: &Purpose, patch: Patch) -> Option<Patched> {
        let running = self.running.get()?;
        let Place { worker, number } = running.directory.named(id, purpose)?;
        let (reply, answer) = oneshot::channel();
        running.workers.get(worker)?.commands.send(Command::Patch { number, patch, reply }).await.ok()?;
        answer.await.ok()
    }

    /// Ends a session; `false` if there is none such for this purpose.
    pub async fn close(&self, id: &str, purpose: &Purpose) -> bool {
        let Some(running) = self.running.get() else { return false };
        let Some(place) = running.directory.named(id, purpose) else { return false };
        running.order(place, Command::Close { number: place.number }).await;
        true
    }
}

impl Running {
    /// Takes a datagram to whom it is for; whether it is for anybody.
    fn take(&self, way: Way, datagram: &[u8]) -> bool {
        let Some(Place { worker, number }) = self.directory.find(&way, wire::asked_for(datagram)) else {
            return false;
        };
        let bytes = Bytes::copy_from_slice(datagram);
        let command = Command::Datagram { number, way, bytes, arrival: Instant::now() };
        if let Some(post) = self.workers.get(worker) {
            // Full: it is lost, as on any network.
            let _ = post.commands.try_send(command);
        }
        true
    }

    async fn order(&self, place: Place, command: Command) {
        if let Some(post) = self.workers.get(place.worker) {
            // A worker ends with the server.
            let _ = post.commands.send(command).await;
        }
    }

    /// The place for one more session.
    fn place(&self) -> Place {
        let worker = next_worker(self.workers.iter().map(|post| &post.load));
        if let Some(post) = self.workers.get(worker) {
            post.load.sessions.fetch_add(1, Ordering::Relaxed);
        }
        Place { worker, number: self.numbers.fetch_add(1, Ordering::Relaxed) }
    }

    /// A session of a worker ended.
    fn left(&self, worker: usize) {
        if let Some(post) = self.workers.get(worker) {
            post.load.sessions.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// A worker was busy for this part of its time, in thousandths.
    fn was_busy(&self, worker: usize, part: u32) {
        if let Some(post) = self.workers.get(worker) {
            post.load.busy.store(part, Ordering::Relaxed);
        }
    }
}

impl Load {
    fn sessions(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        self.sessions() < CROWD && self.busy.load(Ordering::Relaxed) < HALF
    }
}

/// Which worker takes one more session: the first that has room, since one that wakes for many costs each of them less; if none has, the
/// one with the fewest.
fn next_worker<'a>(workers: impl Iterator<Item = &'a Load> + Clone) -> usize {
    let with_room = workers.clone().position(Load::has_room);
    let fewest = || workers.enumerate().min_by_key(|(_, load)| load.sessions()).map(|(at, _)| at);
    with_room.or_else(fewest).unwrap_or(0)
}

/// Sessions that one worker takes before another has any, also if many come before it knows how much they are.
const CROWD: usize = 400;
/// A worker that is busy for half of its time takes no more: pictures and keyframes come in bursts.
const HALF: u32 = 500;
/// More cores than this are left to the rest of the server.
const MOST_WORKERS: usize = 8;
/// What waits for a worker: a second of a fast publisher.
const WAITING: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    fn load(sessions: usize, busy: u32) -> Load {
        Load { sessions: sessions.into(), busy: busy.into() }
    }

    #[test]
    fn sessions_share_a_worker_until_those_are_many_or_much() {
        let chosen = |loads: &[Load]| next_worker(loads.iter());
        assert_eq!(chosen(&[load(0, 0), load(0, 0)]), 0);
        assert_eq!(chosen(&[load(399, 200), load(0, 0)]), 0);
        assert_eq!(chosen(&[load(400, 200), load(0, 0)]), 1, "so many");
        assert_eq!(chosen(&[load(60, 700), load(0, 0)]), 1, "few, with much to do");
        assert_eq!(
            chosen(&[load(60, 700), load(40, 600), load(50, 900)]),
            1,
            "none has room: the one with the fewest"
        );
        assert_eq!(chosen(&[load(60, 100), load(40, 600)]), 0, "there is room again");
    }
}
