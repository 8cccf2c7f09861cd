//! Encoders and decoders that run in process: pictures and sound to access units and back, sound of one codec to another, pictures to stills.
//!
//! The C libraries behind them (OpenH264, libopus, libjpeg-turbo) are reached through the safe interfaces of their crates, but for one option (`quiet`); AAC is pure
//! Rust. Everything here is a plain function of its input: a picture or samples with their time go in, units come out of the same
//! call, and time is always the caller's.
//!
//! Not here: threads and pacing (an encoder is driven by a task of `server`), bitstream parsing (`codec`), painting.
//!
//! OpenH264 codes one slice per picture, so one encoder uses one core; to use more, run more encoders.

mod aac;
mod colour;
mod error;
mod g711;
mod h264_decoder;
mod h264_encoder;
mod jpeg;
mod jpeg_decoder;
mod matrix;
mod opus;
mod pcm;
mod picture;
mod picture_decoder;
mod png;
mod quiet;
mod resample;
mod scale;
mod sound_converter;
mod sound_decoder;

pub use aac::{AacEncoder, AacEncoderConfig};
pub use error::EncodeError;
pub use h264_decoder::H264Decoder;
pub use h264_encoder::{H264Encoder, H264EncoderConfig};
pub use jpeg::JpegEncoder;
pub use opus::{OpusEncoder, OpusEncoderConfig};
pub use pcm::Pcm;
pub use picture::{Picture, PlanesMut};
pub use picture_decoder::PictureDecoder;
pub use png::encode_png;
pub use scale::Scaler;
pub use sound_converter::SoundConverter;
pub use sound_decoder::{Decoded, SoundDecoder};
