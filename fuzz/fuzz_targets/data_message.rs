//! Any text as a message of a driver or a robot: one line of JSON comes of it, which says the same.
#![no_main]

// The server's module itself: it stands alone, and the server is no dependency to instrument.
#[path = "../../server/src/supervise/data/line.rs"]
#[allow(dead_code, unreachable_pub, reason = "only what reads is used here")]
mod line;

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let said = line::line_of(text);
    assert!(!said.contains(&b'\n') && !said.contains(&b'\r'));
    assert!(serde_json::from_slice::<IgnoredAny>(&said).is_ok());
    let text = text.trim();
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        assert_eq!(serde_json::from_slice::<Value>(&said).expect("a string"), Value::from(text));
    } else if let Ok(meant) = serde_json::from_str::<Value>(text) {
        // A number too large, or half a letter, is JSON and yet no value here: such are passed on as they are.
        assert_eq!(serde_json::from_slice::<Value>(&said).expect("the same"), meant);
    }
});
