//! What can go wrong while encoding or decoding.

use std::error::Error;

use codec::CodecError;
use media::{Codec, ParametersError};
use thiserror::Error;

/// Why a configuration, a picture, sound or a unit was refused. The encoder or decoder stays usable.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// A picture of this size cannot be made or coded.
    #[error("picture size {width}x{height}: {reason}")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// The picture is not of the size the encoder was made for.
    #[error("picture is {width}x{height}, the encoder was made for {expected_width}x{expected_height}")]
    WrongPicture {
        /// Width of the picture in pixels.
        width: u32,
        /// Height of the picture in pixels.
        height: u32,
        /// Width the encoder was made for.
        expected_width: u32,
        /// Height the encoder was made for.
        expected_height: u32,
    },
    /// A configuration value outside what the codec can do.
    #[error("{what} {value} is not possible: {reason}")]
    Config {
        /// The value's name as a user writes it.
        what: &'static str,
        /// The value.
        value: String,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// A block of samples that is not a whole number of sample frames.
    #[error("{samples} interleaved samples are not a whole number of frames of {channels} channels")]
    Samples {
        /// Samples given, all channels together.
        samples: usize,
        /// Channels of the encoder.
        channels: usize,
    },
    /// The unit is of another codec than the decoder.
    #[error("{codec} given to the H.264 decoder")]
    WrongCodec {
        /// The codec's name.
        codec: &'static str,
    },
    /// A track of sound was expected, or a codec that sound is made of here.
    #[error("{codec} is no sound that can be made or decoded here")]
    NoSound {
        /// The codec's name.
        codec: &'static str,
    },
    /// The unit's payload is not what [`media::AccessUnit`] promises.
    #[error("malformed access unit at byte {offset}: {reason}")]
    Malformed {
        /// Where in the payload.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// The codec's library refused.
    #[error("{} {action} failed", .codec.name())]
    Library {
        /// Which codec.
        codec: Codec,
        /// What was being done.
        action: &'static str,
        /// What the library says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A still could not be written.
    #[error("{format} encoding failed")]
    Still {
        /// The format's name.
        format: &'static str,
        /// What the library says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Parameter sets of an encoder, or a packet, that cannot be read.
    #[error("the bitstream cannot be read")]
    Bitstream(#[from] CodecError),
    /// The encoder produced parameters that no decoder could use.
    #[error("unusable parameters from the encoder")]
    Parameters(#[from] ParametersError),
}
