//! Pictures of MPEG-1 video (ISO/IEC 11172-2 §2.4): where the headers are, and what they say.
//!
//! MPEG-2 has extensions behind its headers, which stay where they are; its fields are pictures like others.
//!
//! Invariant of [`UnitBuilder`]: an intra picture has the sequence header before it, whether it came so or not, and nothing comes out
//! before there was one.

use std::sync::Arc;

use bytes::Bytes;
use media::{AccessUnit, CodecParameters, MpegVideoParameters, Timescale, Track, TrackId};

use crate::CodecError;
use crate::bits::BitReader;
use crate::nal::{MAX_PARAMETER_SET, Stamp};
use crate::simple_track::SimpleTrack;

/// What a picture is coded from (`picture_coding_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureType {
    /// Itself alone.
    Intra,
    /// One before it.
    Predicted,
    /// One before and one behind it; nothing is coded from it.
    Bidirectional,
    /// Itself, roughly (D pictures).
    Direct,
}

/// What a picture's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureHeader {
    /// Its place among those shown.
    pub temporal_reference: u16,
    /// What it is coded from.
    pub kind: PictureType,
    /// `full_pel_backward_vector`, `backward_f_code`, `full_pel_forward_vector`, `forward_f_code`, as RTP carries them.
    pub vectors: u8,
}

impl PictureHeader {
    /// Reads what follows the start code.
    fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = BitReader::new(bytes, "MPEG picture header");
        let temporal_reference = reader.bits(10)? as u16;
        let kind = match reader.bits(3)? {
            1 => PictureType::Intra,
            2 => PictureType::Predicted,
            3 => PictureType::Bidirectional,
            4 => PictureType::Direct,
            other => return Err(reader.invalid("picture_coding_type", other.into())),
        };
        reader.skip(16)?; // vbv_delay
        let mut vectors = 0;
        if matches!(kind, PictureType::Predicted | PictureType::Bidirectional) {
            vectors |= reader.bits(4)? as u8;
        }
        if kind == PictureType::Bidirectional {
            vectors |= (reader.bits(4)? as u8) << 4;
        }
        Ok(Self { temporal_reference, kind, vectors })
    }

    /// `picture_coding_type`.
    pub const fn code(&self) -> u8 {
        match self.kind {
            PictureType::Intra => 1,
            PictureType::Predicted => 2,
            PictureType::Bidirectional => 3,
            PictureType::Direct => 4,
        }
    }
}

/// The start codes of some bytes: where each begins, and which it is.
pub fn start_codes(bytes: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(window) = bytes.get(at..at + 4) {
            if window[2] > 1 {
                at += 3;
            } else if window[..3] == [0, 0, 1] {
                at += 4;
                return Some((at - 4, window[3]));
            } else {
                at += 1;
            }
        }
        None
    })
}

/// Whether bytes begin as a coded picture does, with any of its headers.
pub fn begins_picture(bytes: &[u8]) -> bool {
    matches!(bytes, [0, 0, 1, PICTURE | SEQUENCE | GROUP, ..])
}

/// Whether a start code is a slice's.
pub const fn is_slice(code: u8) -> bool {
    code >= 1 && code <= 0xaf
}

/// The header of the picture in these bytes.
///
/// # Errors
/// [`CodecError`] if there is none, or it cannot be read.
pub fn picture_header(bytes: &[u8]) -> Result<PictureHeader, CodecError> {
    let (at, _) = start_codes(bytes)
        .find(|(_, code)| *code == PICTURE)
        .ok_or(CodecError::Truncated { what: "MPEG picture", bit: bytes.len() * 8 })?;
    PictureHeader::parse(&bytes[at + 4..])
}

/// Parameters from the sequence header that these bytes begin with, up to what is none of it.
///
/// # Errors
/// [`CodecError`] if they do not, or it is too long to be one.
pub fn sequence(bytes: &[u8]) -> Result<MpegVideoParameters, CodecError> {
    let end = start_codes(bytes)
        .find(|(_, code)| !matches!(*code, SEQUENCE | EXTENSION | USER_DATA))
        .map_or(bytes.len(), |(at, _)| at);
    if end > MAX_PARAMETER_SET {
        let what = "MPEG sequence header";
        return Err(CodecError::TooLarge { what, limit: MAX_PARAMETER_SET, position: 0 });
    }
    let header = &bytes[..end];
    let mut reader = BitReader::new(header.get(4..).unwrap_or_default(), "MPEG sequence header");
    let size = (reader.bits(12)?, reader.bits(12)?);
    Ok(MpegVideoParameters::new(Bytes::copy_from_slice(header), size)?)
}

/// Makes the access units of one track.
#[derive(Debug)]
pub struct UnitBuilder {
    units: SimpleTrack,
    sequence_header: Bytes,
}

impl UnitBuilder {
    /// For a track whose times are counted in `timescale`.
    pub const fn new(id: TrackId, timescale: Timescale) -> Self {
        Self { units: SimpleTrack::new(id, timescale), sequence_header: Bytes::new() }
    }

    /// The track as of the newest sequence header, once there was one.
    pub const fn track(&self) -> Option<&Arc<Track>> {
        self.units.track()
    }

    /// One picture with the headers before it; `None` before the first sequence header.
    ///
    /// # Errors
    /// [`CodecError`] if its headers cannot be read.
    pub fn picture(&mut self, data: &[u8], stamp: Stamp) -> Result<Option<AccessUnit>, CodecError> {
        let has_sequence = data.starts_with(&[0, 0, 1, SEQUENCE]);
        if has_sequence {
            let parameters = sequence(data)?;
            self.sequence_header = parameters.sequence_header().clone();
            self.units.renew(CodecParameters::MpegVideo(parameters));
        }
        let header = picture_header(data)?;
        let is_intra = header.kind == PictureType::Intra;
        let data = if is_intra && !has_sequence {
            [&self.sequence_header, data].concat().into()
        } else {
            Bytes::copy_from_slice(data)
        };
        let is_disposable = header.kind == PictureType::Bidirectional;
        Ok(self.units.unit(data, is_intra, is_disposable, stamp))
    }
}

const PICTURE: u8 = 0x00;
const USER_DATA: u8 = 0xb2;
const SEQUENCE: u8 = 0xb3;
const EXTENSION: u8 = 0xb5;
const GROUP: u8 = 0xb8;

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test needs some instant
mod tests {
    use std::time::Instant;

    use media::MediaTime;
    use proptest::prelude::*;

    use super::*;

    /// 320 × 240 at 25.
    const HEADER: &[u8] = &[0, 0, 1, 0xb3, 0x14, 0x00, 0xf0, 0x13, 0xff, 0xff, 0xe0, 0x18];
    const GOP: &[u8] = &[0, 0, 1, 0xb8, 0, 8, 0, 0x40];
    const INTRA: &[u8] = &[0, 0, 1, 0, 0, 0x0f, 0xff, 0xf8, 0, 0, 1, 1, 0x13, 0x37];
    const BOTH: &[u8] = &[0, 0, 1, 0, 0, 0x5f, 0xff, 0xfb, 0xb8, 0, 0, 1, 1, 0x13, 0x37];

    fn picture(builder: &mut UnitBuilder, parts: &[&[u8]]) -> Option<AccessUnit> {
        let at = MediaTime::zero(Timescale::VIDEO_90K);
        let stamp = Stamp { dts: at, pts: at, lost_before: 0, captured: None, arrival: Instant::now() };
        builder.picture(&parts.concat(), stamp).unwrap()
    }

    #[test]
    fn an_intra_picture_has_the_sequence_header_before_it() {
        let mut builder = UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
        assert!(picture(&mut builder, &[GOP, INTRA]).is_none());
        let first = picture(&mut builder, &[HEADER, GOP, INTRA]).unwrap();
        assert_eq!(first.track.parameters.dimensions(), Some((320, 240)));
        assert!(first.random_access);
        let both = picture(&mut builder, &[BOTH]).unwrap();
        assert!(!both.random_access && both.disposable);
        let again = picture(&mut builder, &[GOP, INTRA]).unwrap();
        assert_eq!(again.data, first.data);
        assert!(Arc::ptr_eq(&again.track, &first.track));
    }

    #[test]
    fn the_picture_s_header_is_read() {
        let header = picture_header(BOTH).unwrap();
        assert_eq!((header.temporal_reference, header.kind), (1, PictureType::Bidirectional));
        assert_eq!(header.vectors, 0x77);
        assert!(picture_header(GOP).is_err());
        assert!(picture_header(&[0, 0, 1, 0, 0, 0, 0, 0]).is_err(), "a type that there is not");
        assert!(sequence(&HEADER[..6]).is_err());
    }

    #[test]
    fn start_codes_are_found_wherever_they_stand() {
        let bytes = [&[0, 0][..], HEADER, &[0, 0, 0, 1, 5], &[0, 0, 1]].concat();
        assert_eq!(start_codes(&bytes).collect::<Vec<_>>(), [(2, 0xb3), (15, 5)]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(prop_oneof![0u8..3, any::<u8>()], 0..60)) {
            let mut builder = UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
            let at = MediaTime::zero(Timescale::VIDEO_90K);
            let stamp = Stamp { dts: at, pts: at, lost_before: 0, captured: None, arrival: Instant::now() };
            let _ = builder.picture(&[HEADER, &bytes].concat(), stamp);
            let found: Vec<usize> = start_codes(&bytes).map(|(at, _)| at).collect();
            let there = (0..bytes.len().saturating_sub(3)).filter(|at| bytes[*at..].starts_with(&[0, 0, 1]));
            prop_assert!(found.iter().all(|at| bytes[*at..].starts_with(&[0, 0, 1])));
            prop_assert!(found.len() <= there.count());
        }
    }
}
