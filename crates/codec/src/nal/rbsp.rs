//! Emulation prevention (H.264 §7.3.1, §7.4.1): the 0x03 that keeps start codes out of NAL units.

/// The raw byte sequence payload of a NAL unit, without its header byte.
pub(crate) fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut rbsp = vec![0; nal.len().saturating_sub(1)];
    let length = unescape_into(nal, &mut rbsp);
    rbsp.truncate(length);
    rbsp
}

/// As [`unescape`], as far as `rbsp` has room. Gives the number of bytes written.
pub(crate) fn unescape_into(nal: &[u8], rbsp: &mut [u8]) -> usize {
    let mut zeros = 0;
    let mut length = 0;
    for &byte in nal.iter().skip(1) {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        let Some(place) = rbsp.get_mut(length) else { break };
        *place = byte;
        length += 1;
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
    length
}

/// A NAL unit with this header byte and raw byte sequence payload.
pub(crate) fn escape(header: u8, rbsp: &[u8]) -> Vec<u8> {
    let mut nal = Vec::with_capacity(rbsp.len() + rbsp.len() / 32 + 4);
    nal.push(header);
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros >= 2 && byte <= 3 {
            nal.push(3);
            zeros = 0;
        }
        nal.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
    if rbsp.last() == Some(&0) {
        nal.push(3);
    }
    nal
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn escaping_round_trips_and_hides_start_codes(rbsp in proptest::collection::vec(0u8..5, 0..200)) {
            let nal = escape(0x67, &rbsp);
            prop_assert!(!nal.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] < 3));
            // A payload that ends in a zero gets a 0x03 behind it, which is dropped again.
            prop_assert_eq!(unescape(&nal)[..rbsp.len()].to_vec(), rbsp);
        }
    }
}
