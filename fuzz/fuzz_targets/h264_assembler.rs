//! Any bytes in any chunking through the assembler: the units are those of the uncut bytes.
//!
//! The first byte seeds the chunking. A second pass flushes between chunks, for panics alone.
#![no_main]

use std::time::{Duration, Instant};

use codec::h264::{Assembler, IdleFlush};
use codec::nal::length_prefixed;
use libfuzzer_sys::fuzz_target;
use media::{AccessUnit, TrackId};

fn drain(assembler: &mut Assembler) -> Vec<AccessUnit> {
    std::iter::from_fn(|| assembler.pull()).collect()
}

fuzz_target!(|input: &[u8]| {
    let Some((&seed, bytes)) = input.split_first() else { return };
    let start = Instant::now();
    let mut whole = Assembler::new(TrackId::VIDEO, IdleFlush::Never);
    let _ = whole.push(bytes, start, None);
    whole.finish();
    let mut cut = Assembler::new(TrackId::VIDEO, IdleFlush::Never);
    let mut idle = Assembler::new(TrackId::VIDEO, IdleFlush::WhenSilent);
    let (mut rest, mut random) = (bytes, u32::from(seed));
    while !rest.is_empty() {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = if random >> 31 == 0 { random >> 16 & 7 } else { random >> 16 & 1023 } as usize + 1;
        let (piece, tail) = rest.split_at(length.min(rest.len()));
        rest = tail;
        let _ = cut.push(piece, start, None);
        let _ = idle.push(piece, start + Duration::from_micros(u64::from(random)), None);
        idle.flush_idle();
    }
    cut.finish();
    idle.finish();
    let (whole, cut) = (drain(&mut whole), drain(&mut cut));
    assert_eq!(whole.len(), cut.len());
    for (a, b) in whole.iter().zip(&cut) {
        assert_eq!(a.data, b.data);
        assert_eq!(
            (a.dts, a.pts, a.random_access, a.lost_before),
            (b.dts, b.pts, b.random_access, b.lost_before)
        );
        assert_eq!(a.track, b.track);
    }
    for units in [whole, drain(&mut idle)] {
        assert!(units.windows(2).all(|pair| pair[0].dts < pair[1].dts));
        for unit in units {
            assert!(unit.pts >= unit.dts);
            assert!(length_prefixed::split(&unit.data, 4).all(|nal| nal.is_ok()));
        }
    }
});
