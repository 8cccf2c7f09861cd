//! JPEG (ITU-T T.81): a file taken apart and put together, as far as it is needed to carry it without its headers (RFC 2435).
//!
//! - [`Image`]: the headers of a baseline file and its scan.
//! - [`write_headers`]: those headers again, from what is left of them.
//! - [`quantizers`]: the tables that a quality from 1 to 99 stands for.
//!
//! Not here: progressive files, which nothing that needs this can carry; decoding.

mod headers;
mod image;
mod tables;

pub use headers::{Layout, quantizers, write_headers};
pub use image::Image;

use bytes::Bytes;
use media::{AccessUnit, CodecParameters, JpegParameters, Timescale, TrackId};

use crate::CodecError;
use crate::nal::Stamp;
use crate::simple_track::SimpleTrack;

/// Makes the access units of one track.
#[derive(Debug)]
pub struct UnitBuilder(SimpleTrack);

impl UnitBuilder {
    /// For a track whose times are counted in `timescale`.
    pub const fn new(id: TrackId, timescale: Timescale) -> Self {
        Self(SimpleTrack::new(id, timescale))
    }

    /// The track as of the newest picture, once there was one.
    pub const fn track(&self) -> Option<&std::sync::Arc<media::Track>> {
        self.0.track()
    }

    /// One picture of this size, a whole file.
    ///
    /// # Errors
    /// [`CodecError`] if the size cannot be.
    pub fn picture(
        &mut self,
        data: Bytes,
        size: (u32, u32),
        stamp: Stamp,
    ) -> Result<Option<AccessUnit>, CodecError> {
        self.0.renew(CodecParameters::Jpeg(JpegParameters::new(size)?));
        Ok(self.0.unit(data, true, false, stamp))
    }
}

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOF0: u8 = 0xc0;
const SOF1: u8 = 0xc1;
const DHT: u8 = 0xc4;
const SOS: u8 = 0xda;
const DQT: u8 = 0xdb;
const DRI: u8 = 0xdd;

#[cfg(test)]
mod tests;
