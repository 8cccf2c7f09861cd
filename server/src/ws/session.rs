//! One viewer on one WebSocket, or on the bare body of an HTTP answer: chunks from the ring to the socket.
//!
//! There is no queue: the cursor of the subscription is the only place where a viewer can be behind. A write that makes
//! no progress for `send_timeout` ends the session. Between two chunks the session reads what little viewers send.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use hub::{Next, Reason, Subscription};
use media::{Chunk, InitSegment};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::frame::{Frame, FrameReader, Header, Opcode};
use super::group::Group;
use super::handshake::Connection;
use super::line::{Handback, Line, same};
use crate::supervise::audience::Admission;
use crate::telemetry::unix_micros;

/// How a session talks; the same for every viewer of one format.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// What stands around a chunk.
    pub framing: Framing,
    /// The init segment goes as text (it is JSON) and so do control messages; else init segments are binary and nothing is said about control.
    pub control: bool,
    /// A pause after the init segment, for players that drop what comes while they digest it.
    pub init_pause: Duration,
    /// For players that turn everything they are given at the start into delay (jmuxer): begin with this much, as near as can be.
    pub cushion: Option<Duration>,
    /// A write without progress for this long ends the session.
    pub send_timeout: Duration,
}

impl Manners {
    /// How the init segment goes.
    pub(super) const fn init_opcode(&self) -> Opcode {
        if self.control { Opcode::Text } else { Opcode::Binary }
    }
}

/// What stands around a chunk on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// A WebSocket message; the viewer may talk back.
    Message,
    /// Nothing: the chunks follow each other until the connection ends. There is no place for a second init segment, so the first
    /// change of parameters is the end, and what the viewer says is not heard.
    Bare,
}

/// A start further behind than this is not made where a keyframe can be had for the asking.
const STALE: Duration = Duration::from_millis(200);
/// Nothing sent for this long: see whether the peer is still there.
const PING_AFTER: Duration = Duration::from_secs(20);
/// And nothing heard for this long: it is not.
const GONE_AFTER: Duration = Duration::from_secs(40);
/// How often a viewer who is told its lag is told.
const LAG_EVERY: Duration = Duration::from_secs(1);
/// How often others are looked after.
const TICK: Duration = Duration::from_secs(10);
/// How many `ping` messages are answered each second.
const PONGS_PER_TICK: u32 = 10;

/// Why a session ended.
#[derive(Debug)]
enum End {
    /// We close, with this code and reason.
    Close(u16, String),
    /// The peer closed, or its connection broke.
    Gone,
}

impl From<io::Error> for End {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

enum Event {
    Next(Next<Chunk>),
    CaughtUp(u64),
    Turn(Handback),
    Readable,
    Tick,
}

struct Session {
    line: Arc<Line>,
    group: Arc<Group>,
    /// Ends the wait for a viewer who does not read.
    stop: CancellationToken,
    /// Whether the group writes to the viewer now.
    in_group: bool,
    /// Whether the viewer has had a chunk: from then on it can be in a group.
    started: bool,
    manners: Manners,
    frames: FrameReader,
    init: Option<Arc<InitSegment>>,
    tick: Interval,
    last_sent: Instant,
    last_heard: Instant,
    pongs: u32,
}

/// Sends the subscription's chunks until either side ends.
pub(super) async fn run(
    connection: Connection,
    mut subscription: Subscription<Chunk>,
    group: Arc<Group>,
    manners: Manners,
    admission: Admission,
    stop: CancellationToken,
) {
    let now = Instant::now();
    let mut tick = tokio::time::interval(if manners.control { LAG_EVERY } else { TICK });
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    let Connection { io, read, permit: _permit } = connection;
    let mut session = Session {
        line: Arc::new(Line::new(io)),
        group,
        stop,
        in_group: false,
        started: false,
        manners,
        frames: FrameReader::default(),
        init: None,
        tick,
        last_sent: now,
        last_heard: now,
        pongs: 0,
    };
    let early = session.parse(&read);
    drop(read); // however short, it holds the whole buffer that the request was read into
    let end = match early {
        Ok(frames) => match session.obey(frames).await {
            Ok(()) => tokio::select! {
                end = session.serve(&mut subscription, &admission) => end,
                () = admission.door().cancelled() => End::Close(1008, "closed by the operator".to_owned()),
            },
            Err(end) => end,
        },
        Err(end) => end,
    };
    let stream = subscription.stream().name().clone();
    drop(subscription);
    let left = session.line.take();
    session.group.leave();
    if let End::Close(code, reason) = end {
        debug!(%stream, code, reason, "viewer's session closed");
        session.close(code, &reason, left).await;
    }
}

impl Session {
    async fn serve(&mut self, subscription: &mut Subscription<Chunk>, admission: &Admission) -> End {
        if self.manners.cushion.is_some()
            && subscription.lag() > STALE
            && subscription.stream().answers_keyframe_requests()
        {
            subscription.start_fresh();
            subscription.stream().request_keyframe();
        }
        loop {
            let done = match poll_fn(|context| self.poll_event(subscription, context)).await {
                Event::Next(next) => {
                    if let Some(cushion) = self.manners.cushion.filter(|_| !self.started) {
                        tokio::time::sleep(cushion.saturating_sub(subscription.lag())).await;
                    }
                    let first = !self.started;
                    let sent = self.send_next(next).await;
                    if first && self.started && sent.is_ok() {
                        admission.served();
                    }
                    sent
                }
                Event::CaughtUp(next) => {
                    self.in_group = true;
                    self.line.give(next, self.init.take());
                    self.group.join(Arc::clone(&self.line));
                    Ok(())
                }
                Event::Turn(handback) => self.take_turn(handback, subscription).await,
                Event::Readable => match self.read() {
                    Ok(heard) => self.obey(heard).await,
                    Err(end) => Err(end),
                },
                Event::Tick => self.ticked(subscription).await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    fn poll_event(
        &mut self,
        subscription: &mut Subscription<Chunk>,
        context: &mut Context<'_>,
    ) -> Poll<Event> {
        if self.in_group {
            if let Poll::Ready(handback) = self.line.poll_turn(context) {
                return Poll::Ready(Event::Turn(handback));
            }
        } else if let Some(next) = subscription.try_next() {
            return Poll::Ready(Event::Next(next));
        } else if let Some(next) = subscription.position().filter(|_| self.started) {
            return Poll::Ready(Event::CaughtUp(next));
        } else if let Poll::Ready(next) = subscription.poll_next(context) {
            return Poll::Ready(Event::Next(next));
        }
        if self.line.io.poll_read_ready(context).is_ready() {
            return Poll::Ready(Event::Readable);
        }
        self.tick.poll_tick(context).map(|_| Event::Tick)
    }

    /// The group gave up on the viewer, or ends: go on alone from where it stopped.
    async fn take_turn(
        &mut self,
        handback: Handback,
        subscription: &mut Subscription<Chunk>,
    ) -> Result<(), End> {
        self.in_group = false;
        self.init = handback.init;
        subscription.seek(handback.next);
        self.send_rest(handback.rest).await
    }

    async fn send_next(&mut self, next: Next<Chunk>) -> Result<(), End> {
        match next {
            Next::Item(chunk) => self.send_chunk(chunk).await,
            Next::Skipped { items } if self.manners.control => {
                self.send(Opcode::Text, format!(r#"{{"type":"skipped","items":{items}}}"#).as_bytes()).await
            }
            Next::Skipped { .. } => Ok(()),
            Next::Closed(Reason::Removed) => Err(End::Close(1000, "the stream was removed".to_owned())),
            Next::Closed(Reason::Shutdown) => Err(End::Close(1001, "the server ends".to_owned())),
        }
    }

    async fn send_chunk(&mut self, chunk: Chunk) -> Result<(), End> {
        if !same(&self.init, &chunk.init) {
            self.init = chunk.init;
            if let Some(init) = self.init.clone().filter(|init| !init.bytes.is_empty()) {
                if self.started && self.manners.framing == Framing::Bare {
                    return Err(End::Close(1000, "the parameters changed".to_owned()));
                }
                self.send(self.manners.init_opcode(), &init.bytes).await?;
                if !self.manners.init_pause.is_zero() {
                    tokio::time::sleep(self.manners.init_pause).await;
                }
            }
        }
        self.started = true;
        self.send(Opcode::Binary, &chunk.bytes).await
    }

    /// Sends one message: in one write where the socket takes it, or by the group's turn where the group has it.
    async fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), End> {
        let header = Header::new(opcode, payload.len());
        let header = if self.manners.framing == Framing::Bare { &[] } else { header.as_bytes() };
        if self.in_group {
            let message = [header, payload].concat();
            return Ok(self.line.interject(&message.into())?);
        }
        let mut rest = header.chain(payload);
        while rest.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 2];
            let filled = rest.chunks_vectored(&mut slices);
            let written = self.line.io.try_write_vectored(&slices[..filled]);
            self.wrote(written, &mut rest).await?;
        }
        Ok(())
    }

    async fn send_rest(&mut self, mut rest: Bytes) -> Result<(), End> {
        while rest.has_remaining() {
            let written = self.line.io.try_write(&rest);
            self.wrote(written, &mut rest).await?;
        }
        Ok(())
    }

    /// Goes on behind what was written, or waits until something can be.
    async fn wrote(&mut self, written: io::Result<usize>, rest: &mut impl Buf) -> Result<(), End> {
        match written {
            Ok(written) => rest.advance(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // A viewer who does not read is in the middle of a message: there is nothing it could still be told.
                tokio::select! {
                    writable = self.line.io.writable() => writable?,
                    () = tokio::time::sleep(self.manners.send_timeout) => return Err(End::Gone),
                    () = self.stop.cancelled() => return Err(End::Gone),
                }
            }
            Err(error) => return Err(error.into()),
        }
        self.last_sent = Instant::now();
        Ok(())
    }

    fn read(&mut self) -> Result<Vec<Frame>, End> {
        let mut buffer = [0; 1_024];
        match self.line.io.try_read(&mut buffer) {
            Ok(0) => Err(End::Gone),
            Ok(len) => self.parse(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn parse(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, End> {
        self.last_heard = Instant::now();
        if self.manners.framing == Framing::Bare {
            return Ok(Vec::new());
        }
        self.frames.push(bytes).map_err(|e| End::Close(e.close_code(), e.to_string()))
    }

    async fn obey(&mut self, frames: Vec<Frame>) -> Result<(), End> {
        for Frame { opcode, payload } in frames {
            match opcode {
                Opcode::Ping => self.send(Opcode::Pong, &payload).await?,
                Opcode::Close => {
                    let code = payload.first_chunk().map_or(1000, |code| u16::from_be_bytes(*code));
                    return Err(End::Close(code, String::new()));
                }
                Opcode::Text if self.manners.control => self.answer(&payload).await?,
                Opcode::Text | Opcode::Binary | Opcode::Pong | Opcode::Continuation => {}
            }
        }
        Ok(())
    }

    /// Answers `{"type":"ping","t":NUMBER}`; anything else is ignored, as the format's page says.
    async fn answer(&mut self, text: &[u8]) -> Result<(), End> {
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(text) else { return Ok(()) };
        let is_ping = message.get("type").is_some_and(|kind| kind == "ping");
        let Some(t) = message.get("t").and_then(serde_json::Value::as_f64).filter(|_| is_ping) else {
            return Ok(());
        };
        if self.pongs >= PONGS_PER_TICK {
            return Ok(());
        }
        self.pongs += 1;
        self.send(Opcode::Text, format!(r#"{{"type":"pong","t":{t},"now":{}}}"#, unix_micros()).as_bytes())
            .await
    }

    async fn ticked(&mut self, subscription: &Subscription<Chunk>) -> Result<(), End> {
        if self.manners.framing == Framing::Bare {
            return Ok(()); // nothing can be said in between, and a peer that is gone shows when it is written to
        }
        self.pongs = 0;
        let now = Instant::now();
        if self.in_group {
            // The group writes whenever there is something; a peer that does not take it is handed back.
            let flows = subscription.stream().snapshot().live;
            self.last_sent = if flows { now } else { self.last_sent };
        }
        let silent = now.duration_since(self.last_sent);
        if silent >= GONE_AFTER && now.duration_since(self.last_heard) >= GONE_AFTER {
            return Err(End::Gone);
        }
        let sent = self.last_sent;
        if silent >= PING_AFTER {
            self.send(Opcode::Ping, &[]).await?;
        }
        if self.manners.control && self.started {
            let lag = if self.in_group { 0 } else { subscription.lag().as_millis() };
            let text = format!(r#"{{"type":"lag","ms":{lag},"now":{}}}"#, unix_micros());
            self.send(Opcode::Text, text.as_bytes()).await?;
        }
        // Only media counts as a sign that the peer takes what it is sent.
        self.last_sent = sent;
        Ok(())
    }

    /// Says why; `left` is what the group left of its last message.
    async fn close(&mut self, code: u16, reason: &str, left: Handback) {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(&reason.as_bytes()[..reason.len().min(100)]);
        self.manners.send_timeout = self.manners.send_timeout.min(Duration::from_secs(1));
        self.in_group = false;
        // The peer may be gone already; then there is nobody to tell.
        if self.send_rest(left.rest).await.is_ok() && self.manners.framing == Framing::Message {
            let _ = self.send(Opcode::Close, &payload).await;
        }
    }
}
