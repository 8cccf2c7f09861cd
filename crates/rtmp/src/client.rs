//! The client's side: publishes a stream to another server, or plays one from it.
//!
//! Goes its way by itself once started; the owner moves bytes, and may send media when [`ClientEvent::Ready`] says so. Media to be
//! published is made by a [`muxer`](crate::muxer) for the message stream that the server gave.

use std::collections::VecDeque;

use container::flv::TagKind;
use container::flv::amf0::Value;

use crate::chunk::ChunkReader;
use crate::command::{Acknowledgements, Command, Output};
use crate::error::RtmpError;
use crate::handshake::{ClientHandshake, Secrets};
use crate::message::{Control, Message, MessageType};
use crate::request::knows_opus;

/// Which stream of which application, as the other server names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The address up to the application: `rtmp://host/live`.
    pub url: String,
    /// The application.
    pub app: String,
    /// The stream key, with its query.
    pub key: String,
}

/// What for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To send media.
    Publish,
    /// To get it.
    Play,
}

/// What the server says or sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEvent {
    /// Media may be sent, or will come, on this message stream.
    Ready {
        /// The message stream.
        stream: u32,
        /// Whether the server says that it knows Opus.
        knows_opus: bool,
    },
    /// A tag of what is played.
    Tag {
        /// What it is.
        kind: TagKind,
        /// Milliseconds, in as many bits as there are.
        timestamp: u32,
        /// The tag's body.
        body: Vec<u8>,
    },
    /// The server has ended it, with these words.
    Ended(String),
}

/// A connection to another server.
#[derive(Debug)]
pub struct Client {
    handshake: Option<ClientHandshake>,
    reader: ChunkReader,
    out: Output,
    acknowledgements: Acknowledgements,
    target: Target,
    purpose: Purpose,
    stream: Option<u32>,
    ready: bool,
    knows_opus: bool,
    events: VecDeque<ClientEvent>,
}

impl Client {
    /// Begins; the first bytes are in [`take_output`](Self::take_output).
    pub fn new(target: Target, purpose: Purpose, secrets: &Secrets) -> Self {
        let mut out = Output::default();
        let handshake = ClientHandshake::start(secrets, &mut out.bytes);
        let limit = match purpose {
            Purpose::Publish => CALL_LIMIT,
            Purpose::Play => MEDIA_LIMIT,
        };
        Self {
            handshake: Some(handshake),
            reader: ChunkReader::new(limit),
            out,
            acknowledgements: Acknowledgements::default(),
            target,
            purpose,
            stream: None,
            ready: false,
            knows_opus: false,
            events: VecDeque::new(),
        }
    }

    /// Takes bytes in.
    ///
    /// # Errors
    /// [`RtmpError`] if nothing can follow; [`RtmpError::Refused`] if the server does not want it.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), RtmpError> {
        if let Some(handshake) = &mut self.handshake {
            if let Some(rest) = handshake.receive(bytes, &mut self.out.bytes)? {
                self.handshake = None;
                self.reader.push(&rest);
                self.connect();
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

    /// What the server said or sent.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// What is to be sent, at the next end of a message.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out.bytes)
    }

    /// Says goodbye.
    pub fn end(&mut self) {
        let Some(stream) = self.stream else { return };
        if self.purpose == Purpose::Publish {
            let key = self.target.key.as_str().into();
            self.out.command(0, "FCUnpublish", 6.0, &[Value::Null, key]);
        }
        self.out.command(0, "deleteStream", 7.0, &[Value::Null, f64::from(stream).into()]);
    }

    fn connect(&mut self) {
        self.out.chunk_size();
        let mut entries = vec![
            ("app", Value::from(&self.target.app[..])),
            ("type", "nonprivate".into()),
            ("flashVer", "FMLE/3.0 (compatible; firstlight)".into()),
            ("tcUrl", self.target.url.as_str().into()),
        ];
        if self.purpose == Purpose::Play {
            entries.extend([
                ("fpad", Value::Boolean(false)),
                ("capabilities", 15.0.into()),
                ("audioCodecs", 4_071.0.into()),
                ("videoCodecs", 252.0.into()),
                ("videoFunction", 1.0.into()),
            ]);
        }
        entries.push(("fourCcList", Value::StrictArray(FOUR_CC.map(Value::from).to_vec())));
        self.out.command(0, "connect", CONNECT, &[Value::object(entries)]);
    }

    fn handle(&mut self, message: Message) -> Result<(), RtmpError> {
        match message.kind {
            MessageType::WindowAcknowledgementSize => self.acknowledgements.set_window(&message),
            MessageType::UserControl => match Control::parse(&message.payload) {
                Some(Control::PingRequest(time)) => self.out.control(Control::PingResponse(time)),
                Some(Control::StreamEof(_)) if self.ready => {
                    self.events.push_back(ClientEvent::Ended("the stream is over".to_owned()));
                }
                _ => {}
            },
            MessageType::Command => self.command(&message.payload)?,
            MessageType::Other(AMF3_COMMAND) => self.command(message.payload.get(1..).unwrap_or_default())?,
            _ => message.into_tags().into_iter().for_each(|tag| self.tag(tag)),
        }
        Ok(())
    }

    fn tag(&mut self, (kind, timestamp, body): (TagKind, u32, Vec<u8>)) {
        if self.purpose == Purpose::Play && self.stream.is_some() {
            self.begun(); // some servers say it by sending
            self.events.push_back(ClientEvent::Tag { kind, timestamp, body });
        }
    }

    fn command(&mut self, payload: &[u8]) -> Result<(), RtmpError> {
        let Some(command) = Command::parse(payload)? else { return Ok(()) };
        match (command.name.as_str(), command.transaction) {
            ("_result", CONNECT) => {
                self.knows_opus = command.values.iter().any(knows_opus);
                self.create_stream();
            }
            ("_result", CREATE_STREAM) => {
                let stream = command.values.get(1).and_then(Value::as_number).unwrap_or(1.0);
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates
                self.begin(stream as u32);
            }
            ("_error", CONNECT) => return Err(refused("to connect", &command)),
            ("_error", CREATE_STREAM) => return Err(refused("a stream", &command)),
            ("onStatus", _) => self.status(&command)?,
            _ => {}
        }
        Ok(())
    }

    fn create_stream(&mut self) {
        let key = || Value::from(&self.target.key[..]);
        if self.purpose == Purpose::Publish {
            // Some servers do not begin without.
            self.out.command(0, "releaseStream", 2.0, &[Value::Null, key()]);
            self.out.command(0, "FCPublish", 3.0, &[Value::Null, key()]);
        }
        self.out.command(0, "createStream", CREATE_STREAM, &[Value::Null]);
    }

    fn begin(&mut self, stream: u32) {
        self.stream = Some(stream);
        let key = Value::from(&self.target.key[..]);
        match self.purpose {
            Purpose::Publish => {
                self.out.command(stream, "publish", BEGIN, &[Value::Null, key, "live".into()]);
            }
            Purpose::Play => {
                self.out.command(stream, "play", BEGIN, &[Value::Null, key, (-2_000.0).into()]);
                self.out.control(Control::SetBufferLength { stream, millis: 1_000 });
            }
        }
    }

    fn begun(&mut self) {
        if let Some(stream) = self.stream.filter(|_| !self.ready) {
            self.ready = true;
            self.events.push_back(ClientEvent::Ready { stream, knows_opus: self.knows_opus });
        }
    }

    fn status(&mut self, command: &Command) -> Result<(), RtmpError> {
        let information = command.values.get(1);
        let text = |name| information.and_then(|i| i.get(name)).and_then(Value::as_str).unwrap_or_default();
        let code = text("code");
        if text("level") == "error" {
            let what = match self.purpose {
                Purpose::Publish => "to take the stream",
                Purpose::Play => "to give the stream",
            };
            return Err(refused(what, command));
        }
        match code {
            "NetStream.Publish.Start" | "NetStream.Play.Start" => self.begun(),
            "NetStream.Unpublish.Success" | "NetStream.Play.Stop" | "NetStream.Play.UnpublishNotify" => {
                self.events.push_back(ClientEvent::Ended(text("description").to_owned()));
            }
            _ => {}
        }
        Ok(())
    }
}

/// With the server's words, cut to what a log line has.
fn refused(what: &'static str, command: &Command) -> RtmpError {
    let text = |name| {
        let found = command.values.iter().find_map(|value| value.get(name)).and_then(Value::as_str);
        found.unwrap_or_default().chars().take(200).collect()
    };
    RtmpError::Refused { what, code: text("code"), description: text("description") }
}

/// Numbers of calls whose answers matter.
const CONNECT: f64 = 1.0;
const CREATE_STREAM: f64 = 4.0;
const BEGIN: f64 = 5.0;
/// Bytes of messages that are not complete, from a server that sends no media.
const CALL_LIMIT: usize = 64 * 1_024;
const MEDIA_LIMIT: usize = 16 << 20;
const AMF3_COMMAND: u8 = 17;
const FOUR_CC: [&str; 3] = ["avc1", "hvc1", "Opus"];
