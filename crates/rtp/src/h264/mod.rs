//! H.264 over RTP (RFC 6184), packetization modes 0 and 1.
//!
//! Out: NAL units that fit together share a packet (STAP-A), one that fits none is cut up (FU-A); parameter sets stand before every
//! random access point, so that one may begin there. In: all three kinds of packet; the interleaved mode 2 is refused, no camera uses it.

mod depacketizer;
mod packetizer;

pub(crate) use depacketizer::depacketizer;
pub(crate) use packetizer::{fitting, packetize};

const STAP_A: u8 = 24;
const FU_A: u8 = 28;
/// `nal_ref_idc` and the forbidden bit.
const IMPORTANCE: u8 = 0xe0;
const TYPE: u8 = 0x1f;
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;
