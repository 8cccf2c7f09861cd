//! H.265 (ITU-T H.265 | ISO/IEC 23008-2): parameter sets and access units, to be passed on as they are.
//!
//! - [`Sps`], [`ParameterSets`], [`DecoderConfigurationRecord`]: what a decoder must know first.
//! - [`UnitBuilder`]: NAL units of one picture into an access unit, where a container or RTP tells where it starts and
//!   when it is shown.
//!
//! Not here: finding pictures in a byte stream without container.

mod configuration_record;
#[cfg(test)]
mod fixtures;
mod nal;
mod parameter_sets;
mod sps;
mod unit_builder;

pub use configuration_record::DecoderConfigurationRecord;
pub use nal::{NalUnit, NalUnitType};
pub use parameter_sets::{ParameterSets, parse_parameters};
pub use sps::Sps;
pub use unit_builder::UnitBuilder;
