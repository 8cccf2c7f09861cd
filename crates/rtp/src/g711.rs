//! G.711 over RTP (RFC 3551 §4.5.14): the samples as they are.

use crate::packetizer::Emit;

/// Gives out sound as payloads of at most `max` bytes; they share a timestamp only where a unit is longer than that.
pub(crate) fn packetize(data: &[u8], max: usize, emit: &mut Emit<'_>) {
    data.chunks(max).for_each(|piece| emit(false, &[piece]));
}
