//! The floor's half of SRTP: a message cut into packets, each with a header, a number and AES-GCM by the cipher that str0m uses, side by side
//! in one buffer.

use str0m::crypto::{AeadAes256GcmCipher, SrtpProvider};

/// One client's packets.
pub(crate) struct Sealer {
    cipher: Box<dyn AeadAes256GcmCipher>,
    salt: [u8; 12],
    number: u64,
    ssrc: u32,
}

impl Sealer {
    /// With a key of its own, made of `seed`: nobody opens them.
    pub(crate) fn new(provider: &dyn SrtpProvider, seed: u32) -> Self {
        let mut key = [0x5a; 32];
        key[..4].copy_from_slice(&seed.to_be_bytes());
        let cipher = provider.aead_aes_256_gcm().create_cipher(key, true);
        Self { cipher, salt: [0xa5; 12], number: 0, ssrc: seed }
    }

    /// Puts a message's packets in `out`, all of them [`PACKET`] long but the last.
    pub(crate) fn seal(&mut self, message: &[u8], out: &mut Vec<u8>) {
        out.clear();
        for payload in message.chunks(PACKET - HEADER - TAG) {
            let at = out.len();
            let mut header = [0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            header[2..4].copy_from_slice(&(self.number as u16).to_be_bytes());
            header[8..].copy_from_slice(&self.ssrc.to_be_bytes());
            let mut nonce = self.salt;
            nonce[2..6].iter_mut().zip(&header[8..]).for_each(|(byte, other)| *byte ^= other);
            nonce[6..]
                .iter_mut()
                .zip(&self.number.to_be_bytes()[2..])
                .for_each(|(byte, other)| *byte ^= other);
            out.resize(at + HEADER + payload.len() + TAG, 0);
            out[at..at + HEADER].copy_from_slice(&header);
            // It fails for lengths alone, and these fit.
            let _ = self.cipher.encrypt(&nonce, &header, payload, &mut out[at + HEADER..]);
            self.number += 1;
        }
    }
}

/// As long as the server's are: 1,200 bytes and what AES-GCM adds.
pub(crate) const PACKET: usize = 1_200 + TAG;
const HEADER: usize = 12;
const TAG: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_packets_of_one_length_with_numbers_of_their_own() {
        let provider = str0m::crypto::from_feature_flags();
        let (mut sealer, mut out) = (Sealer::new(provider.srtp_provider, 7), Vec::new());
        sealer.seal(&vec![0x55; 2 * (PACKET - HEADER - TAG) + 10], &mut out);
        assert_eq!(out.len(), 2 * PACKET + HEADER + 10 + TAG);
        assert_eq!([out[3], out[PACKET + 3], out[2 * PACKET + 3]], [0, 1, 2]);
        assert_ne!(out[12..PACKET], out[PACKET + 12..2 * PACKET]);
        sealer.seal(&[1], &mut out);
        assert_eq!((out.len(), out[3]), (HEADER + 1 + TAG, 3));
    }
}
