//! What a STUN server may say: an address, or nothing.
#![no_main]

// The module itself: it stands alone, and what is around it is no dependency to instrument.
#[path = "../../peer/src/stun.rs"]
#[allow(dead_code, unreachable_pub, reason = "only what reads is used here")]
mod stun;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Whatever was asked: the question is in the answer.
    let Some(transaction) = data.get(8..20).and_then(|bytes| bytes.try_into().ok()) else { return };
    let _ = stun::answer(data, transaction);
});
