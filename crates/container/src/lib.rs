//! Containers and message formats: bytes ⇄ access units, without any I/O.
//!
//! The muxing side turns [`media::AccessUnit`]s into [`media::Chunk`]s, ready to send: movie fragments
//! (ISO/IEC 14496-12), MPEG-TS (ISO/IEC 13818-1), FLV and the WebSocket payloads of `docs/ref/websocket.md`. Callers choose
//! one by [`Format`] and see only [`media::Muxer`]. [`demux`] goes the other way.
//!
//! Invariant: nothing here knows a clock, a socket or a file. Not here: fan-out (`hub`), bitstream syntax (`codec`).

mod annexb;
mod av;
mod fmp4;
mod format;
mod group;
mod mpegts;
mod packager;
mod parameters;
mod webcodecs;

pub mod demux;
pub mod flv;

pub use format::{Ending, Format, FormatOptions, UnknownFormat};
pub use group::Grouping;

#[cfg(test)]
mod samples;
