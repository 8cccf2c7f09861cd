//! Any bytes in any chunking through the MP4 demuxer, and as an index: nothing panics or grows.
#![no_main]

use std::collections::VecDeque;
use std::time::Instant;

use container::demux::{BoxHeader, Demuxer, InputFormat, Mp4Index};
use libfuzzer_sys::fuzz_target;
use media::{AccessUnit, MediaTime, Track};

/// What must not depend on chunking.
type Gist = (Track, MediaTime, MediaTime, bool, u16, Vec<u8>);

fuzz_target!(|input: &[u8]| {
    let Some((&seed, bytes)) = input.split_first() else { return };
    let arrival = Instant::now();
    let run = |chunk: usize| -> (Vec<Gist>, bool) {
        let mut demuxer = Demuxer::new(Some(InputFormat::Mp4));
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
    index(bytes, arrival);
});

fn gist(unit: &AccessUnit) -> Gist {
    let track = (*unit.track).clone();
    (track, unit.dts, unit.pts, unit.random_access, unit.lost_before, unit.data.to_vec())
}

/// Each top-level `moov` as the index of a file.
fn index(bytes: &[u8], arrival: Instant) {
    let mut rest = bytes;
    while let Ok(Some(header)) = BoxHeader::parse(rest, 0) {
        let size =
            header.size.and_then(|size| usize::try_from(size).ok()).unwrap_or(rest.len()).min(rest.len());
        if let Ok(index) = Mp4Index::parse(&rest[..size]) {
            // One size for all samples is the one way to list more of them than there are bytes.
            assert!(index.samples().len() <= 2 << 20);
            let (samples, mut reader) = index.into_reader();
            for sample in samples.iter().take(100) {
                let start = usize::try_from(sample.offset).unwrap_or(usize::MAX);
                let end = start.saturating_add(sample.size as usize);
                if let Some(data) = bytes.get(start..end) {
                    reader.unit(sample, data, arrival, None);
                }
            }
        }
        rest = &rest[size..];
    }
}
