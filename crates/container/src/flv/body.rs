//! The bodies of tags: the bytes before a unit's payload, the sequence header of a track, and `onMetaData`.

use bytes::{BufMut, Bytes};
use media::{AccessUnit, Codec, CodecParameters, MediaTime, MuxError, OpusParameters, Timescale, Track};

use super::amf0::Value;
use crate::packager::Tracks;
use crate::parameters::{av1_configuration, avc_configuration, hevc_configuration};

/// What stands before a unit's payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    bytes: [u8; 8],
    len: usize,
}

impl Head {
    fn new(parts: &[&[u8]]) -> Self {
        let mut head = Self { bytes: [0; 8], len: 0 };
        for byte in parts.iter().copied().flatten() {
            head.bytes[head.len] = *byte;
            head.len += 1;
        }
        head
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Before the payload of this unit.
pub(super) fn head(unit: &AccessUnit) -> Result<Head, MuxError> {
    let frame = if unit.random_access { KEY_FRAME } else { INTER_FRAME };
    Ok(match &unit.track.parameters {
        CodecParameters::H264(_) => {
            let composition = composition(unit.pts.saturating_sub(unit.dts));
            Head::new(&[&[frame | AVC, CODED], &composition])
        }
        CodecParameters::H265(_) => {
            let composition = composition(unit.pts.saturating_sub(unit.dts));
            Head::new(&[&[ENHANCED | frame | CODED], HEVC, &composition])
        }
        CodecParameters::Av1(_) => Head::new(&[&[ENHANCED | frame | CODED], AV1]),
        CodecParameters::Aac(_) => Head::new(&[&[AAC_SOUND, CODED]]),
        CodecParameters::Opus(_) => Head::new(&[&[ENHANCED_SOUND | CODED], OPUS]),
        parameters @ (CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_)
        | CodecParameters::G711(_)
        | CodecParameters::MpegAudio(_)) => return Err(no_place(parameters.codec())),
    })
}

/// The tag that a decoder must have first.
pub(super) fn sequence_header(track: &Track) -> Result<Vec<u8>, MuxError> {
    let mut out = Vec::with_capacity(64);
    match &track.parameters {
        CodecParameters::H264(parameters) => {
            out.extend([KEY_FRAME | AVC, SEQUENCE_START, 0, 0, 0]);
            out.put(avc_configuration(parameters)?);
        }
        CodecParameters::H265(parameters) => {
            out.push(ENHANCED | KEY_FRAME | SEQUENCE_START);
            out.extend_from_slice(HEVC);
            out.put(hevc_configuration(parameters)?);
        }
        CodecParameters::Av1(parameters) => {
            out.push(ENHANCED | KEY_FRAME | SEQUENCE_START);
            out.extend_from_slice(AV1);
            out.put(av1_configuration(parameters));
        }
        CodecParameters::Aac(parameters) => {
            out.extend([AAC_SOUND, SEQUENCE_START]);
            out.extend_from_slice(parameters.config());
        }
        CodecParameters::Opus(parameters) => {
            out.push(ENHANCED_SOUND | SEQUENCE_START);
            out.extend_from_slice(OPUS);
            out.put(opus_head(*parameters));
        }
        parameters @ (CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_)
        | CodecParameters::G711(_)
        | CodecParameters::MpegAudio(_)) => return Err(no_place(parameters.codec())),
    }
    Ok(out)
}

/// What `onMetaData` says of these tracks.
pub(super) fn metadata(tracks: &Tracks) -> Value {
    let mut entries = Vec::new();
    let mut put = |name: &str, value: Value| entries.push((name.to_owned(), value));
    put("hasVideo", Value::Boolean(tracks.video.is_some()));
    put("hasAudio", Value::Boolean(tracks.audio.is_some()));
    for track in tracks.iter() {
        let parameters = &track.parameters;
        if let Some((width, height)) = parameters.dimensions() {
            put("width", f64::from(width).into());
            put("height", f64::from(height).into());
            put("videocodecid", codec_id(parameters.codec()).into());
        } else {
            put("audiocodecid", codec_id(parameters.codec()).into());
            put("audiosamplerate", f64::from(parameters.sample_rate().unwrap_or(0)).into());
            let channels = parameters.channels().unwrap_or(0);
            put("audiochannels", f64::from(channels).into());
            put("stereo", Value::Boolean(channels > 1));
        }
    }
    put("encoder", "firstlight".into());
    Value::EcmaArray(entries)
}

/// The number a codec has in `onMetaData`: an old one, or its four characters read as one.
fn codec_id(codec: Codec) -> f64 {
    match codec {
        Codec::H264 => 7.0,
        Codec::H265 => f64::from(u32::from_be_bytes(*HEVC)),
        Codec::Av1 => f64::from(u32::from_be_bytes(*AV1)),
        Codec::Aac => 10.0,
        Codec::Opus => f64::from(u32::from_be_bytes(*OPUS)),
        Codec::Vp8 | Codec::Vp9 | Codec::Jpeg | Codec::MpegVideo | Codec::G711 | Codec::MpegAudio => 0.0,
    }
}

const fn no_place(codec: Codec) -> MuxError {
    MuxError::UnsupportedCodec { format: "flv", codec: codec.name() }
}

/// SI24, in milliseconds.
fn composition(offset: MediaTime) -> [u8; 3] {
    let millis = offset.ticks_in(Timescale::MILLIS).clamp(0, MAX_COMPOSITION);
    let [.., a, b, c] = millis.to_be_bytes();
    [a, b, c]
}

/// The identification header (RFC 7845 §5.1).
fn opus_head(parameters: OpusParameters) -> Bytes {
    let mut out = Vec::with_capacity(19);
    out.put_slice(b"OpusHead");
    out.put_u8(1);
    out.put_u8(parameters.channels());
    out.put_u16_le(parameters.pre_skip());
    out.put_u32_le(48_000);
    out.put_u16_le(0); // gain
    out.put_u8(0); // channel mapping family
    out.into()
}

const KEY_FRAME: u8 = 0x10;
const INTER_FRAME: u8 = 0x20;
const AVC: u8 = 7;
/// A picture whose codec is named by four characters.
const ENHANCED: u8 = 0x80;
const HEVC: &[u8; 4] = b"hvc1";
const AV1: &[u8; 4] = b"av01";
/// AAC; rate, size and channels are always said to be 44 kHz, 16 bits and stereo, whatever they are (§E.4.2.1).
const AAC_SOUND: u8 = 0xaf;
const ENHANCED_SOUND: u8 = 0x90;
const OPUS: &[u8; 4] = b"Opus";
const SEQUENCE_START: u8 = 0;
const CODED: u8 = 1;
const MAX_COMPOSITION: i64 = 0x7f_ffff;
