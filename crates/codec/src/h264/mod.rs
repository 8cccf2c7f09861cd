//! H.264 (ITU-T H.264 | ISO/IEC 14496-10): parameter sets and access units.
//!
//! - [`Sps`], [`ParameterSets`], [`DecoderConfigurationRecord`]: what a decoder must know first.
//! - [`Assembler`]: a raw byte stream into timed access units. [`UnitBuilder`]: the same where a container already
//!   tells where a unit starts and when it is shown.
//! - [`promise_no_reordering`]: an SPS that lets decoders show pictures at once.

mod assembler;
mod clock;
mod configuration_record;
#[cfg(test)]
mod fixtures;
mod nal;
mod parameter_sets;
mod picture;
mod picture_order;
mod pps;
mod slice;
mod sps;
mod sps_rewrite;
mod unit_builder;

pub use assembler::{Assembler, IdleFlush};
pub use clock::StreamClock;
pub use configuration_record::DecoderConfigurationRecord;

pub use nal::{NalUnit, NalUnitType};
pub use parameter_sets::{ParameterSets, parse_parameters};
pub use sps::{Sps, Vui};
pub use sps_rewrite::{Reordering, promise_no_reordering, reordering};

pub use unit_builder::UnitBuilder;
