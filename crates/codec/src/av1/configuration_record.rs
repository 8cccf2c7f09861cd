//! The AV1 codec configuration record (AV1 Codec ISO Media File Format Binding §2.3), the content of `av1C` and of enhanced RTMP's sequence
//! header.

use bytes::Bytes;
use media::Av1Parameters;

use super::SequenceHeader;
use super::obu::{ObuType, obus};
use crate::CodecError;
use crate::nal::RecordReader;

/// A parsed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecConfigurationRecord {
    sequence_header: Option<Bytes>,
}

impl CodecConfigurationRecord {
    /// Reads a record. What it says of profile and level is taken from the sequence header, if it has one. It may be empty: ffmpeg writes it so
    /// where the movie box goes out before the first picture.
    ///
    /// # Errors
    /// [`CodecError`] if it ends early, has another version, or OBUs that cannot be read.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.is_empty() {
            return Ok(Self { sequence_header: None });
        }
        let mut reader = RecordReader::new(WHAT, bytes);
        let version = reader.byte()?;
        if version != MARKER | VERSION {
            return Err(reader.invalid("version", version));
        }
        reader.take(3)?;
        let mut sequence_header = None;
        for obu in obus(&bytes[4..]) {
            let obu = obu?;
            if obu.kind() == ObuType::SequenceHeader {
                let mut sized = Vec::with_capacity(obu.bytes().len() + 2);
                obu.write(&mut sized);
                sequence_header = Some(sized.into());
            }
        }
        Ok(Self { sequence_header })
    }

    /// Writes the record of these parameters.
    pub fn write(parameters: &Av1Parameters) -> Bytes {
        let profile = parameters.profile();
        let bit = |set: bool, place: u8| u8::from(set) << place;
        let mut out = Vec::with_capacity(4 + parameters.sequence_header().len());
        out.push(MARKER | VERSION);
        out.push(profile.profile << 5 | profile.level & 0x1f);
        out.push(
            bit(profile.is_high_tier, 7)
                | bit(profile.bit_depth > 8, 6)
                | bit(profile.bit_depth > 10, 5)
                | bit(profile.is_monochrome, 4)
                | bit(profile.subsampling.0, 3)
                | bit(profile.subsampling.1, 2)
                | profile.chroma_sample_position & 3,
        );
        out.push(0); // initial_presentation_delay: not told
        out.extend_from_slice(parameters.sequence_header());
        out.into()
    }

    /// What it says; `None` without a sequence header: some muxers leave it to the first key frame.
    ///
    /// # Errors
    /// [`CodecError`] if the sequence header cannot be read.
    pub fn parameters(&self) -> Result<Option<Av1Parameters>, CodecError> {
        self.sequence_header.as_ref().map(parameters).transpose()
    }
}

/// The parameters of a sequence header OBU that has a size field.
pub(super) fn parameters(sequence_header: &Bytes) -> Result<Av1Parameters, CodecError> {
    let SequenceHeader { profile, width, height, .. } = SequenceHeader::parse(sequence_header)?;
    Ok(Av1Parameters::new(sequence_header.clone(), profile, (width, height))?)
}

const WHAT: &str = "AV1 codec configuration record";
const MARKER: u8 = 0x80;
const VERSION: u8 = 1;
