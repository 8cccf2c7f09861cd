//! Frames of MPEG audio (ISO/IEC 11172-3 §2.4.1, 13818-3 for the lower rates): their header says all there is to say.
//!
//! Not here: MPEG-2.5, and frames whose length is not said ("free format").

use media::{MediaTime, MpegAudioParameters, Timescale};

use crate::CodecError;

/// What a frame's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Layer, rate, channels.
    pub parameters: MpegAudioParameters,
    /// Bytes of the frame, header included.
    pub length: usize,
    /// Samples that it holds.
    pub samples: u32,
}

impl FrameHeader {
    /// Length of a header.
    pub const LENGTH: usize = 4;

    /// Reads the header of the frame that begins here.
    ///
    /// # Errors
    /// [`CodecError`] if there is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let early = CodecError::Truncated { what: WHAT, bit: bytes.len() * 8 };
        let &[first, second, third, fourth] = bytes.first_chunk().ok_or(early)?;
        let invalid =
            |field, value: u8, bit| CodecError::Invalid { what: WHAT, field, value: value.into(), bit };
        if first != 0xff || second & 0xe0 != 0xe0 {
            return Err(invalid("syncword", first, 11));
        }
        let version = second >> 3 & 3;
        let is_low = match version {
            3 => false,
            2 => true,
            other => return Err(invalid("ID", other, 13)),
        };
        let layer = match second >> 1 & 3 {
            0 => return Err(invalid("layer", 0, 15)),
            code => 4 - code,
        };
        let (bitrate, rate) = (third >> 4, third >> 2 & 3);
        let kilobits = BITRATES[usize::from(is_low)][usize::from(layer) - 1].get(usize::from(bitrate));
        let kilobits = *kilobits.filter(|rate| **rate > 0).ok_or(invalid("bitrate_index", bitrate, 20))?;
        let rate = *RATES.get(usize::from(rate)).ok_or(invalid("sampling_frequency", rate, 22))?;
        let rate = if is_low { rate / 2 } else { rate };
        let padding = u32::from(third >> 1 & 1);
        let channels = if fourth >> 6 == 3 { 1 } else { 2 };
        let samples = match (layer, is_low) {
            (1, _) => 384,
            (3, true) => 576,
            _ => 1_152,
        };
        let bits = kilobits * 1_000;
        let length =
            if layer == 1 { (12 * bits / rate + padding) * 4 } else { samples / 8 * bits / rate + padding };
        let parameters = MpegAudioParameters::new(layer, rate, channels)?;
        Ok(Self { parameters, length: length as usize, samples })
    }

    /// How long the frame is heard.
    pub fn duration(&self) -> MediaTime {
        let rate = Timescale::new(self.parameters.sample_rate()).unwrap_or(Timescale::AUDIO_48K);
        MediaTime::new(self.samples.into(), rate)
    }
}

const WHAT: &str = "MPEG audio frame";
const RATES: [u32; 3] = [44_100, 48_000, 32_000];
/// In kbit/s: of the three layers, at whole rates and at half rates.
const BITRATES: [[[u32; 15]; 3]; 2] = [
    [
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    ],
    [
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ],
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: [u8; 4]) -> Option<(u8, u32, u8, usize, u32)> {
        let header = FrameHeader::parse(&bytes).ok()?;
        let parameters = header.parameters;
        Some((
            parameters.layer(),
            parameters.sample_rate(),
            parameters.channels(),
            header.length,
            header.samples,
        ))
    }

    #[test]
    fn the_header_says_layer_layout_and_length() {
        // Layer II, 192 kbit/s, 48 kHz, stereo: what ffmpeg's mp2 makes by default, but for the rate.
        assert_eq!(read([0xff, 0xfd, 0xa4, 0x00]), Some((2, 48_000, 2, 576, 1_152)));
        // Layer III, 128 kbit/s, 44.1 kHz, padded, joint stereo.
        assert_eq!(read([0xff, 0xfb, 0x92, 0x40]), Some((3, 44_100, 2, 418, 1_152)));
        // Layer III at half the rate, 64 kbit/s, 22.05 kHz, mono.
        assert_eq!(read([0xff, 0xf3, 0x80, 0xc0]), Some((3, 22_050, 1, 208, 576)));
        assert_eq!(read([0xff, 0xff, 0x84, 0x00]), Some((1, 48_000, 2, 256, 384)));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for bytes in
            [[0xfe, 0xfd, 0xa4, 0], [0xff, 0xe3, 0x80, 0], [0xff, 0xf9, 0xa4, 0], [0xff, 0xfd, 0x04, 0]]
        {
            assert_eq!(read(bytes), None, "{bytes:x?}");
        }
        assert!(FrameHeader::parse(&[0xff, 0xfd]).is_err());
        assert_eq!(read([0xff, 0xfd, 0xac, 0]), None, "no such rate");
    }

    proptest! {
        #[test]
        fn a_frame_that_is_taken_is_longer_than_its_header(bytes: [u8; 4]) {
            if let Ok(header) = FrameHeader::parse(&bytes) {
                prop_assert!((FrameHeader::LENGTH + 1..2_000).contains(&header.length));
            }
        }
    }
}
