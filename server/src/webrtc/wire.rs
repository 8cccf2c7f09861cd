//! What datagrams say before anything is decrypted, and datagrams in a byte stream.
//!
//! A peer is known by the address it sends from. Before that it is known by whom it asks for: a binding request (RFC 8489, RFC 8445
//! §7.1) names in clear whose ICE credentials it was made with. Whether it was made with them is for the session to check.
//!
//! The file stands alone, since it is fuzzed by itself.

use bytes::{Bytes, BytesMut};

/// The username fragment of ours that a binding request was made for; `None` for all else.
pub(super) fn asked_for(datagram: &[u8]) -> Option<&str> {
    let (head, mut rest) = datagram.split_first_chunk::<STUN_HEADER>()?;
    let [kind_high, kind_low, length_high, length_low, cookie @ ..] = head;
    let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
    if [*kind_high, *kind_low] != BINDING_REQUEST
        || !cookie.starts_with(&MAGIC_COOKIE)
        || length != rest.len()
    {
        return None;
    }
    while let Some(([kind_high, kind_low, length_high, length_low], after)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        let value = after.get(..length)?;
        if [*kind_high, *kind_low] == USERNAME {
            let (ours, _) = std::str::from_utf8(value).ok()?.split_once(':')?;
            return Some(ours);
        }
        rest = after.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// The number of a binding request.
pub(super) fn transaction(datagram: &[u8]) -> Option<[u8; 12]> {
    let [kind_high, kind_low, _, _, cookie @ ..] = datagram.first_chunk::<STUN_HEADER>()?;
    let (cookie, number) = cookie.split_first_chunk::<4>()?;
    let is_request = [*kind_high, *kind_low] == BINDING_REQUEST && *cookie == MAGIC_COOKIE;
    is_request.then(|| number.try_into().ok()).flatten()
}

/// The number of a binding request by which a peer has everything go this way from now on (RFC 8445 §8.1.1).
pub(super) fn nominates(datagram: &[u8]) -> Option<[u8; 12]> {
    let number = transaction(datagram)?;
    let mut rest = datagram.get(STUN_HEADER..)?;
    while let Some(([kind_high, kind_low, length_high, length_low], after)) = rest.split_first_chunk::<4>() {
        if [*kind_high, *kind_low] == USE_CANDIDATE {
            return Some(number);
        }
        let length = usize::from(u16::from_be_bytes([*length_high, *length_low]));
        rest = after.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// The number of the binding request that a success answers.
pub(super) fn granted(datagram: &[u8]) -> Option<[u8; 12]> {
    let (kind, rest) = datagram.split_first_chunk::<2>()?;
    let number = rest.get(6..18)?.try_into().ok()?;
    (*kind == BINDING_SUCCESS).then_some(number)
}

/// Datagrams that came in a byte stream, each behind its length (RFC 4571 §2). Of one that is not whole no more than itself is kept.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: BytesMut,
}

impl Frames {
    /// Takes bytes in.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole datagram. To be called until there is none before more is taken in.
    pub(super) fn pull(&mut self) -> Option<Bytes> {
        let length = usize::from(u16::from_be_bytes(*self.bytes.first_chunk()?));
        if self.bytes.len() < 2 + length {
            return None;
        }
        let mut frame = self.bytes.split_to(2 + length).freeze();
        Some(frame.split_off(2))
    }
}

/// A datagram as it goes into a byte stream; `None` for one that is too long.
pub(super) fn framed(datagram: &[u8]) -> Option<Bytes> {
    let length = u16::try_from(datagram.len()).ok()?;
    let mut bytes = BytesMut::with_capacity(2 + datagram.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(datagram);
    Some(bytes.freeze())
}

const STUN_HEADER: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0, 1];
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: [u8; 2] = [0, 6];
const USE_CANDIDATE: [u8; 2] = [0, 0x25];
const BINDING_SUCCESS: [u8; 2] = [1, 1];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut rest = Vec::new();
        for (kind, value) in attributes {
            rest.extend_from_slice(&kind.to_be_bytes());
            rest.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
            rest.extend_from_slice(value);
            rest.resize(rest.len().next_multiple_of(4), 0);
        }
        let mut datagram = vec![0, 1];
        datagram.extend_from_slice(&u16::try_from(rest.len()).unwrap().to_be_bytes());
        datagram.extend_from_slice(&MAGIC_COOKIE);
        datagram.extend_from_slice(&[7; 12]);
        datagram.extend_from_slice(&rest);
        datagram
    }

    #[test]
    fn a_request_says_whom_it_asks_for() {
        let datagram = request(&[(0x8022, b"agent"), (6, b"ours:theirs"), (0x24, &[1, 2, 3, 4])]);
        assert_eq!(asked_for(&datagram), Some("ours"));
        assert_eq!(asked_for(&request(&[(0x8022, b"agent")])), None);
        assert_eq!(asked_for(&request(&[(6, b"nobody")])), None);
        for end in 0..datagram.len() {
            assert_eq!(asked_for(&datagram[..end]), None, "cut at {end}");
        }
        let mut response = datagram;
        response[0] = 1;
        assert_eq!(asked_for(&response), None);
    }

    #[test]
    fn a_request_may_choose_the_way_and_the_answer_grants_it() {
        let datagram = request(&[(6, b"ours:theirs"), (0x25, &[]), (0x24, &[1, 2, 3, 4])]);
        assert_eq!(nominates(&datagram), Some([7; 12]));
        assert_eq!(nominates(&request(&[(6, b"ours:theirs")])), None);
        assert_eq!(granted(&datagram), None);
        let mut success = datagram;
        success[..2].copy_from_slice(&BINDING_SUCCESS);
        assert_eq!((granted(&success), nominates(&success)), (Some([7; 12]), None));
    }

    proptest! {
        #[test]
        fn datagrams_survive_a_byte_stream_however_it_is_cut(
            datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..10), piece in 1usize..20,
        ) {
            let bytes: Vec<u8> = datagrams.iter().flat_map(|datagram| framed(datagram).unwrap()).collect();
            let (mut frames, mut back) = (Frames::default(), Vec::new());
            for piece in bytes.chunks(piece) {
                frames.push(piece);
                back.extend(std::iter::from_fn(|| frames.pull()).map(|frame| frame.to_vec()));
            }
            prop_assert_eq!(back, datagrams);
        }

        #[test]
        fn any_bytes_are_looked_at(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (asked_for(&bytes), nominates(&bytes), granted(&bytes));
        }
    }
}
