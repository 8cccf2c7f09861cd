//! The vocabulary every other crate speaks: time, tracks, access units, chunks.
//!
//! Nothing here does work: there is no parsing, no buffering, no clock and no socket. A type with an invariant
//! checks it in its constructor and nowhere else.

mod av1_parameters;
mod chunk;
mod codec_parameters;
mod h265_parameters;
mod mpeg_parameters;
mod time;
mod track;
mod unit;
mod vpx_parameters;

pub use av1_parameters::{Av1Parameters, Av1Profile};
pub use chunk::{Chunk, InitSegment, MuxError, Muxer};
pub use codec_parameters::{
    AacParameters, Codec, CodecParameters, G711Law, G711Parameters, H264Parameters, MediaKind,
    OpusParameters, ParametersError,
};
pub use h265_parameters::{H265Parameters, ProfileTierLevel};
pub use mpeg_parameters::{JpegParameters, MpegAudioParameters, MpegVideoParameters};
pub use time::{MediaTime, Timescale, Wallclock};
pub use track::{Track, TrackId};
pub use unit::AccessUnit;
pub use vpx_parameters::{Vp8Parameters, Vp9Parameters, Vp9Profile};
