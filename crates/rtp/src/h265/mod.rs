//! H.265 over RTP (RFC 7798), without decoding order numbers (`sprop-max-don-diff` 0), which no camera uses.
//!
//! As H.264: NAL units that fit together share a packet (AP), one that fits none is cut up (FU), and parameter sets stand before every
//! random access point.

mod depacketizer;
mod packetizer;

pub(crate) use depacketizer::depacketizer;
pub(crate) use packetizer::packetize;

/// Bytes of a NAL unit's header, and of a payload's.
const HEADER: usize = 2;
const AGGREGATION: u8 = 48;
const FRAGMENTATION: u8 = 49;
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;
const FU_TYPE: u8 = 0x3f;

/// The type in the first byte of a header.
const fn kind(first: u8) -> u8 {
    first >> 1 & 0x3f
}

/// The first byte of a header with another type.
const fn with_kind(first: u8, kind: u8) -> u8 {
    first & 0x81 | kind << 1
}
