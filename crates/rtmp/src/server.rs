//! The server's side of one connection: answers what the protocol answers by itself, and asks about the rest.
//!
//! A peer connects, creates a stream, and then publishes or plays; whether it may is asked by an event and answered by [`Server::accept`] or
//! [`Server::refuse`]. Until then it may send no more than a few small messages.
//!
//! Invariant: what is written on the connection comes from [`Server::take_output`] and goes between messages, so it may stand between the
//! chunks of a [`muxer`](crate::muxer).

use std::collections::VecDeque;

use container::flv::TagKind;
use container::flv::amf0::Value;

use crate::chunk::ChunkReader;
use crate::command::{Acknowledgements, Command, Output};
use crate::error::RtmpError;
use crate::handshake::{Secrets, ServerHandshake};
use crate::message::{Control, Message, MessageType};
use crate::packaging::PLAYED;
use crate::request::Request;

/// One peer.
#[derive(Debug)]
pub struct Server {
    handshake: Option<ServerHandshake>,
    reader: ChunkReader,
    out: Output,
    acknowledgements: Acknowledgements,
    phase: Phase,
    request: Request,
    events: VecDeque<ServerEvent>,
    media_limit: usize,
}

/// What a peer wants, or sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerEvent {
    /// It wants to publish; it waits for [`Server::accept`] or [`Server::refuse`].
    Publish(Request),
    /// It wants to play; it waits likewise.
    Play(Request),
    /// A tag of what it publishes.
    Tag {
        /// What it is.
        kind: TagKind,
        /// Milliseconds, in as many bits as there are.
        timestamp: u32,
        /// The tag's body.
        body: Vec<u8>,
    },
    /// It has ended what it published or played.
    Ended,
}

/// Why somebody may not publish or play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such stream, or they may not know.
    NotFound,
    /// Their credentials are missing or wrong.
    Denied,
    /// Not now, or not at all: the words say why.
    Failed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before `connect`.
    New,
    Connected,
    /// Asked, and not answered yet.
    WantsToPublish,
    WantsToPlay,
    Publishing,
    Playing,
    Over,
}

impl Server {
    /// Nothing has come yet. Whoever publishes may send messages of `media_limit` bytes.
    pub fn new(secrets: Secrets, media_limit: usize) -> Self {
        Self {
            handshake: Some(ServerHandshake::new(secrets)),
            reader: ChunkReader::new(CALL_LIMIT),
            out: Output::default(),
            acknowledgements: Acknowledgements::default(),
            phase: Phase::New,
            request: Request::default(),
            events: VecDeque::new(),
            media_limit,
        }
    }

    /// Takes bytes in.
    ///
    /// # Errors
    /// [`RtmpError`] if nothing can follow.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), RtmpError> {
        if let Some(handshake) = &mut self.handshake {
            if let Some(rest) = handshake.receive(bytes, &mut self.out.bytes)? {
                self.handshake = None;
                self.reader.push(&rest);
            }
        } else {
            self.reader.push(bytes);
        }
        while let Some(message) = self.reader.next()? {
            self.handle(message)?;
        }
        self.acknowledgements.received(self.reader.used(), &mut self.out);
        Ok(())
    }

    /// What the peer wants, or sent.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// What is to be sent, at the next end of a message.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out.bytes)
    }

    /// Whether the handshake is over.
    pub const fn is_open(&self) -> bool {
        self.handshake.is_none()
    }

    /// Lets the peer publish or play as it asked.
    pub fn accept(&mut self) {
        match self.phase {
            Phase::WantsToPublish => {
                self.phase = Phase::Publishing;
                self.reader.set_limit(self.media_limit);
                self.out.control(Control::StreamBegin(PLAYED));
                let words = format!("{} is now published", self.name());
                self.out.status(PLAYED, "status", "NetStream.Publish.Start", &words);
            }
            Phase::WantsToPlay => {
                self.phase = Phase::Playing;
                self.out.control(Control::StreamBegin(PLAYED));
                let words = format!("playing {}", self.name());
                self.out.status(PLAYED, "status", "NetStream.Play.Reset", &words);
                self.out.status(PLAYED, "status", "NetStream.Play.Start", &words);
                // Flash's players may look at the samples.
                let access = ["|RtmpSampleAccess".into(), Value::Boolean(true), Value::Boolean(true)];
                self.out.data(PLAYED, &access);
                // From now on a player says next to nothing, and there are many of them.
                self.reader.shrink();
                self.events = VecDeque::new();
                self.request = Request::default();
            }
            Phase::New | Phase::Connected | Phase::Publishing | Phase::Playing | Phase::Over => {}
        }
    }

    /// Tells the peer why it may not do as it asked, or no longer.
    pub fn refuse(&mut self, why: Refusal, words: &str) {
        let code = match (self.phase, why) {
            (Phase::WantsToPlay | Phase::Playing, Refusal::NotFound) => "NetStream.Play.StreamNotFound",
            (Phase::WantsToPlay | Phase::Playing, Refusal::Denied | Refusal::Failed) => {
                "NetStream.Play.Failed"
            }
            (_, Refusal::Denied) => "NetStream.Publish.Denied",
            (_, Refusal::NotFound | Refusal::Failed) => "NetStream.Publish.BadName",
        };
        self.out.status(PLAYED, "error", code, words);
        self.phase = Phase::Over;
    }

    /// Tells a player that the stream is over, and why.
    pub fn end_play(&mut self, words: &str) {
        if self.phase == Phase::Playing {
            self.out.control(Control::StreamEof(PLAYED));
            self.out.status(PLAYED, "status", "NetStream.Play.UnpublishNotify", words);
            self.out.status(PLAYED, "status", "NetStream.Play.Stop", words);
            self.phase = Phase::Over;
        }
    }

    /// What the peer asked for, for people.
    fn name(&self) -> String {
        let parts = [&self.request.app[..], &self.request.key[..]];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    }

    fn handle(&mut self, message: Message) -> Result<(), RtmpError> {
        match message.kind {
            MessageType::WindowAcknowledgementSize => self.acknowledgements.set_window(&message),
            MessageType::UserControl => {
                if let Some(Control::PingRequest(time)) = Control::parse(&message.payload) {
                    self.out.control(Control::PingResponse(time));
                }
            }
            MessageType::Command => self.command(&message.payload)?,
            // Behind a byte that says that AMF 3 may follow, AMF 0 does.
            MessageType::Other(AMF3_COMMAND) => self.command(message.payload.get(1..).unwrap_or_default())?,
            _ => message.into_tags().into_iter().for_each(|tag| self.tag(tag)),
        }
        Ok(())
    }

    fn tag(&mut self, (kind, timestamp, body): (TagKind, u32, Vec<u8>)) {
        if self.phase == Phase::Publishing {
            self.events.push_back(ServerEvent::Tag { kind, timestamp, body });
        }
    }

    fn command(&mut self, payload: &[u8]) -> Result<(), RtmpError> {
        let Some(command) = Command::parse(payload)? else { return Ok(()) };
        if self.phase == Phase::New && command.name != "connect" {
            return Err(RtmpError::Order { command: "connect", problem: "must be the first command" });
        }
        match command.name.as_str() {
            "connect" => self.connect(&command),
            "createStream" => self.result(&command, &[Value::Null, f64::from(PLAYED).into()]),
            "publish" | "play" => self.wish(&command)?,
            "FCPublish" => {
                self.result(&command, &[Value::Null, Value::Undefined]);
                let information = Value::object([
                    ("code", "NetStream.Publish.Start".into()),
                    ("description", command.text(1).into()),
                ]);
                self.out.command(0, "onFCPublish", 0.0, &[Value::Null, information]);
            }
            "getStreamLength" => self.result(&command, &[Value::Null, 0.0.into()]),
            "releaseStream" | "_checkbw" | "FCSubscribe" => {
                self.result(&command, &[Value::Null, Value::Undefined]);
            }
            "FCUnpublish" | "deleteStream" | "closeStream" => {
                if matches!(self.phase, Phase::Publishing | Phase::Playing) {
                    self.phase = Phase::Over;
                    self.events.push_back(ServerEvent::Ended);
                }
            }
            // Pausing, seeking and the like have no meaning where everything is live.
            _ => {}
        }
        Ok(())
    }

    fn connect(&mut self, command: &Command) {
        if self.phase != Phase::New {
            return;
        }
        self.phase = Phase::Connected;
        self.request = Request::of_connect(command.values.first());
        self.out.settings();
        let codecs = || Value::StrictArray(FOUR_CC.map(Value::from).to_vec());
        let properties = Value::object([
            ("fmsVer", "FMS/3,0,1,123".into()),
            ("capabilities", 31.0.into()),
            ("mode", 1.0.into()),
            ("fourCcList", codecs()),
        ]);
        let information = Value::object([
            ("level", "status".into()),
            ("code", "NetConnection.Connect.Success".into()),
            ("description", "connected".into()),
            ("objectEncoding", 0.0.into()),
            ("fourCcList", codecs()),
        ]);
        self.result(command, &[properties, information]);
        self.out.command(0, "onBWDone", 0.0, &[Value::Null]);
    }

    fn wish(&mut self, command: &Command) -> Result<(), RtmpError> {
        let publish = command.name == "publish";
        if self.phase != Phase::Connected {
            let command = if publish { "publish" } else { "play" };
            return Err(RtmpError::Order { command, problem: "comes twice on one connection" });
        }
        self.request = self.request.with_name(command.text(1));
        let request = self.request.clone();
        let (phase, event) = if publish {
            (Phase::WantsToPublish, ServerEvent::Publish(request))
        } else {
            (Phase::WantsToPlay, ServerEvent::Play(request))
        };
        self.phase = phase;
        self.events.push_back(event);
        Ok(())
    }

    fn result(&mut self, command: &Command, values: &[Value]) {
        if command.transaction != 0.0 {
            self.out.command(0, "_result", command.transaction, values);
        }
    }
}

/// Bytes of messages that are not complete, before somebody may publish: commands are short.
const CALL_LIMIT: usize = 64 * 1_024;
const AMF3_COMMAND: u8 = 17;
/// Codecs by four characters that are taken and given.
const FOUR_CC: [&str; 3] = ["avc1", "hvc1", "Opus"];
