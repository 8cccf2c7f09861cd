//! The standards' own examples, and what must never be opened.

use aws_lc_rs::aead::{AES_128_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use proptest::prelude::*;

use crate::cipher::Cipher;
use crate::keys::Use;
use crate::{Opener, Profile, Sealer, SrtpError, ends};

const ALL: [Profile; 3] = [Profile::Aes128CmHmacSha1, Profile::AeadAes128Gcm, Profile::AeadAes256Gcm];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A compound packet of one report without blocks.
fn report(ssrc: u32) -> Vec<u8> {
    let mut report = vec![0x80, 201, 0, 1];
    report.extend_from_slice(&ssrc.to_be_bytes());
    report.extend_from_slice(&[0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
    report
}

fn pair(profile: Profile) -> (Sealer, Opener) {
    let material: Vec<u8> = (0..88).collect();
    let server = ends(profile, &material).unwrap().server;
    (Sealer::new(&server).unwrap(), Opener::new(&server).unwrap())
}

#[test]
fn keys_are_derived_as_rfc_3711_b_3_shows() {
    let mut material = bytes("E1F97A0D3E018BE0D64FA32C06DE4139");
    material.extend_from_slice(&[0; 16]);
    material.extend(bytes("0EC675AD498AFEEBB6960B3AABE6"));
    material.extend_from_slice(&[0; 14]);
    let end = ends(Profile::Aes128CmHmacSha1, &material).unwrap().client;
    assert_eq!(end.cipher_key(Use::Rtp).unwrap().0[..16], bytes("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(end.session_salt(Use::Rtp).unwrap()[..], bytes("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(
        end.authentication_key(Use::Rtp).unwrap()[..],
        bytes("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")
    );
}

#[test]
fn too_little_keying_material_is_an_error() {
    let error = ends(Profile::AeadAes256Gcm, &[0; 87]).unwrap_err();
    assert_eq!(error.to_string(), "87 bytes of keying material, where 88 are needed");
}

#[test]
fn a_packet_is_sealed_as_rfc_7714_16_1_1_shows() {
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &(0..16).collect::<Vec<u8>>()).unwrap());
    let mut salt = [0; 14];
    salt[..12].copy_from_slice(b"Quid pro quo");
    let cipher = Cipher::Gcm { key, salt };
    let mut packet = bytes("8040f17b 8041f8d3 5501a0b2");
    packet.extend_from_slice(b"Gallia est omnis divisa in partes tres");
    packet.extend_from_slice(&[0; 16]);
    cipher.seal(&mut packet, 12, 0x5501_a0b2, 0xf17b).unwrap();
    assert_eq!(
        packet,
        bytes(
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
             0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce"
        )
    );
}

#[test]
fn bytes_are_hidden_in_counter_mode_as_rfc_3711_b_2_shows() {
    let key = UnboundCipherKey::new(&AES_128, &bytes("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
    let key = EncryptingKey::ctr(key).unwrap();
    let signs = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[0; 20]);
    let salt = bytes("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap();
    let cipher = Cipher::Counter { keys: Box::new((key, signs)), salt };
    let mut packet = vec![0; 12 + 48 + 10];
    cipher.seal(&mut packet, 12, 0, 0).unwrap();
    assert_eq!(
        packet[12..60],
        bytes(
            "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0"
        )
    );
}

#[test]
fn a_packet_keeps_its_header_and_needs_room_for_its_tag() {
    for profile in ALL {
        let (sealer, _) = pair(profile);
        assert_eq!(sealer.tag(), profile.tag());
        let mut packet = vec![7; 12 + 5 + sealer.tag()];
        sealer.seal(&mut packet, 12, 1, 65_536).unwrap();
        assert_eq!(packet[..12], [7; 12]);
        assert_ne!(packet[12..17], [7; 5]);
        let mut again = vec![7; packet.len()];
        sealer.seal(&mut again, 12, 1, 65_537).unwrap();
        assert_ne!(packet, again, "{profile:?}: the index is part of it");
        let mut short = vec![7; 12 + sealer.tag() - 1];
        assert_eq!(sealer.seal(&mut short, 12, 1, 0), Err(SrtpError::Short(short.len())));
        assert_eq!(sealer.seal(&mut packet, 12, 1, 1 << 48), Err(SrtpError::UsedUp));
    }
}

#[test]
fn a_report_is_opened_once_and_only_by_its_own_key() {
    for profile in ALL {
        let (mut sealer, mut opener) = pair(profile);
        let mut sealed: Vec<Vec<u8>> = (0..70)
            .map(|_| {
                let mut packet = report(9);
                sealer.seal_report(&mut packet).unwrap();
                packet
            })
            .collect();
        // The second comes late, the first far too late.
        let (first, second) = (sealed.remove(0), sealed.remove(0));
        assert_eq!(opener.open(&mut sealed[0].clone()).unwrap(), report(9), "{profile:?}");
        assert_eq!(opener.open(&mut second.clone()).unwrap(), report(9));
        assert_eq!(opener.open(&mut second.clone()), Err(SrtpError::Replayed(1)));
        for packet in &sealed[1..] {
            assert_eq!(opener.open(&mut packet.clone()).unwrap(), report(9));
        }
        assert_eq!(opener.open(&mut sealed[3].clone()), Err(SrtpError::Replayed(5)));
        assert_eq!(opener.open(&mut first.clone()), Err(SrtpError::Replayed(0)));
        // Others count for themselves.
        let (mut other, _) = pair(profile);
        let mut packet = report(10);
        other.seal_report(&mut packet).unwrap();
        assert_eq!(opener.open(&mut packet.clone()).unwrap(), report(10));
        let client = ends(profile, &(0..88).collect::<Vec<u8>>()).unwrap().client;
        assert_eq!(Opener::new(&client).unwrap().open(&mut packet), Err(SrtpError::NotAuthentic));
    }
}

#[test]
fn many_senders_of_one_peer_are_not_kept() {
    let (mut sealer, mut opener) = pair(Profile::AeadAes128Gcm);
    for ssrc in 0..1_000 {
        let mut packet = report(ssrc);
        sealer.seal_report(&mut packet).unwrap();
        assert!(opener.open(&mut packet).is_ok());
    }
    assert!(format!("{opener:?}").matches("Seen").count() <= 16);
}

proptest! {
    #[test]
    fn what_was_changed_is_not_opened(which in 0usize..3, at in 0usize..38, by in 1u8..) {
        let (mut sealer, mut opener) = pair(ALL[which]);
        let mut packet = report(9);
        sealer.seal_report(&mut packet).unwrap();
        let at = at % packet.len();
        packet[at] ^= by;
        prop_assert_eq!(opener.open(&mut packet), Err(SrtpError::NotAuthentic));
    }

    #[test]
    fn any_bytes_are_refused(which in 0usize..3, mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let (_, mut opener) = pair(ALL[which]);
        prop_assert!(opener.open(&mut bytes).is_err());
    }
}
