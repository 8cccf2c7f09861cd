//! Opus packets (RFC 6716 §3) and the identification header of RFC 7845 §5.1.
//!
//! Not here: `dOps` and the TS control header, which are the containers' ways to say the same.

use media::{MediaTime, OpusParameters, Timescale};

use crate::CodecError;

/// How long a packet plays, in samples at 48 kHz, from its TOC byte and frame count (RFC 6716 §3.1, §3.2).
///
/// # Errors
/// [`CodecError`] if the packet is empty or claims no frames or more than 120 ms.
pub fn packet_duration(packet: &[u8]) -> Result<MediaTime, CodecError> {
    let truncated = CodecError::Truncated { what: "Opus packet", bit: packet.len() * 8 };
    let Some(&toc) = packet.first() else { return Err(truncated) };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => i64::from(packet.get(1).ok_or(truncated)? & 0x3f),
    };
    let samples = frames * frame_samples(toc >> 3);
    if !(1..=MAX_SAMPLES).contains(&samples) {
        let value = samples.unsigned_abs();
        return Err(CodecError::Invalid { what: "Opus packet", field: "duration", value, bit: 16 });
    }
    Ok(MediaTime::new(samples, Timescale::AUDIO_48K))
}

/// Parameters from an identification header, `OpusHead` (RFC 7845 §5.1), with channel mapping family 0.
///
/// # Errors
/// [`CodecError`] if it is none, ends early, or has another mapping family.
pub fn parse_head(bytes: &[u8]) -> Result<OpusParameters, CodecError> {
    const WHAT: &str = "OpusHead";
    let Some(head) = bytes.first_chunk::<19>() else {
        return Err(CodecError::Truncated { what: WHAT, bit: bytes.len() * 8 });
    };
    let invalid = |field, at: usize| CodecError::Invalid {
        what: WHAT,
        field,
        value: u64::from(head[at]),
        bit: at * 8 + 8,
    };
    if !head.starts_with(b"OpusHead") {
        return Err(invalid("magic signature", 0));
    }
    if head[8] >> 4 != 0 {
        return Err(invalid("version", 8));
    }
    if head[18] != 0 {
        return Err(invalid("channel mapping family", 18));
    }
    Ok(OpusParameters::new(head[9], u16::from_le_bytes([head[10], head[11]]))?)
}

/// Samples at 48 kHz of one frame of this configuration (RFC 6716 §3.1, table 2).
const fn frame_samples(configuration: u8) -> i64 {
    match configuration {
        // SILK: 10, 20, 40, 60 ms.
        0..=11 => [480, 960, 1920, 2880][(configuration % 4) as usize],
        // Hybrid: 10, 20 ms.
        12..=15 => [480, 960][(configuration % 2) as usize],
        // CELT: 2.5, 5, 10, 20 ms.
        _ => [120, 240, 480, 960][(configuration % 4) as usize],
    }
}

/// 120 ms.
const MAX_SAMPLES: i64 = 5_760;

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(packet: &[u8]) -> Option<i64> {
        packet_duration(packet).ok().map(MediaTime::ticks)
    }

    #[test]
    fn durations_are_those_of_the_table() {
        assert_eq!(samples(&[0xfc]), Some(960)); // CELT fullband 20 ms, stereo, one frame
        assert_eq!(samples(&[0xf9]), Some(1920)); // two frames
        assert_eq!(samples(&[16 << 3 | 3, 2]), Some(240)); // two frames of 2.5 ms
        assert_eq!(samples(&[3 << 3]), Some(2880)); // SILK 60 ms
        assert_eq!(samples(&[13 << 3]), Some(960)); // hybrid 20 ms
    }

    #[test]
    fn packets_without_a_duration_are_refused() {
        assert_eq!(samples(&[]), None);
        assert_eq!(samples(&[0xff]), None); // count missing
        assert_eq!(samples(&[0xff, 0]), None); // no frames
        assert_eq!(samples(&[0xff, 7]), None); // 140 ms
    }

    #[test]
    fn the_identification_header_tells_channels_and_pre_skip() {
        let mut head = *b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
        assert_eq!(parse_head(&head).unwrap(), OpusParameters::new(2, 312).unwrap());
        head[18] = 1;
        assert!(parse_head(&head).is_err());
        assert!(parse_head(&head[..18]).is_err());
    }
}
