//! Payloads into access units (RFC 7798 §4.4), as whole as H.264's: see there.

use std::sync::Arc;

use codec::CodecError;
use codec::h264::{MAX_ACCESS_UNIT, Stamp, length_prefixed};
use codec::h265::{NalUnit, UnitBuilder};
use media::{AccessUnit, H265Parameters, Timescale, Track, TrackId};

use super::{AGGREGATION, FRAGMENTATION, FU_END, FU_START, FU_TYPE, HEADER, kind, with_kind};
use crate::RtpError;
use crate::depacketizer::{Arrived, Picture};

/// Makes the access units of one track.
#[derive(Debug)]
pub(crate) struct H265Depacketizer {
    builder: UnitBuilder,
    picture: Picture,
    /// Where in the picture's bytes the fragmented NAL unit began whose end has not come.
    fragment: Option<usize>,
}

impl H265Depacketizer {
    pub(crate) fn new(id: TrackId, parameters: Option<&H265Parameters>) -> Result<Self, CodecError> {
        let mut builder = UnitBuilder::new(id, Timescale::VIDEO_90K);
        if let Some(parameters) = parameters {
            builder.set_parameters(parameters)?;
        }
        Ok(Self { builder, picture: Picture::default(), fragment: None })
    }

    pub(crate) fn track(&self) -> Option<&Arc<Track>> {
        self.builder.track()
    }

    /// Packets before the next one are missing.
    pub(crate) fn lost(&mut self, packets: u16) {
        self.fragment = None;
        self.picture.lost(packets);
    }

    /// Ends the picture before a packet of another time.
    pub(crate) fn end(&mut self, arrived: &Arrived) -> Result<Option<AccessUnit>, RtpError> {
        if self.fragment.take().is_some() {
            self.picture.damage();
        }
        let builder = &mut self.builder;
        let unit = self.picture.take(|data, stamp| builder.length_prefixed(data, 4, stamp));
        unit.map_err(|source| RtpError::Codec { format: FORMAT, sequence: arrived.sequence, source })
    }

    /// Takes the payload of the next packet into the picture in the making.
    pub(crate) fn push(&mut self, payload: &[u8], arrived: &Arrived) -> Result<(), RtpError> {
        let Err(problem) = self.take(payload, arrived.stamp) else { return Ok(()) };
        // What was in it is missing.
        self.lost(0);
        Err(RtpError::Payload { format: FORMAT, sequence: arrived.sequence, problem })
    }

    fn take(&mut self, payload: &[u8], stamp: Stamp) -> Result<(), String> {
        let (header, body) = payload.split_first_chunk::<HEADER>().ok_or("it is shorter than its header")?;
        let kind = kind(header[0]);
        if kind != FRAGMENTATION && self.fragment.take().is_some() {
            self.picture.damage();
        }
        match kind {
            0..AGGREGATION => self.add(payload, stamp),
            AGGREGATION => {
                let mut rest = body;
                while let Some((length, tail)) = rest.split_first_chunk::<2>() {
                    let length = usize::from(u16::from_be_bytes(*length));
                    let nal = tail.get(..length).ok_or_else(|| {
                        format!("a NAL unit of {length} bytes runs past the end ({} left)", tail.len())
                    })?;
                    self.add(nal, stamp)?;
                    rest = &tail[length..];
                }
                Ok(())
            }
            FRAGMENTATION => self.add_fragment(*header, body, stamp),
            other => Err(format!("packets of type {other} are not taken")),
        }
    }

    fn add(&mut self, nal: &[u8], stamp: Stamp) -> Result<(), String> {
        let Some(unit) = NalUnit::new(nal) else { return Ok(()) };
        self.begin(unit, nal.get(HEADER), stamp);
        self.room(nal.len() + 4)?;
        length_prefixed::write(nal, self.picture.data());
        Ok(())
    }

    /// A NAL unit begins, with this byte behind its header.
    fn begin(&mut self, nal: NalUnit<'_>, third: Option<&u8>, stamp: Stamp) {
        // The first slice of a picture says so in its first bit, first_slice_segment_in_pic_flag.
        let first = third.is_some_and(|byte| byte & 0x80 != 0);
        self.picture.begin(stamp, nal.unit_type().is_slice().then_some(first));
    }

    fn add_fragment(&mut self, header: [u8; HEADER], body: &[u8], stamp: Stamp) -> Result<(), String> {
        let (&fragment, body) = body.split_first().ok_or("a fragment without its header")?;
        if fragment & FU_START != 0 {
            if self.fragment.take().is_some() {
                self.picture.damage();
            }
            let header = [with_kind(header[0], fragment & FU_TYPE), header[1]];
            let Some(nal) = NalUnit::new(&header) else { return Ok(()) };
            self.begin(nal, body.first(), stamp);
            self.room(header.len() + 4)?;
            let data = self.picture.data();
            let start = data.len();
            length_prefixed::write(&header, data);
            self.fragment = Some(start);
        }
        let Some(start) = self.fragment else {
            // Its beginning was lost, or never came.
            self.picture.damage();
            return Ok(());
        };
        self.room(body.len())?;
        let data = self.picture.data();
        data.extend_from_slice(body);
        if fragment & FU_END != 0 {
            // Bounded by `room`.
            let length = (data.len() - start - 4) as u32;
            data[start..start + 4].copy_from_slice(&length.to_be_bytes());
            self.fragment = None;
        }
        Ok(())
    }

    fn room(&mut self, more: usize) -> Result<(), String> {
        if self.picture.data().len() + more > MAX_ACCESS_UNIT {
            return Err(format!("the picture is larger than {MAX_ACCESS_UNIT} bytes"));
        }
        Ok(())
    }
}

const FORMAT: &str = "H.265";
