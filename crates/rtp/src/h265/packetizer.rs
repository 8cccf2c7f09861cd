//! Access units into payloads (RFC 7798 §4.4).

use codec::nal::length_prefixed;
use media::{AccessUnit, H265Parameters};

use super::{AGGREGATION, FRAGMENTATION, FU_END, FU_START, HEADER, kind, with_kind};
use crate::RtpError;
use crate::h264::fitting;
use crate::packetizer::Emit;

/// Gives out a unit as payloads of at most `max` bytes.
///
/// # Errors
/// [`RtpError::Unit`] if its NAL units are not framed as they should be; nothing was given out then.
pub(crate) fn packetize(
    unit: &AccessUnit,
    parameters: &H265Parameters,
    max: usize,
    emit: &mut Emit<'_>,
) -> Result<(), RtpError> {
    let mut nals: Vec<&[u8]> = Vec::with_capacity(8);
    if unit.random_access {
        nals.extend(parameters.sets().map(AsRef::<[u8]>::as_ref));
    }
    for nal in length_prefixed::split(&unit.data, 4) {
        let nal = nal.map_err(|error| RtpError::Unit { format: "H.265", problem: error.to_string() })?;
        nals.push(nal);
    }
    nals.retain(|nal| nal.len() > HEADER);
    let mut rest = &nals[..];
    while let Some(first) = rest.first() {
        let together = fitting(rest, HEADER, max);
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

fn aggregate(nals: &[&[u8]], last: bool, emit: &mut Emit<'_>) {
    // Of the lowest layer and temporal layer in it; everything here is of layer 0.
    let temporal = nals.iter().map(|nal| nal[1] & 7).min().unwrap_or(1);
    let header = [AGGREGATION << 1, temporal];
    // Each fits a packet, so its length two bytes.
    let lengths: Vec<[u8; 2]> = nals.iter().map(|nal| (nal.len() as u16).to_be_bytes()).collect();
    let mut parts: Vec<&[u8]> = vec![&header];
    for (length, nal) in lengths.iter().zip(nals) {
        parts.extend([&length[..], nal]);
    }
    emit(last, &parts);
}

fn fragment(nal: &[u8], max: usize, last: bool, emit: &mut Emit<'_>) {
    let Some(([first, second], body)) = nal.split_first_chunk::<HEADER>() else { return };
    let room = max.saturating_sub(HEADER + 1).max(1);
    let count = body.len().div_ceil(room);
    for (index, piece) in body.chunks(room).enumerate() {
        let start = if index == 0 { FU_START } else { 0 };
        let end = if index + 1 == count { FU_END } else { 0 };
        let header = [with_kind(*first, FRAGMENTATION), *second, kind(*first) | start | end];
        emit(last && end != 0, &[&header, piece]);
    }
}
