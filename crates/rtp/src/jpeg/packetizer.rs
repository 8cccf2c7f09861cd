//! Pictures into payloads (RFC 2435 §3.1).

use codec::jpeg::Image;

use super::{HEADER, LARGEST, RESTARTS};
use crate::RtpError;
use crate::packetizer::Emit;

/// Gives out a picture as payloads of at most `max` bytes.
///
/// # Errors
/// [`RtpError::Unit`] with what there is no place for; nothing was given out then.
pub(crate) fn packetize(data: &[u8], max: usize, emit: &mut Emit<'_>) -> Result<(), RtpError> {
    let wrong = |problem| RtpError::Unit { format: "JPEG", problem };
    let image = Image::parse(data).map_err(|error| wrong(error.to_string()))?;
    let layout = image.layout;
    if layout.width > LARGEST || layout.height > LARGEST {
        let (width, height) = (layout.width, layout.height);
        return Err(wrong(format!("it is {width}x{height}, and {LARGEST} pixels a side are the most")));
    }
    if image.scan.is_empty() || image.scan.len() >= 1 << 24 {
        return Err(wrong(format!("a scan of {} bytes", image.scan.len())));
    }
    let has_restarts = image.restart_interval > 0;
    let kind = u8::from(layout.is_420) | if has_restarts { RESTARTS } else { 0 };
    // Each up to 255.
    let sides = [layout.width, layout.height].map(|side| side.div_ceil(8) as u8);
    let [r0, r1] = image.restart_interval.to_be_bytes();
    // First and last of its interval, which are not counted: the picture is to be put together whole.
    let restart = [r0, r1, 0xff, 0xff];
    let restart = if has_restarts { &restart[..] } else { &[] };
    let tables = [&[0, 0, 0, 128][..], &image.quantizers[0], &image.quantizers[1]].concat();

    let (mut offset, mut rest) = (0, image.scan);
    while !rest.is_empty() {
        let tables = if offset == 0 { &tables[..] } else { &[] };
        let room = max.saturating_sub(HEADER + restart.len() + tables.len()).max(1);
        let (piece, later) = rest.split_at(room.min(rest.len()));
        let [_, o0, o1, o2] = (offset as u32).to_be_bytes();
        let header = [0, o0, o1, o2, kind, IN_EVERY_PICTURE, sides[0], sides[1]];
        emit(later.is_empty(), &[&header, restart, tables, piece]);
        offset += piece.len();
        rest = later;
    }
    Ok(())
}

/// The Q whose tables may differ from picture to picture.
const IN_EVERY_PICTURE: u8 = 255;
