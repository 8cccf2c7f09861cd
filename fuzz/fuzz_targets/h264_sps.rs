//! Any SPS: a rewritten one says the same but for the restriction.
#![no_main]

use codec::h264::{Reordering, Sps, parse_parameters, promise_no_reordering, reordering};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|nal: &[u8]| {
    let Ok(before) = Sps::parse(nal) else { return };
    // For SPS 0; one with another id goes no further.
    let pps: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
    let Ok(parameters) = parse_parameters([nal, pps]) else { return };
    let said = reordering(&parameters);
    let Ok(promised) = promise_no_reordering(&parameters) else { return };
    let after = Sps::parse(promised.sps()).expect("a rewritten SPS is an SPS");
    assert_eq!(after.dimensions(), before.dimensions());
    assert_eq!(after.profile_idc(), before.profile_idc());
    assert_eq!(after.id(), before.id());
    assert_eq!(after.max_num_ref_frames(), before.max_num_ref_frames());
    if matches!(said, Reordering::RuledOut | Reordering::Unknown) {
        assert_eq!(after.max_reorder(), Some(0));
        assert!(!promised.sps().windows(3).any(|w| w == [0, 0, 1]));
    } else {
        assert_eq!(promised, parameters);
    }
});
