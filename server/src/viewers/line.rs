//! One viewer's socket, and whose turn it is to write on it.
//!
//! A viewer that keeps up is written to by its group (see `group`), which serves many in one go; one that does not is served by its own
//! session, which can wait. The line is handed over and back at message boundaries: whoever has the turn writes, and what a write left
//! over goes back to the session with the turn, so that two writers never meet inside a message.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use media::InitSegment;

use crate::net::transport::Socket;

/// The socket of one viewer.
///
/// A group goes through thousands of these many times a second, and each is cold in the cache by then: so what a send touches (the
/// descriptor, the lock, turn, number and init segment) stands together at its beginning.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Line {
    pub(super) io: Socket,
    writer: Mutex<Writer>,
}

#[derive(Debug)]
#[repr(C)]
struct Writer {
    turn: Turn,
    /// Number of the chunk that is to be sent next.
    next: u64,
    /// The init segment the viewer has.
    init: Option<Arc<InitSegment>>,
    /// What the last write could not send of its message.
    rest: Bytes,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Group,
    Session,
}

/// The turn, back with the session.
#[derive(Debug)]
pub(super) struct Handback {
    /// Go on at this chunk.
    pub(super) next: u64,
    /// The init segment the viewer has.
    pub(super) init: Option<Arc<InitSegment>>,
    /// Send this first.
    pub(super) rest: Bytes,
}

impl Line {
    /// The session has the first turn.
    pub(super) fn new(io: Socket) -> Self {
        let writer = Writer { turn: Turn::Session, next: 0, init: None, rest: Bytes::new(), waker: None };
        Self { io, writer: Mutex::new(writer) }
    }

    /// Session: gives the turn away. The viewer has everything before `next`.
    pub(super) fn give(&self, next: u64, init: Option<Arc<InitSegment>>) {
        let mut writer = self.lock();
        writer.turn = Turn::Group;
        writer.next = next;
        writer.init = init;
    }

    /// Session: waits for the turn.
    pub(super) fn poll_turn(&self, context: &Context<'_>) -> Poll<Handback> {
        let mut writer = self.lock();
        if writer.turn == Turn::Session {
            return Poll::Ready(writer.hand_back());
        }
        match &writer.waker {
            Some(known) if known.will_wake(context.waker()) => {}
            _ => writer.waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Session: takes the turn, at the next message boundary, which is now.
    pub(super) fn take(&self) -> Handback {
        let mut writer = self.lock();
        writer.turn = Turn::Session;
        writer.hand_back()
    }

    /// Session: says something short of its own while the group has the turn. What does not go out takes the turn with it.
    pub(super) fn interject(&self, message: &Bytes) -> io::Result<()> {
        let mut writer = self.lock();
        if writer.turn == Turn::Session {
            writer.rest = [&writer.rest[..], &message[..]].concat().into();
            return Ok(());
        }
        match self.io.try_write(message) {
            Ok(sent) if sent == message.len() && self.io.try_flush().is_ok() => Ok(()),
            Ok(sent) => {
                writer.rest = message.slice(sent..);
                writer.end_turn();
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                writer.rest = message.clone();
                writer.end_turn();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Group: the number of the chunk the viewer needs next and the init segment it has, if the group has the turn.
    pub(super) fn place(&self) -> Option<(u64, Option<Arc<InitSegment>>)> {
        let writer = self.lock();
        (writer.turn == Turn::Group).then(|| (writer.next, writer.init.clone()))
    }

    /// Group: sends the message of chunk `number`, which leaves the viewer with `init`. `false` if the viewer is the group's no more.
    pub(super) fn send(&self, number: u64, message: &Bytes, init: &Option<Arc<InitSegment>>) -> bool {
        let mut writer = self.lock();
        if writer.turn == Turn::Session {
            return false;
        }
        if number < writer.next {
            return true; // its session was ahead of the group
        }
        // No room at all: the session begins with this chunk, or with a later one if it must skip. A broken connection it meets as well,
        // and knows what to do.
        if let Ok(sent) = self.io.send(message) {
            writer.next = number + 1;
            if !same(&writer.init, init) {
                writer.init.clone_from(init);
            }
            if sent == message.len() && self.io.try_flush().is_ok() {
                return true;
            }
            writer.rest = message.slice(sent..);
        }
        writer.end_turn();
        false
    }

    /// Group: gives the turn back as it stands.
    pub(super) fn release(&self) {
        self.lock().end_turn();
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn end_turn(&mut self) {
        self.turn = Turn::Session;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn hand_back(&mut self) -> Handback {
        self.waker = None;
        Handback { next: self.next, init: self.init.take(), rest: std::mem::take(&mut self.rest) }
    }
}

/// Whether two readers of one packaging have the same init segment.
pub(super) fn same(one: &Option<Arc<InitSegment>>, other: &Option<Arc<InitSegment>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
