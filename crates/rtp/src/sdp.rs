//! Session descriptions (RFC 8866) as far as RTSP needs them: which tracks, in which payload formats, under which control URLs.
//!
//! Reading is lenient about what has no meaning here, and bounded: text, media and formats that are too many are errors. What a format
//! cannot be is said only when it is asked for ([`MediaDescription::format`]), so that one medium that we do not take leaves the others.

use std::fmt::Write as _;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use codec::{aac, h264, h265};
use media::{
    CodecParameters, G711Law, G711Parameters, H264Parameters, MediaKind, MediaTime, OpusParameters,
    Timescale, Track, TrackId,
};

use crate::RtpError;
use crate::aac::{AacDepacketizer, HeaderLayout};
use crate::av1::Av1Depacketizer;
use crate::depacketizer::{Depacketizer, Sound};
use crate::jpeg::{self, JpegDepacketizer};
use crate::mpeg::{MpegAudioDepacketizer, MpegVideoDepacketizer};
use crate::vp8::Vp8Depacketizer;
use crate::vp9::Vp9Depacketizer;

/// What somebody says they send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionDescription {
    /// The control URL of the whole, as written.
    pub control: Option<String>,
    /// The media, in order.
    pub media: Vec<MediaDescription>,
}

/// One medium of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaDescription {
    /// As written: `video`, `audio`, `application`.
    pub kind: String,
    /// Its control URL, as written.
    pub control: Option<String>,
    formats: Vec<Format>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Format {
    payload_type: u8,
    /// Upper case.
    encoding: String,
    clock_rate: u32,
    channels: u8,
    /// Names in lower case.
    parameters: Vec<(String, String)>,
}

/// A payload format that we can read.
#[derive(Debug)]
pub struct PayloadFormat {
    pub(crate) payload_type: u8,
    pub(crate) clock_rate: Timescale,
    pub(crate) kind: MediaKind,
    pub(crate) depacketizer: Depacketizer,
}

impl SessionDescription {
    /// Reads a description.
    ///
    /// # Errors
    /// [`RtpError::Sdp`] at the first line that is not what it should be.
    pub fn parse(text: &str) -> Result<Self, RtpError> {
        let wrong = |line, problem: &str| RtpError::Sdp { line, problem: problem.to_owned() };
        if text.len() > MOST_BYTES {
            return Err(wrong(1, "longer than 64 KiB in all"));
        }
        let mut session = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_end();
            let Some((kind, value)) = line.split_once('=') else {
                // Of some cameras a line is broken in two, or something stands behind the last.
                if number > 1 || line.is_empty() {
                    continue;
                }
                return Err(wrong(number, "not of the form x=…"));
            };
            if number == 1 && line != "v=0" {
                return Err(wrong(number, "expected v=0"));
            }
            match kind {
                "m" if session.media.len() >= MOST_MEDIA => return Err(wrong(number, "too many media")),
                "m" => {
                    let medium = MediaDescription::parse(value);
                    session.media.push(
                        medium.ok_or_else(|| wrong(number, "no medium: kind, port, protocol, formats"))?,
                    );
                }
                "a" => match session.media.last_mut() {
                    Some(medium) => medium.attribute(value).map_err(|problem| wrong(number, problem))?,
                    None => {
                        let control = value.strip_prefix("control:").map(|control| control.trim().to_owned());
                        session.control = control.or(session.control.take());
                    }
                },
                _ => {}
            }
        }
        Ok(session)
    }
}

impl MediaDescription {
    /// What follows `m=`.
    fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let kind = words.next()?.to_owned();
        let (_port, protocol) = (words.next()?, words.next()?);
        let formats = if protocol.starts_with("RTP/") {
            words.take(MOST_FORMATS).filter_map(|word| Some(Format::known(word.parse().ok()?))).collect()
        } else {
            Vec::new()
        };
        Some(Self { kind, control: None, formats })
    }

    /// What follows `a=`.
    fn attribute(&mut self, value: &str) -> Result<(), &'static str> {
        let (name, value) = value.split_once(':').unwrap_or((value, ""));
        match name {
            "control" => self.control = Some(value.trim().to_owned()),
            "rtpmap" => {
                let (payload_type, mapping) = value.split_once(' ').ok_or("no rtpmap: type encoding/rate")?;
                let payload_type: u8 = payload_type.parse().map_err(|_| "the payload type is no number")?;
                let mut parts = mapping.trim().split('/');
                let (encoding, rate) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                let clock_rate = rate.parse().map_err(|_| "the clock rate is no number")?;
                let channels =
                    parts.next().map_or(Ok(1), str::parse).map_err(|_| "the channels are no number")?;
                if let Some(format) = self.format_of(payload_type) {
                    format.encoding = encoding.to_ascii_uppercase();
                    (format.clock_rate, format.channels) = (clock_rate, channels);
                }
            }
            "fmtp" => {
                let (payload_type, parameters) = value.split_once(' ').unwrap_or((value, ""));
                let payload_type = payload_type.parse().map_err(|_| "the payload type is no number")?;
                if let Some(format) = self.format_of(payload_type) {
                    let pairs = parameters.split(';').map(str::trim).filter(|pair| !pair.is_empty());
                    format.parameters = pairs
                        .take(MOST_PARAMETERS)
                        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
                        .collect();
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn format_of(&mut self, payload_type: u8) -> Option<&mut Format> {
        self.formats.iter_mut().find(|format| format.payload_type == payload_type)
    }

    /// The first of its formats that we can read, as a track of this id.
    ///
    /// # Errors
    /// [`RtpError::Unsupported`] saying of each why not.
    pub fn format(&self, id: TrackId) -> Result<PayloadFormat, RtpError> {
        let mut reasons = Vec::new();
        for format in &self.formats {
            match format.read(id) {
                Ok(payload_format) => return Ok(payload_format),
                Err(why) => reasons.push(format!("{} ({why})", format.name())),
            }
        }
        let why = if reasons.is_empty() { "it has no RTP format".to_owned() } else { reasons.join(", ") };
        Err(RtpError::Unsupported { what: self.kind.clone(), why })
    }
}

impl Format {
    /// With what RFC 3551 says of a payload type.
    fn known(payload_type: u8) -> Self {
        let (encoding, clock_rate) = match payload_type {
            0 => ("PCMU", 8_000),
            8 => ("PCMA", 8_000),
            14 => ("MPA", 90_000),
            26 => ("JPEG", 90_000),
            32 => ("MPV", 90_000),
            33 => ("MP2T", 90_000),
            _ => ("", 0),
        };
        Self { payload_type, encoding: encoding.to_owned(), clock_rate, channels: 1, parameters: Vec::new() }
    }

    fn name(&self) -> String {
        if self.encoding.is_empty() {
            format!("payload type {}", self.payload_type)
        } else {
            self.encoding.clone()
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn read(&self, id: TrackId) -> Result<PayloadFormat, String> {
        let clock_rate = Timescale::new(self.clock_rate).ok_or("its clock rate is not known")?;
        let whole = |parameters, timescale| {
            let track = Arc::new(Track { id, timescale, parameters });
            Depacketizer::Whole(Sound::new(track, ()))
        };
        let (kind, depacketizer) = match self.encoding.as_str() {
            "H264" => {
                if self.parameter("packetization-mode").is_some_and(|mode| mode == "2") {
                    return Err("packetization mode 2 is not taken".to_owned());
                }
                let parameters = self.parameter("sprop-parameter-sets").and_then(parameter_sets);
                let depacketizer =
                    crate::h264::depacketizer(id, parameters.as_ref()).map_err(|error| error.to_string())?;
                (MediaKind::Video, Depacketizer::Video(Box::new(depacketizer)))
            }
            "H265" => {
                if self.parameter("sprop-max-don-diff").is_some_and(|most| most != "0") {
                    return Err("decoding order numbers are not taken".to_owned());
                }
                let sets = ["sprop-vps", "sprop-sps", "sprop-pps"].map(|name| self.parameter(name));
                let nals: Vec<Vec<u8>> = sets.into_iter().flatten().flat_map(sprop).collect();
                let parameters = h265::parse_parameters(nals.iter().map(Vec::as_slice)).ok();
                let depacketizer =
                    crate::h265::depacketizer(id, parameters.as_ref()).map_err(|error| error.to_string())?;
                (MediaKind::Video, Depacketizer::Video(Box::new(depacketizer)))
            }
            "AV1" => (MediaKind::Video, Depacketizer::Video(Box::new(Av1Depacketizer::new(id)))),
            "VP8" => (MediaKind::Video, Depacketizer::Video(Box::new(Vp8Depacketizer::new(id)))),
            "VP9" => (MediaKind::Video, Depacketizer::Video(Box::new(Vp9Depacketizer::new(id)))),
            "JPEG" => (MediaKind::Video, Depacketizer::Video(Box::new(JpegDepacketizer::new(id)))),
            "MPV" => (MediaKind::Video, Depacketizer::Video(Box::new(MpegVideoDepacketizer::new(id)))),
            "MPA" => (MediaKind::Audio, Depacketizer::MpegAudio(MpegAudioDepacketizer::new(id, clock_rate))),
            "MPEG4-GENERIC" => {
                let config = self.parameter("config").and_then(unhex).ok_or("it has no config")?;
                let parameters = aac::parse_config(&config).map_err(|error| error.to_string())?;
                let bits = |name, otherwise| match self.parameter(name).map(str::parse::<u32>) {
                    None => Ok(otherwise),
                    Some(Ok(bits)) if bits <= 16 => Ok(bits),
                    Some(_) => Err(format!("its {name} is not between 0 and 16")),
                };
                let layout = HeaderLayout {
                    size_bits: bits("sizelength", HeaderLayout::HBR.size_bits)?,
                    index_bits: bits("indexlength", 0)?,
                    index_delta_bits: bits("indexdeltalength", 0)?,
                };
                let samples = i64::from(aac::samples_per_unit(&parameters));
                let rate = Timescale::new(parameters.sample_rate()).ok_or("its sample rate is zero")?;
                let duration = MediaTime::new(samples, rate).rescale(clock_rate);
                let parameters = CodecParameters::Aac(parameters);
                let track = Arc::new(Track { id, timescale: clock_rate, parameters });
                let sound = Sound::new(track, AacDepacketizer::new(layout));
                (MediaKind::Audio, Depacketizer::Aac(sound, duration))
            }
            "OPUS" => {
                let stereo = self.parameter("sprop-stereo").is_none_or(|stereo| stereo != "0");
                let parameters =
                    OpusParameters::new(1 + u8::from(stereo), 0).map_err(|error| error.to_string())?;
                (MediaKind::Audio, whole(CodecParameters::Opus(parameters), clock_rate))
            }
            "PCMU" | "PCMA" => {
                let law = if self.encoding == "PCMU" { G711Law::Mu } else { G711Law::A };
                let parameters = G711Parameters::new(law, self.clock_rate, self.channels)
                    .map_err(|error| error.to_string())?;
                (MediaKind::Audio, whole(CodecParameters::G711(parameters), clock_rate))
            }
            _ => return Err("not known here".to_owned()),
        };
        Ok(PayloadFormat { payload_type: self.payload_type, clock_rate, kind, depacketizer })
    }
}

/// Whether a track has a payload format here.
pub fn carries(parameters: &CodecParameters) -> bool {
    match parameters {
        CodecParameters::Jpeg(p) => p.width().max(p.height()) <= jpeg::LARGEST.into(),
        CodecParameters::H264(_)
        | CodecParameters::H265(_)
        | CodecParameters::Av1(_)
        | CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::MpegVideo(_)
        | CodecParameters::Aac(_)
        | CodecParameters::Opus(_)
        | CodecParameters::G711(_)
        | CodecParameters::MpegAudio(_) => true,
    }
}

/// The payload type of the track that stands at `index` of a description.
pub fn payload_type(track: &Track, index: u8) -> u8 {
    match &track.parameters {
        CodecParameters::G711(parameters)
            if parameters.sample_rate() == 8_000 && parameters.channels() == 1 =>
        {
            match parameters.law() {
                G711Law::Mu => 0,
                G711Law::A => 8,
            }
        }
        CodecParameters::Jpeg(_) => 26,
        CodecParameters::MpegVideo(_) => 32,
        CodecParameters::MpegAudio(_) => 14,
        CodecParameters::H264(_)
        | CodecParameters::H265(_)
        | CodecParameters::Av1(_)
        | CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Aac(_)
        | CodecParameters::Opus(_)
        | CodecParameters::G711(_) => DYNAMIC + index.min(127 - DYNAMIC),
    }
}

/// Describes these tracks, which must have payload formats, under a name; the control URL of each is `trackID=` and its place, from 0.
pub fn describe(name: &str, tracks: &[Arc<Track>]) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let mut text = format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns={name}\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\na=range:npt=now-\r\n"
    );
    for (index, track) in (0..).zip(tracks) {
        let payload_type = payload_type(track, index);
        let kind = match track.kind() {
            MediaKind::Video => "video",
            MediaKind::Audio => "audio",
        };
        // Writing to a string does not fail.
        let _ = write!(text, "m={kind} 0 RTP/AVP {payload_type}\r\n");
        let _ = write!(text, "a=rtpmap:{payload_type} {}\r\n", mapping(&track.parameters));
        if let Some(parameters) = format_parameters(&track.parameters) {
            let _ = write!(text, "a=fmtp:{payload_type} {parameters}\r\n");
        }
        let _ = write!(text, "a=control:trackID={index}\r\n");
    }
    text
}

/// What of a track stands in a description and nowhere else: two tracks with the same may follow each other in one session.
pub fn fingerprint(track: &Track) -> String {
    let in_band = match &track.parameters {
        CodecParameters::H264(_)
        | CodecParameters::H265(_)
        | CodecParameters::Av1(_)
        | CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_)
        | CodecParameters::MpegAudio(_) => true,
        CodecParameters::Aac(_) | CodecParameters::Opus(_) | CodecParameters::G711(_) => false,
    };
    let parameters = format_parameters(&track.parameters).filter(|_| !in_band).unwrap_or_default();
    format!("{} {parameters}", mapping(&track.parameters))
}

fn mapping(parameters: &CodecParameters) -> String {
    match parameters {
        CodecParameters::H264(_) => "H264/90000".to_owned(),
        CodecParameters::H265(_) => "H265/90000".to_owned(),
        CodecParameters::Av1(_) => "AV1/90000".to_owned(),
        CodecParameters::Vp8(_) => "VP8/90000".to_owned(),
        CodecParameters::Vp9(_) => "VP9/90000".to_owned(),
        CodecParameters::Jpeg(_) => "JPEG/90000".to_owned(),
        CodecParameters::MpegVideo(_) => "MPV/90000".to_owned(),
        CodecParameters::MpegAudio(_) => "MPA/90000".to_owned(),
        CodecParameters::Aac(p) => format!("MPEG4-GENERIC/{}/{}", p.sample_rate(), p.channels()),
        // Always so, whatever is inside (RFC 7587 §7).
        CodecParameters::Opus(_) => "opus/48000/2".to_owned(),
        CodecParameters::G711(p) => {
            let law = match p.law() {
                G711Law::Mu => "PCMU",
                G711Law::A => "PCMA",
            };
            format!("{law}/{}/{}", p.sample_rate(), p.channels())
        }
    }
}

fn format_parameters(parameters: &CodecParameters) -> Option<String> {
    match parameters {
        CodecParameters::H264(p) => {
            let sets: Vec<String> =
                std::iter::once(p.sps()).chain(p.pps()).map(|nal| STANDARD.encode(nal)).collect();
            Some(format!(
                "packetization-mode=1;profile-level-id={:02x}{:02x}{:02x};sprop-parameter-sets={}",
                p.profile_idc(),
                p.constraints(),
                p.level_idc(),
                sets.join(",")
            ))
        }
        CodecParameters::Aac(p) => {
            let config = p.config().iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02X}");
                hex
            });
            Some(format!(
                "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config={config}"
            ))
        }
        CodecParameters::Opus(p) => Some(format!("sprop-stereo={}", u8::from(p.channels() == 2))),
        CodecParameters::H265(p) => {
            let pps: Vec<String> = p.pps().iter().map(|nal| STANDARD.encode(nal)).collect();
            let (vps, sps) = (STANDARD.encode(p.vps()), STANDARD.encode(p.sps()));
            Some(format!("sprop-vps={vps};sprop-sps={sps};sprop-pps={}", pps.join(",")))
        }
        CodecParameters::Av1(_)
        | CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_)
        | CodecParameters::MpegAudio(_)
        | CodecParameters::G711(_) => None,
    }
}

/// What `sprop-parameter-sets` says, if it can be read; parameter sets in band come anyway.
fn parameter_sets(value: &str) -> Option<H264Parameters> {
    let nals: Vec<Vec<u8>> = sprop(value).collect();
    h264::parse_parameters(nals.iter().map(Vec::as_slice)).ok()
}

/// NAL units in base64, with commas between them; what cannot be read is left out.
fn sprop(value: &str) -> impl Iterator<Item = Vec<u8>> {
    value.split(',').take(MOST_PARAMETER_SETS).filter_map(|set| STANDARD.decode(set.trim()).ok())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() > 256 || !digits.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// The first payload type that has no fixed meaning.
const DYNAMIC: u8 = 96;
/// What a description may have of each; real ones have a tenth.
const MOST_BYTES: usize = 64 << 10;
const MOST_MEDIA: usize = 16;
const MOST_FORMATS: usize = 32;
const MOST_PARAMETERS: usize = 64;
const MOST_PARAMETER_SETS: usize = 32;
