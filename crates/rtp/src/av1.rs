//! AV1 over RTP (the payload format of the Alliance for Open Media): the OBUs of a temporal unit without their sizes, each behind its
//! length, in packets that follow each other.
//!
//! In: with and without a count of elements, OBUs in pieces, sizes inside as well.

use std::sync::Arc;

use codec::av1::{ObuType, UnitBuilder, obus};
use codec::nal::MAX_ACCESS_UNIT;
use media::{AccessUnit, Timescale, Track, TrackId};

use crate::RtpError;
use crate::depacketizer::{Arrived, Picture, VideoDepacketizer};
use crate::packetizer::Emit;

/// Gives out a temporal unit as payloads of at most `max` bytes.
///
/// # Errors
/// [`RtpError::Unit`] if it is no row of OBUs; nothing was given out then.
pub(crate) fn packetize(unit: &AccessUnit, max: usize, emit: &mut Emit<'_>) -> Result<(), RtpError> {
    let mut elements: Vec<([u8; 2], usize, &[u8])> = Vec::with_capacity(4);
    for obu in obus(&unit.data) {
        let obu = obu.map_err(|error| RtpError::Unit { format: "AV1", problem: error.to_string() })?;
        if obu.kind() != ObuType::TemporalDelimiter {
            let (header, length) = obu.unsized_header();
            elements.push((header, length, obu.payload()));
        }
    }
    let mut packet = vec![if unit.random_access { NEW_SEQUENCE } else { 0 }];
    for (index, (header, length, payload)) in elements.iter().enumerate() {
        let (mut header, mut payload) = (&header[..*length], *payload);
        loop {
            let left = header.len() + payload.len();
            // A length takes two bytes up to 16,383, which no packet has.
            let room = max.saturating_sub(packet.len() + 2);
            if room < left && (room < LEAST_PIECE || room < header.len()) && packet.len() > 1 {
                emit(false, &[&packet]);
                packet.clear();
                packet.push(0);
                continue;
            }
            let take = left.min(room.max(header.len() + 1));
            let (piece, later) = payload.split_at(take - header.len());
            put_length(take, &mut packet);
            packet.extend_from_slice(header);
            packet.extend_from_slice(piece);
            (header, payload) = (&[], later);
            if payload.is_empty() {
                break;
            }
            packet[0] |= CONTINUED;
            emit(false, &[&packet]);
            packet.clear();
            packet.push(CONTINUES);
        }
        if index + 1 == elements.len() {
            emit(true, &[&packet]);
        }
    }
    Ok(())
}

/// Makes the temporal units of one track.
#[derive(Debug)]
pub(crate) struct Av1Depacketizer {
    units: UnitBuilder,
    picture: Picture,
    /// An OBU whose end is to come.
    fragment: Option<Vec<u8>>,
}

impl Av1Depacketizer {
    pub(crate) fn new(id: TrackId) -> Self {
        let units = UnitBuilder::new(id, Timescale::VIDEO_90K);
        Self { units, picture: Picture::default(), fragment: None }
    }

    fn take(&mut self, payload: &[u8], arrived: &Arrived) -> Result<(), String> {
        let (&header, mut rest) = payload.split_first().ok_or("it is empty")?;
        // What is lost may be the unit's beginning: only a new sequence says that this is one.
        let is_first = header & NEW_SEQUENCE != 0 && header & CONTINUES == 0;
        self.picture.begin(arrived.stamp, Some(is_first));
        let mut counted = usize::from(header >> 4 & 3);
        let (mut continues, is_continued) = (header & CONTINUES != 0, header & CONTINUED != 0);
        while !rest.is_empty() {
            let element = if counted == 1 {
                std::mem::take(&mut rest)
            } else {
                let (length, read) = length(rest).ok_or("an element's length is none")?;
                let (element, later) = rest[read..].split_at_checked(length).ok_or_else(|| {
                    format!("an element of {length} bytes runs past its end ({} left)", rest.len() - read)
                })?;
                rest = later;
                element
            };
            counted = counted.saturating_sub(1);
            self.element(element, std::mem::take(&mut continues), is_continued && rest.is_empty())?;
        }
        Ok(())
    }

    /// One OBU, or a piece of one.
    fn element(&mut self, element: &[u8], continues: bool, is_continued: bool) -> Result<(), String> {
        let there = self.picture.data().len() + self.fragment.as_ref().map_or(0, Vec::len);
        if there + element.len() + 8 > MAX_ACCESS_UNIT {
            return Err("the temporal unit is too large".to_owned());
        }
        let whole = match (continues, self.fragment.take()) {
            (true, Some(mut begun)) => {
                begun.extend_from_slice(element);
                begun
            }
            // Its beginning was lost.
            (true, None) => {
                self.picture.damage();
                return Ok(());
            }
            (false, Some(_)) => return Err("an OBU ends in its middle".to_owned()),
            (false, None) => element.to_vec(),
        };
        if is_continued {
            self.fragment = Some(whole);
            return Ok(());
        }
        if let Some(obu) = obus(&whole).next() {
            obu.map_err(|error| error.to_string())?.write(self.picture.data());
        }
        Ok(())
    }
}

impl VideoDepacketizer for Av1Depacketizer {
    fn track(&self) -> Option<&Arc<Track>> {
        self.units.track()
    }

    fn lost(&mut self, packets: u16) {
        self.fragment = None;
        self.picture.lost(packets);
    }

    fn end(&mut self, arrived: &Arrived) -> Result<Option<AccessUnit>, RtpError> {
        if self.fragment.take().is_some() {
            self.picture.damage();
        }
        let Self { units, picture, .. } = self;
        let unit = picture.take(|data, stamp| units.temporal_unit(data, stamp));
        unit.map_err(|source| RtpError::Codec { format: "AV1", sequence: arrived.sequence, source })
    }

    fn push(&mut self, payload: &[u8], arrived: &Arrived) -> Result<(), RtpError> {
        self.take(payload, arrived).map_err(|problem| {
            self.lost(0);
            RtpError::Payload { format: "AV1", sequence: arrived.sequence, problem }
        })
    }
}

/// LEB128, in as few bytes as it takes.
fn put_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// A length of at most four bytes, and how many it takes.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for (at, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((length, at + 1));
        }
    }
    None
}

/// Z: the first element goes on with the last one of the packet before.
const CONTINUES: u8 = 0x80;
/// Y: the last element goes on in the next packet.
const CONTINUED: u8 = 0x40;
/// N: a coded video sequence begins.
const NEW_SEQUENCE: u8 = 0x08;
/// Less of an OBU is not worth a place at a packet's end.
const LEAST_PIECE: usize = 16;
