//! One connection: requests and their answers, and what goes on between them.
//!
//! Until something is played over TCP, which takes the connection away to where everything is sent from, all of it happens here:
//! descriptions, publishing, and sending over UDP, for which the connection is the session's sign of life.
//!
//! Who asks is found out for each request that needs a right. Credentials need to be given once: what a request does not say itself, an
//! earlier one of the same connection has said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{Extensions, Method, Request as HttpRequest, header};
use bytes::BytesMut;
use hub::{LagPolicy, Next, PackagingKey, StreamName, Subscription};
use media::Chunk;
use rtp::Delivery;
use rtsp::{
    Asked, Item, Packaging, Reader, Response, Role, Runs, Server, SetUp, Step, TrackPlan, TransportSpec,
    rtp_info,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::Shared;
use super::datagrams::{Datagram, QUEUE, Way};
use super::described::{Described, Refusal, origin, usual_channels};
use super::playing::{LONGEST_SILENCE, Playing};
use super::recording::Recording;
use crate::auth::{Disbelief, Identity, Right, random_token};
use crate::ingest::SILENCE;
use crate::net::connection::Connection;
use crate::net::connections::Permit;
use crate::net::peer::Peer;
use crate::net::rate_limit::RateLimit;
use crate::net::transport::Transport;
use crate::supervise::audience::Admission;
use crate::supervise::caller::settle;
use crate::supervise::cameras::Camera;
use crate::viewers::{Form, Framing, Manners};

/// One client.
pub(super) struct Conversation {
    shared: Arc<Shared>,
    peer: Peer,
    reader: Reader,
    server: Server,
    identity: Option<Identity>,
    described: Option<Described>,
    /// Who publishes, to which stream.
    target: Option<Arc<Camera>>,
    ways: Vec<(usize, Way)>,
    inlet: mpsc::Sender<Datagram>,
    outlet: mpsc::Receiver<Datagram>,
    recording: Option<Recording>,
    watching: Option<Watching>,
    /// When the client last gave a sign of life.
    heard: Instant,
    reported: Instant,
    rate: RateLimit,
}

/// Somebody who watches over UDP.
struct Watching {
    subscription: Subscription<Chunk>,
    admission: Admission,
    plans: Vec<TrackPlan>,
    /// A PLAY that is not answered yet.
    asked: Option<Asked>,
    is_paused: bool,
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
        let rate = RateLimit::new(shared.context.limits.now().publish_rate, now);
        Self {
            shared,
            peer: Peer(std::net::SocketAddr::new(peer.0.ip().to_canonical(), peer.0.port())),
            reader: Reader::default(),
            server: Server::new(random_token()),
            identity: None,
            described: None,
            target: None,
            ways: Vec::new(),
            inlet,
            outlet,
            recording: None,
            watching: None,
            heard: now,
            reported: now,
            rate,
        }
    }

    /// Talks until either side ends.
    pub(super) async fn run(mut self, mut io: Transport, permit: Permit) {
        let stop = self.shared.context.stop.clone();
        let end = tokio::select! {
            end = self.talk(&mut io) => end,
            () = stop.cancelled() => End::Closed,
        };
        if let Some(recording) = self.recording.take() {
            recording.end("its connection ended");
        }
        if let End::Play(asked) = end {
            self.play(io, asked, permit).await;
        }
    }

    async fn talk(&mut self, io: &mut Transport) -> End {
        let mut buffer = vec![0; READ];
        loop {
            match self.take_items(io).await {
                Ok(Turn::GoOn) => {}
                Ok(Turn::Close) | Err(()) => return End::Closed,
                Ok(Turn::Play(asked)) => return End::Play(asked),
            }
            let now = Instant::now();
            if self.is_silent(now) {
                return End::Closed;
            }
            let wake = tokio::time::Instant::from_std(self.wake(now));
            let door = self.door();
            let done = tokio::select! {
                read = io.read(&mut buffer) => match read {
                    Ok(length) if length > 0 => {
                        self.reader.push(&buffer[..length]);
                        if self.recording.is_some() {
                            let wait = self.rate.take(length, Instant::now());
                            if !wait.is_zero() {
                                tokio::time::sleep(wait).await;
                            }
                        } else {
                            self.heard = Instant::now();
                        }
                        Ok(())
                    }
                    _ => Err(()),
                },
                Some(datagram) = self.outlet.recv() => self.take_datagram(datagram),
                next = next(&mut self.watching) => self.send(io, next).await,
                () = tokio::time::sleep_until(wake) => self.tick(),
                () = dismissed(door) => Err(()),
            };
            if done.is_err() {
                return End::Closed;
            }
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
                Ok(true) => (None, Turn::Play(asked)),
                Ok(false) => (None, Turn::GoOn),
                Err(refused) => (Some(self.refuse(&asked, refused)), Turn::GoOn),
            },
            Step::Pause(asked) => {
                if let Some(watching) = &mut self.watching {
                    watching.is_paused = true;
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

    async fn describe(&mut self, asked: &Asked) -> Result<Described, Refusal> {
        let camera = self.may(asked, Right::View).await?;
        Described::of(&camera, &asked.uri, asked.target.query.as_deref().unwrap_or_default()).await
    }

    /// The stream that a request names, if its maker has this right on it.
    async fn may(&mut self, asked: &Asked, right: Right) -> Result<Arc<Camera>, Refusal> {
        let guard = &self.shared.context.guard;
        let query = asked.target.query.as_deref().unwrap_or_default();
        let mut request = HttpRequest::builder().method(Method::GET).uri(format!("/?{query}"));
        if let Some(authorization) = &asked.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let head = request.body(()).map_err(|_| (400, "the query cannot be read".to_owned()))?;
        let mut head = head.into_parts().0;
        head.extensions.insert(self.peer);
        let caller = settle(guard, guard.identify(&head)).await.map_err(|wait| {
            (429, format!("too many wrong passwords or tokens; try again in {} s", wait.as_secs() + 1))
        })?;
        // Nothing was said this time: what was said before still holds.
        let said_nothing = caller.identity.name().is_none() && caller.identity.disbelief().is_none();
        let identity = match &self.identity {
            Some(known) if said_nothing => known.clone(),
            _ => caller.identity,
        };
        let name = StreamName::new(&asked.target.path).ok();
        let allowed = name.as_ref().is_some_and(|name| identity.may(right, name));
        if !allowed {
            let known = identity.name().is_some() || identity.is_everybody();
            return Err(match identity.disbelief() {
                None if known && name.is_none() => (404, "there is no such stream".to_owned()),
                None if known => (403, "you may not do this".to_owned()),
                Some(Disbelief::Expired) => (401, "these credentials have expired".to_owned()),
                Some(_) => (401, "these credentials are wrong".to_owned()),
                None => (
                    401,
                    "say who you are: by a name and a password, or by ?token= in the address".to_owned(),
                ),
            });
        }
        self.identity = Some(identity);
        let camera = self.shared.context.cameras.get(&asked.target.path);
        camera.ok_or_else(|| (404, format!("there is no stream named {}", asked.target.path)))
    }

    async fn set_up(&mut self, set_up: &SetUp, io: &Transport) -> Result<TransportSpec, Refusal> {
        let tracks = match set_up.role {
            Role::Play => {
                let path = &set_up.asked.target.path;
                let is_known = self
                    .described
                    .as_ref()
                    .is_some_and(|known| known.camera.stream().name().as_str() == path);
                if !is_known {
                    self.described = Some(self.describe(&set_up.asked).await?);
                }
                self.described.as_ref().map_or(0, |known| known.tracks.len())
            }
            Role::Record => self.server.announcement().map_or(0, |announced| announced.media.len()),
        };
        if set_up.track >= tracks {
            return Err((404, "there is no such track".to_owned()));
        }
        let is_record = set_up.role == Role::Record;
        match set_up.transport {
            rtsp::Transport::Interleaved(channels) => {
                let channels = channels
                    .or_else(|| usual_channels(set_up.track))
                    .ok_or((461, "no channel is left".to_owned()))?;
                let taken = |(track, known): &(usize, rtsp::Transport)| {
                    let rtsp::Transport::Interleaved(Some((rtp, rtcp))) = known else { return false };
                    *track != set_up.track
                        && [channels.0, channels.1].iter().any(|one| one == rtp || one == rtcp)
                };
                if channels.0 == channels.1 || self.server.tracks().iter().any(taken) {
                    return Err((461, "another track has these channels".to_owned()));
                }
                let protocol = "RTP/AVP/TCP".to_owned();
                Ok(TransportSpec {
                    protocol,
                    interleaved: Some(channels),
                    is_record,
                    ..TransportSpec::default()
                })
            }
            rtsp::Transport::Udp(rtp, rtcp) => {
                let way = self.way(set_up.track, (rtp, rtcp), io)?;
                let port = way.port();
                self.ways.retain(|(track, _)| *track != set_up.track);
                self.ways.push((set_up.track, way));
                Ok(TransportSpec {
                    protocol: "RTP/AVP".to_owned(),
                    client_port: Some((rtp, rtcp)),
                    server_port: Some((port, port + 1)),
                    is_record,
                    ..TransportSpec::default()
                })
            }
        }
    }

    fn way(&mut self, track: usize, ports: (u16, u16), io: &Transport) -> Result<Way, Refusal> {
        if io.is_encrypted() {
            return Err((461, "over TLS packets go with the connection".to_owned()));
        }
        if ports.0 < 1_024 || ports.1 < 1_024 {
            return Err((461, "ports below 1024 are sent nothing".to_owned()));
        }
        let local = io.tcp().local_addr().map(|address| address.ip().to_canonical());
        let pair = local.and_then(|local| self.shared.datagrams.pair(local));
        let pair = pair.map_err(|error| (461, format!("no port for UDP: {error}")))?;
        self.ways.retain(|(known, _)| *known != track);
        pair.register(self.peer.0.ip(), ports, track, &self.inlet)
            .ok_or_else(|| (461, "another session has these ports".to_owned()))
    }

    /// Begins to watch; `true` if that is over TCP.
    async fn begin_playing(&mut self, asked: &Asked) -> Result<bool, Refusal> {
        self.may(asked, Right::View).await?;
        if let Some(watching) = &mut self.watching {
            watching.is_paused = false;
            watching.asked = Some(asked.clone());
            return Ok(false);
        }
        if self.ways.is_empty() {
            return Ok(true);
        }
        let admission = self.admit("rtsp&udp")?;
        let described = self.described.as_mut().ok_or((455, "nothing is set up".to_owned()))?;
        let plans = described.plans(self.server.tracks());
        let held = described.held;
        let key = PackagingKey::new(format!("{}&udp", Packaging::key(&plans, held)));
        let policy = LagPolicy { max_lag: self.shared.settings.max_lag };
        let for_muxer = plans.clone();
        let subscription = described.camera.stream().subscribe_packaged(&key, policy, move || {
            Box::new(rtsp::Datagrams::new(Packaging::new(&for_muxer, held, origin())))
        });
        drop(described.hold());
        self.watching =
            Some(Watching { subscription, admission, plans, asked: Some(asked.clone()), is_paused: false });
        Ok(false)
    }

    fn admit(&self, format: &str) -> Result<Admission, Refusal> {
        let described = self.described.as_ref().ok_or((455, "nothing is set up".to_owned()))?;
        let admitted = self.shared.context.audience.admit(&described.camera, format, &self.extensions());
        admitted.map_err(|refusal| (503, refusal.to_string()))
    }

    /// Who asks, as the rest of the server knows them.
    fn extensions(&self) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(self.peer);
        if let Some(identity) = &self.identity {
            extensions.insert(identity.clone());
        }
        extensions
    }

    async fn begin_recording(&mut self, asked: &Asked) -> Result<Recording, Refusal> {
        let camera = self.may(asked, Right::Publish).await?;
        if self.target.as_ref().is_none_or(|target| !Arc::ptr_eq(target, &camera)) {
            return Err((455, "something else was announced".to_owned()));
        }
        let announced = self.server.announcement().ok_or((455, "nothing was announced".to_owned()))?;
        let set_up: Vec<usize> = self.server.tracks().iter().map(|(track, _)| *track).collect();
        let delivery = if self.ways.is_empty() { Delivery::InOrder } else { Delivery::AnyOrder };
        Recording::begin(&camera, announced, &set_up, delivery, &self.extensions())
    }

    fn take_interleaved(&mut self, channel: u8, bytes: bytes::Bytes) -> Result<(), ()> {
        let Some(recording) = &mut self.recording else { return Ok(()) };
        let track =
            self.server.tracks().iter().enumerate().find_map(|(at, (_, transport))| match transport {
                rtsp::Transport::Interleaved(Some((rtp, _))) if *rtp == channel => Some((at, false)),
                rtsp::Transport::Interleaved(Some((_, rtcp))) if *rtcp == channel => Some((at, true)),
                _ => None,
            });
        let Some((at, is_report)) = track else { return Ok(()) };
        recording.take(at, is_report, bytes, Instant::now()).map_err(drop)
    }

    fn take_datagram(&mut self, datagram: Datagram) -> Result<(), ()> {
        self.heard = datagram.arrival;
        let Some(recording) = &mut self.recording else { return Ok(()) };
        let at = self.server.tracks().iter().position(|(track, _)| *track == datagram.track);
        let Some(at) = at else { return Ok(()) };
        recording.take(at, datagram.is_report, datagram.bytes, datagram.arrival).map_err(drop)
    }

    /// What comes next of the stream, over UDP.
    async fn send(&mut self, io: &mut Transport, next: Next<Chunk>) -> Result<(), ()> {
        let Some(watching) = &mut self.watching else { return Ok(()) };
        let chunk = match next {
            Next::Item(chunk) if chunk.init.is_none() => chunk,
            Next::Skipped { .. } => return Ok(()),
            // Closed, or what was described is over.
            Next::Item(_) | Next::Closed(_) => return Err(()),
        };
        if let Some(asked) = watching.asked.take() {
            let begins = rtp_info(Runs::of(chunk.bytes.clone()).packets(), &watching.plans);
            let described = self.described.as_ref().ok_or(())?;
            let info = described.rtp_info(&watching.plans, &begins);
            watching.admission.served();
            let response = self.server.begin(&asked).with("RTP-Info", info);
            write(io, &response).await?;
        }
        for run in Runs::of(chunk.bytes) {
            let plan =
                watching.plans.iter().find(|plan| [plan.channels.0, plan.channels.1].contains(&run.channel));
            let way =
                plan.and_then(|plan| self.ways.iter().find(|(track, _)| *track == usize::from(plan.index)));
            if let (Some(plan), Some((_, way))) = (plan, way) {
                way.send(run.channel == plan.channels.1, &run);
            }
        }
        watching.admission.timings().delay.observe(chunk.arrival.elapsed());
        Ok(())
    }

    /// Plays over TCP until either side ends.
    async fn play(mut self, io: Transport, asked: Asked, permit: Permit) {
        let admission = match self.admit("rtsp") {
            Ok(admission) => admission,
            Err(refused) => {
                let (mut io, response) = (io, self.refuse(&asked, refused));
                let _ = write(&mut io, &response).await;
                return;
            }
        };
        let Some(mut described) = self.described.take() else { return };
        let plans = described.plans(self.server.tracks());
        let stream = Arc::clone(described.camera.stream());
        let (for_muxer, held) = (plans.clone(), described.held);
        let form = Form {
            key: Packaging::key(&plans, described.held),
            name: "rtsp",
            carries_reordering: true,
            muxer: Box::new(move || Box::new(Packaging::new(&for_muxer, held, origin()))),
        };
        let manners = Manners {
            framing: Framing::File,
            init_pause: Duration::ZERO,
            cushion: None,
            send_timeout: self.shared.settings.send_timeout,
        };
        let policy = LagPolicy { max_lag: self.shared.settings.max_lag };
        let connection = Connection { io, read: bytes::Bytes::new(), permit: Some(Arc::new(permit)) };
        // However little is in it, a reader holds on to what it once needed.
        let reader = if self.reader.is_empty() { Reader::default() } else { self.reader };
        let hold = described.hold();
        let playing =
            Playing { server: self.server, reader, described, plans, asked: Some(asked), is_paused: false };
        let session =
            self.shared.viewers.serve(connection, &stream, form, policy, manners, playing, admission);
        drop(hold);
        drop(stream);
        drop(self.shared);
        session.await;
    }

    /// Where the operator, or another publisher, shows this one out.
    fn door(&self) -> Option<CancellationToken> {
        let recording = self.recording.as_ref().map(Recording::door);
        recording.or(self.watching.as_ref().map(|watching| watching.admission.door())).cloned()
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

    fn refuse(&self, asked: &Asked, (status, why): Refusal) -> Response {
        let response = self.server.refuse(asked, status, &why);
        match status {
            401 => response.with("WWW-Authenticate", "Basic realm=\"firstlight\", charset=\"UTF-8\""),
            503 => response.with("Retry-After", "5"),
            _ => response,
        }
    }
}

/// What comes next for somebody who watches over UDP; never, if nobody does.
async fn next(watching: &mut Option<Watching>) -> Next<Chunk> {
    match watching {
        Some(watching) if !watching.is_paused => watching.subscription.next().await,
        _ => std::future::pending().await,
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

/// As much as one read takes.
const READ: usize = 16 * 1_024;
/// A request must come within this time after the one before, until something is played or published.
const LONGEST_PREPARATION: Duration = Duration::from_secs(15);
/// An answer must be taken within this time.
const LONGEST_WRITE: Duration = Duration::from_secs(5);
/// A publisher over UDP is told how it is received this often.
const REPORT_EVERY: Duration = Duration::from_secs(5);
