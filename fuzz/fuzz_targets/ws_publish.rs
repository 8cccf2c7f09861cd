//! Any bytes from a WebSocket publisher: whole messages whatever the chunks, and any message through the reader of units.
#![no_main]

// The server's module itself: it stands alone, and the server is no dependency to instrument.
#[path = "../../server/src/ws/frame.rs"]
#[allow(dead_code, unreachable_pub, reason = "only what reads is used here")]
mod frame;

use std::collections::VecDeque;
use std::time::Instant;

use container::demux::{ConfiguredTrack, UnitsDemuxer};
use frame::{Frame, FrameError, FrameReader, Opcode};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 16;

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<FrameError>) {
    let mut reader = FrameReader::with_limit(LIMIT);
    let mut frames = Vec::new();
    for piece in pieces {
        match reader.push(piece) {
            Ok(more) => frames.extend(more),
            Err(error) => return (frames, Some(error)),
        }
    }
    (frames, None)
}

/// The tracks by the first byte, then what they would be described by.
fn configure(units: &mut UnitsDemuxer, seed: u8, description: &[u8]) -> bool {
    let record = (seed & 1 != 0).then_some(description);
    let h264 = ConfiguredTrack::H264 { record };
    let opus = ConfiguredTrack::Opus { channels: seed >> 4 };
    let aac = ConfiguredTrack::Aac { config: description };
    let tracks = match seed & 6 {
        0 => vec![h264],
        2 => vec![h264, opus],
        4 => vec![h264, aac],
        _ => vec![opus],
    };
    units.configure(&tracks).is_ok()
}

fuzz_target!(|input: &[u8]| {
    let [seed, kind, bytes @ ..] = input else { return };
    let (frames, error) = read(bytes.chunks(usize::from(*seed) + 1));
    assert!(frames.iter().all(|frame| frame.payload.len() <= LIMIT));
    let (whole, same) = read(std::iter::once(bytes));
    assert_eq!(error, same);
    if error.is_none() {
        assert_eq!(frames, whole);
    }
    let arrival = Instant::now();
    let mut units = UnitsDemuxer::new(arrival);
    let mut out = VecDeque::new();
    let mut messages = vec![bytes.to_vec()];
    messages.extend(frames.into_iter().filter(|f| f.opcode == Opcode::Binary).map(|f| f.payload));
    let described = bytes.len() / 3;
    if !configure(&mut units, *kind, &bytes[..described]) && !configure(&mut units, *kind & !1 & !4, &[]) {
        return;
    }
    messages.push(bytes[described..].to_vec());
    for message in &messages {
        let _ = units.push(message, arrival, &mut out);
    }
    // The shortest NAL unit has a length of one byte before it, and gets one of four.
    let (came, made): (usize, usize) =
        (messages.iter().map(Vec::len).sum(), out.iter().map(|u| u.data.len()).sum());
    assert!(made <= came * 5 / 2 && out.iter().all(|unit| !unit.data.is_empty()));
});
