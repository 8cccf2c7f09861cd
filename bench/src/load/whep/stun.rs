//! ICE's binding requests (RFC 8489, RFC 8445 §7), as the controlling side makes them for a lite one.

use str0m::crypto::Sha1HmacProvider;

/// Names a request, for whoever answers it.
pub(super) type Transaction = [u8; 12];

/// Asks for consent, and nominates the way it goes. `user` is theirs, a colon, ours; the password is theirs.
pub(super) fn request(
    transaction: &Transaction,
    user: &str,
    password: &str,
    hmac: &dyn Sha1HmacProvider,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend_from_slice(&BINDING_REQUEST.to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
    bytes.extend_from_slice(transaction);
    attribute(&mut bytes, USERNAME, user.as_bytes());
    attribute(&mut bytes, PRIORITY, &HOST_PRIORITY.to_be_bytes());
    attribute(&mut bytes, ICE_CONTROLLING, &transaction[..8]);
    attribute(&mut bytes, USE_CANDIDATE, &[]);
    // Each is made of what is before it, with a length that counts it already.
    length(&mut bytes, 24);
    let code = hmac.sha1_hmac(password.as_bytes(), &[&bytes]);
    attribute(&mut bytes, MESSAGE_INTEGRITY, &code);
    length(&mut bytes, 8);
    let checksum = crc32(&bytes) ^ FINGERPRINT_MASK;
    attribute(&mut bytes, FINGERPRINT, &checksum.to_be_bytes());
    bytes
}

/// Whether this says yes to a request.
pub(super) fn is_consent(datagram: &[u8], transaction: &Transaction) -> bool {
    datagram.starts_with(&BINDING_SUCCESS.to_be_bytes()) && datagram.get(8..20) == Some(&transaction[..])
}

fn attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// Writes the length of the attributes, with so much still to come.
fn length(bytes: &mut [u8], more: usize) {
    let length = (bytes.len() - 20 + more) as u16;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
}

/// The checksum of Ethernet and gzip, bit by bit: it is needed once in seconds.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |rest, byte| {
        (0..8).fold(rest ^ u32::from(*byte), |rest, _| {
            if rest & 1 == 1 { (rest >> 1) ^ 0xedb8_8320 } else { rest >> 1 }
        })
    })
}

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const MAGIC_COOKIE: u32 = 0x2112_a442;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLING: u16 = 0x802a;
/// Of a peer-reflexive candidate of the first component.
const HOST_PRIORITY: u32 = (110 << 24) | (0xffff << 8) | 255;
const FINGERPRINT_MASK: u32 = 0x5354_554e;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_whose_it_is_and_ends_with_its_checksum() {
        let provider = str0m::crypto::from_feature_flags();
        let request = request(&[7; 12], "theirs:ours", "secret", provider.sha1_hmac_provider);
        assert_eq!(usize::from(u16::from_be_bytes([request[2], request[3]])), request.len() - 20);
        assert!(request.windows(11).any(|window| window == b"theirs:ours"));
        let (body, end) = request.split_at(request.len() - 8);
        assert_eq!(end[4..], (crc32(body) ^ FINGERPRINT_MASK).to_be_bytes());
    }

    #[test]
    fn only_the_answer_to_this_request_is_consent() {
        let mut answer = [&[1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
        assert!(is_consent(&answer, &[7; 12]));
        assert!(!is_consent(&answer, &[8; 12]));
        answer[1] = 0x11; // an error
        assert!(!is_consent(&answer, &[7; 12]));
        assert!(!is_consent(&answer[..10], &[7; 12]));
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
