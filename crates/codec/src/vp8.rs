//! VP8 (RFC 6386): what the first bytes of a frame say, to pass it on as it is.

use bytes::Bytes;
use media::{AccessUnit, CodecParameters, Timescale, TrackId, Vp8Parameters};

use crate::CodecError;
use crate::nal::Stamp;
use crate::simple_track::SimpleTrack;

/// The size that a key frame says (§9.1); `None` for any other frame.
///
/// # Errors
/// [`CodecError`] if it ends early or has no start code.
pub fn key_frame(frame: &[u8]) -> Result<Option<Vp8Parameters>, CodecError> {
    let early = CodecError::Truncated { what: WHAT, bit: frame.len() * 8 };
    if frame.first().ok_or(early.clone())? & 1 != 0 {
        return Ok(None);
    }
    let [_, _, _, code @ .., w0, w1, h0, h1] = frame.first_chunk::<10>().ok_or(early)?;
    if *code != START_CODE {
        let value = u64::from(u32::from_be_bytes([0, code[0], code[1], code[2]]));
        return Err(CodecError::Invalid { what: WHAT, field: "start code", value, bit: 48 });
    }
    // The upper two bits ask for the picture to be shown larger.
    let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
    Ok(Some(Vp8Parameters::new((side(*w0, *w1), side(*h0, *h1)))?))
}

/// Makes the access units of one track.
#[derive(Debug)]
pub struct UnitBuilder(SimpleTrack);

impl UnitBuilder {
    /// For a track whose times are counted in `timescale`.
    pub const fn new(id: TrackId, timescale: Timescale) -> Self {
        Self(SimpleTrack::new(id, timescale))
    }

    /// The track as of the newest key frame, once there was one.
    pub const fn track(&self) -> Option<&std::sync::Arc<media::Track>> {
        self.0.track()
    }

    /// One frame; `None` before the first key frame.
    ///
    /// # Errors
    /// [`CodecError`] if it cannot be read.
    pub fn frame(&mut self, data: Bytes, stamp: Stamp) -> Result<Option<AccessUnit>, CodecError> {
        let key = key_frame(&data)?;
        if let Some(parameters) = key {
            self.0.renew(CodecParameters::Vp8(parameters));
        }
        Ok(self.0.unit(data, key.is_some(), false, stamp))
    }
}

const WHAT: &str = "VP8 frame";
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_key_frame_says_its_size_and_others_say_nothing() {
        let key = [0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 0x01, 0xf0, 0x40, 9];
        assert_eq!(key_frame(&key), Ok(Some(Vp8Parameters::new((320, 240)).unwrap())));
        assert_eq!(key_frame(&[0x11]), Ok(None));
        assert!(key_frame(&[]).is_err());
        assert!(key_frame(&key[..9]).is_err());
        assert!(key_frame(&[0x10, 2, 0, 0, 1, 0x2a, 0x40, 1, 0xf0, 0]).is_err());
        assert!(key_frame(&[0x10, 2, 0, 0x9d, 1, 0x2a, 0, 0, 0xf0, 0]).is_err(), "no width");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let _ = key_frame(&bytes);
        }
    }
}
