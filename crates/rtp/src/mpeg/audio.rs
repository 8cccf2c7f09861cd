//! Frames of sound (RFC 2250 §3.2, §3.5): one a packet, cut up where it is too large; several a packet are taken as well.

use std::sync::Arc;

use bytes::Bytes;
use codec::mpeg::audio::FrameHeader;
use codec::nal::Stamp;
use media::{AccessUnit, CodecParameters, Timescale, Track, TrackId};

use crate::packetizer::Emit;

/// Gives out a frame as payloads of at most `max` bytes.
pub(crate) fn packetize(data: &[u8], max: usize, emit: &mut Emit<'_>) {
    let room = max.saturating_sub(HEADER).max(1);
    for (index, piece) in data.chunks(room).enumerate() {
        // No frame has as many bytes as this can say.
        let [o0, o1] = ((index * room) as u16).to_be_bytes();
        emit(false, &[&[0, 0, o0, o1], piece]);
    }
}

/// Makes the frames of one track.
#[derive(Debug)]
pub(crate) struct MpegAudioDepacketizer {
    id: TrackId,
    timescale: Timescale,
    track: Option<Arc<Track>>,
    lost: u16,
    /// A frame whose end is to come.
    fragment: Vec<u8>,
}

impl MpegAudioDepacketizer {
    pub(crate) const fn new(id: TrackId, timescale: Timescale) -> Self {
        Self { id, timescale, track: None, lost: 0, fragment: Vec::new() }
    }

    pub(crate) const fn track(&self) -> Option<&Arc<Track>> {
        self.track.as_ref()
    }

    pub(crate) fn lost(&mut self, packets: u16) {
        self.fragment.clear();
        self.lost = self.lost.saturating_add(packets);
    }

    /// The frames that the next packet completes.
    pub(crate) fn push(&mut self, payload: &[u8], mut stamp: Stamp) -> Result<Vec<AccessUnit>, String> {
        let ([_, _, o0, o1], mut rest) =
            payload.split_first_chunk::<HEADER>().ok_or("it is shorter than its header")?;
        let offset = usize::from(u16::from_be_bytes([*o0, *o1]));
        let mut units = Vec::new();
        if offset > 0 {
            if self.fragment.len() != offset {
                self.fragment.clear();
                return Ok(units); // its beginning was lost
            }
            self.fragment.extend_from_slice(rest);
            let header = FrameHeader::parse(&self.fragment).map_err(|error| error.to_string())?;
            if self.fragment.len() >= header.length {
                let frame = std::mem::take(&mut self.fragment);
                units.push(self.unit(&header, &frame[..header.length], stamp));
            }
            return Ok(units);
        }
        self.fragment.clear();
        while !rest.is_empty() {
            let header = FrameHeader::parse(rest).map_err(|error| error.to_string())?;
            let Some((frame, later)) = rest.split_at_checked(header.length) else {
                // Whole frames and a piece of one are not mixed.
                if units.is_empty() {
                    self.fragment = rest.to_vec();
                }
                break;
            };
            units.push(self.unit(&header, frame, stamp));
            stamp.pts = stamp.pts.saturating_add(header.duration());
            stamp.dts = stamp.pts;
            rest = later;
        }
        Ok(units)
    }

    fn unit(&mut self, header: &FrameHeader, frame: &[u8], stamp: Stamp) -> AccessUnit {
        let parameters = CodecParameters::MpegAudio(header.parameters);
        let track = match &self.track {
            Some(track) if track.parameters == parameters => Arc::clone(track),
            _ => {
                let track = Arc::new(Track { id: self.id, timescale: self.timescale, parameters });
                Arc::clone(self.track.insert(track))
            }
        };
        AccessUnit {
            track,
            dts: stamp.dts,
            pts: stamp.pts,
            random_access: true,
            disposable: false,
            lost_before: std::mem::take(&mut self.lost),
            data: Bytes::copy_from_slice(frame),
            captured: stamp.captured,
            arrival: stamp.arrival,
        }
    }
}

const HEADER: usize = 4;
