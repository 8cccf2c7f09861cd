//! What a decoder must know before the first unit.
//!
//! Codecs know themselves: a protocol asks [`CodecParameters`] questions (`rfc6381`, `kind`, `dimensions`) instead of
//! switching on the codec. The values come from the parsers in `codec`; constructors here only refuse what no decoder
//! could use.

use bytes::Bytes;
use thiserror::Error;

use crate::{
    Av1Parameters, H265Parameters, JpegParameters, MpegAudioParameters, MpegVideoParameters, Vp8Parameters,
    Vp9Parameters,
};

/// Picture or sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

/// The codec alone, without parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ITU-T H.264, ISO/IEC 14496-10.
    H264,
    /// ITU-T H.265, ISO/IEC 23008-2.
    H265,
    /// AV1, of the Alliance for Open Media.
    Av1,
    /// VP8, RFC 6386.
    Vp8,
    /// VP9.
    Vp9,
    /// JPEG, ITU-T T.81, a picture at a time.
    Jpeg,
    /// MPEG-1 video, ISO/IEC 11172-2.
    MpegVideo,
    /// AAC, ISO/IEC 14496-3.
    Aac,
    /// Opus, RFC 6716.
    Opus,
    /// ITU-T G.711, μ-law and A-law.
    G711,
    /// MPEG audio, ISO/IEC 11172-3.
    MpegAudio,
}

impl Codec {
    /// The name people use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Av1 => "AV1",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Jpeg => "JPEG",
            Self::MpegVideo => "MPEG-1",
            Self::Aac => "AAC",
            Self::Opus => "Opus",
            Self::G711 => "G.711",
            Self::MpegAudio => "MPEG audio",
        }
    }
}

/// Codec and its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodecParameters {
    /// H.264 video.
    H264(H264Parameters),
    /// H.265 video.
    H265(H265Parameters),
    /// AV1 video.
    Av1(Av1Parameters),
    /// VP8 video.
    Vp8(Vp8Parameters),
    /// VP9 video.
    Vp9(Vp9Parameters),
    /// JPEG pictures.
    Jpeg(JpegParameters),
    /// MPEG-1 video.
    MpegVideo(MpegVideoParameters),
    /// AAC audio.
    Aac(AacParameters),
    /// Opus audio.
    Opus(OpusParameters),
    /// G.711 audio.
    G711(G711Parameters),
    /// MPEG audio.
    MpegAudio(MpegAudioParameters),
}

/// Parameters that no decoder could use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParametersError {
    /// The sequence parameter set is no SPS NAL unit.
    #[error("not a sequence parameter set: {0}")]
    Sps(&'static str),
    /// The picture parameter set is no PPS NAL unit.
    #[error("not a picture parameter set: {0}")]
    Pps(&'static str),
    /// The video parameter set is no VPS NAL unit.
    #[error("not a video parameter set: {0}")]
    Vps(&'static str),
    /// The sequence header is none.
    #[error("not a sequence header: {0}")]
    SequenceHeader(&'static str),
    /// Width or height is zero or beyond what level 6.2 can code.
    #[error("impossible picture size {width}x{height}")]
    Size {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// No such audio layout.
    #[error("impossible audio layout: {channels} channels at {sample_rate} Hz")]
    Audio {
        /// Samples per second.
        sample_rate: u32,
        /// Number of channels.
        channels: u8,
    },
}

impl CodecParameters {
    /// Picture or sound.
    pub const fn kind(&self) -> MediaKind {
        match self {
            Self::H264(_)
            | Self::H265(_)
            | Self::Av1(_)
            | Self::Vp8(_)
            | Self::Vp9(_)
            | Self::Jpeg(_)
            | Self::MpegVideo(_) => MediaKind::Video,
            Self::Aac(_) | Self::Opus(_) | Self::G711(_) | Self::MpegAudio(_) => MediaKind::Audio,
        }
    }

    /// The codec alone.
    pub const fn codec(&self) -> Codec {
        match self {
            Self::H264(_) => Codec::H264,
            Self::H265(_) => Codec::H265,
            Self::Av1(_) => Codec::Av1,
            Self::Vp8(_) => Codec::Vp8,
            Self::Vp9(_) => Codec::Vp9,
            Self::Jpeg(_) => Codec::Jpeg,
            Self::MpegVideo(_) => Codec::MpegVideo,
            Self::Aac(_) => Codec::Aac,
            Self::Opus(_) => Codec::Opus,
            Self::G711(_) => Codec::G711,
            Self::MpegAudio(_) => Codec::MpegAudio,
        }
    }

    /// The codec string of RFC 6381, as browsers want it: `avc1.42c01f`, `hvc1.1.6.L93.90`, `av01.0.05M.08`,
    /// `mp4a.40.2`, `opus`.
    pub fn rfc6381(&self) -> String {
        match self {
            Self::H264(p) => {
                format!("avc1.{:02x}{:02x}{:02x}", p.profile_idc(), p.constraints(), p.level_idc())
            }
            Self::H265(p) => p.profile().rfc6381(),
            Self::Av1(p) => p.profile().rfc6381(),
            // The binding of VP codecs to ISO files, "Codecs Parameter String".
            Self::Vp8(p) => format!("vp08.00.{}.08", p.level()),
            Self::Vp9(p) => {
                let profile = p.profile();
                format!("vp09.{:02}.{}.{:02}", profile.profile, p.level(), profile.bit_depth)
            }
            // By the object types of ISO/IEC 14496-1.
            Self::Jpeg(_) => "mp4v.6C".to_owned(),
            Self::MpegVideo(_) => "mp4v.6A".to_owned(),
            Self::MpegAudio(_) => "mp4a.6B".to_owned(),
            Self::Aac(p) => format!("mp4a.40.{}", p.object_type()),
            Self::Opus(_) => "opus".to_owned(),
            // Not of RFC 6381, but of WebCodecs.
            Self::G711(p) => p.law().name().to_owned(),
        }
    }

    /// Width and height of the shown picture in pixels; `None` for sound.
    pub const fn dimensions(&self) -> Option<(u32, u32)> {
        match self {
            Self::H264(p) => Some((p.width, p.height)),
            Self::H265(p) => Some((p.width(), p.height())),
            Self::Av1(p) => Some((p.width(), p.height())),
            Self::Vp8(p) => Some((p.width(), p.height())),
            Self::Vp9(p) => Some((p.width(), p.height())),
            Self::Jpeg(p) => Some((p.width(), p.height())),
            Self::MpegVideo(p) => Some((p.width(), p.height())),
            Self::Aac(_) | Self::Opus(_) | Self::G711(_) | Self::MpegAudio(_) => None,
        }
    }

    /// Samples per second of the decoded sound; `None` for video.
    pub const fn sample_rate(&self) -> Option<u32> {
        match self {
            Self::H264(_)
            | Self::H265(_)
            | Self::Av1(_)
            | Self::Vp8(_)
            | Self::Vp9(_)
            | Self::Jpeg(_)
            | Self::MpegVideo(_) => None,
            Self::Aac(p) => Some(p.sample_rate),
            Self::Opus(_) => Some(48_000),
            Self::G711(p) => Some(p.sample_rate),
            Self::MpegAudio(p) => Some(p.sample_rate()),
        }
    }

    /// Channels of the decoded sound; `None` for video.
    pub const fn channels(&self) -> Option<u8> {
        match self {
            Self::H264(_)
            | Self::H265(_)
            | Self::Av1(_)
            | Self::Vp8(_)
            | Self::Vp9(_)
            | Self::Jpeg(_)
            | Self::MpegVideo(_) => None,
            Self::Aac(p) => Some(p.channels),
            Self::Opus(p) => Some(p.channels),
            Self::G711(p) => Some(p.channels),
            Self::MpegAudio(p) => Some(p.channels()),
        }
    }
}

/// Refuses a size that no decoder could use.
pub(crate) const fn check_size(width: u32, height: u32) -> Result<(), ParametersError> {
    if width == 0 || height == 0 || width > 16_384 || height > 16_384 {
        return Err(ParametersError::Size { width, height });
    }
    Ok(())
}

/// H.264: the parameter sets and what their SPS says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct H264Parameters {
    sps: Bytes,
    pps: Vec<Bytes>,
    width: u32,
    height: u32,
    max_reorder: Option<u8>,
}

impl H264Parameters {
    /// From one SPS and its PPSs (NAL units with their header byte, without start code) and what the SPS says.
    ///
    /// `max_reorder` is how many pictures a decoder may have to hold back to show them in order: `Some(0)` promises
    /// that none is, `None` says the SPS is silent (no VUI `bitstream_restriction`).
    ///
    /// # Errors
    /// [`ParametersError`] when the NAL units are of another type or the size is impossible.
    pub fn new(
        sps: Bytes,
        pps: Vec<Bytes>,
        (width, height): (u32, u32),
        max_reorder: Option<u8>,
    ) -> Result<Self, ParametersError> {
        if sps.len() < 4 || sps[0] & 0x1f != 7 {
            return Err(ParametersError::Sps("wrong NAL unit type or too short"));
        }
        if pps.is_empty() || pps.iter().any(|p| p.len() < 2 || p[0] & 0x1f != 8) {
            return Err(ParametersError::Pps("none, wrong NAL unit type or too short"));
        }
        check_size(width, height)?;
        Ok(Self { sps, pps, width, height, max_reorder })
    }

    /// The sequence parameter set, a NAL unit without start code.
    pub fn sps(&self) -> &Bytes {
        &self.sps
    }

    /// The picture parameter sets, NAL units without start codes; at least one.
    pub fn pps(&self) -> &[Bytes] {
        &self.pps
    }

    /// Width in pixels after cropping.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels after cropping.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Pictures a decoder may have to hold back; `None` if the SPS does not say.
    pub const fn max_reorder(&self) -> Option<u8> {
        self.max_reorder
    }

    /// `profile_idc`: 66 Baseline, 77 Main, 100 High.
    pub fn profile_idc(&self) -> u8 {
        self.sps[1]
    }

    /// The `constraint_set` flags as the byte of the SPS.
    pub fn constraints(&self) -> u8 {
        self.sps[2]
    }

    /// `level_idc`: ten times the level.
    pub fn level_idc(&self) -> u8 {
        self.sps[3]
    }
}

/// AAC: the AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1) and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacParameters {
    config: Bytes,
    object_type: u8,
    sample_rate: u32,
    channels: u8,
}

impl AacParameters {
    /// From the AudioSpecificConfig's bytes and what they say.
    ///
    /// # Errors
    /// [`ParametersError::Audio`] for a layout that does not exist.
    pub fn new(
        config: Bytes,
        object_type: u8,
        sample_rate: u32,
        channels: u8,
    ) -> Result<Self, ParametersError> {
        if config.len() < 2 || !(7_350..=96_000).contains(&sample_rate) || !(1..=8).contains(&channels) {
            return Err(ParametersError::Audio { sample_rate, channels });
        }
        Ok(Self { config, object_type, sample_rate, channels })
    }

    /// The AudioSpecificConfig.
    pub fn config(&self) -> &Bytes {
        &self.config
    }

    /// The audio object type; 2 is AAC-LC.
    pub const fn object_type(&self) -> u8 {
        self.object_type
    }

    /// Samples per second.
    pub const fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Number of channels.
    pub const fn channels(&self) -> u8 {
        self.channels
    }
}

/// Opus: RFC 7845 §5.1 in short. Always decoded at 48 kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusParameters {
    channels: u8,
    pre_skip: u16,
}

impl OpusParameters {
    /// Mono or stereo (channel mapping family 0) with `pre_skip` samples at 48 kHz to throw away at the start.
    ///
    /// # Errors
    /// [`ParametersError::Audio`] for more than two channels, or none.
    pub fn new(channels: u8, pre_skip: u16) -> Result<Self, ParametersError> {
        if !(1..=2).contains(&channels) {
            return Err(ParametersError::Audio { sample_rate: 48_000, channels });
        }
        Ok(Self { channels, pre_skip })
    }

    /// Number of channels.
    pub const fn channels(self) -> u8 {
        self.channels
    }

    /// Samples at 48 kHz to throw away at the start.
    pub const fn pre_skip(self) -> u16 {
        self.pre_skip
    }
}

/// G.711: eight bits a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct G711Parameters {
    law: G711Law,
    sample_rate: u32,
    channels: u8,
}

/// Which of the two curves of G.711.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum G711Law {
    /// μ-law, North America and Japan.
    Mu,
    /// A-law, elsewhere.
    A,
}

impl G711Law {
    /// As WebCodecs writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mu => "ulaw",
            Self::A => "alaw",
        }
    }
}

impl G711Parameters {
    /// Sound of this law and layout; 8 kHz mono is what nearly all of it is.
    ///
    /// # Errors
    /// [`ParametersError::Audio`] for a layout that does not exist.
    pub fn new(law: G711Law, sample_rate: u32, channels: u8) -> Result<Self, ParametersError> {
        if !(8_000..=48_000).contains(&sample_rate) || !(1..=2).contains(&channels) {
            return Err(ParametersError::Audio { sample_rate, channels });
        }
        Ok(Self { law, sample_rate, channels })
    }

    /// Which curve.
    pub const fn law(self) -> G711Law {
        self.law
    }

    /// Samples per second.
    pub const fn sample_rate(self) -> u32 {
        self.sample_rate
    }

    /// Number of channels.
    pub const fn channels(self) -> u8 {
        self.channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264(
        sps: &'static [u8],
        pps: &'static [u8],
        size: (u32, u32),
    ) -> Result<H264Parameters, ParametersError> {
        H264Parameters::new(Bytes::from_static(sps), vec![Bytes::from_static(pps)], size, None)
    }

    #[test]
    fn the_codec_string_of_h264_is_read_from_the_sps() {
        let parameters = h264(&[0x67, 0x42, 0xc0, 0x1f, 0x00], &[0x68, 0xce], (1280, 720)).unwrap();
        assert_eq!(CodecParameters::H264(parameters).rfc6381(), "avc1.42c01f");
    }

    #[test]
    fn parameters_no_decoder_could_use_are_refused() {
        assert!(matches!(h264(&[0x68, 1, 2, 3], &[0x68, 1], (16, 16)), Err(ParametersError::Sps(_))));
        assert!(matches!(h264(&[0x67, 1, 2, 3], &[0x67, 1], (16, 16)), Err(ParametersError::Pps(_))));
        assert!(matches!(h264(&[0x67, 1, 2, 3], &[0x68, 1], (0, 16)), Err(ParametersError::Size { .. })));
        assert!(AacParameters::new(Bytes::from_static(&[0x12, 0x10]), 2, 44_100, 0).is_err());
        assert!(OpusParameters::new(3, 0).is_err());
        assert!(G711Parameters::new(G711Law::A, 8_000, 3).is_err());
    }
}
