//! The AVC decoder configuration record (ISO/IEC 14496-15 §5.3.3.1), the content of `avcC` and of FLV's AVC sequence
//! header.

use bytes::Bytes;
use media::H264Parameters;

use super::{Sps, parse_parameters};
use crate::CodecError;
use crate::nal::RecordReader;

/// A parsed record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderConfigurationRecord {
    length_size: usize,
    sps: Vec<Bytes>,
    pps: Vec<Bytes>,
}

impl DecoderConfigurationRecord {
    /// Reads a record. Profile and level are taken from the SPS; extension fields are passed over.
    ///
    /// # Errors
    /// [`CodecError`] if it ends early, has another version, or length fields of 3 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = RecordReader::new(WHAT, bytes);
        let version = reader.byte()?;
        if version != 1 {
            return Err(reader.invalid("configurationVersion", version));
        }
        reader.take(3)?;
        let length_size = reader.length_size()?;
        let sps_count = reader.byte()? & 0x1f;
        let sps =
            (0..sps_count).map(|_| reader.nal().map(Bytes::copy_from_slice)).collect::<Result<_, _>>()?;
        let pps_count = reader.byte()?;
        let pps =
            (0..pps_count).map(|_| reader.nal().map(Bytes::copy_from_slice)).collect::<Result<_, _>>()?;
        Ok(Self { length_size, sps, pps })
    }

    /// The record of these parameters, with four-byte length fields.
    ///
    /// # Errors
    /// [`CodecError::Unsupported`] if a parameter set is longer than 65,535 bytes or there are more than 255 PPSs.
    pub fn write(parameters: &H264Parameters) -> Result<Bytes, CodecError> {
        let sps = parameters.sps();
        let mut out =
            Vec::with_capacity(16 + sps.len() + parameters.pps().iter().map(|p| p.len() + 2).sum::<usize>());
        out.extend([
            1,
            parameters.profile_idc(),
            parameters.constraints(),
            parameters.level_idc(),
            0xff,
            0xe1,
        ]);
        write_nal(sps, &mut out)?;
        let count = parameters.pps().len();
        out.push(u8::try_from(count).map_err(|_| unsupported(format!("{count} picture parameter sets")))?);
        for pps in parameters.pps() {
            write_nal(pps, &mut out)?;
        }
        if matches!(parameters.profile_idc(), 100 | 110 | 122 | 144 | 244) {
            // An SPS that got this far but cannot be read is that of 8-bit 4:2:0 video far more often than not.
            let (chroma, luma_depth, chroma_depth) = Sps::parse(sps)
                .map_or((1, 8, 8), |sps| (sps.chroma_format_idc, sps.bit_depth_luma, sps.bit_depth_chroma));
            out.extend([0xfc | chroma, 0xf8 | (luma_depth - 8), 0xf8 | (chroma_depth - 8), 0]);
        }
        Ok(Bytes::from(out))
    }

    /// Bytes of the length fields in the samples: 1, 2 or 4.
    pub const fn length_size(&self) -> usize {
        self.length_size
    }

    /// The sequence parameter sets.
    pub fn sps(&self) -> &[Bytes] {
        &self.sps
    }

    /// The picture parameter sets.
    pub fn pps(&self) -> &[Bytes] {
        &self.pps
    }

    /// What the parameter sets in it make up.
    ///
    /// # Errors
    /// [`CodecError`] if one cannot be read, or there is none: `avc3` and some cameras send them in band only.
    pub fn parameters(&self) -> Result<H264Parameters, CodecError> {
        parse_parameters(self.sps.iter().chain(&self.pps).map(|nal| &nal[..]))
    }
}

fn write_nal(nal: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    let length =
        u16::try_from(nal.len()).map_err(|_| unsupported(format!("a NAL unit of {} bytes", nal.len())))?;
    out.extend(length.to_be_bytes());
    out.extend_from_slice(nal);
    Ok(())
}

const fn unsupported(value: String) -> CodecError {
    CodecError::Unsupported { what: WHAT, value }
}

const WHAT: &str = "AVC decoder configuration record";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h264::fixtures;

    #[test]
    fn the_record_of_a_high_profile_stream_ends_in_its_chroma_format() {
        let parameters = parse_parameters([fixtures::SPS_X264_HIGH, fixtures::PPS_X264_HIGH]).unwrap();
        let record = DecoderConfigurationRecord::write(&parameters).unwrap();
        assert_eq!(record[..6], [1, 100, 0, 11, 0xff, 0xe1]);
        assert_eq!(record[record.len() - 4..], [0xfd, 0xf8, 0xf8, 0]);
        let parsed = DecoderConfigurationRecord::parse(&record).unwrap();
        assert_eq!(parsed.length_size(), 4);
        assert_eq!(parsed.parameters().unwrap(), parameters);
    }

    #[test]
    fn the_record_of_a_baseline_stream_has_no_extension() {
        let parameters = parse_parameters([fixtures::SPS_OPENH264, fixtures::PPS_OPENH264]).unwrap();
        let record = DecoderConfigurationRecord::write(&parameters).unwrap();
        assert!(record.ends_with(fixtures::PPS_OPENH264));
        assert_eq!(DecoderConfigurationRecord::parse(&record).unwrap().parameters().unwrap(), parameters);
    }

    #[test]
    fn a_record_cut_anywhere_is_refused() {
        let parameters = parse_parameters([fixtures::SPS_OPENH264, fixtures::PPS_OPENH264]).unwrap();
        let record = DecoderConfigurationRecord::write(&parameters).unwrap();
        for end in 0..record.len() {
            assert!(DecoderConfigurationRecord::parse(&record[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn length_fields_of_three_bytes_do_not_exist() {
        let error = DecoderConfigurationRecord::parse(&[1, 66, 0, 30, 0xfe, 0xe0, 0]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "AVC decoder configuration record: lengthSizeMinusOne may not be 2, before bit 40"
        );
    }

    #[test]
    fn a_record_without_parameter_sets_is_read_but_has_no_parameters() {
        let record = DecoderConfigurationRecord::parse(&[1, 66, 0, 30, 0xfd, 0xe0, 0]).unwrap();
        assert_eq!(record.length_size(), 2);
        assert!(record.parameters().is_err());
    }
}
