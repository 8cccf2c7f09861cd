//! Temporal units into access units, where a container knows the time.
//!
//! Takes delimiters and padding out, makes a new [`Track`] when the sequence header changes, and says whether a decoder can start here. The
//! sequence header stands before each key frame, whether it stood there or only in a record: decoders of WebCodecs look for it in band.
//!
//! Invariant: a unit comes out only with the sequence header that it was coded with; before it is known, nothing does.

use std::sync::Arc;

use bytes::Bytes;
use media::{AccessUnit, Av1Parameters, CodecParameters, Timescale, Track, TrackId};

use super::configuration_record::parameters;
use super::obu::{Obu, ObuType, obus};
use crate::CodecError;
use crate::bits::BitReader;
use crate::nal::{MAX_ACCESS_UNIT, Stamp, Units};

/// Makes the access units of one track.
#[derive(Debug)]
pub struct UnitBuilder {
    units: Units,
    sequence: Option<Sequence>,
    /// Counts sequence headers that differ.
    version: u64,
}

#[derive(Debug)]
struct Sequence {
    parameters: Av1Parameters,
    is_reduced: bool,
}

impl UnitBuilder {
    /// For a track whose times are counted in `timescale`.
    pub const fn new(id: TrackId, timescale: Timescale) -> Self {
        Self { units: Units::new(id, timescale), sequence: None, version: 0 }
    }

    /// Takes parameters in that came out of band (`av1C`), at the start or in mid-stream.
    ///
    /// # Errors
    /// [`CodecError`] if the sequence header cannot be read.
    pub fn set_parameters(&mut self, parameters: &Av1Parameters) -> Result<(), CodecError> {
        self.sequence_header(parameters.sequence_header())
    }

    /// The track as of the newest sequence header, once it is known.
    pub const fn track(&self) -> Option<&Arc<Track>> {
        self.units.track()
    }

    /// One temporal unit; `None` if it has no frame or the sequence header is not yet known.
    ///
    /// # Errors
    /// [`CodecError`] if an OBU in it cannot be read or it is too large; it is left out then.
    pub fn temporal_unit(&mut self, bytes: &[u8], stamp: Stamp) -> Result<Option<AccessUnit>, CodecError> {
        let mut data = self.units.scratch();
        let gathered = self.gather(bytes, &mut data);
        let unit = gathered.map(|gathered| {
            let Gathered { frame, has_header } = gathered;
            let is_random_access = frame?.is_random_access;
            if let Some(sequence) = self.sequence.as_ref().filter(|_| is_random_access && !has_header) {
                data.splice(..0, sequence.parameters.sequence_header().iter().copied());
            }
            self.units.unit(&data, is_random_access, false, stamp)
        });
        self.units.keep(data);
        unit
    }

    fn gather(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> Result<Gathered, CodecError> {
        let (mut first, mut has_header) = (None, false);
        for obu in obus(bytes) {
            let obu = obu?;
            match obu.kind() {
                ObuType::TemporalDelimiter | ObuType::Padding | ObuType::TileList => continue,
                // Behind a frame it says nothing of that frame, and has no place there (§7.5).
                ObuType::SequenceHeader if first.is_some() => continue,
                ObuType::SequenceHeader => {
                    let mut sized = Vec::with_capacity(obu.bytes().len() + 2);
                    obu.write(&mut sized);
                    self.sequence_header(&sized.into())?;
                    has_header = true;
                }
                ObuType::FrameHeader | ObuType::Frame if first.is_none() => {
                    let is_reduced = self.sequence.as_ref().is_some_and(|sequence| sequence.is_reduced);
                    first = Some(Frame::read(&obu, is_reduced)?);
                }
                ObuType::FrameHeader
                | ObuType::Frame
                | ObuType::TileGroup
                | ObuType::Metadata
                | ObuType::Other => {}
            }
            if data.len() + obu.bytes().len() + 8 > MAX_ACCESS_UNIT {
                let (what, position) = ("temporal unit", data.len() as u64);
                return Err(CodecError::TooLarge { what, limit: MAX_ACCESS_UNIT, position });
            }
            obu.write(data);
        }
        Ok(Gathered { frame: first, has_header })
    }

    fn sequence_header(&mut self, bytes: &Bytes) -> Result<(), CodecError> {
        if self.sequence.as_ref().is_some_and(|known| known.parameters.sequence_header() == bytes) {
            return Ok(());
        }
        let is_reduced = super::SequenceHeader::parse(bytes)?.is_reduced;
        let parameters = parameters(bytes)?;
        self.version += 1;
        self.units.renew(self.version, 0, || Some(CodecParameters::Av1(parameters.clone())));
        self.sequence = Some(Sequence { parameters, is_reduced });
        Ok(())
    }
}

/// What was found in a temporal unit.
struct Gathered {
    frame: Option<Frame>,
    has_header: bool,
}

/// What the first frame header of a temporal unit says.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// A key frame that is shown: nothing after it looks back past it (§7.6).
    is_random_access: bool,
}

impl Frame {
    /// §5.9.2, its first bits.
    fn read(obu: &Obu<'_>, is_reduced: bool) -> Result<Self, CodecError> {
        if is_reduced {
            return Ok(Self { is_random_access: true });
        }
        let mut reader = BitReader::new(obu.payload(), "AV1 frame header");
        if reader.flag()? {
            return Ok(Self { is_random_access: false }); // show_existing_frame
        }
        let (frame_type, is_shown) = (reader.bits(2)?, reader.flag()?);
        Ok(Self { is_random_access: frame_type == KEY_FRAME && is_shown })
    }
}

const KEY_FRAME: u32 = 0;

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test needs some instant
mod tests {
    use std::time::Instant;

    use media::MediaTime;

    use super::*;

    /// libaom's, 64 × 64.
    const HEADER: &[u8] = &[0x0a, 10, 0, 0, 0, 2, 0xaf, 0xff, 0x9b, 0x5f, 0x30, 0x08];
    const KEY: &[u8] = &[0x32, 2, 0x10, 0];
    const INTER: &[u8] = &[0x32, 2, 0x30, 0];

    fn unit(builder: &mut UnitBuilder, parts: &[&[u8]]) -> Option<AccessUnit> {
        let at = MediaTime::zero(Timescale::VIDEO_90K);
        let stamp = Stamp { dts: at, pts: at, lost_before: 0, captured: None, arrival: Instant::now() };
        builder.temporal_unit(&parts.concat(), stamp).unwrap()
    }

    #[test]
    fn a_key_frame_has_the_sequence_header_before_it_and_no_delimiter() {
        let mut builder = UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
        assert!(unit(&mut builder, &[&[0x12, 0], KEY]).is_none(), "before the sequence header");
        let first = unit(&mut builder, &[&[0x12, 0], HEADER, KEY]).unwrap();
        assert_eq!(first.data, [HEADER, KEY].concat());
        assert!(first.random_access);
        let next = unit(&mut builder, &[&[0x12, 0], INTER]).unwrap();
        assert_eq!((&next.data[..], next.random_access), (INTER, false));
        let again = unit(&mut builder, &[KEY]).unwrap();
        assert_eq!(again.data, first.data);
        assert!(Arc::ptr_eq(&again.track, &first.track));
    }

    #[test]
    fn what_has_no_frame_is_no_unit_and_damage_is_an_error() {
        let mut builder = UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
        assert!(unit(&mut builder, &[KEY, HEADER]).is_none());
        assert!(unit(&mut builder, &[HEADER]).is_none());
        assert_eq!(unit(&mut builder, &[INTER, HEADER]).unwrap().data, INTER);
        let at = MediaTime::zero(Timescale::VIDEO_90K);
        let stamp = Stamp { dts: at, pts: at, lost_before: 0, captured: None, arrival: Instant::now() };
        assert!(builder.temporal_unit(&[0x32, 9, 0], stamp).is_err());
    }
}
