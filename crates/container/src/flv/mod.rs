//! FLV (Adobe, "Flash Video File Format Specification" 10.1, and "Enhanced RTMP v2" of Veovera): tags of picture and sound.
//!
//! The same tags go into a file, over HTTP and WebSocket (`Format::Flv`), and without the file's framing as the messages of RTMP. So what
//! a tag says is written once ([`TagWriter`]) and what stands around it by a [`TagFraming`].
//!
//! The header of a file is no part of the init segment, which may come again when parameters change: see [`file_header`].
//!
//! H.264 and AAC have the tags every player knows; other codecs are named by four characters, as the enhanced form has it.
//!
//! Not here: reading (`demux::flv`), the protocol (crate `rtmp`).

pub mod amf0;
mod body;
mod framing;
mod writer;

use media::Muxer;

pub(crate) use self::framing::FileFraming;
pub use self::framing::{TagFraming, file_header};
pub(crate) use self::writer::TagWriter;
use crate::FormatOptions;
use crate::packager::Packager;

/// What a tag, or a message of RTMP, carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TagKind {
    /// Sound.
    Audio,
    /// Picture.
    Video,
    /// A name and values in AMF0: `onMetaData`.
    Script,
}

impl TagKind {
    /// The type of the tag, and of RTMP's message.
    pub const fn number(self) -> u8 {
        match self {
            Self::Audio => 8,
            Self::Video => 9,
            Self::Script => 18,
        }
    }

    /// The kind with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            8 => Some(Self::Audio),
            9 => Some(Self::Video),
            18 => Some(Self::Script),
            _ => None,
        }
    }
}

/// A muxer of tags with whatever stands around them.
pub fn muxer(framing: impl TagFraming, options: &FormatOptions) -> Box<dyn Muxer> {
    Box::new(Packager::new(TagWriter::new(framing), options))
}
