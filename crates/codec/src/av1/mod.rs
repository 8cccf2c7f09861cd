//! AV1 (AV1 Bitstream & Decoding Process Specification): sequence headers and temporal units, to be passed on as they are.
//!
//! - [`obus`]: the OBUs of a temporal unit, in the low overhead format (§5.2).
//! - [`SequenceHeader`], [`CodecConfigurationRecord`]: what a decoder must know first.
//! - [`UnitBuilder`]: a temporal unit into an access unit, where a container tells where it starts and when it is shown.
//!
//! Not here: the length-delimited format (annex B), and what lies behind a frame's header.

mod configuration_record;
mod obu;
mod sequence_header;
mod unit_builder;

pub use configuration_record::CodecConfigurationRecord;
pub use obu::{Obu, ObuType, obus};
pub use sequence_header::SequenceHeader;
pub use unit_builder::UnitBuilder;
