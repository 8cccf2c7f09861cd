//! MPEG-1 video and MPEG audio over RTP (RFC 2250 §3), elementary streams, not whole multiplexes.

mod audio;
mod video;

pub(crate) use audio::{MpegAudioDepacketizer, packetize as packetize_audio};
pub(crate) use video::{MpegVideoDepacketizer, packetize as packetize_video};
