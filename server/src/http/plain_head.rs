//! The head of a plain request: a `GET` by HTTP/1.1 (RFC 9112) that asks for an answer, and for nothing to happen to the connection.
//!
//! What is anything else, or might be, is [`Read::Other`] and for hyper to read. So this can be strict where hyper has to be kind, and
//! two who read one head can never come to different ends of it.
//!
//! A client writes the same header lines with each request: those are told by comparing bytes, and read once.
//!
//! It stands alone, so that it can be fuzzed without the server.

/// What stands at the beginning of the bytes of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<'b> {
    /// A plain request.
    Plain(PlainHead<'b>),
    /// The beginning of what may become one.
    More,
    /// Anything else.
    Other,
}

/// A plain request's head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PlainHead<'b> {
    /// The path, and the query if there is one.
    pub target: &'b str,
    /// The header lines with the empty line behind them, as they came.
    pub lines: &'b [u8],
    /// Bytes of all of it.
    pub length: usize,
}

/// Reads a head of at most `most` bytes; `known` are header lines that were read before.
pub(super) fn read<'b>(bytes: &'b [u8], known: &[u8], most: usize) -> Read<'b> {
    let begins = bytes.len().min(METHOD.len());
    if bytes[..begins] != METHOD[..begins] {
        return Read::Other;
    }
    let more = if bytes.len() < most { Read::More } else { Read::Other };
    let Some(line_end) = bytes.iter().position(|byte| *byte == b'\n') else { return more };
    let Some(target) = target(&bytes[..line_end]) else { return Read::Other };
    let rest = &bytes[line_end + 1..];
    if rest.starts_with(b"\r\n") {
        return Read::Other; // no lines at all, not even a host
    }
    let lines = if !known.is_empty() && rest.starts_with(known) {
        known.len()
    } else {
        match rest.windows(END.len()).position(|end| end == END) {
            Some(at) => at + END.len(),
            None => return more,
        }
    };
    let length = line_end + 1 + lines;
    if length > most { Read::Other } else { Read::Plain(PlainHead { target, lines: &rest[..lines], length }) }
}

/// The header lines, names as they came; `None` unless all of them are well formed and none speaks of a body or of the connection.
pub(super) fn headers(lines: &[u8]) -> Option<Vec<(&str, &[u8])>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_LINES];
    let httparse::Status::Complete((length, headers)) = httparse::parse_headers(lines, &mut headers).ok()?
    else {
        return None;
    };
    let read = || headers.iter().map(|header| (header.name, header.value));
    (length == lines.len() && is_plain(read())).then(|| read().collect())
}

/// Whether none of these headers speaks of a body or of the connection.
pub(super) fn is_plain<'h>(mut headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> bool {
    headers.all(|(name, value)| {
        if name.eq_ignore_ascii_case("connection") {
            return value.eq_ignore_ascii_case(b"keep-alive");
        }
        !NOT_PLAIN.iter().any(|not| name.eq_ignore_ascii_case(not))
    })
}

/// The target of a request line, without its line feed.
fn target(line: &[u8]) -> Option<&str> {
    let target = line.strip_prefix(METHOD)?.strip_suffix(VERSION)?;
    let visible = target.first() == Some(&b'/') && target.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(target).ok().filter(|_| visible)
}

const METHOD: &[u8] = b"GET ";
const VERSION: &[u8] = b" HTTP/1.1\r";
const END: &[u8] = b"\r\n\r\n";
const MOST_LINES: usize = 64;
const NOT_PLAIN: [&str; 7] =
    ["content-length", "transfer-encoding", "expect", "upgrade", "te", "trailer", "http2-settings"];

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "Host: cam\r\nAccept: */*\r\n\r\n";

    #[test]
    fn a_plain_head_is_read_however_it_is_cut() {
        let all = format!("GET /front/live.m3u8?_HLS_msn=3 HTTP/1.1\r\n{LINES}GET /next");
        let length = all.len() - "GET /next".len();
        for known in ["", LINES, "Host: other\r\n\r\n"] {
            for cut in 0..length {
                assert_eq!(read(&all.as_bytes()[..cut], known.as_bytes(), 100), Read::More, "{cut}");
            }
            for cut in length..all.len() {
                let plain =
                    PlainHead { target: "/front/live.m3u8?_HLS_msn=3", lines: LINES.as_bytes(), length };
                assert_eq!(read(&all.as_bytes()[..cut], known.as_bytes(), 100), Read::Plain(plain));
            }
        }
        assert_eq!(headers(LINES.as_bytes()), Some(vec![("Host", &b"cam"[..]), ("Accept", &b"*/*"[..])]));
    }

    #[test]
    fn anything_else_is_left_to_others() {
        for line in [
            "POST / HTTP/1.1",
            "GET / HTTP/1.0",
            "GET http://cam/ HTTP/1.1",
            "GET /a b HTTP/1.1",
            "GET  / HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "get / HTTP/1.1",
            "GET /",
        ] {
            assert_eq!(read(format!("{line}\r\n{LINES}").as_bytes(), b"", 1_000), Read::Other, "{line}");
        }
        assert_eq!(read(b"GET / HTTP/1.1\r\n\r\n", b"", 1_000), Read::Other);
        assert_eq!(read(b"GET / HTTP/1.1\nHost: cam\n\n", b"", 1_000), Read::Other);
        let long = format!("GET /{} HTTP/1.1\r\n{LINES}", "x".repeat(100));
        assert_eq!(read(long.as_bytes(), b"", 100), Read::Other);
        assert_eq!(read(&long.as_bytes()[..100], b"", 100), Read::Other);
    }

    #[test]
    fn a_head_that_speaks_of_a_body_or_of_the_connection_is_not_plain() {
        for line in [
            "Content-Length: 0",
            "transfer-encoding: chunked",
            "Connection: close",
            "Connection: keep-alive, Upgrade",
            "Upgrade: websocket",
            "Expect: 100-continue",
            "no colon",
            " folded: line",
            "Host : cam",
        ] {
            assert_eq!(headers(format!("Host: cam\r\n{line}\r\n\r\n").as_bytes()), None, "{line}");
        }
        assert!(headers(b"Host: cam\r\nConnection: Keep-Alive\r\n\r\n").is_some());
    }
}
