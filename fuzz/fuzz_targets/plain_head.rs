//! The beginning of any connection: a plain head is read alike wherever it is cut and whatever was known before, and its lines say nothing of
//! a body.
#![no_main]

// The server's module itself: it stands alone, and the server is no dependency to instrument.
#[path = "../../server/src/http/plain_head.rs"]
#[allow(dead_code, unreachable_pub, reason = "only what reads is used here")]
mod plain_head;

use libfuzzer_sys::fuzz_target;
use plain_head::{PlainHead, Read, headers, read};

fuzz_target!(|input: &[u8]| {
    const MOST: usize = 1_000;
    let Read::Plain(PlainHead { target, lines, length }) = read(input, b"", MOST) else { return };
    assert!(length <= MOST && target.starts_with('/') && input[..length].ends_with(b"\r\n\r\n"));
    assert_eq!(read(&input[..length], lines, MOST), read(input, lines, MOST));
    for cut in 0..length {
        assert_eq!(read(&input[..cut], lines, MOST), Read::More);
    }
    if let Some(headers) = headers(lines) {
        assert!(headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding")));
    }
});
