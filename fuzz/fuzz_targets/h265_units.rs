//! Any bytes as one H.265 access unit in either framing: the payload is what it should be, and the same in both.
#![no_main]

use std::time::Instant;

use codec::h265::{NalUnit, UnitBuilder};
use codec::nal::{Stamp, annexb, length_prefixed};
use libfuzzer_sys::fuzz_target;
use media::{MediaTime, Timescale, TrackId};

fuzz_target!(|bytes: &[u8]| {
    let at = MediaTime::zero(Timescale::VIDEO_90K);
    let stamp = Stamp { dts: at, pts: at, lost_before: 0, captured: None, arrival: Instant::now() };
    let builder = || UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
    let mut prefixed = Vec::new();
    annexb::split(bytes).for_each(|nal| length_prefixed::write(nal, &mut prefixed));
    let one = builder().annexb(bytes, stamp).map(|unit| unit.map(|unit| unit.data));
    let other = builder().length_prefixed(&prefixed, 4, stamp).map(|unit| unit.map(|unit| unit.data));
    assert_eq!(one, other);
    let _ = builder().length_prefixed(bytes, 4, stamp);
    if let Ok(Some(data)) = one {
        for nal in length_prefixed::split(&data, 4) {
            let nal = nal.expect("we wrote it");
            assert!(NalUnit::new(nal).is_some_and(|nal| nal.unit_type().is_payload() && nal.layer() == 0));
        }
    }
});
