//! RTP: media in packets, the way cameras and RTSP speak (RFC 3550), and what RTCP and SDP say about it.
//!
//! - [`Packetizer`]: access units into packets. [`Receiver`]: packets, late, lost or doubled, into access units.
//! - [`rtcp`]: reports both ways; [`feedback`]: what receivers ask for between them. [`sdp`]: which tracks there are, in the words of a session description.
//!
//! Each payload format has a folder or file. Everything is sans-IO: packets and the time of their arrival are handed in, nothing
//! panics on what a network sent, and what is held is bounded.
//!
//! Not here: sockets, who receives what (see `rtsp`), encryption.

mod aac;
mod av1;
mod decoding_time;
mod depacketizer;
mod error;
pub mod feedback;
mod g711;
mod h264;
mod h265;
mod jpeg;
mod mpeg;
mod nal;
pub mod packet;
mod packetizer;
mod receiver;
mod reorder;
pub mod rtcp;
pub mod sdp;
mod statistics;
#[cfg(test)]
mod tests;
mod vp8;
mod vp9;

pub use error::RtpError;
pub use packetizer::{Packetizer, clock_rate, next_sequence};
pub use receiver::{Receiver, align};
pub use reorder::Delivery;
