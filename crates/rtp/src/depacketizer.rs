//! Payloads of one track into access units, whatever the payload format.
//!
//! Packets come here in order; what is missing between two is said by their number. Not here: reordering, clocks (see `receiver`).

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use codec::CodecError;
use codec::nal::{MAX_ACCESS_UNIT, Stamp};
use media::{AccessUnit, CodecParameters, MediaTime, Track};

use crate::RtpError;
use crate::aac::AacDepacketizer;
use crate::mpeg::MpegAudioDepacketizer;

/// What is known of a packet besides its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrived {
    pub(crate) sequence: u16,
    pub(crate) marker: bool,
    /// Presentation and decoding time are those of its timestamp.
    pub(crate) stamp: Stamp,
}

/// Makes the pictures of one track. A picture ends with the marker, or where the timestamp changes.
pub(crate) trait VideoDepacketizer: fmt::Debug + Send {
    /// The track, once its parameters are known.
    fn track(&self) -> Option<&Arc<Track>>;

    /// Packets before the next one are missing.
    fn lost(&mut self, packets: u16);

    /// Takes the payload of the next packet into the picture in the making.
    fn push(&mut self, payload: &[u8], arrived: &Arrived) -> Result<(), RtpError>;

    /// Ends the picture in the making.
    fn end(&mut self, arrived: &Arrived) -> Result<Option<AccessUnit>, RtpError>;
}

/// Makes the access units of one track.
#[derive(Debug)]
pub(crate) enum Depacketizer {
    Video(Box<dyn VideoDepacketizer>),
    MpegAudio(MpegAudioDepacketizer),
    Aac(Sound<AacDepacketizer>, MediaTime),
    /// One packet is one unit.
    Whole(Sound<()>),
}

/// A track of sound, whose units are all alike.
#[derive(Debug)]
pub(crate) struct Sound<D> {
    pub(crate) track: Arc<Track>,
    pub(crate) lost: u16,
    pub(crate) inner: D,
}

impl Depacketizer {
    /// The track, once it is known.
    pub(crate) fn track(&self) -> Option<&Arc<Track>> {
        match self {
            Self::Video(depacketizer) => depacketizer.track(),
            Self::MpegAudio(depacketizer) => depacketizer.track(),
            Self::Aac(sound, _) => Some(&sound.track),
            Self::Whole(sound) => Some(&sound.track),
        }
    }

    /// So many packets before the next one are missing.
    pub(crate) fn lost(&mut self, packets: u16) {
        match self {
            Self::Video(depacketizer) => depacketizer.lost(packets),
            Self::MpegAudio(depacketizer) => depacketizer.lost(packets),
            Self::Aac(sound, _) => {
                sound.inner.lost();
                sound.lost = sound.lost.saturating_add(packets);
            }
            Self::Whole(sound) => sound.lost = sound.lost.saturating_add(packets),
        }
    }

    /// What is in the making is over: a packet of another time comes.
    pub(crate) fn end(&mut self, arrived: &Arrived, out: &mut VecDeque<AccessUnit>) -> Result<(), RtpError> {
        match self {
            // The packet that comes is not the picture's last.
            Self::Video(depacketizer) => {
                out.extend(depacketizer.end(&Arrived { marker: false, ..*arrived })?);
            }
            Self::MpegAudio(_) | Self::Aac(..) | Self::Whole(_) => {}
        }
        Ok(())
    }

    /// Takes the next packet's payload.
    pub(crate) fn push(
        &mut self,
        payload: &[u8],
        arrived: &Arrived,
        out: &mut VecDeque<AccessUnit>,
    ) -> Result<(), RtpError> {
        match self {
            Self::Video(depacketizer) => {
                depacketizer.push(payload, arrived)?;
                if arrived.marker {
                    out.extend(depacketizer.end(arrived)?);
                }
            }
            Self::MpegAudio(depacketizer) => {
                let units = depacketizer.push(payload, arrived.stamp);
                out.extend(units.map_err(|problem| RtpError::Payload {
                    format: "MPEG audio",
                    sequence: arrived.sequence,
                    problem,
                })?);
            }
            Self::Aac(sound, duration) => {
                let units = sound.inner.push(payload).map_err(|problem| RtpError::Payload {
                    format: "AAC",
                    sequence: arrived.sequence,
                    problem,
                })?;
                let mut stamp = arrived.stamp;
                for unit in units {
                    out.push_back(sound.unit(unit, stamp));
                    stamp.pts = stamp.pts.saturating_add(*duration);
                    stamp.dts = stamp.pts;
                }
            }
            Self::Whole(_) if payload.is_empty() => {}
            Self::Whole(sound) => {
                let payload = match &sound.track.parameters {
                    CodecParameters::Opus(_) => opus(payload, arrived)?,
                    _ => Bytes::copy_from_slice(payload),
                };
                out.push_back(sound.unit(payload, arrived.stamp));
            }
        }
        Ok(())
    }
}

fn opus(payload: &[u8], arrived: &Arrived) -> Result<Bytes, RtpError> {
    let wrong = |source| RtpError::Codec { format: "Opus", sequence: arrived.sequence, source };
    codec::opus::packet_duration(payload).map_err(wrong)?;
    Ok(Bytes::copy_from_slice(payload))
}

impl<D> Sound<D> {
    pub(crate) const fn new(track: Arc<Track>, inner: D) -> Self {
        Self { track, lost: 0, inner }
    }

    fn unit(&mut self, data: Bytes, stamp: Stamp) -> AccessUnit {
        AccessUnit {
            track: Arc::clone(&self.track),
            dts: stamp.dts,
            pts: stamp.pts,
            random_access: true,
            disposable: false,
            lost_before: std::mem::take(&mut self.lost),
            data,
            captured: stamp.captured,
            arrival: stamp.arrival,
        }
    }
}

/// The picture in the making, and whether it may come out.
#[derive(Debug)]
pub(crate) struct Picture {
    data: Vec<u8>,
    stamp: Option<Stamp>,
    /// Something of it is missing.
    damaged: bool,
    /// Packets lost since the last picture that came out.
    lost: u16,
    /// Something that later pictures may refer to is missing: nothing comes out up to the next random access point.
    waiting: bool,
    /// What was lost last may have been the next picture's beginning.
    gap: bool,
}

impl Default for Picture {
    fn default() -> Self {
        // Who joins is in the middle of something.
        Self { data: Vec::new(), stamp: None, damaged: false, lost: 0, waiting: true, gap: true }
    }
}

impl Picture {
    /// Packets before the next one are missing.
    pub(crate) fn lost(&mut self, packets: u16) {
        self.lost = self.lost.saturating_add(packets);
        self.gap = true;
        self.waiting = true;
        self.damaged = self.stamp.is_some();
    }

    /// Something of the picture in the making is missing.
    pub(crate) const fn damage(&mut self) {
        self.damaged = true;
        self.waiting = true;
    }

    /// A NAL unit of it comes: if it is a slice, whether that is a picture's first.
    pub(crate) fn begin(&mut self, stamp: Stamp, slice: Option<bool>) {
        self.stamp.get_or_insert(stamp).arrival = stamp.arrival;
        if let Some(first) = slice
            && self.gap
        {
            self.gap = false;
            self.damaged |= !first;
        }
    }

    /// A piece of it comes, of a format whose pieces are put one behind the other: whether that is a picture's first.
    ///
    /// # Errors
    /// If there is too much of it, in words.
    pub(crate) fn add(&mut self, piece: &[u8], stamp: Stamp, is_first: bool) -> Result<(), &'static str> {
        if self.data.len() + piece.len() > MAX_ACCESS_UNIT {
            return Err("the picture is too large");
        }
        self.begin(stamp, Some(is_first));
        self.data.extend_from_slice(piece);
        Ok(())
    }

    /// Its bytes.
    pub(crate) const fn data(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    /// Ends it: `build` makes a unit of its bytes.
    pub(crate) fn take(
        &mut self,
        build: impl FnOnce(&[u8], Stamp) -> Result<Option<AccessUnit>, CodecError>,
    ) -> Result<Option<AccessUnit>, CodecError> {
        let damaged = std::mem::take(&mut self.damaged);
        let Some(stamp) = self.stamp.take() else { return Ok(None) };
        let built = if damaged { Ok(None) } else { build(&self.data, stamp) };
        self.data.clear();
        self.data.shrink_to(KEPT);
        self.waiting |= built.is_err();
        let Some(mut unit) = built? else { return Ok(None) };
        if self.waiting && !unit.random_access {
            return Ok(None);
        }
        self.waiting = false;
        unit.lost_before = std::mem::take(&mut self.lost);
        Ok(Some(unit))
    }
}

/// Memory kept from one picture to the next.
const KEPT: usize = 1 << 20;
