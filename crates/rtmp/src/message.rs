//! Messages (§5.4, §6.2, §7.1): what chunks are put together to.

use container::flv::TagKind;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageType {
    /// How long chunks are from now on.
    SetChunkSize,
    /// What has come of a message is to be forgotten.
    Abort,
    /// So many bytes have come.
    Acknowledgement,
    /// An event of a stream, or a question whether the peer is there.
    UserControl,
    /// After how many bytes an acknowledgement is wanted.
    WindowAcknowledgementSize,
    /// How much may be under way.
    SetPeerBandwidth,
    /// A tag of sound.
    Audio,
    /// A tag of picture.
    Video,
    /// A name and values.
    Data,
    /// A call, or the answer to one.
    Command,
    /// Several tags.
    Aggregate,
    /// Something else, which is passed over.
    Other(u8),
}

impl MessageType {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::SetChunkSize => 1,
            Self::Abort => 2,
            Self::Acknowledgement => 3,
            Self::UserControl => 4,
            Self::WindowAcknowledgementSize => 5,
            Self::SetPeerBandwidth => 6,
            Self::Audio => 8,
            Self::Video => 9,
            Self::Data => 18,
            Self::Command => 20,
            Self::Aggregate => 22,
            Self::Other(number) => number,
        }
    }

    /// The type with this number.
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::SetChunkSize,
            2 => Self::Abort,
            3 => Self::Acknowledgement,
            4 => Self::UserControl,
            5 => Self::WindowAcknowledgementSize,
            6 => Self::SetPeerBandwidth,
            8 => Self::Audio,
            9 => Self::Video,
            18 => Self::Data,
            20 => Self::Command,
            22 => Self::Aggregate,
            other => Self::Other(other),
        }
    }
}

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: MessageType,
    /// Milliseconds, in as many bits as there are.
    pub timestamp: u32,
    /// The message stream it belongs to; 0 is the connection itself.
    pub stream: u32,
    /// What it says.
    pub payload: Vec<u8>,
}

impl Message {
    /// What it brings of media: kind, time, body.
    pub(crate) fn into_tags(mut self) -> Vec<(TagKind, u32, Vec<u8>)> {
        let kind = match self.kind {
            MessageType::Audio => TagKind::Audio,
            MessageType::Video => TagKind::Video,
            MessageType::Data => TagKind::Script,
            // Behind a byte that says that AMF 3 may follow, AMF 0 does.
            MessageType::Other(AMF3_DATA) => {
                self.payload.drain(..self.payload.len().min(1));
                TagKind::Script
            }
            MessageType::Aggregate => return self.parts(),
            _ => return Vec::new(),
        };
        vec![(kind, self.timestamp, self.payload)]
    }

    /// The tags of an aggregate (§7.1.6), whose times count from the message's.
    fn parts(&self) -> Vec<(TagKind, u32, Vec<u8>)> {
        let mut rest = &self.payload[..];
        let mut first = None;
        let mut tags = Vec::new();
        while let [kind, s0, s1, s2, t0, t1, t2, t3, _, _, _, after @ ..] = rest {
            let size = u32::from_be_bytes([0, *s0, *s1, *s2]) as usize;
            let Some(body) = after.get(..size) else { break };
            let time = u32::from_be_bytes([*t3, *t0, *t1, *t2]);
            let since = time.wrapping_sub(*first.get_or_insert(time));
            if let Some(kind) = TagKind::from_number(*kind) {
                tags.push((kind, self.timestamp.wrapping_add(since), body.to_vec()));
            }
            rest = after.get(size + 4..).unwrap_or_default();
        }
        tags
    }
}

/// What stands in a user control message (§7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// A stream begins.
    StreamBegin(u32),
    /// A stream is over.
    StreamEof(u32),
    /// How many milliseconds a player holds.
    SetBufferLength { stream: u32, millis: u32 },
    /// Are you there?
    PingRequest(u32),
    /// I am.
    PingResponse(u32),
}

impl Control {
    /// `None` for an event of no interest.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let (event, rest) = payload.split_first_chunk::<2>()?;
        let value = u32::from_be_bytes(*rest.first_chunk::<4>()?);
        match u16::from_be_bytes(*event) {
            0 => Some(Self::StreamBegin(value)),
            1 => Some(Self::StreamEof(value)),
            3 => {
                let millis = u32::from_be_bytes(*rest[4..].first_chunk::<4>()?);
                Some(Self::SetBufferLength { stream: value, millis })
            }
            6 => Some(Self::PingRequest(value)),
            7 => Some(Self::PingResponse(value)),
            _ => None,
        }
    }

    pub(crate) fn payload(self) -> Vec<u8> {
        let of = |event: u16, value: u32| [&event.to_be_bytes()[..], &value.to_be_bytes()].concat();
        match self {
            Self::StreamBegin(stream) => of(0, stream),
            Self::StreamEof(stream) => of(1, stream),
            Self::SetBufferLength { stream, millis } => {
                [of(3, stream), millis.to_be_bytes().to_vec()].concat()
            }
            Self::PingRequest(time) => of(6, time),
            Self::PingResponse(time) => of(7, time),
        }
    }
}

/// Data in AMF 3's envelope.
const AMF3_DATA: u8 = 15;
