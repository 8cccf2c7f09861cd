//! The HEVC decoder configuration record (ISO/IEC 14496-15 §8.3.3.1), the content of `hvcC` and of enhanced RTMP's
//! sequence header.

use bytes::Bytes;
use media::H265Parameters;

use super::{NalUnit, NalUnitType, Sps, parse_parameters};
use crate::CodecError;
use crate::nal::RecordReader;

/// A parsed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderConfigurationRecord {
    length_size: usize,
    sets: Vec<Bytes>,
}

impl DecoderConfigurationRecord {
    /// Reads a record. Profile and level are taken from the SPS.
    ///
    /// # Errors
    /// [`CodecError`] if it ends early, has another version, or length fields of 3 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = RecordReader::new(WHAT, bytes);
        let version = reader.byte()?;
        // Some muxers left the version at 0 until the standard was out.
        if version > 1 {
            return Err(reader.invalid("configurationVersion", version));
        }
        reader.take(20)?;
        let length_size = reader.length_size()?;
        let mut sets = Vec::new();
        for _ in 0..reader.byte()? {
            reader.byte()?; // array_completeness, NAL_unit_type
            for _ in 0..reader.short()? {
                let nal = reader.nal()?;
                let unit_type = NalUnit::new(nal).map(NalUnit::unit_type);
                let kept = matches!(unit_type, Some(NalUnitType::Vps | NalUnitType::Sps | NalUnitType::Pps));
                if kept && sets.len() < MAX_SETS {
                    sets.push(Bytes::copy_from_slice(nal));
                }
            }
        }
        Ok(Self { length_size, sets })
    }

    /// The record of these parameters, with four-byte length fields.
    ///
    /// # Errors
    /// [`CodecError`] if the SPS cannot be read, or a parameter set is longer than 65,535 bytes.
    pub fn write(parameters: &H265Parameters) -> Result<Bytes, CodecError> {
        let sps = Sps::parse(parameters.sps())?;
        let mut out = Vec::with_capacity(48 + parameters.sets().map(|set| set.len() + 5).sum::<usize>());
        out.push(1);
        out.extend(sps.profile().0);
        out.extend([0xf0, 0]); // min_spatial_segmentation_idc: none told
        out.push(0xfc); // parallelismType: not told
        out.push(0xfc | sps.chroma_format_idc);
        out.push(0xf8 | (sps.bit_depth_luma - 8));
        out.push(0xf8 | (sps.bit_depth_chroma - 8));
        out.extend([0, 0]); // avgFrameRate: not told
        // constantFrameRate not told, numTemporalLayers, temporalIdNested, lengthSizeMinusOne
        out.push((sps.last_sub_layer + 1) << 3 | u8::from(sps.temporal_id_nesting) << 2 | 3);
        out.push(3);
        write_array(32, std::slice::from_ref(parameters.vps()), &mut out)?;
        write_array(33, std::slice::from_ref(parameters.sps()), &mut out)?;
        write_array(34, parameters.pps(), &mut out)?;
        Ok(Bytes::from(out))
    }

    /// Bytes of the length fields in the samples: 1, 2 or 4.
    pub const fn length_size(&self) -> usize {
        self.length_size
    }

    /// Whether there are any parameter sets: `hev1` may send them in band only.
    pub const fn has_parameters(&self) -> bool {
        !self.sets.is_empty()
    }

    /// What the parameter sets in it make up.
    ///
    /// # Errors
    /// [`CodecError`] if one cannot be read or one is missing.
    pub fn parameters(&self) -> Result<H265Parameters, CodecError> {
        parse_parameters(self.sets.iter().map(|nal| &nal[..]))
    }
}

/// All NAL units of one type; they stand nowhere else (`array_completeness`), as `hvc1` demands.
fn write_array(unit_type: u8, nals: &[Bytes], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let short = |value: usize, what: &str| {
        u16::try_from(value)
            .map_err(|_| CodecError::Unsupported { what: WHAT, value: format!("{value} {what}") })
    };
    out.push(0x80 | unit_type);
    out.extend(short(nals.len(), "parameter sets")?.to_be_bytes());
    for nal in nals {
        out.extend(short(nal.len(), "bytes of a NAL unit")?.to_be_bytes());
        out.extend_from_slice(nal);
    }
    Ok(())
}

const WHAT: &str = "HEVC decoder configuration record";

/// 16 VPSs, 16 SPSs and 64 PPSs have different ids.
const MAX_SETS: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h265::fixtures::{PPS_X265, RECORD_FFMPEG, SPS_X265, VPS_X265};

    #[test]
    fn the_record_is_the_one_that_ffmpeg_writes_but_for_what_we_do_not_tell() {
        let parameters = parse_parameters([VPS_X265, SPS_X265, PPS_X265]).unwrap();
        let record = DecoderConfigurationRecord::write(&parameters).unwrap();
        // ffmpeg marks its arrays as incomplete where the encoder's SEI stands in the record too.
        let ours: Vec<u8> = record.to_vec();
        assert_eq!(ours[..23], RECORD_FFMPEG[..23]);
        let parsed = DecoderConfigurationRecord::parse(&record).unwrap();
        assert_eq!((parsed.length_size(), parsed.parameters().unwrap()), (4, parameters.clone()));
        assert_eq!(
            DecoderConfigurationRecord::parse(RECORD_FFMPEG).unwrap().parameters().unwrap(),
            parameters
        );
    }

    #[test]
    fn a_record_cut_anywhere_is_refused() {
        let parameters = parse_parameters([VPS_X265, SPS_X265, PPS_X265]).unwrap();
        let record = DecoderConfigurationRecord::write(&parameters).unwrap();
        for end in 0..record.len() {
            assert!(DecoderConfigurationRecord::parse(&record[..end]).is_err(), "cut at {end}");
        }
    }
}
