//! Access units into payloads (RFC 6184 §5.6 to §5.8).

use codec::nal::length_prefixed;
use media::{AccessUnit, H264Parameters};

use super::{FU_A, FU_END, FU_START, IMPORTANCE, STAP_A, TYPE};
use crate::RtpError;
use crate::packetizer::Emit;

/// Gives out a unit as payloads of at most `max` bytes.
///
/// # Errors
/// [`RtpError::Unit`] if its NAL units are not framed as they should be; nothing was given out then.
pub(crate) fn packetize(
    unit: &AccessUnit,
    parameters: &H264Parameters,
    max: usize,
    emit: &mut Emit<'_>,
) -> Result<(), RtpError> {
    let mut nals: Vec<&[u8]> = Vec::with_capacity(8);
    if unit.random_access {
        nals.push(parameters.sps());
        nals.extend(parameters.pps().iter().map(AsRef::as_ref));
    }
    for nal in length_prefixed::split(&unit.data, 4) {
        let nal = nal.map_err(|error| RtpError::Unit { format: "H.264", problem: error.to_string() })?;
        nals.push(nal);
    }
    let mut rest = &nals[..];
    while let Some(first) = rest.first() {
        let together = fitting(rest, 1, max);
        let last = together.max(1) == rest.len();
        match together {
            0 => fragment(first, max, last, emit),
            1 => emit(last, &[first]),
            _ => aggregate(&rest[..together], last, emit),
        }
        rest = &rest[together.max(1)..];
    }
    Ok(())
}

/// How many of these NAL units go into one packet behind a header of so many bytes: none if the first is too large.
pub(crate) fn fitting(nals: &[&[u8]], header: usize, max: usize) -> usize {
    if nals.first().is_none_or(|first| first.len() > max) {
        return 0;
    }
    let mut size = header;
    let fit = nals.iter().take_while(|nal| {
        size += 2 + nal.len();
        size <= max
    });
    fit.count().max(1)
}

fn aggregate(nals: &[&[u8]], last: bool, emit: &mut Emit<'_>) {
    let importance = nals.iter().map(|nal| nal[0] & IMPORTANCE).max().unwrap_or(0);
    // Each fits a packet, so its length two bytes.
    let lengths: Vec<[u8; 2]> = nals.iter().map(|nal| (nal.len() as u16).to_be_bytes()).collect();
    let header = [importance | STAP_A];
    let mut parts: Vec<&[u8]> = vec![&header];
    for (length, nal) in lengths.iter().zip(nals) {
        parts.extend([&length[..], nal]);
    }
    emit(last, &parts);
}

fn fragment(nal: &[u8], max: usize, last: bool, emit: &mut Emit<'_>) {
    let Some((&first, body)) = nal.split_first() else { return };
    let indicator = first & IMPORTANCE | FU_A;
    let room = max.saturating_sub(2).max(1);
    let count = body.len().div_ceil(room);
    for (index, piece) in body.chunks(room).enumerate() {
        let start = if index == 0 { FU_START } else { 0 };
        let end = if index + 1 == count { FU_END } else { 0 };
        emit(last && end != 0, &[&[indicator, first & TYPE | start | end], piece]);
    }
}
