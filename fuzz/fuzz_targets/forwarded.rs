//! Any `X-Forwarded-For` and `Forwarded`: somebody it speaks for or the proxy itself, and never the word of one who is not trusted.
#![no_main]

// The server's module itself: it stands alone, and the server is no dependency to instrument.
#[path = "../../server/src/net/proxies.rs"]
#[allow(dead_code, unreachable_pub, reason = "only what reads is used here")]
mod proxies;

use libfuzzer_sys::fuzz_target;
use proxies::Proxies;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let (plain, standard) = text.split_once('\n').unwrap_or((&text, ""));
    let trusted = Proxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
    let (proxy, stranger) = ("10.0.0.1:1".parse().unwrap(), "192.0.2.1:1".parse().unwrap());
    let client = |peer| trusted.client(peer, plain.lines(), standard.lines());
    assert_eq!(client(stranger), stranger);
    let found = client(proxy);
    let said = |ip: std::net::IpAddr| {
        text.split(|c: char| !(c.is_ascii_hexdigit() || c == '.' || c == ':')).any(|word| {
            word.parse().is_ok_and(|other: std::net::IpAddr| other.to_canonical() == ip)
                || word.parse().is_ok_and(|other: std::net::SocketAddr| other.ip() == ip)
                || word.rsplit_once(':').is_some_and(|(host, _)| host.parse() == Ok(ip))
        })
    };
    assert!(found == proxy || said(found.ip().to_canonical()) || said(found.ip()), "{found} of {text:?}");
});
