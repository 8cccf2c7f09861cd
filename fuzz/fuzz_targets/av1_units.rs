//! Any bytes as an AV1 codec configuration record, and as a temporal unit: a record survives being written again, and a unit being read again.
#![no_main]

use std::time::Instant;

use codec::av1::{CodecConfigurationRecord, ObuType, UnitBuilder, obus};
use codec::nal::Stamp;
use libfuzzer_sys::fuzz_target;
use media::{MediaTime, Timescale, TrackId};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(parameters)) = CodecConfigurationRecord::parse(bytes).and_then(|r| r.parameters()) {
        let written = CodecConfigurationRecord::write(&parameters);
        let again = CodecConfigurationRecord::parse(&written).expect("we wrote it");
        assert_eq!(again.parameters(), Ok(Some(parameters)));
    }
    let at = MediaTime::zero(Timescale::VIDEO_90K);
    let stamp = Stamp { dts: at, pts: at, lost_before: 0, captured: None, arrival: Instant::now() };
    let mut builder = UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
    let Ok(Some(unit)) = builder.temporal_unit(bytes, stamp) else { return };
    for obu in obus(&unit.data) {
        assert_ne!(obu.expect("we wrote it").kind(), ObuType::TemporalDelimiter);
    }
    let again = builder.temporal_unit(&unit.data, stamp).expect("we wrote it").expect("it has a frame");
    assert_eq!((again.data, again.random_access), (unit.data, unit.random_access));
});
