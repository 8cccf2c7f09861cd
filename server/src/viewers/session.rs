//! One viewer on one connection: chunks from the ring to the socket.
//!
//! There is no queue: the cursor of the subscription is the only place where a viewer can be behind. A write that makes
//! no progress for `send_timeout` ends the session. Between two chunks the session reads what little viewers send, which is for its
//! [`Dialogue`] to understand.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::future::BoxFuture;
use hub::{Next, Reason, Subscription};
use media::{Chunk, InitSegment};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::dialogue::{Dialogue, End, Tick};
use super::framing::{Framing, head_bytes};
use super::group::Group;
use super::line::{Handback, Line, same};
use crate::net::connection::Connection;
use crate::supervise::audience::Admission;

/// How a session sends; the same for every viewer of one format.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// What stands around a chunk.
    pub framing: Framing,
    /// A pause after the init segment, for players that drop what comes while they digest it.
    pub init_pause: Duration,
    /// For players that turn everything they are given at the start into delay (jmuxer): begin with this much, as near as can be.
    pub cushion: Option<Duration>,
    /// A write without progress for this long ends the session.
    pub send_timeout: Duration,
}

/// A start further behind than this is not made where a keyframe can be had for the asking.
const STALE: Duration = Duration::from_millis(200);

/// What a viewer is shown, and with whom.
pub(super) struct Place {
    pub(super) subscription: Subscription<Chunk>,
    pub(super) group: Arc<Group>,
}

/// Gives another place, or none if the first is right; nothing is sent before that is known.
pub(super) type Other = BoxFuture<'static, Option<Place>>;

enum Event {
    Known(Option<Place>),
    Next(Next<Chunk>),
    CaughtUp(u64),
    Turn(Handback),
    Readable,
    Tick,
}

struct Session {
    line: Arc<Line>,
    group: Arc<Group>,
    /// Until it is known what is shown.
    other: Option<Other>,
    /// Keeps the camera on until something of what is shown instead has come.
    first: Option<Box<Subscription<Chunk>>>,
    /// Ends the wait for a viewer who does not read.
    stop: CancellationToken,
    /// Whether the group writes to the viewer now.
    in_group: bool,
    /// Whether the viewer has had a chunk: from then on it can be in a group.
    started: bool,
    is_paused: bool,
    manners: Manners,
    dialogue: Box<dyn Dialogue>,
    init: Option<Arc<InitSegment>>,
    tick: Interval,
    last_sent: Instant,
    last_heard: Instant,
}

/// Sends the subscription's chunks until either side ends.
pub(super) async fn run(
    connection: Connection,
    Place { mut subscription, group }: Place,
    other: Option<Other>,
    manners: Manners,
    dialogue: Box<dyn Dialogue>,
    admission: Admission,
    stop: CancellationToken,
) {
    let now = Instant::now();
    let mut tick = tokio::time::interval(dialogue.every());
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick.reset();
    let Connection { io, read, permit: _permit } = connection;
    let mut session = Session {
        line: Arc::new(Line::new(io.into_socket())),
        group,
        other,
        first: None,
        stop,
        in_group: false,
        started: false,
        is_paused: false,
        manners,
        dialogue,
        init: None,
        tick,
        last_sent: now,
        last_heard: now,
    };
    let (say, heard) = session.hear(&read);
    drop(read); // however short, it holds the whole buffer that the request was read into
    let early = session.answer(say, heard).await;
    let end = match early {
        Ok(()) => tokio::select! {
            end = session.serve(&mut subscription, &admission) => end,
            () = admission.door().cancelled() => End::Close(1008, "closed by the operator".to_owned()),
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
        self.freshen(subscription);
        loop {
            let done = match poll_fn(|context| self.poll_event(subscription, context)).await {
                Event::Known(place) => {
                    self.other = None;
                    if let Some(place) = place {
                        self.group = place.group;
                        self.first = Some(Box::new(std::mem::replace(subscription, place.subscription)));
                        self.freshen(subscription);
                    }
                    Ok(())
                }
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
                Event::Readable => {
                    let (say, heard) = self.read();
                    match self.answer(say, heard).await {
                        Ok(()) => self.heed_pause(subscription).await,
                        end => end,
                    }
                }
                Event::Tick => self.ticked(subscription).await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    /// For players that turn what they begin with into delay.
    fn freshen(&self, subscription: &mut Subscription<Chunk>) {
        if self.manners.cushion.is_some()
            && subscription.lag() > STALE
            && subscription.stream().answers_keyframe_requests()
        {
            subscription.start_fresh();
            subscription.stream().request_keyframe();
        }
    }

    fn poll_event(
        &mut self,
        subscription: &mut Subscription<Chunk>,
        context: &mut Context<'_>,
    ) -> Poll<Event> {
        if let Some(other) = &mut self.other {
            if let Poll::Ready(place) = other.as_mut().poll(context) {
                return Poll::Ready(Event::Known(place));
            }
        } else if self.in_group {
            if let Poll::Ready(handback) = self.line.poll_turn(context) {
                return Poll::Ready(Event::Turn(handback));
            }
        } else if self.is_paused {
            // Its place is kept; what falls off the ring meanwhile it skips.
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

    /// The viewer may have asked for a pause, or for its end.
    async fn heed_pause(&mut self, subscription: &mut Subscription<Chunk>) -> Result<(), End> {
        let was_paused = std::mem::replace(&mut self.is_paused, self.dialogue.is_paused());
        if was_paused && !self.is_paused {
            self.started = false;
        }
        if self.is_paused && self.in_group {
            let handback = self.line.take();
            self.group.leave();
            return self.take_turn(handback, subscription).await;
        }
        Ok(())
    }

    async fn send_next(&mut self, next: Next<Chunk>) -> Result<(), End> {
        match next {
            Next::Item(chunk) => self.send_chunk(chunk).await,
            Next::Skipped { items } => {
                let mut say = BytesMut::new();
                self.dialogue.skipped(items, &mut say);
                self.say(say.freeze()).await
            }
            Next::Closed(Reason::Removed) => Err(End::Close(1000, "the stream was removed".to_owned())),
            Next::Closed(Reason::Shutdown) => Err(End::Close(1001, "the server ends".to_owned())),
        }
    }

    async fn send_chunk(&mut self, chunk: Chunk) -> Result<(), End> {
        if !self.started {
            let mut say = BytesMut::new();
            self.dialogue.begin(&chunk, &mut say);
            self.say(say.freeze()).await?;
        }
        if !same(&self.init, &chunk.init) {
            self.init = chunk.init;
            if let Some(init) = self.init.clone().filter(|init| !init.bytes.is_empty()) {
                if self.started && !self.manners.framing.takes_another_init() {
                    return Err(End::Close(1000, "the parameters changed".to_owned()));
                }
                self.send(true, &init.bytes).await?;
                if !self.manners.init_pause.is_zero() {
                    tokio::time::sleep(self.manners.init_pause).await;
                }
            }
        }
        self.started = true;
        self.first = None;
        self.send(false, &chunk.bytes).await
    }

    /// Sends an init segment or a chunk, in one write where the socket takes it.
    async fn send(&mut self, init: bool, payload: &[u8]) -> Result<(), End> {
        let head = self.manners.framing.head(init, payload.len());
        let mut rest = head_bytes(&head).chain(payload);
        while rest.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 2];
            let filled = rest.chunks_vectored(&mut slices);
            let written = self.line.io.try_write_vectored(&slices[..filled]);
            self.wrote(written, &mut rest).await?;
        }
        self.flush().await
    }

    /// Says what the dialogue has to say, between two chunks: by the group's turn where the group has it.
    async fn say(&mut self, words: Bytes) -> Result<(), End> {
        if words.is_empty() {
            return Ok(());
        }
        if self.in_group {
            return Ok(self.line.interject(&words)?);
        }
        self.send_rest(words).await
    }

    async fn send_rest(&mut self, mut rest: Bytes) -> Result<(), End> {
        while rest.has_remaining() {
            let written = self.line.io.try_write(&rest);
            self.wrote(written, &mut rest).await?;
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), End> {
        loop {
            let mut nothing = Bytes::new();
            match self.line.io.try_flush() {
                Ok(()) => return Ok(()),
                Err(error) => self.wrote(Err(error), &mut nothing).await?,
            }
        }
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

    /// Not `async`: the buffer would be part of every session.
    fn read(&mut self) -> (Bytes, Result<(), End>) {
        let mut buffer = [0; 1_024];
        match self.line.io.try_read(&mut buffer) {
            Ok(0) => (Bytes::new(), Err(End::Gone)),
            Ok(len) => self.hear(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (Bytes::new(), Ok(())),
            Err(error) => (Bytes::new(), Err(error.into())),
        }
    }

    /// What is to be said to that, and whether it goes on.
    fn hear(&mut self, bytes: &[u8]) -> (Bytes, Result<(), End>) {
        self.last_heard = Instant::now();
        let mut say = BytesMut::new();
        let heard = self.dialogue.hear(bytes, &mut say);
        (say.freeze(), heard)
    }

    async fn answer(&mut self, say: Bytes, heard: Result<(), End>) -> Result<(), End> {
        self.say(say).await?;
        heard
    }

    async fn ticked(&mut self, subscription: &Subscription<Chunk>) -> Result<(), End> {
        let now = Instant::now();
        if self.in_group {
            // The group writes whenever there is something; a peer that does not take it is handed back.
            let flows = subscription.stream().snapshot().live;
            self.last_sent = if flows { now } else { self.last_sent };
        }
        let lag = if self.in_group { Duration::ZERO } else { subscription.lag() };
        let sent = self.last_sent;
        let tick = Tick {
            unsent: now.duration_since(sent),
            unheard: now.duration_since(self.last_heard),
            lag: self.started.then_some(lag),
        };
        let mut say = BytesMut::new();
        self.dialogue.tick(&tick, &mut say)?;
        let said = self.say(say.freeze()).await;
        // Only media counts as a sign that the peer takes what it is sent.
        self.last_sent = sent;
        said
    }

    /// Says why; `left` is what the group left of its last message.
    async fn close(&mut self, code: u16, reason: &str, left: Handback) {
        let mut say = BytesMut::new();
        self.dialogue.farewell(code, reason, &mut say);
        self.manners.send_timeout = self.manners.send_timeout.min(Duration::from_secs(1));
        self.in_group = false;
        // The peer may be gone already; then there is nobody to tell.
        if self.send_rest(left.rest).await.is_ok() {
            let _ = self.send_rest(say.freeze()).await;
            self.line.io.conclude();
        }
    }
}
