//! A stream as the messages of RTMP: the tags of FLV in chunks with whole headers, the same bytes for every player.
//!
//! So a picture is written once per player and made once for all. A player that joins is sent the init segment, which is `onMetaData` and the
//! sequence headers, and then chunks; a new init segment may come before any chunk.

use std::collections::VecDeque;
use std::sync::Arc;

use container::flv::{self, TagFraming, TagKind};
use container::{FormatOptions, Grouping};
use media::{AccessUnit, Chunk, Codec, MuxError, Muxer, Track};

use crate::chunk::{CHUNK_SIZE_OUT, write_message};
use crate::message::MessageType;

/// How a stream goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Packaging {
    /// The message stream that media is for; 1 for everybody who plays from us.
    pub stream: u32,
    /// Metadata is to be set at the server, as a publisher says it.
    pub publishes: bool,
    /// Opus goes along; programs that do not know it look for its parameters for seconds.
    pub opus: bool,
    /// Which units go out together, so that they are one write.
    pub grouping: Grouping,
}

impl Packaging {
    /// Text that differs wherever the output would.
    pub fn key(&self) -> String {
        let (publish, opus) =
            (if self.publishes { "&publish" } else { "" }, if self.opus { "&opus" } else { "" });
        let grouping = self.grouping;
        match self.stream {
            PLAYED => format!("rtmp{publish}{opus}{grouping}"),
            stream => format!("rtmp&stream={stream}{publish}{opus}{grouping}"),
        }
    }
}

/// A muxer of chunks that are whole messages.
pub fn muxer(packaging: Packaging) -> Box<dyn Muxer> {
    let options = FormatOptions { grouping: packaging.grouping, ..FormatOptions::default() };
    let all = flv::muxer(Messages(packaging), &options);
    if packaging.opus { all } else { Box::new(WithoutOpus(all)) }
}

/// Tags as messages.
#[derive(Debug)]
struct Messages(Packaging);

impl TagFraming for Messages {
    fn write(&self, kind: TagKind, timestamp: u32, head: &[u8], data: &[u8], out: &mut Vec<u8>) {
        let (chunk_stream, message) = match kind {
            TagKind::Audio => (AUDIO, MessageType::Audio),
            TagKind::Video => (VIDEO, MessageType::Video),
            TagKind::Script => (SCRIPT, MessageType::Data),
        };
        let set: &[u8] = if self.0.publishes && kind == TagKind::Script { SET_DATA_FRAME } else { &[] };
        let kind = (message, timestamp, self.0.stream);
        write_message((chunk_stream, CHUNK_SIZE_OUT), kind, &[set, head, data], out);
    }
}

struct WithoutOpus(Box<dyn Muxer>);

impl Muxer for WithoutOpus {
    fn accepts(&self, track: &Track) -> bool {
        track.parameters.codec() != Codec::Opus && self.0.accepts(track)
    }

    fn tracks(&mut self, tracks: &[Arc<Track>]) {
        let kept: Vec<_> =
            tracks.iter().filter(|track| track.parameters.codec() != Codec::Opus).cloned().collect();
        self.0.tracks(&kept);
    }

    fn push(&mut self, unit: &AccessUnit, out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        if unit.track.parameters.codec() == Codec::Opus { Ok(()) } else { self.0.push(unit, out) }
    }
}

/// The message stream that [`Server`](crate::Server) gives.
pub(crate) const PLAYED: u32 = 1;
const AUDIO: u8 = 4;
const VIDEO: u8 = 6;
const SCRIPT: u8 = 8;
/// The text `@setDataFrame` in AMF0.
const SET_DATA_FRAME: &[u8] = b"\x02\x00\x0d@setDataFrame";
