//! Any bytes to the WebRTC port: whose they are is found out, or not; a byte stream gives the same datagrams however it is cut, and keeps
//! no more than one of them.
#![no_main]

// The server's module itself: it stands alone, and the server is no dependency to instrument.
#[path = "../../server/src/webrtc/wire.rs"]
#[allow(dead_code, unreachable_pub, reason = "only what reads is used here")]
mod wire;

use libfuzzer_sys::fuzz_target;
use wire::{Frames, asked_for, granted, nominates, transaction};

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<bytes::Bytes> {
    let (mut frames, mut all) = (Frames::default(), Vec::new());
    for piece in pieces {
        frames.push(piece);
        all.extend(std::iter::from_fn(|| frames.pull()));
    }
    all
}

fuzz_target!(|data: &[u8]| {
    if let Some(fragment) = asked_for(data) {
        assert!(fragment.len() < data.len() && !fragment.contains(':'));
        assert!(transaction(data).is_some());
    }
    if let Some(number) = nominates(data) {
        assert_eq!(transaction(data), Some(number));
        assert!(granted(data).is_none());
    }
    let size = 1 + data.first().map_or(0, |byte| usize::from(*byte) % 40);
    let whole = read(std::iter::once(data));
    assert_eq!(read(data.chunks(size)), whole);
    for datagram in whole {
        let _ = asked_for(&datagram);
    }
});
