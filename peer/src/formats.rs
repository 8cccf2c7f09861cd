//! Formats of media by their names in WebRTC, and what of them is read.

use std::time::Instant;

use media::{CodecParameters, G711Law, MediaKind, TrackId};
use rtp::sdp::SessionDescription;
use rtp::{Delivery, Receiver};
use str0m::RtcConfig;
use str0m::format::Codec;

/// What is read of those who send, the best first.
pub const READ: [Codec; 8] =
    [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H265, Codec::Opus, Codec::PCMU, Codec::PCMA];

/// As WebRTC calls it; `None` for what it has no place for.
pub fn codec_of(parameters: &CodecParameters) -> Option<Codec> {
    match parameters {
        CodecParameters::H264(_) => Some(Codec::H264),
        CodecParameters::H265(_) => Some(Codec::H265),
        CodecParameters::Av1(_) => Some(Codec::Av1),
        CodecParameters::Vp8(_) => Some(Codec::Vp8),
        CodecParameters::Vp9(_) => Some(Codec::Vp9),
        CodecParameters::Opus(_) => Some(Codec::Opus),
        CodecParameters::G711(parameters) => {
            let is_telephone = parameters.sample_rate() == 8_000 && parameters.channels() == 1;
            is_telephone.then_some(match parameters.law() {
                G711Law::Mu => Codec::PCMU,
                G711Law::A => Codec::PCMA,
            })
        }
        CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_)
        | CodecParameters::Aac(_)
        | CodecParameters::MpegAudio(_) => None,
    }
}

/// Pictures, or sound.
pub fn kind_of(codec: Codec) -> MediaKind {
    if codec.is_audio() { MediaKind::Audio } else { MediaKind::Video }
}

/// The track that a kind of media is.
pub fn id_of(kind: MediaKind) -> TrackId {
    match kind {
        MediaKind::Video => TrackId::VIDEO,
        MediaKind::Audio => TrackId::AUDIO,
    }
}

/// Lets these be agreed on, and no others. A medium must have a format in an answer even if nothing will ever come of it: where there is none
/// of a kind, it is one that everybody has.
pub fn enabled(config: RtcConfig, codecs: &[Codec]) -> RtcConfig {
    let is_missing = |known: &&Codec| !codecs.iter().any(|codec| kind_of(*codec) == kind_of(**known));
    let missing = [Codec::H264, Codec::Opus];
    let all = codecs.iter().chain(missing.iter().filter(is_missing));
    all.fold(config.clear_codecs(), |config, codec| match codec {
        Codec::H264 => config.enable_h264(true),
        Codec::H265 => config.enable_h265(true),
        Codec::Vp8 => config.enable_vp8(true),
        Codec::Vp9 => config.enable_vp9(true),
        Codec::Av1 => config.enable_av1(true),
        Codec::Opus => config.enable_opus(true, false),
        Codec::PCMU => config.enable_pcmu(true, false),
        Codec::PCMA => config.enable_pcma(true, false),
        _ => config,
    })
}

/// A receiver of a format; `None` for one that nothing here reads.
pub fn receiver(codec: Codec, payload_type: u8, id: TrackId, now: Instant) -> Option<Receiver> {
    let description = description(codec, payload_type)?;
    let session = SessionDescription::parse(&description).ok()?;
    let format = session.media.first()?.format(id).ok()?;
    Some(Receiver::new(format, Delivery::AnyOrder, now))
}

/// As RTSP would describe it. What the parameters are comes in band.
fn description(codec: Codec, payload_type: u8) -> Option<String> {
    let (kind, mapping) = match codec {
        Codec::H264 => ("video", "H264/90000"),
        Codec::H265 => ("video", "H265/90000"),
        Codec::Vp8 => ("video", "VP8/90000"),
        Codec::Vp9 => ("video", "VP9/90000"),
        Codec::Av1 => ("video", "AV1/90000"),
        Codec::Opus => ("audio", "opus/48000/2"),
        Codec::PCMU => ("audio", "PCMU/8000"),
        Codec::PCMA => ("audio", "PCMA/8000"),
        _ => return None,
    };
    Some(format!("v=0\r\nm={kind} 0 RTP/AVP {payload_type}\r\na=rtpmap:{payload_type} {mapping}\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_listed_as_read_is_read() {
        for codec in READ {
            assert!(receiver(codec, 96, id_of(kind_of(codec)), Instant::now()).is_some(), "{codec:?}");
        }
        assert!(receiver(Codec::Null, 96, TrackId::VIDEO, Instant::now()).is_none());
    }
}
