//! Any HEVC decoder configuration record: what can be used survives being written again.
#![no_main]

use codec::h265::DecoderConfigurationRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(record) = DecoderConfigurationRecord::parse(bytes) else { return };
    let Ok(parameters) = record.parameters() else { return };
    let written = DecoderConfigurationRecord::write(&parameters).expect("each set came in a 16-bit length");
    let again = DecoderConfigurationRecord::parse(&written).expect("we wrote it");
    assert_eq!(again.parameters().as_ref(), Ok(&parameters));
});
