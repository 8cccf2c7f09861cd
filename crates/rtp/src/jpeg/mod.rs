//! JPEG over RTP (RFC 2435): the scan of each picture, and as little of its headers as a receiver needs to write them again.
//!
//! Out: baseline pictures of three components, sampled 4:2:0 or 4:2:2, with the Huffman tables of the standard, up to 2040 pixels a side; their
//! quantization tables go along with each picture (Q 255). In: tables in band or by quality, restart markers, types 0, 1, 64 and 65.

mod depacketizer;
mod packetizer;

pub(crate) use depacketizer::JpegDepacketizer;
pub(crate) use packetizer::packetize;

/// Eight pixels each, in one byte.
pub(crate) const LARGEST: u16 = 8 * 255;
/// The main header.
const HEADER: usize = 8;
/// Added to the type where restart markers are.
const RESTARTS: u8 = 64;
/// From this Q on the tables are in band.
const TABLES_IN_BAND: u8 = 128;
