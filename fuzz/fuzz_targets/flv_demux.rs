//! Any bytes in any chunking through the FLV demuxer: the units are those of the uncut bytes, and the same bytes as messages are read too.
#![no_main]

use std::collections::VecDeque;
use std::time::Instant;

use container::demux::{Demuxer, InputFormat, TagsDemuxer};
use container::flv::TagKind;
use libfuzzer_sys::fuzz_target;
use media::{AccessUnit, MediaTime, Track};

/// What must not depend on chunking.
type Gist = (Track, MediaTime, MediaTime, bool, u16, Vec<u8>);

fuzz_target!(|input: &[u8]| {
    let Some((&seed, bytes)) = input.split_first() else { return };
    let arrival = Instant::now();
    let run = |chunk: usize| -> (Vec<Gist>, bool) {
        let mut demuxer = Demuxer::new(Some(InputFormat::Flv));
        let mut out = VecDeque::new();
        let mut pieces = bytes.chunks(chunk.max(1));
        let pushed = pieces.try_for_each(|piece| demuxer.push(piece, arrival, None, &mut out));
        let failed = pushed.is_err() | demuxer.finish(&mut out).is_err();
        assert!(out.iter().all(|unit| !unit.data.is_empty()));
        (out.iter().map(gist).collect(), failed)
    };
    assert_eq!(run(bytes.len()), run(usize::from(seed) + 1));

    let mut demuxer = TagsDemuxer::new(arrival);
    let mut out = VecDeque::new();
    for (number, body) in (0_u32..).zip(bytes.chunks(usize::from(seed) + 1)) {
        let kind = [TagKind::Video, TagKind::Audio, TagKind::Script][number as usize % 3];
        demuxer.push(kind, number.wrapping_mul(0x0fff_ffff), body, arrival, &mut out);
    }
    assert!(demuxer.stats().bytes == bytes.len() as u64);
});

fn gist(unit: &AccessUnit) -> Gist {
    let track = (*unit.track).clone();
    (track, unit.dts, unit.pts, unit.random_access, unit.lost_before, unit.data.to_vec())
}
