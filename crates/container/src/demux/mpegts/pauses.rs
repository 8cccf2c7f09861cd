//! Whether a pause in the input is the end of a picture: learned from the pictures before.
//!
//! A picture that fills its transport packets to the last byte shows no stuffing, and a PES packet without length says
//! nothing of its end; about one in 184 is such. What follows it may be silence, or packets of other streams. Senders
//! that hand over whole pictures, as ffmpeg does, pause between them only; senders that pace their packets, and long
//! ways with a small window, pause anywhere, and mostly within large pictures. So a pause behind so many bytes is
//! believed only after enough *larger* pictures that came without one.
//!
//! Not here: what a pause is, and when one is; see [`super::pes`].

use std::collections::VecDeque;

/// What pauses of one kind have meant so far.
#[derive(Debug)]
pub(super) struct Pauses {
    /// Sizes of the last pictures that had no pause within, oldest first; at most [`REMEMBERED`].
    unbroken: VecDeque<usize>,
    /// So many of them must have been larger for a pause to be believed.
    proof: usize,
    /// A pause fell behind what has come of the picture, and nothing has followed yet.
    behind: bool,
    /// A pause fell within the picture that is being put together.
    within: bool,
}

impl Pauses {
    pub(super) const fn new() -> Self {
        Self { unbroken: VecDeque::new(), proof: PROOF, behind: false, within: false }
    }

    /// The input pauses behind `len` bytes of a picture; whether that is its end.
    pub(super) fn ends_picture(&mut self, len: usize) -> bool {
        let larger = self.unbroken.iter().filter(|size| **size > len).count();
        self.behind = larger < self.proof;
        !self.behind
    }

    /// What follows belongs to the same picture.
    pub(super) fn picture_goes_on(&mut self) {
        if std::mem::take(&mut self.behind) && !self.within {
            self.within = true;
            self.unbroken.clear();
            self.proof = self.proof.saturating_mul(2);
        }
    }

    /// A picture of `len` bytes is whole.
    pub(super) fn picture_is_whole(&mut self, len: usize) {
        self.behind = false;
        if !std::mem::take(&mut self.within) {
            if self.unbroken.len() == REMEMBERED {
                self.unbroken.pop_front();
            }
            self.unbroken.push_back(len);
        }
    }

    /// One was believed and was not the end: never again.
    pub(super) fn lied(&mut self) {
        self.proof = usize::MAX;
    }
}

/// Larger pictures without a pause that make one believed, at first; each that had one doubles it, up to never.
const PROOF: usize = 4;
/// Two seconds of pictures.
const REMEMBERED: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(pauses: &mut Pauses, sizes: &[usize]) {
        sizes.iter().for_each(|size| pauses.picture_is_whole(*size));
    }

    #[test]
    fn a_pause_is_believed_after_larger_pictures_without_one() {
        let mut pauses = Pauses::new();
        whole(&mut pauses, &[900, 900, 900, 100, 100]);
        assert!(!pauses.ends_picture(100), "three were larger");
        whole(&mut pauses, &[101]);
        assert!(pauses.ends_picture(100));
        assert!(!pauses.ends_picture(101), "a larger one may be on its way");
    }

    #[test]
    fn a_pause_within_a_picture_undoes_what_was_learned_and_asks_for_more() {
        let mut pauses = Pauses::new();
        whole(&mut pauses, &[900; 4]);
        assert!(!pauses.ends_picture(1_000));
        pauses.picture_goes_on();
        whole(&mut pauses, &[5_000, 900, 900, 900, 900, 900, 900, 900]);
        assert!(!pauses.ends_picture(100), "seven");
        whole(&mut pauses, &[900]);
        assert!(pauses.ends_picture(100));
    }

    #[test]
    fn one_picture_with_many_pauses_counts_once() {
        let mut pauses = Pauses::new();
        for _ in 0..9 {
            assert!(!pauses.ends_picture(10));
            pauses.picture_goes_on();
        }
        assert_eq!(pauses.proof, 2 * PROOF);
    }

    #[test]
    fn a_pause_that_was_believed_in_vain_is_never_believed_again() {
        let mut pauses = Pauses::new();
        whole(&mut pauses, &[900; 64]);
        pauses.lied();
        assert!(!pauses.ends_picture(1));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut pauses = Pauses::new();
        whole(&mut pauses, &[1; 1_000]);
        assert_eq!(pauses.unbroken.len(), REMEMBERED);
    }
}
