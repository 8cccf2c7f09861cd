//! What H.264 and H.265 have in common: NAL units, their framings, and how they become access units.
//!
//! - [`annexb`] and [`length_prefixed`]: the two framings. Both give a NAL unit's bytes, header first, and never an empty one.
//! - [`Stamp`]: what is known of an access unit from outside.
//!
//! Not here: what a NAL unit's header and content mean (`h264`, `h265`).

pub mod annexb;
pub mod length_prefixed;
pub(crate) mod rbsp;
mod record;
mod sets;
mod units;

pub(crate) use record::RecordReader;
pub(crate) use sets::Sets;
pub(crate) use units::{Units, push};

pub use units::Stamp;

/// The largest access unit that is put together; H.264's level 6.2 allows no larger one in practice.
pub const MAX_ACCESS_UNIT: usize = 8 << 20;

/// The largest parameter set that is kept.
pub const MAX_PARAMETER_SET: usize = 4096;
