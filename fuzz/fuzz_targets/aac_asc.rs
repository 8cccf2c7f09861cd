//! Any AudioSpecificConfig, and any Opus packet and header.
#![no_main]

use codec::{aac, opus};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(parameters) = aac::parse_config(bytes) {
        assert_eq!(aac::parse_config(parameters.config()).as_ref(), Ok(&parameters));
        assert!((960..=2048).contains(&aac::samples_per_unit(&parameters)));
        let _ = aac::adts_header(&parameters, bytes.len());
    }
    let _ = opus::packet_duration(bytes);
    let _ = opus::parse_head(bytes);
});
