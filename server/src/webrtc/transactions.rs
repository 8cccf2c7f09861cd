//! Binding requests that came before (RFC 8489 §5: each has a number of chance).
//!
//! Whoever sees a request on the way can send it again from elsewhere, and it is as good as the first: the peer's media would go there. So
//! one that came by one way counts on no other. A peer that asks again sends it from where it was.

use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use super::port::Way;
use super::wire;

/// The newest requests of a session.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    known: VecDeque<([u8; 12], u64)>,
    hasher: RandomState,
}

impl Transactions {
    /// Whether what came by a way may count: it is no request, or none that came by another.
    pub(super) fn is_fresh(&mut self, way: &Way, datagram: &[u8]) -> bool {
        let Some(number) = wire::transaction(datagram) else { return true };
        let way = self.hasher.hash_one(way);
        match self.known.iter().find(|(known, _)| *known == number) {
            Some((_, first)) => *first == way,
            None => {
                if self.known.len() == MOST {
                    self.known.pop_front();
                }
                self.known.push_back((number, way));
                true
            }
        }
    }
}

/// Some minutes of a browser's.
const MOST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u8) -> Vec<u8> {
        let mut datagram = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        datagram.extend_from_slice(&[number; 12]);
        datagram
    }

    #[test]
    fn a_request_counts_where_it_came_from_first() {
        let way = |port: u16| Way {
            is_tcp: false,
            local: ([192, 0, 2, 1], 1).into(),
            peer: ([192, 0, 2, 2], port).into(),
        };
        let mut transactions = Transactions::default();
        assert!(transactions.is_fresh(&way(1), &request(1)));
        assert!(transactions.is_fresh(&way(1), &request(1)), "asked again");
        assert!(!transactions.is_fresh(&way(2), &request(1)), "sent again by somebody else");
        assert!(transactions.is_fresh(&way(2), &request(2)), "the peer moved");
        assert!(transactions.is_fresh(&way(2), &[0x80; 30]), "media");
        for number in 3..=255 {
            assert!(transactions.is_fresh(&way(1), &request(number)));
        }
        assert_eq!(transactions.known.len(), MOST);
    }
}
