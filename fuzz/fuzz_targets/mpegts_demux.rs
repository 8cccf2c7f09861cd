//! Any bytes in any chunking through the MPEG-TS demuxer: the units are those of the uncut bytes.
#![no_main]

use std::collections::VecDeque;
use std::time::Instant;

use container::demux::{Demuxer, InputFormat};
use libfuzzer_sys::fuzz_target;
use media::{AccessUnit, MediaTime, Track};

/// What must not depend on chunking.
type Gist = (Track, MediaTime, MediaTime, bool, u16, Vec<u8>);

fuzz_target!(|input: &[u8]| {
    let Some((&seed, bytes)) = input.split_first() else { return };
    let arrival = Instant::now();
    let run = |chunk: usize| -> (Vec<Gist>, bool) {
        let mut demuxer = Demuxer::new(Some(InputFormat::MpegTs));
        let mut out = VecDeque::new();
        let mut pieces = bytes.chunks(chunk.max(1));
        let pushed = pieces.try_for_each(|piece| demuxer.push(piece, arrival, None, &mut out));
        let failed = pushed.is_err() | demuxer.finish(&mut out).is_err();
        for unit in &out {
            assert!(!unit.data.is_empty());
            assert!(demuxer.stats().bytes >= unit.data.len() as u64 / 2);
        }
        (out.iter().map(gist).collect(), failed)
    };
    assert_eq!(run(bytes.len()), run(usize::from(seed) + 1));
    idle(bytes, usize::from(seed) + 1, arrival);
});

fn gist(unit: &AccessUnit) -> Gist {
    let track = (*unit.track).clone();
    (track, unit.dts, unit.pts, unit.random_access, unit.lost_before, unit.data.to_vec())
}

/// With silence after each piece: other units may come, but no panic.
fn idle(bytes: &[u8], chunk: usize, arrival: Instant) {
    let mut demuxer = Demuxer::new(Some(InputFormat::MpegTs));
    let mut out = VecDeque::new();
    for piece in bytes.chunks(chunk) {
        let pushed = demuxer.push(piece, arrival, None, &mut out);
        assert_eq!(pushed.and_then(|()| demuxer.flush_idle(&mut out)), Ok(()));
    }
}
