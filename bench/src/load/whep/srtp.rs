//! SRTP with AES-GCM (RFC 3711, RFC 7714), the receiver's half and its reports: str0m's ciphers, keys of our own, so that a viewer can leave
//! packets sealed.

use str0m::crypto::dtls::{KeyingMaterial, SrtpProfile};
use str0m::crypto::{AeadAes128GcmCipher, AeadAes256GcmCipher, SrtpProvider};

/// The keys of one connection.
pub(super) struct Keys {
    packets: Cipher,
    reports: Cipher,
    own_reports: Cipher,
    /// Of the next report of ours.
    index: u32,
}

/// A key with its salt.
struct Cipher {
    aes: Aes,
    salt: [u8; SALT],
}

enum Aes {
    Short(Box<dyn AeadAes128GcmCipher>),
    Long(Box<dyn AeadAes256GcmCipher>),
}

impl Keys {
    /// Of what DTLS agreed on; `None` if that is no AES-GCM.
    pub(super) fn new(
        material: &KeyingMaterial,
        profile: SrtpProfile,
        is_client: bool,
        provider: &dyn SrtpProvider,
    ) -> Option<Self> {
        let length = match profile {
            SrtpProfile::AEAD_AES_128_GCM => 16,
            SrtpProfile::AEAD_AES_256_GCM => 32,
            _ => return None,
        };
        // The client's key, the server's, the client's salt, the server's (RFC 5764 §4.2).
        let bytes: &[u8] = material;
        let (keys, salts) = bytes.split_at_checked(2 * length)?;
        let side = |is_client: bool| {
            let at = usize::from(!is_client);
            Some((keys.get(at * length..(at + 1) * length)?, salts.get(at * SALT..(at + 1) * SALT)?))
        };
        let cipher = |(key, salt): (&[u8], &[u8]), label: u8| {
            let derive = |label, wanted: usize| derived(provider, key, salt, label, wanted);
            let session: Vec<u8> = derive(label, length);
            let aes = match <[u8; 16]>::try_from(&session[..]) {
                Ok(key) => Aes::Short(provider.aead_aes_128_gcm().create_cipher(key, true)),
                Err(_) => {
                    Aes::Long(provider.aead_aes_256_gcm().create_cipher(session.try_into().ok()?, true))
                }
            };
            Some(Cipher { aes, salt: derive(label + SALT_LABEL, SALT).try_into().ok()? })
        };
        Some(Self {
            packets: cipher(side(!is_client)?, PACKETS)?,
            reports: cipher(side(!is_client)?, REPORTS)?,
            own_reports: cipher(side(is_client)?, REPORTS)?,
            index: 0,
        })
    }

    /// Opens a packet whose header has this length; the payload's length in `out`, or `None` if it is not from whom it should be.
    pub(super) fn open(
        &mut self,
        packet: &[u8],
        header: usize,
        number: u64,
        out: &mut [u8],
    ) -> Option<usize> {
        let (header, sealed) = packet.split_at_checked(header)?;
        let mut nonce = [0; SALT];
        nonce[2..6].copy_from_slice(header.get(8..12)?);
        nonce[6..12].copy_from_slice(&number.to_be_bytes()[2..]);
        self.packets.open(nonce, header, sealed, out)
    }

    /// Opens reports: the whole compound in clear.
    pub(super) fn open_reports(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let (sealed, index) = packet.split_last_chunk::<4>()?;
        let (header, sealed) = sealed.split_first_chunk::<8>()?;
        let bound = [&header[..], index].concat();
        let number = u32::from_be_bytes(*index) & !ENCRYPTED;
        let mut clear = vec![0; 8 + sealed.len()];
        clear[..8].copy_from_slice(header);
        let length = self.reports.open(nonce_of_reports(header, number), &bound, sealed, &mut clear[8..])?;
        clear.truncate(8 + length);
        Some(clear)
    }

    /// Seals reports of ours.
    pub(super) fn seal_reports(&mut self, reports: &[u8]) -> Option<Vec<u8>> {
        let (header, rest) = reports.split_first_chunk::<8>()?;
        let index = (self.index | ENCRYPTED).to_be_bytes();
        let bound = [&header[..], &index].concat();
        let mut sealed = vec![0; reports.len() + TAG];
        sealed[..8].copy_from_slice(header);
        let nonce = self.own_reports.salted(nonce_of_reports(header, self.index));
        let done = match &mut self.own_reports.aes {
            Aes::Short(aes) => aes.encrypt(&nonce, &bound, rest, &mut sealed[8..]),
            Aes::Long(aes) => aes.encrypt(&nonce, &bound, rest, &mut sealed[8..]),
        };
        self.index += 1;
        sealed.extend_from_slice(&index);
        done.ok().map(|()| sealed)
    }
}

impl Cipher {
    fn open(&mut self, nonce: [u8; SALT], bound: &[u8], sealed: &[u8], out: &mut [u8]) -> Option<usize> {
        if sealed.len() < TAG || out.len() < sealed.len() - TAG {
            return None;
        }
        let nonce = self.salted(nonce);
        match &mut self.aes {
            Aes::Short(aes) => aes.decrypt(&nonce, &[bound], sealed, out).ok(),
            Aes::Long(aes) => aes.decrypt(&nonce, &[bound], sealed, out).ok(),
        }
    }

    fn salted(&self, mut nonce: [u8; SALT]) -> [u8; SALT] {
        nonce.iter_mut().zip(self.salt).for_each(|(byte, salt)| *byte ^= salt);
        nonce
    }
}

fn nonce_of_reports(header: &[u8; 8], index: u32) -> [u8; SALT] {
    let mut nonce = [0; SALT];
    nonce[2..6].copy_from_slice(&header[4..]);
    nonce[8..].copy_from_slice(&index.to_be_bytes());
    nonce
}

/// So many bytes of a session's key (RFC 3711 §4.3): counters behind the salt, each through the cipher.
fn derived(provider: &dyn SrtpProvider, key: &[u8], salt: &[u8], label: u8, wanted: usize) -> Vec<u8> {
    let mut block = [0; 16];
    block[..SALT].copy_from_slice(salt);
    block[7] ^= label;
    let mut bytes = Vec::with_capacity(wanted.next_multiple_of(16));
    for counter in 0..wanted.div_ceil(16) as u16 {
        block[14..].copy_from_slice(&counter.to_be_bytes());
        let mut out = [0; 32];
        match key.len() {
            16 => provider.srtp_aes_128_ecb_round(key, &block, &mut out),
            _ => provider.srtp_aes_256_ecb_round(key, &block, &mut out),
        }
        bytes.extend_from_slice(&out[..16]);
    }
    bytes.truncate(wanted);
    bytes
}

const SALT: usize = 12;
const TAG: usize = 16;
const PACKETS: u8 = 0;
const REPORTS: u8 = 3;
/// From a key's label to its salt's.
const SALT_LABEL: u8 = 2;
/// Says in a report's index that it is sealed.
const ENCRYPTED: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;

    fn both(profile: SrtpProfile) -> [Keys; 2] {
        let provider = str0m::crypto::from_feature_flags();
        let material: Vec<u8> = (0..88).collect();
        let material = KeyingMaterial::new(&material[..profile.keying_material_len()]);
        [true, false]
            .map(|is_client| Keys::new(&material, profile, is_client, provider.srtp_provider).unwrap())
    }

    #[test]
    fn what_one_side_seals_the_other_opens() {
        for profile in [SrtpProfile::AEAD_AES_128_GCM, SrtpProfile::AEAD_AES_256_GCM] {
            let [mut client, mut server] = both(profile);
            let reports = [0x81, 201, 0, 7, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8];
            for _ in 0..2 {
                let mut sealed = client.seal_reports(&reports).unwrap();
                assert_eq!(server.open_reports(&sealed).unwrap(), reports);
                assert!(client.open_reports(&sealed).is_none(), "a key of the other direction");
                sealed[10] ^= 1;
                assert!(server.open_reports(&sealed).is_none());
            }
        }
    }

    #[test]
    fn what_is_too_short_is_not_opened() {
        let [mut client, _] = both(SrtpProfile::AEAD_AES_256_GCM);
        for length in 0..28 {
            assert!(client.open(&vec![0x80; length], 12, 1, &mut [0; 64]).is_none());
            assert!(client.open_reports(&vec![0x80; length]).is_none());
        }
    }

    /// RFC 3711, appendix B.3 has such a derivation for a salt of 14 bytes; the one of 12 is what its last two being zero would give.
    #[test]
    fn keys_are_derived_as_by_a_counter() {
        let provider = str0m::crypto::from_feature_flags();
        let (key, salt) = ([1; 16], [2; 12]);
        let long = derived(provider.srtp_provider, &key, &salt, 3, 40);
        assert_eq!(long.len(), 40);
        assert_eq!(long[..16], derived(provider.srtp_provider, &key, &salt, 3, 16));
        assert_ne!(long[..16], long[16..32]);
        assert_ne!(long[..16], derived(provider.srtp_provider, &key, &salt, 0, 16));
    }
}
