//! Messages between those who drive and what is driven: a page's key presses to a robot's program, and the program's words back.
//!
//! Every stream has an [`Exchange`] with two sides. What a driver says, every robot hears, and the other way round; nobody hears their own side.
//! Each [`Party`] has a mailbox that is bounded: one who does not read hurts nobody else. A message is one JSON value in one
//! line of text; what is no JSON is taken for a string, as RTCBot does.
//!
//! A dead-man's switch ([`dead_man`]) speaks for drivers who have fallen silent.
//!
//! Not here: how a party is reached (data channels, WebSockets, the [Unix socket](socket)), and who may be which.

mod dead_man;
mod line;
mod mailbox;
mod socket;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use self::line::line_of;
use self::mailbox::Mailbox;
use super::cameras::Camera;
use super::tasks::Tasks;
use crate::auth::{Identity, Right};
use crate::config::data::{DataPlan, Delivery};

/// The longest message, in bytes.
pub const MESSAGE_MOST: usize = 64 * 1_024;

/// Which side somebody is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Drives: a person's page, mostly.
    Driver,
    /// Is driven: a program beside the camera.
    Robot,
}

impl Side {
    /// What whoever is on it must be allowed to do.
    pub fn right(self) -> Right {
        match self {
            Self::Driver => Right::Control,
            Self::Robot => Right::Publish,
        }
    }
}

/// Whoever is connected to one stream's messages.
#[derive(Debug)]
pub struct Exchange {
    state: Mutex<State>,
    /// The last word of a driver that a dead-man's switch has not answered for.
    driven: watch::Sender<Option<Spoken>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    parties: BTreeMap<u64, Member>,
    plan: DataPlan,
    /// Ends what listens for robots.
    listening: Option<DropGuard>,
    /// Ends what watches for silence.
    watching: Option<DropGuard>,
}

#[derive(Debug)]
struct Member {
    side: Side,
    mailbox: Arc<Mailbox>,
    identity: Option<Identity>,
    door: CancellationToken,
}

/// A driver's last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spoken {
    at: Instant,
    /// No driver is left.
    gone: bool,
}

/// Somebody's place in an exchange; they leave by dropping it.
#[derive(Debug)]
pub struct Party {
    exchange: Arc<Exchange>,
    id: u64,
    side: Side,
    mailbox: Arc<Mailbox>,
    door: CancellationToken,
}

impl Default for Exchange {
    fn default() -> Self {
        Self { state: Mutex::default(), driven: watch::Sender::new(None) }
    }
}

impl Exchange {
    /// Somebody joins; `identity` is asked for again when rights change.
    pub fn join(self: &Arc<Self>, side: Side, identity: Option<Identity>) -> Party {
        let mut state = self.lock();
        let delivery = if side == Side::Robot { state.plan.delivery } else { Delivery::Reliable };
        let (mailbox, door) = (Arc::new(Mailbox::new(delivery)), CancellationToken::new());
        let id = state.next;
        state.next += 1;
        let member = Member { side, mailbox: Arc::clone(&mailbox), identity, door: door.clone() };
        state.parties.insert(id, member);
        drop(state);
        Party { exchange: Arc::clone(self), id, side, mailbox, door }
    }

    /// How many are there on a side.
    pub fn count(&self, side: Side) -> usize {
        self.lock().parties.values().filter(|member| member.side == side).count()
    }

    /// Whether anybody hears what drivers say, or may come to.
    pub fn is_for_robots(&self) -> bool {
        let state = self.lock();
        state.plan.socket.is_some() || state.parties.values().any(|member| member.side == Side::Robot)
    }

    /// Shows the door to whoever may no longer be there.
    pub fn recheck(&self, may: impl Fn(&Identity, Side) -> bool) {
        for member in self.lock().parties.values() {
            if member.identity.as_ref().is_some_and(|identity| !may(identity, member.side)) {
                member.door.cancel();
            }
        }
    }

    /// Does as a plan says from now on: what listens and watches for the last one ends.
    pub(crate) fn turn_into(self: &Arc<Self>, camera: &Camera, plan: DataPlan, tasks: &Tasks) {
        let mut state = self.lock();
        if state.plan.socket != plan.socket {
            state.listening = plan.socket.clone().map(|path| {
                let stop = camera.stop().child_token();
                let (exchange, stream) = (Arc::clone(self), camera.stream().name().clone());
                let (of_robots, until) = (tasks.clone(), stop.clone());
                tasks.spawn("robot-socket", async move {
                    socket::listen(exchange, path, stream, of_robots, until).await;
                });
                stop.drop_guard()
            });
        }
        if state.plan.dead_man != plan.dead_man {
            state.watching = plan.dead_man.clone().map(|switch| {
                let stop = camera.stop().child_token();
                let (exchange, until) = (Arc::clone(self), stop.clone());
                tasks.spawn("dead-man", async move { dead_man::watch(&exchange, &switch, &until).await });
                stop.drop_guard()
            });
        }
        state.plan = plan;
    }

    /// Says something to all of a side.
    fn tell(&self, side: Side, message: &Bytes) {
        for member in self.lock().parties.values().filter(|member| member.side == side) {
            member.mailbox.put(message.clone());
        }
    }

    fn leave(&self, id: u64) {
        let mut state = self.lock();
        let left = state.parties.remove(&id);
        let driven = state.parties.values().any(|member| member.side == Side::Driver);
        drop(state);
        if left.is_some_and(|member| member.side == Side::Driver) && !driven {
            self.driven.send_if_modified(|spoken| match spoken {
                Some(spoken) => !std::mem::replace(&mut spoken.gone, true),
                None => false,
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Party {
    /// Says something to the other side.
    ///
    /// # Errors
    /// If it is too long, in words.
    pub fn say(&self, text: &str) -> Result<(), String> {
        if text.len() > MESSAGE_MOST {
            return Err(format!("a message of {} bytes; at most {MESSAGE_MOST} are taken", text.len()));
        }
        let message = line_of(text);
        match self.side {
            Side::Driver => {
                self.exchange.driven.send_replace(Some(Spoken { at: Instant::now(), gone: false }));
                self.exchange.tell(Side::Robot, &message);
            }
            Side::Robot => self.exchange.tell(Side::Driver, &message),
        }
        Ok(())
    }

    /// The next message from the other side, without a line's end; `None` once they have fallen too far behind, or are shown the door. Cancel-safe.
    pub async fn hear(&self) -> Option<Bytes> {
        tokio::select! {
            () = self.door.cancelled() => None,
            message = self.mailbox.take() => message,
        }
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        self.exchange.leave(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn heard(party: &Party) -> String {
        String::from_utf8(party.hear().await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn each_side_hears_the_other_and_not_itself() {
        let exchange = Arc::new(Exchange::default());
        let [anna, ben] = [(); 2].map(|()| exchange.join(Side::Driver, None));
        let [arm, wheels] = [(); 2].map(|()| exchange.join(Side::Robot, None));
        anna.say("{\"x\": 1}").unwrap();
        arm.say("\"there\"").unwrap();
        assert_eq!((heard(&arm).await, heard(&wheels).await), ("{\"x\": 1}".into(), "{\"x\": 1}".into()));
        assert_eq!((heard(&anna).await, heard(&ben).await), ("\"there\"".into(), "\"there\"".into()));
        drop(arm);
        assert_eq!((exchange.count(Side::Driver), exchange.count(Side::Robot)), (2, 1));
    }

    #[test]
    fn a_message_that_is_too_long_is_refused_with_its_length() {
        let party = Arc::new(Exchange::default()).join(Side::Driver, None);
        assert!(party.say(&"x".repeat(MESSAGE_MOST + 1)).unwrap_err().contains("65537 bytes"));
    }
}
