//! The one question that is put to a STUN server (RFC 8489): by which address others see a socket.
//!
//! Between peers STUN is str0m's, which understands no answer without a password. Here is only what such a server says to anybody.

use std::net::{IpAddr, SocketAddr};

/// What a question is known by.
pub(crate) type Transaction = [u8; 12];

/// A binding request without attributes (§5).
pub(crate) fn question(transaction: Transaction) -> [u8; HEADER] {
    let mut message = [0; HEADER];
    message[..2].copy_from_slice(&REQUEST.to_be_bytes());
    message[4..8].copy_from_slice(&COOKIE.to_be_bytes());
    message[8..].copy_from_slice(&transaction);
    message
}

/// The address in an answer to this question; `None` if it is none.
pub(crate) fn answer(datagram: &[u8], transaction: Transaction) -> Option<SocketAddr> {
    let (header, mut rest) = datagram.split_at_checked(HEADER)?;
    let is_answer = header[..2] == SUCCESS.to_be_bytes()
        && header[4..8] == COOKIE.to_be_bytes()
        && header[8..] == transaction
        && usize::from(u16::from_be_bytes([header[2], header[3]])) == rest.len();
    if !is_answer {
        return None;
    }
    let mask = &header[4..];
    while let Some((&[kind, detail, high, low], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let value = behind.get(..length)?;
        if u16::from_be_bytes([kind, detail]) == XOR_MAPPED_ADDRESS {
            return address(value, mask);
        }
        // The next one begins at a multiple of four.
        rest = behind.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// XOR-MAPPED-ADDRESS (§14.2).
fn address(value: &[u8], mask: &[u8]) -> Option<SocketAddr> {
    let (&[_, family, high, low], ip) = value.split_first_chunk()?;
    let port = u16::from_be_bytes([high ^ mask[0], low ^ mask[1]]);
    let plain: Vec<u8> = ip.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    let ip = match family {
        1 => IpAddr::from(<[u8; 4]>::try_from(plain).ok()?),
        2 => IpAddr::from(<[u8; 16]>::try_from(plain).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

const HEADER: usize = 20;
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const COOKIE: u32 = 0x2112_a442;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2.2 and §2.3: SOFTWARE before the address, then what is not looked at.
    const TRANSACTION: Transaction = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    fn answer_of(attributes: &[u8]) -> Vec<u8> {
        let mut message = question(TRANSACTION).to_vec();
        message[..2].copy_from_slice(&SUCCESS.to_be_bytes());
        message[2..4].copy_from_slice(&u16::try_from(attributes.len()).unwrap().to_be_bytes());
        message.extend_from_slice(attributes);
        message
    }

    const SOFTWARE: [u8; 16] = *b"\x80\x22\x00\x0btest vector ";
    const V4: [u8; 12] = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
    const V6: [u8; 24] = [
        0, 0x20, 0, 20, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4,
        0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
    ];

    #[test]
    fn the_address_of_the_standards_examples_is_read() {
        let of = |address: &[u8]| answer(&answer_of(&[&SOFTWARE, address].concat()), TRANSACTION);
        assert_eq!(of(&V4), Some("192.0.2.1:32853".parse().unwrap()));
        assert_eq!(of(&V6), Some("[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap()));
    }

    #[test]
    fn what_is_no_answer_to_the_question_is_none() {
        let whole = answer_of(&V4);
        for length in 0..whole.len() {
            assert_eq!(answer(&whole[..length], TRANSACTION), None, "{length}");
        }
        assert_eq!(answer(&whole, [0; 12]), None);
        assert_eq!(answer(&question(TRANSACTION), TRANSACTION), None);
        assert_eq!(answer(&answer_of(&V6[..12]), TRANSACTION), None);
    }
}
