//! H.264 to pictures by OpenH264, for derived streams.
//!
//! Decodes what OpenH264 can: Baseline to High, 4:2:0, 8 bits, no interlace; pictures come out in display order. A unit
//! that cannot be decoded is an error and decoding goes on at the next random access point.
//!
//! Security: OpenH264's decoder is C++ and has had memory-safety bugs on crafted streams. The framing, the unit's size, and the
//! size of the picture are checked here before it sees anything, garbage and truncation are tested, but nothing can be proven about
//! what is inside a slice: do not point it at senders you would not let crash this process.

use std::sync::Arc;

use codec::h264::Sps;
use codec::nal::annexb;
use media::{AccessUnit, Codec, CodecParameters, H264Parameters, Track};
use openh264::OpenH264API;
use openh264::decoder::{DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource;

use crate::matrix::ToPicture;
use crate::{EncodeError, Picture};

/// An H.264 decoder for one stream.
pub struct H264Decoder {
    decoder: Decoder,
    track: Option<Arc<Track>>,
    /// Broken or new: units are useless until the next random access point.
    waiting: bool,
    byte_stream: Vec<u8>,
    picture: Option<Picture>,
    /// From the track's colours to those of a picture.
    colours: Option<ToPicture>,
}

impl H264Decoder {
    /// A decoder; it learns the stream from the units.
    ///
    /// # Errors
    /// [`EncodeError::Library`] when OpenH264 cannot start.
    pub fn new() -> Result<Self, EncodeError> {
        Ok(Self {
            decoder: start()?,
            track: None,
            waiting: true,
            byte_stream: Vec::new(),
            picture: None,
            colours: None,
        })
    }

    /// Decodes one unit. `None` while there is no picture to show: before the first random access point, and where
    /// pictures are reordered.
    ///
    /// The picture is the decoder's own and is overwritten by the next one.
    ///
    /// # Errors
    /// [`EncodeError`] when the unit is not H.264, breaks the rules of [`AccessUnit`] or cannot be decoded; the decoder
    /// then waits for a random access point.
    pub fn decode(&mut self, unit: &AccessUnit) -> Result<Option<&Picture>, EncodeError> {
        let CodecParameters::H264(parameters) = &unit.track.parameters else {
            return Err(EncodeError::WrongCodec { codec: unit.track.parameters.codec().name() });
        };
        if self.waiting && !unit.random_access {
            return Ok(None);
        }
        let known = self.track.as_ref().is_some_and(|track| Arc::ptr_eq(track, &unit.track));
        if !known {
            let sps = Sps::parse(parameters.sps()).ok();
            self.colours = ToPicture::of(sps.as_ref().and_then(Sps::vui));
        }
        let shown = if self.byte_stream_of(unit, parameters, !known || self.waiting)? {
            self.decoder.decode(&self.byte_stream).map_err(|e| EncodeError::Library {
                codec: Codec::H264,
                action: "decoding",
                source: Box::new(e),
            })
        } else {
            return Ok(None);
        };
        match shown {
            Ok(Some(decoded)) => {
                copy(&decoded, &mut self.picture, self.colours)?;
                self.waiting = false;
                self.track = Some(Arc::clone(&unit.track));
                Ok(self.picture.as_ref())
            }
            Ok(None) => {
                self.waiting = false;
                self.track = Some(Arc::clone(&unit.track));
                Ok(None)
            }
            Err(error) => {
                // Its references are gone and its state is unknown: only a new one is sure to be sound.
                self.decoder = start()?;
                self.waiting = true;
                Err(error)
            }
        }
    }

    /// The last picture of what was decoded, if it is still held back to be shown after others; call it when no unit will follow.
    ///
    /// # Errors
    /// [`EncodeError::Library`] when OpenH264 fails.
    pub fn finish(&mut self) -> Result<Option<&Picture>, EncodeError> {
        let held = self.decoder.flush_remaining().map_err(|e| EncodeError::Library {
            codec: Codec::H264,
            action: "decoding",
            source: Box::new(e),
        })?;
        let Some(last) = held.last() else { return Ok(None) };
        copy(last, &mut self.picture, self.colours)?;
        Ok(self.picture.as_ref())
    }

    /// Fills `byte_stream` with the unit in Annex B, parameter sets first where they are needed.
    fn byte_stream_of(
        &mut self,
        unit: &AccessUnit,
        parameters: &H264Parameters,
        with_sets: bool,
    ) -> Result<bool, EncodeError> {
        if unit.data.len() > MAX_UNIT {
            return Err(EncodeError::Malformed { offset: MAX_UNIT, reason: "larger than any coded picture" });
        }
        let (width, height) = (parameters.width(), parameters.height());
        if width.max(height) > MAX_SIDE {
            return Err(EncodeError::Size {
                width,
                height,
                reason: "the decoder reaches 4096 pixels a side",
            });
        }
        self.byte_stream.clear();
        if with_sets || unit.random_access {
            for set in std::iter::once(parameters.sps()).chain(parameters.pps()) {
                annexb::write(set, &mut self.byte_stream);
            }
        }
        let before = self.byte_stream.len();
        let mut offset = 0;
        while offset < unit.data.len() {
            let rest = &unit.data[offset..];
            let Some((head, rest)) = rest.split_first_chunk::<4>() else {
                return Err(EncodeError::Malformed { offset, reason: "length field cut off" });
            };
            let length = u32::from_be_bytes(*head) as usize;
            let Some(nal) = rest.get(..length) else {
                return Err(EncodeError::Malformed { offset, reason: "NAL unit longer than the rest" });
            };
            if !nal.is_empty() {
                annexb::write(nal, &mut self.byte_stream);
            }
            offset += 4 + length;
        }
        Ok(self.byte_stream.len() > before)
    }
}

impl std::fmt::Debug for H264Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("H264Decoder")
            .field("track", &self.track)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

fn start() -> Result<Decoder, EncodeError> {
    let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
    Decoder::with_api_config(OpenH264API::from_source(), config).map_err(|e| EncodeError::Library {
        codec: Codec::H264,
        action: "set-up",
        source: Box::new(e),
    })
}

/// Copies the decoded rows, reusing the last picture when the size is the same, and brings their colours to a picture's.
fn copy(
    decoded: &DecodedYUV<'_>,
    into: &mut Option<Picture>,
    colours: Option<ToPicture>,
) -> Result<(), EncodeError> {
    let (width, height) = decoded.dimensions();
    let fits = into.as_ref().is_some_and(|p| p.width() == width && p.height() == height);
    if !fits {
        let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        *into = Some(Picture::new(side(width), side(height))?);
    }
    let Some(picture) = into else { return Ok(()) };
    let (y_stride, u_stride, v_stride) = decoded.strides();
    let planes = picture.planes_mut();
    rows(decoded.y(), y_stride, planes.y, width);
    rows(decoded.u(), u_stride, planes.u, width / 2);
    rows(decoded.v(), v_stride, planes.v, width / 2);
    if let Some(colours) = colours {
        colours.take(picture);
    }
    Ok(())
}

fn rows(from: &[u8], stride: usize, to: &mut [u8], width: usize) {
    for (to, from) in to.chunks_exact_mut(width).zip(from.chunks(stride.max(1))) {
        if let Some(from) = from.get(..width) {
            to.copy_from_slice(from);
        }
    }
}

/// No level of H.264 has coded pictures beyond this.
const MAX_UNIT: usize = 64 << 20;
const MAX_SIDE: u32 = 4096;
