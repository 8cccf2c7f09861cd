//! One viewer on one WebSocket: chunks from the ring to the socket.
//!
//! There is no queue: the cursor of the subscription is the only place where a viewer can be behind. A write that makes
//! no progress for `send_timeout` ends the session. Between two chunks the session reads what little viewers send.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Buf;
use hub::{Next, Reason, Subscription};
use media::{Chunk, InitSegment};
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior};
use tracing::debug;

use super::frame::{Frame, FrameReader, Header, Opcode};
use super::handshake::Connection;

/// How a session talks; the same for every viewer of one format.
#[derive(Debug, Clone, Copy)]
pub struct Manners {
    /// The init segment goes as text (it is JSON) and so do control messages; else init segments are binary and nothing is said about control.
    pub control: bool,
    /// A pause after the init segment, for players that drop what comes while they digest it.
    pub init_pause: Duration,
    /// A write without progress for this long ends the session.
    pub send_timeout: Duration,
}

/// Nothing sent for this long: see whether the peer is still there.
const PING_AFTER: Duration = Duration::from_secs(20);
/// And nothing heard for this long: it is not.
const GONE_AFTER: Duration = Duration::from_secs(40);
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
    Readable,
    Tick,
}

struct Session {
    io: TcpStream,
    manners: Manners,
    frames: FrameReader,
    init: Option<Arc<InitSegment>>,
    tick: Interval,
    last_sent: Instant,
    last_heard: Instant,
    pongs: u32,
}

/// Sends the subscription's chunks until either side ends.
pub async fn run(connection: Connection, mut subscription: Subscription<Chunk>, manners: Manners) {
    let now = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut session = Session {
        io: connection.io,
        manners,
        frames: FrameReader::default(),
        init: None,
        tick,
        last_sent: now,
        last_heard: now,
        pongs: 0,
    };
    let end = match session.heard(&connection.read).await {
        Ok(()) => session.serve(&mut subscription).await,
        Err(end) => end,
    };
    if let End::Close(code, reason) = end {
        debug!(stream = %subscription.stream().name(), code, reason, "viewer's session closed");
        drop(subscription);
        session.close(code, &reason).await;
    }
}

impl Session {
    async fn serve(&mut self, subscription: &mut Subscription<Chunk>) -> End {
        loop {
            let done = match poll_fn(|context| self.poll_event(subscription, context)).await {
                Event::Next(next) => self.send_next(next).await,
                Event::Readable => self.read().await,
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
        if let Poll::Ready(next) = subscription.poll_next(context) {
            return Poll::Ready(Event::Next(next));
        }
        if self.io.poll_read_ready(context).is_ready() {
            return Poll::Ready(Event::Readable);
        }
        self.tick.poll_tick(context).map(|_| Event::Tick)
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
        let known = match (&self.init, &chunk.init) {
            (Some(sent), Some(needed)) => Arc::ptr_eq(sent, needed),
            (_, needed) => needed.is_none(),
        };
        if !known {
            self.init = chunk.init;
            if let Some(init) = self.init.clone().filter(|init| !init.bytes.is_empty()) {
                let opcode = if self.manners.control { Opcode::Text } else { Opcode::Binary };
                self.send(opcode, &init.bytes).await?;
                if !self.manners.init_pause.is_zero() {
                    tokio::time::sleep(self.manners.init_pause).await;
                }
            }
        }
        self.send(Opcode::Binary, &chunk.bytes).await
    }

    /// Sends one message, in one write where the socket takes it.
    async fn send(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), End> {
        let header = Header::new(opcode, payload.len());
        let mut rest = header.as_bytes().chain(payload);
        while rest.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 2];
            let filled = rest.chunks_vectored(&mut slices);
            let written = self.io.try_write_vectored(&slices[..filled]);
            match written {
                Ok(written) => rest.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match tokio::time::timeout(self.manners.send_timeout, self.io.writable()).await {
                        Ok(writable) => writable?,
                        Err(_) => return Err(End::Close(1008, "the viewer does not read".to_owned())),
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.last_sent = Instant::now();
        Ok(())
    }

    async fn read(&mut self) -> Result<(), End> {
        let mut buffer = [0; 1_024];
        match self.io.try_read(&mut buffer) {
            Ok(0) => Err(End::Gone),
            Ok(len) => self.heard(&buffer[..len]).await,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn heard(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.last_heard = Instant::now();
        let frames = self.frames.push(bytes).map_err(|e| End::Close(e.close_code(), e.to_string()))?;
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
        self.pongs = 0;
        let now = Instant::now();
        let silent = now.duration_since(self.last_sent);
        if silent >= GONE_AFTER && now.duration_since(self.last_heard) >= GONE_AFTER {
            return Err(End::Gone);
        }
        if silent >= PING_AFTER {
            // `last_sent` stays as it is: only media counts as a sign that the peer takes what it is sent.
            let sent = self.last_sent;
            self.send(Opcode::Ping, &[]).await?;
            self.last_sent = sent;
        }
        if self.manners.control && self.init.is_some() {
            let lag = subscription.lag().as_millis();
            let text = format!(r#"{{"type":"lag","ms":{lag},"now":{}}}"#, unix_micros());
            let sent = self.last_sent;
            self.send(Opcode::Text, text.as_bytes()).await?;
            self.last_sent = sent;
        }
        Ok(())
    }

    async fn close(&mut self, code: u16, reason: &str) {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(&reason.as_bytes()[..reason.len().min(100)]);
        self.manners.send_timeout = self.manners.send_timeout.min(Duration::from_secs(1));
        // The peer may be gone already; then there is nobody to tell.
        let _ = self.send(Opcode::Close, &payload).await;
    }
}

fn unix_micros() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros())
}
