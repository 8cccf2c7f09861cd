//! The vocabulary every other crate speaks: time, tracks, access units, chunks.
//!
//! Nothing here does work: there is no parsing, no buffering, no clock and no socket. A type with an invariant
//! checks it in its constructor and nowhere else.

mod av1_parameters;
mod chunk;
mod codec_parameters;
mod h265_parameters;
mod time;
mod track;
mod unit;

pub use av1_parameters::{Av1Parameters, Av1Profile};
pub use chunk::{Chunk, InitSegment, MuxError, Muxer};
pub use codec_parameters::{
    AacParameters, Codec, CodecParameters, G711Law, G711Parameters, H264Parameters, MediaKind,
    OpusParameters, ParametersError,
};
pub use h265_parameters::{H265Parameters, ProfileTierLevel};
pub use time::{MediaTime, Timescale, Wallclock};
pub use track::{Track, TrackId};
pub use unit::AccessUnit;
