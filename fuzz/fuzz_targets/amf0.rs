//! Any bytes as values of AMF0: what can be read is the same after it was written again.
#![no_main]

use container::flv::amf0;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(values) = amf0::read_all(bytes) else { return };
    let written = amf0::write_all(&values);
    let again = amf0::read_all(&written).expect("we wrote it");
    // Not by comparing values: a number may be none.
    assert_eq!(amf0::write_all(&again), written);
});
