//! Payloads into pictures, files as any decoder knows them (RFC 2435 §3.1, §4).
//!
//! A picture of which anything is missing is left out; the next one stands alone.

use std::collections::HashMap;
use std::sync::Arc;

use codec::jpeg::{Layout, UnitBuilder, quantizers, write_headers};
use codec::nal::{MAX_ACCESS_UNIT, Stamp};
use media::{AccessUnit, Timescale, Track, TrackId};

use super::{HEADER, RESTARTS, TABLES_IN_BAND};
use crate::RtpError;
use crate::depacketizer::{Arrived, VideoDepacketizer};

/// Makes the pictures of one track.
#[derive(Debug)]
pub(crate) struct JpegDepacketizer {
    units: UnitBuilder,
    /// By Q, as they came in band.
    tables: HashMap<u8, [[u8; 64]; 2]>,
    picture: Option<Picture>,
    lost: u16,
}

/// A picture in the making.
#[derive(Debug)]
struct Picture {
    data: Vec<u8>,
    /// Where the scan begins.
    scan: usize,
    size: (u32, u32),
    stamp: Stamp,
}

/// What a packet says of its picture.
struct Head<'p> {
    offset: usize,
    layout: Layout,
    q: u8,
    restart_interval: u16,
    body: &'p [u8],
}

impl JpegDepacketizer {
    pub(crate) fn new(id: TrackId) -> Self {
        let units = UnitBuilder::new(id, Timescale::VIDEO_90K);
        Self { units, tables: HashMap::new(), picture: None, lost: 0 }
    }

    fn take(&mut self, payload: &[u8], stamp: Stamp) -> Result<(), String> {
        let head = head(payload)?;
        if head.offset == 0 {
            let (tables, scan) = self.tables(head.q, head.body)?;
            let mut data = Vec::with_capacity(scan.len() + 1_024);
            write_headers(head.layout, &tables, head.restart_interval, &mut data);
            let size = (head.layout.width.into(), head.layout.height.into());
            self.picture = Some(Picture { scan: data.len(), data, size, stamp });
            return self.add(0, scan);
        }
        self.add(head.offset, head.body)
    }

    /// The tables of a picture, and what follows them in its first packet.
    fn tables<'p>(&mut self, q: u8, body: &'p [u8]) -> Result<([[u8; 64]; 2], &'p [u8]), String> {
        match q {
            1..=99 => return Ok((quantizers(q), body)),
            0 | 100..TABLES_IN_BAND => return Err(format!("a Q of {q} has no meaning")),
            TABLES_IN_BAND.. => {}
        }
        let ([_, precision, l0, l1], rest) =
            body.split_first_chunk::<4>().ok_or("it ends in the header of the tables")?;
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let (tables, scan) = rest
            .split_at_checked(length)
            .ok_or_else(|| format!("tables of {length} bytes run past its end"))?;
        if tables.is_empty() {
            let known = self.tables.get(&q).filter(|_| q < 255);
            return Ok((*known.ok_or_else(|| format!("no tables of Q {q} have come"))?, scan));
        }
        // The lowest bit speaks of the first table.
        let one = if precision & 1 == 0 { tables.first_chunk::<64>() } else { None };
        let luma = *one.ok_or("quantization tables of 16 bits, or cut off")?;
        let two =
            if precision & 2 == 0 { tables.get(64..).and_then(<[u8]>::first_chunk::<64>) } else { None };
        let tables = [luma, two.copied().unwrap_or(luma)];
        self.tables.insert(q, tables);
        Ok((tables, scan))
    }

    /// Adds a piece of the scan; a picture whose pieces do not follow each other is none.
    fn add(&mut self, offset: usize, piece: &[u8]) -> Result<(), String> {
        let Some(picture) = &mut self.picture else { return Ok(()) };
        let there = picture.data.len() - picture.scan;
        if there != offset || picture.data.len() + piece.len() > MAX_ACCESS_UNIT {
            self.picture = None;
            return Err(format!("its part of the picture begins at {offset}, {there} bytes were there"));
        }
        picture.data.extend_from_slice(piece);
        Ok(())
    }
}

impl VideoDepacketizer for JpegDepacketizer {
    fn track(&self) -> Option<&Arc<Track>> {
        self.units.track()
    }

    fn lost(&mut self, packets: u16) {
        self.picture = None;
        self.lost = self.lost.saturating_add(packets);
    }

    /// Without its last packet no picture is whole.
    fn end(&mut self, arrived: &Arrived) -> Result<Option<AccessUnit>, RtpError> {
        let Some(mut picture) = self.picture.take().filter(|_| arrived.marker) else { return Ok(None) };
        if !picture.data.ends_with(&END) {
            picture.data.extend(END);
        }
        let stamp = Stamp {
            lost_before: std::mem::take(&mut self.lost),
            arrival: arrived.stamp.arrival,
            ..picture.stamp
        };
        let unit = self.units.picture(picture.data.into(), picture.size, stamp);
        unit.map_err(|source| RtpError::Codec { format: "JPEG", sequence: arrived.sequence, source })
    }

    fn push(&mut self, payload: &[u8], arrived: &Arrived) -> Result<(), RtpError> {
        let taken = self.take(payload, arrived.stamp);
        taken.map_err(|problem| {
            self.picture = None;
            RtpError::Payload { format: "JPEG", sequence: arrived.sequence, problem }
        })
    }
}

fn head(payload: &[u8]) -> Result<Head<'_>, String> {
    let ([_, o0, o1, o2, kind, q, width, height], rest) =
        payload.split_first_chunk::<HEADER>().ok_or("it is shorter than its header")?;
    let is_420 = match kind & !RESTARTS {
        0 => false,
        1 => true,
        _ => return Err(format!("type {kind} is not taken")),
    };
    let (restart_interval, body) = if kind & RESTARTS != 0 {
        let ([r0, r1, ..], body) = rest.split_first_chunk::<4>().ok_or("it ends in its restart header")?;
        (u16::from_be_bytes([*r0, *r1]), body)
    } else {
        (0, rest)
    };
    if *width == 0 || *height == 0 {
        return Err("its picture is larger than the format can say".to_owned());
    }
    let layout = Layout { width: u16::from(*width) * 8, height: u16::from(*height) * 8, is_420 };
    let offset = u32::from_be_bytes([0, *o0, *o1, *o2]) as usize;
    Ok(Head { offset, layout, q: *q, restart_interval, body })
}

/// The end of a file.
const END: [u8; 2] = [0xff, 0xd9];
