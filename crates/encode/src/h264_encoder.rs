//! Pictures to H.264 (ITU-T H.264, Constrained Baseline) by OpenH264.
//!
//! What comes out obeys [`AccessUnit`]: length-prefixed NAL units, the parameter sets in the track and not in the payload. The track
//! is made anew only when SPS or PPS change, so its pointer may be compared.
//!
//! OpenH264's defaults are not usable for live video (120 kbit/s, pictures left out, bitrate ignored without a frame
//! rate), so every field that matters is set here. No picture is ever reordered.

use std::sync::Arc;
use std::time::Instant;

use bytes::{BufMut, Bytes, BytesMut};
use media::{AccessUnit, Codec, CodecParameters, MediaTime, Timescale, Track, TrackId, Wallclock};
use openh264::encoder::{
    BitRate, Complexity, EncodedBitStream, Encoder, EncoderConfig, FrameRate, IntraFramePeriod, Profile,
    RateControlMode, VuiConfig,
};
use openh264::{OpenH264API, Timestamp};

use crate::quiet::silence;
use crate::{EncodeError, Picture};

/// What to encode and how.
#[derive(Debug, Clone, PartialEq)]
pub struct H264EncoderConfig {
    /// Width in pixels; even, 16 … 3840 (2160 if it is the shorter side).
    pub width: u32,
    /// Height in pixels; as the width.
    pub height: u32,
    /// Pictures per second the bitrate is meant for; the true times are those given to `encode`.
    pub frame_rate: f32,
    /// Bits per second.
    pub bitrate: u32,
    /// Pictures from one random access point to the next.
    pub gop: u32,
    /// Every picture is a random access point, for players that drop messages; `gop` is then ignored.
    pub intra_only: bool,
}

impl Default for H264EncoderConfig {
    /// 720p30 at 2 Mbit/s, a random access point every two seconds.
    fn default() -> Self {
        Self { width: 1280, height: 720, frame_rate: 30.0, bitrate: 2_000_000, gop: 60, intra_only: false }
    }
}

/// An H.264 encoder for pictures of one size.
pub struct H264Encoder {
    encoder: Encoder,
    size: (u32, u32),
    track: Option<Arc<Track>>,
    keyframe_requested: bool,
    last_size: usize,
}

impl H264Encoder {
    /// An encoder; the library itself starts with the first picture.
    ///
    /// # Errors
    /// [`EncodeError::Size`] or [`EncodeError::Config`] when the configuration is beyond the codec.
    pub fn new(config: &H264EncoderConfig) -> Result<Self, EncodeError> {
        check(config)?;
        // OpenH264 gives an IDR picture four times the bits of a mean picture and expects others to make up for it.
        let (gop, bitrate) =
            if config.intra_only { (1, config.bitrate / IDR_SHARE) } else { (config.gop, config.bitrate) };
        let settings = EncoderConfig::new()
            .bitrate(BitRate::from_bps(bitrate))
            .max_frame_rate(FrameRate::from_hz(config.frame_rate))
            .rate_control_mode(RateControlMode::Bitrate)
            .skip_frames(false)
            .complexity(Complexity::Low)
            .scene_change_detect(false)
            .background_detection(!config.intra_only)
            .intra_frame_period(IntraFramePeriod::from_num_frames(gop))
            .profile(Profile::Baseline)
            .num_threads(1)
            .vui(VuiConfig::bt709());
        let mut encoder = Encoder::with_api_config(OpenH264API::from_source(), settings)
            .map_err(|e| library("set-up", e))?;
        silence(&mut encoder);
        Ok(Self {
            encoder,
            size: (config.width, config.height),
            track: None,
            keyframe_requested: false,
            last_size: 0,
        })
    }

    /// Makes the next picture a random access point.
    pub fn request_keyframe(&mut self) {
        self.keyframe_requested = true;
    }

    /// Codes one picture; `pts` must not go back.
    ///
    /// `None` when the library left the picture out.
    ///
    /// # Errors
    /// [`EncodeError::WrongPicture`] for another size, [`EncodeError::Library`] when OpenH264 fails.
    pub fn encode(
        &mut self,
        picture: &Picture,
        pts: MediaTime,
        arrival: Instant,
        captured: Option<Wallclock>,
    ) -> Result<Option<AccessUnit>, EncodeError> {
        if picture.size() != self.size {
            let ((width, height), (expected_width, expected_height)) = (picture.size(), self.size);
            return Err(EncodeError::WrongPicture { width, height, expected_width, expected_height });
        }
        if std::mem::take(&mut self.keyframe_requested) && self.track.is_some() {
            self.encoder.force_intra_frame();
        }
        let pts = pts.rescale(Timescale::VIDEO_90K);
        let millis = u64::try_from(pts.ticks_in(Timescale::MILLIS)).unwrap_or(0);
        let stream = self
            .encoder
            .encode_at(picture, Timestamp::from_millis(millis))
            .map_err(|e| library("encoding", e))?;
        let coded = Coded::collect(&stream, self.last_size);
        if coded.data.is_empty() {
            return Ok(None);
        }
        self.last_size = coded.data.len();
        let track = self.track_for(coded.sps.as_ref(), &coded.pps)?;
        Ok(Some(AccessUnit {
            track,
            dts: pts,
            pts,
            random_access: coded.idr,
            disposable: coded.disposable,
            lost_before: 0,
            data: coded.data,
            captured,
            arrival,
        }))
    }

    /// The track of the units, once the first picture is coded.
    pub fn track(&self) -> Option<&Arc<Track>> {
        self.track.as_ref()
    }

    /// The present track, or a new one when the picture brought other parameter sets.
    fn track_for(&mut self, sps: Option<&Bytes>, pps: &[Bytes]) -> Result<Arc<Track>, EncodeError> {
        if let Some(track) = &self.track
            && let CodecParameters::H264(known) = &track.parameters
            && sps.is_none_or(|sps| sps == known.sps() && pps == known.pps())
        {
            return Ok(Arc::clone(track));
        }
        let parameters = codec::h264::parse_parameters(sps.into_iter().chain(pps).map(|nal| &nal[..]))?;
        let track = Arc::new(Track {
            id: TrackId::VIDEO,
            timescale: Timescale::VIDEO_90K,
            parameters: CodecParameters::H264(parameters),
        });
        self.track = Some(Arc::clone(&track));
        Ok(track)
    }
}

impl std::fmt::Debug for H264Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("H264Encoder")
            .field("size", &self.size)
            .field("track", &self.track)
            .finish_non_exhaustive()
    }
}

/// One coded picture, sorted into what belongs in the unit and what in the track.
struct Coded {
    data: Bytes,
    sps: Option<Bytes>,
    pps: Vec<Bytes>,
    idr: bool,
    disposable: bool,
}

impl Coded {
    fn collect(stream: &EncodedBitStream<'_>, expected_size: usize) -> Self {
        let mut data = BytesMut::with_capacity(expected_size + expected_size / 4 + 256);
        let mut coded = Self { data: Bytes::new(), sps: None, pps: Vec::new(), idr: false, disposable: true };
        for layer in (0..stream.num_layers()).filter_map(|i| stream.layer(i)) {
            for nal in (0..layer.nal_count()).filter_map(|i| layer.nal_unit(i)).map(without_start_code) {
                let Some(&header) = nal.first() else { continue };
                match header & 0x1f {
                    7 => coded.sps = Some(Bytes::copy_from_slice(nal)),
                    8 => coded.pps.push(Bytes::copy_from_slice(nal)),
                    9 => {}
                    unit_type => {
                        coded.idr |= unit_type == 5;
                        coded.disposable &= header & 0x60 == 0;
                        // A coded picture is far below 4 GiB: the library's buffer is bounded by the picture's size.
                        data.put_u32(nal.len() as u32);
                        data.put_slice(nal);
                    }
                }
            }
        }
        coded.data = data.freeze();
        coded
    }
}

fn without_start_code(nal: &[u8]) -> &[u8] {
    match nal {
        [0, 0, 0, 1, rest @ ..] | [0, 0, 1, rest @ ..] => rest,
        _ => nal,
    }
}

fn check(config: &H264EncoderConfig) -> Result<(), EncodeError> {
    let (width, height) = (config.width, config.height);
    let size = |reason| Err(EncodeError::Size { width, height, reason });
    if !width.is_multiple_of(2) || !height.is_multiple_of(2) {
        return size("width and height must be even");
    }
    if width.min(height) < MIN_SIDE {
        return size("width and height must be at least 16");
    }
    if width.max(height) > MAX_LONG_SIDE || width.min(height) > MAX_SHORT_SIDE {
        return size("the encoder reaches 3840x2160 or 2160x3840");
    }
    let wrong = |what, value: String, reason| Err(EncodeError::Config { what, value, reason });
    if !(config.frame_rate >= 0.1 && config.frame_rate <= 240.0) {
        return wrong("frame rate", config.frame_rate.to_string(), "it must be within 0.1 and 240");
    }
    if !(10_000..=240_000_000).contains(&config.bitrate) {
        return wrong("bitrate", config.bitrate.to_string(), "it must be within 10 kbit/s and 240 Mbit/s");
    }
    if config.gop == 0 {
        return wrong("GOP", config.gop.to_string(), "it must be at least 1 picture");
    }
    Ok(())
}

fn library(action: &'static str, error: openh264::Error) -> EncodeError {
    EncodeError::Library { codec: Codec::H264, action, source: Box::new(error) }
}

/// OpenH264's `IDR_BITRATE_RATIO`.
const IDR_SHARE: u32 = 4;
const MIN_SIDE: u32 = 16;
const MAX_LONG_SIDE: u32 = 3840;
const MAX_SHORT_SIDE: u32 = 2160;
