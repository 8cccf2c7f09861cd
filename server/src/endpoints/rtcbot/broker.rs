//! Robots that wait to be asked for: a WebSocket each, held open from behind NAT, by which one offer goes out and one answer comes back.
//!
//! One shot, as RTCBot's broker does it: a robot that has answered connects again for the next peer. What is said is not looked into.
//!
//! Not here: addresses and rights (`mod`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::net::connection::Connection;
use crate::net::transport::Transport;
use crate::ws::frame::{Frame, FrameError, FrameReader, Opcode};
use crate::ws::say;

/// The longest offer or answer, in bytes. RTCBot's broker has 8 KiB, and browsers outgrew that.
pub(super) const DESCRIPTION_MOST: usize = 64 * 1_024;

/// Robots that wait, by the name they wait at.
#[derive(Debug, Default)]
pub(super) struct Broker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    waiting: HashMap<String, Robot>,
}

#[derive(Debug)]
struct Robot {
    id: u64,
    offers: oneshot::Sender<Asked>,
}

/// An offer, and where its answer goes.
#[derive(Debug)]
struct Asked {
    offer: String,
    answer: oneshot::Sender<String>,
}

/// A robot's place; it is left by dropping it.
#[derive(Debug)]
pub(super) struct Place {
    broker: Arc<Broker>,
    name: String,
    id: u64,
    asked: oneshot::Receiver<Asked>,
}

/// Why an offer has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum Unanswered {
    /// None waits at that name.
    #[error("there is no robot connected")]
    NoRobot,
    /// It went away, or said nothing.
    #[error("the robot did not answer")]
    Silent,
}

/// What becomes of a robot that waits already where another one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Second {
    /// The newcomer is refused.
    Refused,
    /// The newcomer takes its place: the other one may be gone without a word.
    TakesOver,
}

impl Broker {
    /// A place to wait at; `None` if it is taken.
    pub(super) fn place(self: &Arc<Self>, name: &str, second: Second) -> Option<Place> {
        let mut state = self.lock();
        if second == Second::Refused && state.waiting.contains_key(name) {
            return None;
        }
        let (offers, asked) = oneshot::channel();
        let id = state.next;
        state.next += 1;
        state.waiting.insert(name.to_owned(), Robot { id, offers });
        drop(state);
        Some(Place { broker: Arc::clone(self), name: name.to_owned(), id, asked })
    }

    /// Whether a robot waits at a name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.lock().waiting.contains_key(name)
    }

    /// Takes an offer to the robot that waits at a name, and its answer back.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(super) async fn relay(&self, name: &str, offer: String) -> Result<String, Unanswered> {
        let robot = self.lock().waiting.remove(name).ok_or(Unanswered::NoRobot)?;
        let (answer, answered) = oneshot::channel();
        robot.offers.send(Asked { offer, answer }).map_err(|_| Unanswered::NoRobot)?;
        let answered = tokio::time::timeout(ANSWER, answered).await;
        answered.map_err(|_| Unanswered::Silent)?.map_err(|_| Unanswered::Silent)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits on a robot's socket for an offer, hands it over, and takes the answer. Ends with the socket.
    pub(super) async fn wait(mut self, connection: Connection, stop: &CancellationToken) {
        let Connection { mut io, read, permit: _permit } = connection;
        let mut robot = Line { frames: FrameReader::with_limit(DESCRIPTION_MOST), early: read.to_vec() };
        let asked = loop {
            tokio::select! {
                asked = &mut self.asked => break asked.ok(),
                said = robot.text(&mut io) => match said {
                    // What it says before it is asked means nothing.
                    Ok(_) => {}
                    Err(end) => return end.tell(&mut io).await,
                },
                () = tokio::time::sleep(PING) => if say::send(&mut io, Opcode::Ping, b"", STALLED).await.is_err() { return },
                () = stop.cancelled() => return End::told(1001, "the server ends").tell(&mut io).await,
            }
        };
        let Some(Asked { offer, answer }) = asked else {
            return End::told(1000, "another robot took its place").tell(&mut io).await;
        };
        if say::send(&mut io, Opcode::Text, offer.as_bytes(), STALLED).await.is_err() {
            return;
        }
        match tokio::time::timeout(ANSWER, robot.text(&mut io)).await {
            // Whoever asked may have gone.
            Ok(Ok(text)) => drop(answer.send(text)),
            Ok(Err(end)) => return end.tell(&mut io).await,
            Err(_) => return End::told(1008, "no answer").tell(&mut io).await,
        }
        // It closes by itself, or is closed.
        let _ = tokio::time::timeout(GOODBYE, robot.text(&mut io)).await;
        End::told(1000, "").tell(&mut io).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.broker.lock();
        if state.waiting.get(&self.name).is_some_and(|robot| robot.id == self.id) {
            state.waiting.remove(&self.name);
        }
    }
}

/// Why a socket is over.
#[derive(Debug)]
struct End(Option<(u16, String)>);

impl End {
    fn told(code: u16, reason: &str) -> Self {
        Self(Some((code, reason.to_owned())))
    }

    async fn tell(self, io: &mut Transport) {
        if let Some((code, reason)) = self.0 {
            // It is told if it listens.
            let _ = say::close(io, code, &reason, STALLED).await;
        }
    }
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        Self::told(error.close_code(), &error.to_string())
    }
}

/// What a robot says.
struct Line {
    frames: FrameReader,
    /// Read with the handshake.
    early: Vec<u8>,
}

impl Line {
    /// The next text; nothing is lost if this is dropped before.
    async fn text(&mut self, io: &mut Transport) -> Result<String, End> {
        let mut buffer = [0; 4 * 1_024];
        loop {
            let read = if self.early.is_empty() {
                match io.read(&mut buffer).await {
                    Ok(0) | Err(_) => return Err(End(None)),
                    Ok(len) => buffer[..len].to_vec(),
                }
            } else {
                std::mem::take(&mut self.early)
            };
            for Frame { opcode, payload } in self.frames.push(&read)? {
                match opcode {
                    Opcode::Text => {
                        return String::from_utf8(payload)
                            .map_err(|_| End::told(1007, "text that is not UTF-8"));
                    }
                    Opcode::Ping => {
                        say::send(io, Opcode::Pong, &payload, STALLED).await.map_err(|_| End(None))?;
                    }
                    Opcode::Close => return Err(End::told(1000, "")),
                    Opcode::Binary => return Err(End::told(1003, "descriptions are text")),
                    Opcode::Pong | Opcode::Continuation => {}
                }
            }
        }
    }
}

/// So long a robot may think: it looks for its addresses.
const ANSWER: Duration = Duration::from_secs(15);
/// So long it may stay when it has answered.
const GOODBYE: Duration = Duration::from_secs(10);
const PING: Duration = Duration::from_secs(20);
const STALLED: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_offer_reaches_who_waits_once() {
        let broker = Arc::new(Broker::default());
        assert_eq!(broker.relay("a", "offer".into()).await, Err(Unanswered::NoRobot));
        let mut place = broker.place("a", Second::Refused).unwrap();
        assert!(broker.place("a", Second::Refused).is_none());
        let robot = async {
            let asked = (&mut place.asked).await.unwrap();
            asked.answer.send(format!("answer to {}", asked.offer)).unwrap();
        };
        let (answer, ()) = tokio::join!(broker.relay("a", "offer".into()), robot);
        assert_eq!(answer.unwrap(), "answer to offer");
        assert!(!broker.has("a"));
    }

    #[tokio::test]
    async fn who_leaves_waits_no_more_and_takes_nobody_elses_place() {
        let broker = Arc::new(Broker::default());
        let old = broker.place("a", Second::TakesOver).unwrap();
        let new = broker.place("a", Second::TakesOver).unwrap();
        drop(old);
        assert!(broker.has("a"));
        drop(new);
        assert!(!broker.has("a"));
    }
}
