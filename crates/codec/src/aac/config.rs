//! The AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) of the AAC object types.
//!
//! HE-AAC that is signalled explicitly (object types 5 and 29) is described by what it decodes to: the doubled rate
//! and, with parametric stereo, two channels. What is only signalled implicitly cannot be seen here.
//!
//! Not here: channel layouts by program config element, and object types that are not AAC.

use bytes::Bytes;
use media::AacParameters;

use crate::CodecError;
use crate::bits::{BitReader, BitWriter};

/// What the start of an AudioSpecificConfig says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Config {
    /// As signalled: 5 or 29 for HE-AAC.
    pub(crate) object_type: u8,
    /// Of the AAC inside.
    pub(crate) core_object_type: u8,
    pub(crate) core_sample_rate: u32,
    pub(crate) sample_rate: u32,
    pub(crate) channel_configuration: u8,
    short_frames: bool,
}

/// Parameters from an AudioSpecificConfig, as containers carry it.
///
/// # Errors
/// [`CodecError`] if it ends early, is of another codec, or leaves its channels to a program config element.
pub fn parse_config(bytes: &[u8]) -> Result<AacParameters, CodecError> {
    let config = Config::parse(bytes)?;
    let channels = match (config.object_type, config.channel_configuration) {
        (PARAMETRIC_STEREO, 1) => 2,
        (_, 7) => 8,
        (_, channels) => channels,
    };
    let length = bytes.len().min(MAX_CONFIG);
    let bytes = Bytes::copy_from_slice(&bytes[..length]);
    Ok(AacParameters::new(bytes, config.object_type, config.sample_rate, channels)?)
}

/// AAC-LC of this layout, for encoders.
///
/// # Errors
/// [`CodecError`] if no AudioSpecificConfig can say so without a program config element: 7 channels, or none.
pub fn lc_parameters(sample_rate: u32, channels: u8) -> Result<AacParameters, CodecError> {
    parse_config(&write_config(LOW_COMPLEXITY, sample_rate, channel_configuration(channels)?))
}

/// Samples that one access unit decodes to, counted at the sample rate of the parameters.
pub fn samples_per_unit(parameters: &AacParameters) -> u32 {
    Config::parse(parameters.config()).map_or(1024, |config| {
        let samples = if config.short_frames { 960 } else { 1024 };
        if config.sample_rate == 2 * config.core_sample_rate { 2 * samples } else { samples }
    })
}

/// The AudioSpecificConfig of an object type below 31 without extensions.
pub(crate) fn write_config(object_type: u8, sample_rate: u32, channel_configuration: u8) -> Vec<u8> {
    let mut writer = BitWriter::default();
    writer.bits(5, u32::from(object_type));
    match SAMPLE_RATES.iter().position(|&rate| rate == sample_rate) {
        Some(index) => writer.bits(4, u32::try_from(index).unwrap_or(0)),
        None => {
            writer.bits(4, EXPLICIT_RATE);
            writer.bits(24, sample_rate);
        }
    }
    writer.bits(4, u32::from(channel_configuration));
    writer.bits(3, 0); // frameLengthFlag, dependsOnCoreCoder, extensionFlag
    writer.into_bytes()
}

impl Config {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = BitReader::new(bytes, "AudioSpecificConfig");
        let object_type = read_object_type(&mut reader)?;
        let core_sample_rate = read_sample_rate(&mut reader)?;
        let channel_configuration = u8::try_from(reader.bits(4)?).unwrap_or(0);
        if !matches!(channel_configuration, 1..=7) {
            return Err(reader.invalid("channelConfiguration", u64::from(channel_configuration)));
        }
        let (mut core_object_type, mut sample_rate) = (object_type, core_sample_rate);
        if matches!(object_type, SPECTRAL_BAND_REPLICATION | PARAMETRIC_STEREO) {
            sample_rate = read_sample_rate(&mut reader)?;
            core_object_type = read_object_type(&mut reader)?;
        }
        // Main, LC, SSR, LTP; with error resilience; low delay.
        if !matches!(core_object_type, 1..=4 | 17 | 19 | 23) {
            return Err(reader.invalid("audioObjectType", u64::from(core_object_type)));
        }
        let short_frames = reader.flag().unwrap_or(false);
        Ok(Self {
            object_type,
            core_object_type,
            core_sample_rate,
            sample_rate,
            channel_configuration,
            short_frames,
        })
    }
}

fn read_object_type(reader: &mut BitReader<'_>) -> Result<u8, CodecError> {
    let object_type = match reader.bits(5)? {
        31 => 32 + reader.bits(6)?,
        object_type => object_type,
    };
    Ok(u8::try_from(object_type).unwrap_or(u8::MAX))
}

fn read_sample_rate(reader: &mut BitReader<'_>) -> Result<u32, CodecError> {
    match reader.bits(4)? {
        EXPLICIT_RATE => reader.bits(24),
        index => sample_rate(index).ok_or_else(|| reader.invalid("samplingFrequencyIndex", u64::from(index))),
    }
}

/// The rate with this index; `None` for a reserved one.
pub(crate) fn sample_rate(index: u32) -> Option<u32> {
    SAMPLE_RATES.get(index as usize).copied()
}

/// `channelConfiguration` for so many channels.
fn channel_configuration(channels: u8) -> Result<u8, CodecError> {
    match channels {
        1..=6 => Ok(channels),
        8 => Ok(7),
        _ => Err(CodecError::Unsupported {
            what: "AudioSpecificConfig",
            value: format!("{channels} channels"),
        }),
    }
}

pub(crate) const SAMPLE_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
const EXPLICIT_RATE: u32 = 15;
const LOW_COMPLEXITY: u8 = 2;
const SPECTRAL_BAND_REPLICATION: u8 = 5;
const PARAMETRIC_STEREO: u8 = 29;
/// No AudioSpecificConfig of these layouts is longer.
const MAX_CONFIG: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_config_of_aac_lc_is_two_bytes() {
        let parameters = lc_parameters(44_100, 2).unwrap();
        assert_eq!(parameters.config()[..], [0x12, 0x10]);
        assert_eq!(lc_parameters(48_000, 1).unwrap().config()[..], [0x11, 0x88]);
        assert_eq!(samples_per_unit(&parameters), 1024);
    }

    #[test]
    fn explicit_he_aac_is_described_by_what_it_decodes_to() {
        // Object type 5, core 24 kHz (6), stereo, extension 48 kHz (3), core object type 2.
        let parameters = parse_config(&[0x2b, 0x11, 0x88, 0x00]).unwrap();
        assert_eq!(
            (parameters.object_type(), parameters.sample_rate(), parameters.channels()),
            (5, 48_000, 2)
        );
        assert_eq!(samples_per_unit(&parameters), 2048);
    }

    #[test]
    fn a_layout_without_a_configuration_is_refused() {
        assert!(lc_parameters(48_000, 7).is_err());
        assert!(lc_parameters(48_000, 0).is_err());
        assert!(lc_parameters(4_000, 2).is_err());
        let error = parse_config(&[0x12, 0x00]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "AudioSpecificConfig: channelConfiguration may not be 0, before bit 13"
        );
    }

    proptest! {
        #[test]
        fn every_rate_and_layout_round_trips(rate in 7_350u32..=96_000, channels in prop_oneof![1u8..=6, Just(8)]) {
            let parameters = lc_parameters(rate, channels).unwrap();
            prop_assert_eq!((parameters.sample_rate(), parameters.channels()), (rate, channels));
            prop_assert_eq!(&parse_config(parameters.config()).unwrap(), &parameters);
        }

        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(parameters) = parse_config(&bytes) {
                prop_assert!(samples_per_unit(&parameters) >= 960);
            }
        }
    }
}
