//! Commands (§7.2): a name, a number that the answer repeats, and values.

use container::flv::amf0::{self, Value};

use crate::chunk::{CHUNK_SIZE_OUT, write_message};
use crate::error::RtmpError;
use crate::message::{Control, Message, MessageType};

/// A call, or the answer to one.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// What is to be done: `connect`, `_result`.
    pub name: String,
    /// Repeated by the answer; 0 wants none.
    pub transaction: f64,
    /// The values, of which the first is an object or nothing.
    pub values: Vec<Value>,
}

impl Command {
    /// Reads a message of a command; `None` if it has no name.
    ///
    /// # Errors
    /// [`RtmpError::Command`] if its values cannot be read.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, RtmpError> {
        let mut values = amf0::read_all(payload)?.into_iter();
        let Some(Value::String(name)) = values.next() else { return Ok(None) };
        let transaction = values.next().and_then(|value| value.as_number()).unwrap_or(0.0);
        Ok(Some(Self { name, transaction, values: values.collect() }))
    }

    /// The text at this place among the values.
    pub(crate) fn text(&self, at: usize) -> &str {
        self.values.get(at).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Writes what is not media: commands, control.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// To be sent.
    pub(crate) bytes: Vec<u8>,
    /// Whether our chunks have their own size yet.
    sized: bool,
}

impl Output {
    pub(crate) fn command(&mut self, stream: u32, name: &str, transaction: f64, values: &[Value]) {
        let mut payload = amf0::write_all(&[name.into(), transaction.into()]);
        values.iter().for_each(|value| value.write(&mut payload));
        let chunk_stream = if stream == 0 { CALLS } else { STATUS };
        self.message(chunk_stream, MessageType::Command, stream, &payload);
    }

    /// `onStatus` of a stream.
    pub(crate) fn status(&mut self, stream: u32, level: &str, code: &str, description: &str) {
        let information = Value::object([
            ("level", level.into()),
            ("code", code.into()),
            ("description", description.into()),
        ]);
        self.command(stream, "onStatus", 0.0, &[Value::Null, information]);
    }

    pub(crate) fn data(&mut self, stream: u32, values: &[Value]) {
        self.message(STATUS, MessageType::Data, stream, &amf0::write_all(values));
    }

    pub(crate) fn control(&mut self, control: Control) {
        self.message(PROTOCOL, MessageType::UserControl, 0, &control.payload());
    }

    pub(crate) fn acknowledge(&mut self, bytes: u64) {
        #[allow(clippy::cast_possible_truncation)] // it wraps (§5.4.3)
        self.message(PROTOCOL, MessageType::Acknowledgement, 0, &(bytes as u32).to_be_bytes());
    }

    /// How much may be under way, how often we hear of it, and how long our chunks are from now on.
    pub(crate) fn settings(&mut self) {
        self.message(PROTOCOL, MessageType::WindowAcknowledgementSize, 0, &WINDOW.to_be_bytes());
        self.message(
            PROTOCOL,
            MessageType::SetPeerBandwidth,
            0,
            &[&WINDOW.to_be_bytes()[..], &[DYNAMIC]].concat(),
        );
        self.chunk_size();
    }

    pub(crate) fn chunk_size(&mut self) {
        let size = u32::try_from(CHUNK_SIZE_OUT).unwrap_or(u32::MAX);
        self.message(PROTOCOL, MessageType::SetChunkSize, 0, &size.to_be_bytes());
        self.sized = true;
    }

    fn message(&mut self, chunk_stream: u8, kind: MessageType, stream: u32, payload: &[u8]) {
        let chunk_size = if self.sized { CHUNK_SIZE_OUT } else { crate::chunk::DEFAULT_CHUNK_SIZE };
        write_message((chunk_stream, chunk_size), (kind, 0, stream), &[payload], &mut self.bytes);
    }
}

/// Counts what came, and says when the peer is to be told.
#[derive(Debug)]
pub(crate) struct Acknowledgements {
    window: u64,
    told: u64,
}

impl Default for Acknowledgements {
    fn default() -> Self {
        Self { window: u64::from(WINDOW), told: 0 }
    }
}

impl Acknowledgements {
    /// The peer says after how many bytes it wants to hear.
    pub(crate) fn set_window(&mut self, message: &Message) {
        if let Some(size) = message.payload.first_chunk::<4>() {
            self.window = u64::from(u32::from_be_bytes(*size)).max(MIN_WINDOW);
        }
    }

    /// So many bytes have come in all.
    pub(crate) fn received(&mut self, bytes: u64, out: &mut Output) {
        if bytes - self.told >= self.window {
            self.told = bytes;
            out.acknowledge(bytes);
        }
    }
}

/// Messages of the protocol itself go here (§5.4).
const PROTOCOL: u8 = 2;
/// Calls of the connection.
const CALLS: u8 = 3;
/// What is said of a stream.
const STATUS: u8 = 5;
/// The limit of the peer's bandwidth may be taken as it suits (§5.4.5).
const DYNAMIC: u8 = 2;
const WINDOW: u32 = 2_500_000;
/// Nobody is told after each byte.
const MIN_WINDOW: u64 = 4_096;
