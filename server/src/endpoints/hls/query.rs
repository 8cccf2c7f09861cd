//! What of a request's query goes on into the addresses of a playlist.
//!
//! Players do not send a playlist's query with what it leads to (RFC 3986 §5.2), so whoever came with a token in the address would be a
//! stranger at the first segment.

/// Parameters that say who somebody is: a token, or a signed link's.
const CREDENTIALS: [&str; 4] = ["token", "stream", "exp", "sig"];

/// The credentials among the parameters, as a query of their own; empty if there are none.
///
/// What would break out of a playlist's line or quotes is no query that a client may send, and is left out.
pub(super) fn suffix(query: &str) -> String {
    let mut suffix = String::new();
    for pair in query.split('&') {
        let name = pair.split('=').next().unwrap_or_default();
        let plain =
            pair.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\'));
        if CREDENTIALS.contains(&name) && plain {
            suffix.push(if suffix.is_empty() { '?' } else { '&' });
            suffix.push_str(pair);
        }
    }
    suffix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_go_on_and_directives_do_not() {
        assert_eq!(suffix(""), "");
        assert_eq!(suffix("_HLS_msn=3&token=a%2Bb&x=1"), "?token=a%2Bb");
        assert_eq!(suffix("stream=front&exp=5&sig=ab-c"), "?stream=front&exp=5&sig=ab-c");
        assert_eq!(suffix("token=a\"b"), "");
    }
}
