//! Bitstreams: what is inside an access unit, and where one ends.
//!
//! H.264 (ITU-T H.264 | ISO/IEC 14496-10), H.265 (ITU-T H.265 | ISO/IEC 23008-2), AV1 (Alliance for Open Media), VP8 (RFC 6386), VP9, JPEG (ITU-T T.81), MPEG-1
//! (ISO/IEC 11172), AAC (ISO/IEC 14496-3) and Opus (RFC 6716): parameter sets, framings and headers, from bytes in any chunking to the vocabulary of `media` and back. Everything here is sans-IO: a parser is
//! handed bytes and the time of their arrival, and it never panics on them, never holds more than a stated bound and
//! takes time linear in their number.
//!
//! Not here: samples and pictures (nothing is decoded), containers, packets.

pub mod aac;
pub mod av1;
mod bits;
mod error;
pub mod h264;
pub mod h265;
pub mod jpeg;
pub mod mpeg;
pub mod nal;
pub mod opus;
mod simple_track;
pub mod vp8;
pub mod vp9;

pub use error::CodecError;
