//! VP9 (VP9 Bitstream & Decoding Process Specification): what the first bytes of a frame say, to pass it on as it is.

use bytes::Bytes;
use media::{AccessUnit, CodecParameters, Timescale, TrackId, Vp9Parameters, Vp9Profile};

use crate::CodecError;
use crate::bits::BitReader;
use crate::nal::Stamp;
use crate::simple_track::SimpleTrack;

/// What a key frame says (§6.2, the uncompressed header); `None` for any other frame.
///
/// # Errors
/// [`CodecError`] if it ends early or is no such header.
pub fn key_frame(frame: &[u8]) -> Result<Option<Vp9Parameters>, CodecError> {
    let mut reader = BitReader::new(frame, "VP9 frame");
    let marker = reader.bits(2)?;
    if marker != 2 {
        return Err(reader.invalid("frame_marker", marker.into()));
    }
    let (low, high) = (reader.bits(1)?, reader.bits(1)?);
    let profile = high << 1 | low;
    if profile == 3 {
        reader.skip(1)?;
    }
    let (is_shown_again, is_inter) = (reader.flag()?, reader.flag()?);
    if is_shown_again || is_inter {
        return Ok(None);
    }
    reader.skip(2)?; // show_frame, error_resilient_mode
    let code = reader.bits(24)?;
    if code != SYNC_CODE {
        return Err(reader.invalid("frame_sync_code", code.into()));
    }
    let bit_depth = if profile >= 2 { 10 + 2 * u8::from(reader.flag()?) } else { 8 };
    let (is_full_range, subsampling) = match reader.bits(3)? {
        RGB => {
            if profile % 2 == 1 {
                reader.skip(1)?;
            }
            (true, (false, false))
        }
        _ => {
            let is_full_range = reader.flag()?;
            let subsampling = if profile % 2 == 1 {
                let subsampling = (reader.flag()?, reader.flag()?);
                reader.skip(1)?;
                subsampling
            } else {
                (true, true)
            };
            (is_full_range, subsampling)
        }
    };
    let size = (reader.bits(16)? + 1, reader.bits(16)? + 1);
    let profile = Vp9Profile { profile: profile as u8, bit_depth, subsampling, is_full_range };
    Ok(Some(Vp9Parameters::new(profile, size)?))
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

    /// One frame, or all of a superframe; `None` before the first key frame.
    ///
    /// # Errors
    /// [`CodecError`] if it cannot be read.
    pub fn frame(&mut self, data: Bytes, stamp: Stamp) -> Result<Option<AccessUnit>, CodecError> {
        let key = key_frame(&data)?;
        if let Some(parameters) = key {
            self.0.renew(CodecParameters::Vp9(parameters));
        }
        Ok(self.0.unit(data, key.is_some(), false, stamp))
    }
}

const SYNC_CODE: u32 = 0x49_83_42;
/// `CS_RGB`.
const RGB: u32 = 7;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// libvpx's, 320 × 240, profile 0.
    const KEY: &[u8] = &[0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0e, 0xf0, 0x00];

    #[test]
    fn a_key_frame_says_shape_and_size() {
        let profile =
            Vp9Profile { profile: 0, bit_depth: 8, subsampling: (true, true), is_full_range: false };
        let parameters = Vp9Parameters::new(profile, (320, 240)).unwrap();
        assert_eq!(key_frame(KEY), Ok(Some(parameters)));
        assert_eq!(CodecParameters::Vp9(parameters).rfc6381(), "vp09.00.20.08");
    }

    #[test]
    fn other_frames_say_nothing_and_damage_is_an_error() {
        assert_eq!(key_frame(&[0x86]), Ok(None));
        assert_eq!(key_frame(&[0x8a]), Ok(None), "shown again");
        for bytes in [&[][..], &KEY[..6], &[0x42, 0x49], &[0x82, 0x49, 0x83, 0x43, 0, 0x13, 0xf0, 0x0e, 0xf0]]
        {
            assert!(key_frame(bytes).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            let _ = key_frame(&bytes);
        }
    }
}
