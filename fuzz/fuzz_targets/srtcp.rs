//! Any bytes as a peer's sealed report: refused, by every cipher; and what was sealed is opened as it was, once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use srtp::{Opener, Profile, Sealer, SrtpError, ends};

fuzz_target!(|bytes: &[u8]| {
    for profile in [Profile::Aes128CmHmacSha1, Profile::AeadAes128Gcm, Profile::AeadAes256Gcm] {
        let end = ends(profile, &[7; 88]).expect("enough for all").server;
        let mut opener = Opener::new(&end).expect("a key");
        assert!(opener.open(&mut bytes.to_vec()).is_err());
        let mut sealed = bytes.to_vec();
        match Sealer::new(&end).expect("a key").seal_report(&mut sealed) {
            Ok(()) => {
                assert_eq!(opener.open(&mut sealed.clone()).expect("we sealed it"), bytes);
                assert_eq!(opener.open(&mut sealed), Err(SrtpError::Replayed(0)));
            }
            Err(error) => assert_eq!(error, SrtpError::Short(bytes.len())),
        }
    }
});
