//! Any `Authorization: Digest`: what is read of it is in it, and read again from its own words it is the same.
#![no_main]

// The server's module itself: it stands alone, and the server is no dependency to instrument.
#[path = "../../server/src/auth/digest/answer.rs"]
#[allow(dead_code, unreachable_pub, reason = "only what reads is used here")]
mod answer;

use answer::Answer;
use libfuzzer_sys::fuzz_target;

fn quoted(name: &str, value: &str) -> String {
    format!(", {name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let Some(Ok(answer)) = Answer::parse(&text) else { return };
    let Answer { user, realm, nonce, uri, algorithm, counted, response } = &answer;
    assert!(user.len() + realm.len() + nonce.len() + uri.len() + response.len() < text.len());
    let mut again = "Digest".to_owned();
    for (name, value) in
        [("username", user), ("realm", realm), ("nonce", nonce), ("uri", uri), ("response", response)]
    {
        again += &quoted(name, value);
    }
    if let Some(algorithm) = algorithm {
        again += &quoted("algorithm", algorithm);
    }
    if let Some((count, own)) = counted {
        again += &format!(", qop=auth, nc={count}{}", quoted("cnonce", own));
    }
    assert_eq!(Answer::parse(&again.replacen("Digest,", "Digest", 1)), Some(Ok(answer)), "{again:?}");
});
