//! Any bytes from a WebSocket client: whole messages whatever the chunks, or an error, and never kept without a bound.
#![no_main]

// The server's module itself: it stands alone, and the server is no dependency to instrument.
#[path = "../../server/src/ws/frame.rs"]
#[allow(dead_code, unreachable_pub, reason = "only what reads is used here")]
mod frame;

use frame::{Frame, FrameError, FrameReader, MAX_PAYLOAD, Opcode};
use libfuzzer_sys::fuzz_target;

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Frame>, Option<FrameError>) {
    let mut reader = FrameReader::default();
    let mut frames = Vec::new();
    for piece in pieces {
        match reader.push(piece) {
            Ok(more) => frames.extend(more),
            Err(error) => return (frames, Some(error)),
        }
    }
    (frames, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&seed, bytes)) = input.split_first() else { return };
    let (frames, error) = read(bytes.chunks(usize::from(seed) + 1));
    for frame in &frames {
        assert!(frame.payload.len() <= MAX_PAYLOAD);
        assert_ne!(frame.opcode, Opcode::Continuation, "fragments are joined");
        let is_control = matches!(frame.opcode, Opcode::Close | Opcode::Ping | Opcode::Pong);
        assert!(!is_control || frame.payload.len() <= 125);
    }
    // Cut elsewhere, the same bytes are the same messages and the same error.
    let (bytewise, same) = read(bytes.chunks(1));
    assert_eq!(error, same);
    if error.is_none() {
        assert_eq!(frames, bytewise);
    } else {
        assert!(bytewise.starts_with(&frames), "an error takes the frames of its chunk along, and no others");
    }
    if let Some(error) = error {
        assert!(matches!(error.close_code(), 1002 | 1009), "{error}");
    }
});
