//! One connection: requests and their answers, and what goes on between them.
//!
//! Until something is played over TCP, which takes the connection away to where everything is sent from, all of it happens here:
//! descriptions, publishing, and sending over UDP, for which the connection is the session's sign of life.
//!
//! Who asks is found out for each request that needs a right. Credentials need to be given once: what a request does not say itself, an
//! earlier one of the same connection has said.

mod publishing;
mod rights;
mod tracks;
mod watching;

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_core::future::BoxFuture;
use rtsp::{Asked, Item, Reader, Response, Server, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::watching::{Begun, Watching, next};
use super::Shared;
use super::datagrams::{Datagram, QUEUE, Way};
use super::described::Described;
use super::multicast::Group;
use super::playing::LONGEST_SILENCE;
use super::recording::Recording;
use crate::auth::{Identity, Right, random_token};
use crate::ingest::SILENCE;
use crate::net::connections::Permit;
use crate::net::peer::Peer;
use crate::net::rate_limit::RateLimit;
use crate::net::transport::Transport;
use crate::supervise::cameras::Camera;

/// One client.
pub(super) struct Conversation {
    shared: Arc<Shared>,
    peer: Peer,
    reader: Reader,
    server: Server,
    identity: Option<Identity>,
    /// The last answer to a challenge came too late.
    is_stale: bool,
    described: Option<Described>,
    /// Who publishes, to which stream.
    target: Option<Arc<Camera>>,
    ways: Vec<(usize, Way)>,
    /// Where the packets go, if they go to many.
    group: Option<Arc<Group>>,
    inlet: mpsc::Sender<Datagram>,
    outlet: mpsc::Receiver<Datagram>,
    recording: Option<Recording>,
    watching: Option<Watching>,
    /// When the client last gave a sign of life.
    heard: Instant,
    reported: Instant,
    rate: RateLimit,
    /// Whether the connection is the inner end of a tunnel.
    is_tunnelled: bool,
}

/// What follows a request.
enum Turn {
    GoOn,
    Close,
    /// Play over TCP.
    Play(Asked),
}

/// Why the loop ended.
enum End {
    Closed,
    Play(Asked),
}

impl Conversation {
    pub(super) fn new(shared: Arc<Shared>, peer: Peer) -> Self {
        let (inlet, outlet) = mpsc::channel(QUEUE);
        let now = Instant::now();
        let server = Server::new(random_token()).with_groups(shared.settings.multicast.is_some());
        let rate = RateLimit::new(shared.context.limits.now().publish_rate, now);
        Self {
            shared,
            peer: Peer(std::net::SocketAddr::new(peer.0.ip().to_canonical(), peer.0.port())),
            reader: Reader::default(),
            server,
            identity: None,
            is_stale: false,
            described: None,
            target: None,
            ways: Vec::new(),
            group: None,
            inlet,
            outlet,
            recording: None,
            watching: None,
            heard: now,
            reported: now,
            rate,
            is_tunnelled: false,
        }
    }

    /// On the inner end of a tunnel, where packets go with the connection.
    pub(super) fn in_a_tunnel(self) -> Self {
        Self { is_tunnelled: true, ..self }
    }

    /// Of a connection of which this was read.
    pub(super) fn having_read(mut self, bytes: &[u8]) -> Self {
        self.reader.push(bytes);
        self
    }

    /// Talks until either side ends, or there is nothing but to play over TCP: then it gives what is to be awaited next, with all that was needed
    /// to come so far let go.
    pub(super) async fn run(mut self, mut io: Transport, permit: Permit) -> Option<BoxFuture<'static, ()>> {
        let stop = self.shared.context.stop.clone();
        let end = tokio::select! {
            end = self.talk(&mut io) => end,
            () = stop.cancelled() => End::Closed,
        };
        if let Some(recording) = self.recording.take() {
            recording.end("its connection ended");
        }
        match end {
            End::Play(asked) => self.play(io, asked, permit).await,
            End::Closed => None,
        }
    }

    async fn talk(&mut self, io: &mut Transport) -> End {
        let mut buffer = vec![0; READ];
        loop {
            if self.recording.is_some() {
                buffer.resize(READ_OF_MEDIA, 0);
            }
            match self.take_items(io).await {
                Ok(Turn::GoOn) => {}
                Ok(Turn::Close) | Err(()) => return End::Closed,
                Ok(Turn::Play(asked)) => return End::Play(asked),
            }
            let now = Instant::now();
            if self.is_silent(now) {
                return End::Closed;
            }
            let mut wake = pin!(tokio::time::sleep_until(self.wake(now).into()));
            let mut dismissed = pin!(dismissed(self.door()));
            // Whoever watches is sent picture after picture without anything of this being set up anew.
            let done = loop {
                tokio::select! {
                    event = next(&mut self.watching) => match self.send(io, event).await {
                        Ok(()) => {}
                        Err(()) => break Err(()),
                    },
                    read = io.read(&mut buffer) => break match read {
                        Ok(length) if length > 0 => {
                            self.hear(&buffer[..length]).await;
                            Ok(())
                        }
                        _ => Err(()),
                    },
                    Some(datagram) = self.outlet.recv() => break self.take_datagram(datagram),
                    () = &mut wake => break self.tick(),
                    () = &mut dismissed => break Err(()),
                }
            };
            if done.is_err() {
                return End::Closed;
            }
        }
    }

    /// Takes in what was read; a publisher that sends more than it may is read no faster.
    async fn hear(&mut self, bytes: &[u8]) {
        self.reader.push(bytes);
        let now = Instant::now();
        if self.recording.is_some() {
            let wait = self.rate.take(bytes.len(), now);
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        } else if self.watching.is_some() {
            // An empty line will do; who only prepares has to come to the point.
            self.heard = now;
        }
    }

    /// Everything whole that was read.
    async fn take_items(&mut self, io: &mut Transport) -> Result<Turn, ()> {
        loop {
            match self.reader.pull() {
                Ok(None) => return Ok(Turn::GoOn),
                Ok(Some(Item::Request(request))) => {
                    self.heard = Instant::now();
                    let step = self.server.handle(&request);
                    let (response, turn) = self.follow(step, io).await;
                    if let Some(response) = response {
                        write(io, &response).await?;
                    }
                    if !matches!(turn, Turn::GoOn) {
                        return Ok(turn);
                    }
                }
                Ok(Some(Item::Data(channel, bytes))) => self.take_interleaved(channel, bytes)?,
                Ok(Some(Item::Response(_))) => {}
                Err(error) => {
                    debug!(peer = %self.peer.0, %error, "a connection sent what is no RTSP");
                    let _ = write(io, &Response::new(400).with("Connection", "close")).await;
                    return Err(());
                }
            }
        }
    }

    async fn follow(&mut self, step: Step, io: &Transport) -> (Option<Response>, Turn) {
        match step {
            Step::Answer(response) => (Some(response), Turn::GoOn),
            Step::TearDown(response) => {
                if let Some(recording) = self.recording.take() {
                    recording.end("it said so");
                }
                (Some(response), Turn::Close)
            }
            Step::Describe(asked) => {
                let response = match self.describe(&asked).await {
                    Ok(described) => {
                        let base = described.base.clone();
                        let text = described.text.clone();
                        self.described = Some(described);
                        self.server
                            .answer(&asked, 200)
                            .with("Content-Base", base)
                            .with_body("application/sdp", text)
                    }
                    Err(refused) => self.refuse(&asked, refused),
                };
                (Some(response), Turn::GoOn)
            }
            Step::Announce(asked, description) => {
                let response = match self.may(&asked, Right::Publish).await {
                    Ok(camera) => match camera.label() {
                        Some(_) => {
                            let why = format!(
                                "{} has a source of its own; only a stream without one can be published to",
                                camera.stream().name()
                            );
                            self.refuse(&asked, (409, why))
                        }
                        None => {
                            self.target = Some(camera);
                            self.server.announced(&asked, description)
                        }
                    },
                    Err(refused) => self.refuse(&asked, refused),
                };
                (Some(response), Turn::GoOn)
            }
            Step::SetUp(set_up) => {
                let response = match self.set_up(&set_up, io).await {
                    Ok(spec) => self.server.set_up(&set_up, &spec),
                    Err(refused) => self.refuse(&set_up.asked, refused),
                };
                (Some(response), Turn::GoOn)
            }
            Step::Play(asked) => match self.begin_playing(&asked).await {
                Ok(Begun::OverTcp) => (None, Turn::Play(asked)),
                Ok(Begun::WithTheFirst) => (None, Turn::GoOn),
                Ok(Begun::Now) => (Some(self.server.begin(&asked)), Turn::GoOn),
                Err(refused) => (Some(self.refuse(&asked, refused)), Turn::GoOn),
            },
            Step::Pause(asked) => {
                if let Some(watching) = &mut self.watching {
                    watching.pause();
                }
                (Some(self.server.pause(&asked)), Turn::GoOn)
            }
            Step::Record(asked) => match self.begin_recording(&asked).await {
                Ok(recording) => {
                    self.recording = Some(recording);
                    (Some(self.server.begin(&asked)), Turn::GoOn)
                }
                Err(refused) => (Some(self.refuse(&asked, refused)), Turn::Close),
            },
        }
    }

    /// Where the operator, or another publisher, shows this one out.
    fn door(&self) -> Option<CancellationToken> {
        let recording = self.recording.as_ref().map(Recording::door);
        recording.or(self.watching.as_ref().map(Watching::door)).cloned()
    }

    /// Whether the client is taken to be gone.
    fn is_silent(&self, now: Instant) -> bool {
        match &self.recording {
            Some(recording) => now.duration_since(recording.heard()) >= SILENCE,
            None => now.duration_since(self.heard) >= self.patience(),
        }
    }

    /// How long a client may be silent.
    fn patience(&self) -> Duration {
        if self.watching.is_some() { LONGEST_SILENCE } else { LONGEST_PREPARATION }
    }

    /// When to look again even if nothing comes.
    fn wake(&self, now: Instant) -> Instant {
        let silent = match &self.recording {
            Some(recording) => recording.heard() + SILENCE,
            None => self.heard + self.patience(),
        };
        let missing = self.recording.as_ref().and_then(|recording| recording.deadline());
        let report =
            (self.recording.is_some() && !self.ways.is_empty()).then(|| self.reported + REPORT_EVERY);
        [Some(silent), missing, report].into_iter().flatten().fold(now + REPORT_EVERY, Instant::min)
    }

    /// Time has passed.
    fn tick(&mut self) -> Result<(), ()> {
        let now = Instant::now();
        let Some(recording) = &mut self.recording else { return Ok(()) };
        recording.advance(now).map_err(drop)?;
        if now.duration_since(self.reported) >= REPORT_EVERY {
            self.reported = now;
            for (track, way) in &self.ways {
                let at = self.server.tracks().iter().position(|(known, _)| known == track);
                if let Some(report) = at.and_then(|at| recording.report(at, now)) {
                    way.report(report);
                }
            }
        }
        Ok(())
    }
}

/// Until this one is shown the door.
async fn dismissed(door: Option<CancellationToken>) {
    match door {
        Some(door) => door.cancelled().await,
        None => std::future::pending().await,
    }
}

async fn write(io: &mut Transport, response: &Response) -> Result<(), ()> {
    let mut bytes = BytesMut::new();
    response.write(&mut bytes);
    let sent = async {
        io.write_all(&bytes).await?;
        io.flush().await
    };
    // Who asks and does not read is no client.
    match tokio::time::timeout(LONGEST_WRITE, sent).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}

/// As much as one read takes of somebody who asks: what a crowd that comes at once needs for a moment, the process keeps.
const READ: usize = 1_024;
/// And of somebody who publishes.
const READ_OF_MEDIA: usize = 16 * 1_024;
/// A request must come within this time after the one before, until something is played or published.
const LONGEST_PREPARATION: Duration = Duration::from_secs(15);
/// An answer must be taken within this time.
const LONGEST_WRITE: Duration = Duration::from_secs(5);
/// A publisher over UDP is told how it is received this often.
const REPORT_EVERY: Duration = Duration::from_secs(5);
