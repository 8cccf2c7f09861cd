//! Pictures in packets (H.264, RFC 6184): whether each came whole, and whether there was one to begin with.

/// What one viewer was shown.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    /// A random access picture was whole.
    has_begun: bool,
    /// Pictures that were not whole.
    pub(super) damaged: u64,
    /// The one at hand: what is wrong with it, and whether it stands alone.
    is_broken: bool,
    stands_alone: bool,
    /// A fragment's end is to come.
    is_open: bool,
}

impl Pictures {
    /// A picture to begin with was there, whole.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Takes a packet's payload, which follows the one before or not, and ends its picture or not.
    pub(super) fn take(&mut self, payload: &[u8], follows: bool, ends: bool) {
        self.is_broken |= !follows;
        match payload {
            [head, ..] if head & 31 == AGGREGATE => {
                let mut rest = &payload[1..];
                while let Some((length, after)) = rest.split_first_chunk::<2>() {
                    let length = usize::from(u16::from_be_bytes(*length));
                    self.unit(after.first().copied());
                    self.is_broken |= after.len() < length;
                    rest = after.get(length..).unwrap_or_default();
                }
            }
            [head, fragment, _, ..] if head & 31 == FRAGMENT => {
                let (begins, ends) = (fragment & 0x80 != 0, fragment & 0x40 != 0);
                self.is_broken |= begins == self.is_open;
                self.is_open = !ends;
                self.stands_alone |= fragment & 31 == RANDOM_ACCESS;
            }
            [head, _, ..] if (1..24).contains(&(head & 31)) => self.unit(Some(*head)),
            _ => self.is_broken = true,
        }
        if ends {
            let is_whole = !self.is_broken && !self.is_open;
            self.damaged += u64::from(!is_whole);
            self.has_begun |= is_whole && self.stands_alone;
            (self.is_broken, self.stands_alone, self.is_open) = (false, false, false);
        }
    }

    fn unit(&mut self, head: Option<u8>) {
        self.is_broken |= self.is_open || head.is_none();
        self.stands_alone |= head.is_some_and(|head| head & 31 == RANDOM_ACCESS);
    }
}

const RANDOM_ACCESS: u8 = 5;
const AGGREGATE: u8 = 24;
const FRAGMENT: u8 = 28;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_whole_if_all_its_packets_came() {
        let mut pictures = Pictures::default();
        pictures.take(&[0x61, 1], true, true);
        assert!(!pictures.has_begun());
        pictures.take(&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68], true, false);
        pictures.take(&[0x7c, 0x85, 1], true, false);
        pictures.take(&[0x7c, 0x05, 1], true, false);
        pictures.take(&[0x7c, 0x45, 1], true, true);
        assert!(pictures.has_begun());
        assert_eq!(pictures.damaged, 0);
    }

    #[test]
    fn one_that_lacks_a_packet_is_damaged() {
        for (packets, follows) in [
            (&[&[0x7c, 0x85, 1][..], &[0x7c, 0x45, 1]][..], false),
            (&[&[0x7c, 0x85, 1]], true),
            (&[&[0x7c, 0x05, 1], &[0x7c, 0x45, 1]], true),
            (&[&[0x7c, 0x85, 1], &[0x61, 1]], true),
            (&[&[0x78, 0, 9, 0x65]], true),
            (&[&[0]], true),
        ] {
            let mut pictures = Pictures::default();
            for (at, packet) in packets.iter().enumerate() {
                pictures.take(packet, follows || at == 0, at + 1 == packets.len());
            }
            assert_eq!((pictures.damaged, pictures.has_begun()), (1, false), "{packets:?}");
            pictures.take(&[0x65, 1], true, true);
            assert!(pictures.has_begun());
        }
    }
}
