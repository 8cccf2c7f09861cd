//! Any bytes as an input of unknown format: decided, or refused with a reason, and never kept without a bound.
#![no_main]

use std::collections::VecDeque;
use std::time::Instant;

use container::demux::Demuxer;
use container::demux::probe::{Probe, probe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&seed, bytes)) = input.split_first() else { return };
    assert_ne!(probe(bytes, true), Ok(Probe::Undecided), "the end decides");
    let arrival = Instant::now();
    let mut demuxer = Demuxer::new(None);
    let mut out = VecDeque::new();
    for piece in bytes.chunks(usize::from(seed) + 1) {
        let pushed = demuxer.push(piece, arrival, None, &mut out);
        if pushed.and_then(|()| demuxer.flush_idle(&mut out)).is_err() {
            break;
        }
    }
    let _ = demuxer.finish(&mut out);
    assert_eq!(out.len() as u64, demuxer.stats().units);
});
