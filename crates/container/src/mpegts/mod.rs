//! MPEG transport stream, ISO/IEC 13818-1: what mpegts.js, ffmpeg and television understand.
//!
//! One program; the tables stand before each random access point and at least every 100 ms, so a reader may start at
//! any of those. Not here: reading one (see `demux`).

mod muxer;
mod packets;
mod pes;
mod tables;

pub(crate) use muxer::TransportStreamWriter;

/// Bytes in a packet.
const PACKET: usize = 188;

const PMT_PID: u16 = 0x1000;
const VIDEO_PID: u16 = 0x100;
const AUDIO_PID: u16 = 0x101;
