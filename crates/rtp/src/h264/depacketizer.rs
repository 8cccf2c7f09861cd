//! Payloads into access units (RFC 6184 §5.6 to §5.8).
//!
//! A picture ends with the marker, or where the timestamp changes. Invariant: a picture comes out whole or not at all. After a loss the one
//! in the making is thrown away, what follows is left out up to the next random access point, and that one must begin with its first
//! slice, since what was lost may have been its start.
//!
//! Tolerated: a marker on parameter sets (they are no picture), a missing marker, empty fragments. Not: interleaving (mode 2).

use std::sync::Arc;

use codec::CodecError;
use codec::h264::{MAX_ACCESS_UNIT, NalUnit, Stamp, UnitBuilder, length_prefixed};
use media::{AccessUnit, H264Parameters, Timescale, Track, TrackId};

use super::{FU_A, FU_END, FU_START, IMPORTANCE, STAP_A, TYPE};
use crate::RtpError;
use crate::depacketizer::{Arrived, Picture};

/// Makes the access units of one track.
#[derive(Debug)]
pub(crate) struct H264Depacketizer {
    builder: UnitBuilder,
    picture: Picture,
    /// Where in the picture's bytes the fragmented NAL unit began whose end has not come.
    fragment: Option<usize>,
}

impl H264Depacketizer {
    pub(crate) fn new(id: TrackId, parameters: Option<&H264Parameters>) -> Result<Self, CodecError> {
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
        let &first = payload.first().ok_or("it is empty")?;
        if first & TYPE != FU_A && self.fragment.take().is_some() {
            self.picture.damage();
        }
        match first & TYPE {
            1..=23 => self.add(payload, stamp),
            STAP_A => {
                let mut rest = &payload[1..];
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
            FU_A => self.add_fragment(payload, stamp),
            other => Err(format!("packets of type {other} are not taken")),
        }
    }

    fn add(&mut self, nal: &[u8], stamp: Stamp) -> Result<(), String> {
        let Some(unit) = NalUnit::new(nal) else { return Ok(()) };
        self.begin(unit, nal.get(1), stamp);
        self.room(nal.len() + 4)?;
        length_prefixed::write(nal, self.picture.data());
        Ok(())
    }

    /// A NAL unit begins, with this byte behind its header.
    fn begin(&mut self, nal: NalUnit<'_>, second: Option<&u8>, stamp: Stamp) {
        // The first slice of a picture has first_mb_in_slice 0, which is the bit 1.
        let first = second.is_some_and(|byte| byte & 0x80 != 0);
        self.picture.begin(stamp, nal.unit_type().is_slice().then_some(first));
    }

    fn add_fragment(&mut self, payload: &[u8], stamp: Stamp) -> Result<(), String> {
        let Some(([indicator, header], body)) = payload.split_first_chunk::<2>() else {
            return Err("a fragment without its header".to_owned());
        };
        if header & FU_START != 0 {
            if self.fragment.take().is_some() {
                self.picture.damage();
            }
            let header = [indicator & IMPORTANCE | header & TYPE];
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
        if header & FU_END != 0 {
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

const FORMAT: &str = "H.264";
