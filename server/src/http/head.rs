//! Writes the head of an answer where hyper does not.

use std::io::Write;
use std::time::SystemTime;

use axum::http::{HeaderMap, StatusCode, header};

/// How the end of the body is told (RFC 9112 §6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// It has so many bytes.
    Length(usize),
    /// It ends with the connection.
    Close,
}

/// Writes it behind what is there.
pub(super) fn write(into: &mut Vec<u8>, status: StatusCode, headers: &HeaderMap, framing: Framing) {
    // Writing into memory cannot fail.
    let _ = write!(into, "HTTP/1.1 {status}\r\n");
    // A length that somebody set on the way may be that of another body.
    let own = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::DATE];
    for (name, value) in headers.iter().filter(|(name, _)| !own.contains(name)) {
        into.extend_from_slice(name.as_str().as_bytes());
        into.extend_from_slice(b": ");
        into.extend_from_slice(value.as_bytes());
        into.extend_from_slice(b"\r\n");
    }
    let _ = match framing {
        Framing::Length(length) => write!(into, "content-length: {length}\r\n"),
        Framing::Close => write!(into, "connection: close\r\n"),
    };
    let _ = write!(into, "date: {}\r\n\r\n", httpdate::HttpDate::from(SystemTime::now()));
}
