//! Any text as an offer or an answer by WebRTC: what is asked for is bounded, what is changed says what it said and no more, and a completed
//! answer has the media of the one that it was made of.
#![no_main]

// The modules themselves: they stand alone, and the server is no dependency to instrument.
#[path = "../../peer/src/answer.rs"]
#[allow(dead_code, unreachable_pub, reason = "only what reads is used here")]
mod answer;
#[path = "../../server/src/webrtc/description.rs"]
#[allow(dead_code, unreachable_pub, reason = "only what reads is used here")]
mod description;

use answer::{Streams, Used, complete};
use description::{Asked, restarted};
use libfuzzer_sys::fuzz_target;

/// Lines that begin so, as they are read.
fn count(text: &str, beginning: &str) -> usize {
    text.lines().filter(|line| line.trim_end().starts_with(beginning)).count()
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let asked = Asked::of(text);
    for medium in asked.video.iter().chain(&asked.audio) {
        assert!(medium.codecs.len() <= 128 && medium.list().split(", ").count() <= 16);
    }
    let again = restarted(text, "abcd", "0123456789012345678901").expect("the credentials are some");
    assert_eq!(count(&again, "a=candidate:"), 0);
    assert_eq!(count(&again, "a=ice-ufrag:"), count(&again, "a=ice-ufrag:abcd"));
    let used = |bits: u8| Used { sends: bits & 1 != 0, takes: bits & 2 != 0 };
    let bits = data.first().copied().unwrap_or(0);
    let streams = if bits & 16 == 0 { Streams::One } else { Streams::Apart };
    let completed = complete(text, used(bits), used(bits >> 2), streams);
    assert_eq!(count(&completed, "m="), count(text, "m="));
    assert!(completed.is_empty() || completed.ends_with("\r\n"));
    assert!(asked.data || !Asked::of(&completed).data, "what is refused stays so");
});
