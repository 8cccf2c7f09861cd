//! Signed links: an address that lets whoever has it watch one stream for a while.
//!
//! The signature covers the stream's name and the end, so nobody can make a link for another stream or a longer time; nothing is kept of
//! links, and all end when the key changes.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hub::StreamName;

use super::credentials::Link;
use super::identity::Disbelief;

/// The query of a link to watch a stream until then (Unix seconds).
pub(super) fn query(key: &hmac::Key, stream: &StreamName, expires: u64) -> String {
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(key, &signed(stream, expires)));
    let stream = percent_encoding::utf8_percent_encode(stream.as_str(), percent_encoding::NON_ALPHANUMERIC);
    format!("stream={stream}&exp={expires}&sig={signature}")
}

/// The stream that a link lets its holder watch.
pub(super) fn stream(key: &hmac::Key, link: &Link, now: u64) -> Result<StreamName, Disbelief> {
    let stream = StreamName::new(&link.stream).map_err(|_| Disbelief::Wrong)?;
    let signature = URL_SAFE_NO_PAD.decode(&link.signature).map_err(|_| Disbelief::Wrong)?;
    hmac::verify(key, &signed(&stream, link.expires), &signature).map_err(|_| Disbelief::Wrong)?;
    if now < link.expires { Ok(stream) } else { Err(Disbelief::Expired) }
}

/// What is signed: no name holds a line break, so no two links are signed alike.
fn signed(stream: &StreamName, expires: u64) -> Vec<u8> {
    format!("firstlight link\nview\n{stream}\n{expires}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(query: &str) -> Link {
        let value = |name: &str| {
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap();
            percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned()
        };
        Link { stream: value("stream"), expires: value("exp").parse().unwrap(), signature: value("sig") }
    }

    #[test]
    fn a_link_is_good_for_its_stream_and_its_time_alone() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key");
        let name = StreamName::new("OAK1/CAM_A").unwrap();
        let good = link(&query(&key, &name, 1_000));
        assert_eq!(stream(&key, &good, 999), Ok(name));
        assert_eq!(stream(&key, &good, 1_000), Err(Disbelief::Expired));
        let other = Link { stream: "OAK1/CAM_B".to_owned(), ..good.clone() };
        assert_eq!(stream(&key, &other, 0), Err(Disbelief::Wrong));
        let longer = Link { expires: 2_000, ..good.clone() };
        assert_eq!(stream(&key, &longer, 0), Err(Disbelief::Wrong));
        let cut = Link { signature: good.signature[..20].to_owned(), ..good.clone() };
        assert_eq!(stream(&key, &cut, 0), Err(Disbelief::Wrong));
        let another_key = hmac::Key::new(hmac::HMAC_SHA256, b"another");
        assert_eq!(stream(&another_key, &good, 0), Err(Disbelief::Wrong));
    }
}
