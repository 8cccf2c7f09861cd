//! The task that serves a connection: packets to units and back, messages that wait, and the end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use media::{AccessUnit, MediaKind};
use peer::agreed::Taken;
use peer::{Channel, Connection, Ended, Event, Message};
use rtp::Receiver;
use tokio::sync::{mpsc, watch};

use super::Handler;
use super::data::Channels;
use super::pictures::{Decoding, Encoding};
use super::voice::{Hearing, Speaking};
use crate::life::State;
use crate::{Error, Frame, Sound};

/// What a task is asked for.
#[derive(Debug)]
pub(super) enum Command {
    Say(Message),
    Open(String, bool),
    Close,
}

/// Everything of one connection.
#[derive(Debug)]
pub(super) struct Task {
    connection: Connection,
    commands: mpsc::Receiver<Command>,
    channels: Channels,
    receivers: Vec<Receiver>,
    units: VecDeque<AccessUnit>,
    decoding: Decoding,
    hearing: Hearing,
    outgoing: (Handler<Frame>, Handler<Sound>),
    /// Said, and not yet taken.
    unsaid: VecDeque<Message>,
    /// To be opened when there is a connection.
    unopened: Vec<Channel>,
}

impl Task {
    pub(super) fn new(
        connection: Connection,
        commands: mpsc::Receiver<Command>,
        video: &Handler<Frame>,
        audio: &Handler<Sound>,
        channels: &Channels,
    ) -> Self {
        let receivers = connection.receivers();
        Self {
            connection,
            commands,
            channels: channels.clone(),
            receivers,
            units: VecDeque::new(),
            decoding: Decoding::new(video.incoming.clone()),
            hearing: Hearing::new(audio.incoming.clone()),
            outgoing: (video.clone(), audio.clone()),
            unsaid: VecDeque::new(),
            unopened: Vec::new(),
        }
    }

    /// Serves it to its end.
    pub(super) async fn run(mut self, state: &State, mut handles: watch::Receiver<()>) -> Result<(), Error> {
        let mut encoding: Option<Encoding> = None;
        let mut speaking: Option<Speaking> = None;
        loop {
            let now = Instant::now();
            let wake = self.deadline(now);
            tokio::select! {
                event = self.connection.next() => match event {
                    Ok(Event::Connected) => {
                        let (video, audio) = &self.outgoing;
                        if self.connection.shows(MediaKind::Video) {
                            encoding = video.outgoing.end().map(Encoding::begin).transpose()?;
                        }
                        if self.connection.shows(MediaKind::Audio) {
                            speaking = audio.outgoing.end().map(Speaking::new);
                        }
                        self.unopened.drain(..).for_each(|channel| self.connection.open(channel));
                        state.set_ready();
                    }
                    Ok(Event::Packet(taken)) => self.take(taken, Instant::now()),
                    // Which is not asked for: the encoders have a rate of their own.
                    Ok(Event::Arrived(_)) => {}
                    Ok(Event::KeyframeWanted) => encoding.iter().for_each(Encoding::request_keyframe),
                    Ok(Event::Opened(name)) => self.channels.open(&name),
                    Ok(Event::Message(message)) => self.channels.heard(&message),
                    Ok(Event::Gone(name)) => self.channels.gone(&name),
                    Err(Ended::Closed) => return Ok(()),
                    Err(ended) => return Err(ended.into()),
                },
                command = self.commands.recv() => match command {
                    Some(Command::Say(message)) => {
                        if self.unsaid.len() < MOST_UNSAID {
                            self.unsaid.push_back(message);
                        }
                    }
                    Some(Command::Open(label, ordered)) => {
                        let channel = Channel { label, ordered };
                        if self.connection.is_connected() {
                            self.connection.open(channel);
                        } else {
                            self.unopened.push(channel);
                        }
                    }
                    Some(Command::Close) | None => return self.end(),
                },
                // Nothing is ever sent there: the last handle is gone.
                _ = handles.changed() => return self.end(),
                unit = of(&mut encoding, Encoding::next) => self.connection.send(&unit?),
                units = of(&mut speaking, Speaking::next) => {
                    units?.iter().for_each(|unit| self.connection.send(unit));
                }
                () = tokio::time::sleep_until(wake.into()) => {}
            }
            self.advance(Instant::now());
            self.say();
        }
    }

    fn end(mut self) -> Result<(), Error> {
        self.say();
        self.connection.close();
        Ok(())
    }

    /// When it has something to do by itself.
    fn deadline(&self, now: Instant) -> Instant {
        let receivers = self.receivers.iter().filter_map(Receiver::deadline).min();
        let retry = if self.unsaid.is_empty() { LONG } else { RETRY };
        receivers.map_or(now + retry, |at| at.min(now + retry))
    }

    fn take(&mut self, taken: Taken, now: Instant) {
        let Taken { at, replacement, packet } = taken;
        let Some(receiver) = self.receivers.get_mut(at) else { return };
        if let Some(replacement) = replacement {
            *receiver = *replacement;
        }
        // What cannot be used is left out; the decoder notices, and asks.
        let _ = receiver.push(packet, now, &mut self.units);
    }

    /// Gives up on packets that are missing for too long, and passes on what is whole.
    fn advance(&mut self, now: Instant) {
        for receiver in &mut self.receivers {
            let _ = receiver.advance(now, &mut self.units);
        }
        for unit in self.units.drain(..) {
            match unit.track.kind() {
                MediaKind::Video => self.decoding.push(unit),
                MediaKind::Audio => self.hearing.push(&unit),
            }
        }
        if self.decoding.needs_keyframe(now) {
            self.connection.request_keyframe();
        }
    }

    /// Says what waits, as far as it is taken.
    fn say(&mut self) {
        while let Some(message) = self.unsaid.front() {
            if !self.connection.say(message) {
                return;
            }
            self.unsaid.pop_front();
        }
    }
}

/// The next of something, if there is that something.
async fn of<'a, S, T, F: Future<Output = T>>(
    some: &'a mut Option<S>,
    next: impl FnOnce(&'a mut S) -> F,
) -> T {
    match some {
        Some(some) => next(some).await,
        None => std::future::pending().await,
    }
}

/// Messages that wait for the other side, or for there to be one.
const MOST_UNSAID: usize = 4_096;
const RETRY: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(1);
