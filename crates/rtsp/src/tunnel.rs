//! RTSP in HTTP, as QuickTime began it and ONVIF asks for it: a client makes two connections, a `GET` whose answer has no end, on which it is answered, and a
//! `POST` on which it asks, in Base64. A cookie of its own making, `x-sessioncookie`, tells which two belong together.
//!
//! Not here: connections, and how long one half waits for the other.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::RtspError;

/// Which half of a tunnel a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// `GET`: answers and packets go here.
    Answers,
    /// `POST`: requests come here.
    Requests,
}

/// The head of a tunnel's half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelHead {
    /// Which one.
    pub half: Half,
    /// What it has in common with the other.
    pub cookie: String,
    /// Bytes of all of it.
    pub length: usize,
}

/// The answer to a `GET`. To a `POST` there is none.
pub const TUNNEL_ANSWER: &[u8] = b"HTTP/1.0 200 OK\r\nServer: firstlight\r\nConnection: close\r\nCache-Control: no-store\r\nPragma: no-cache\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n";

/// The answer to what is HTTP and no half of a tunnel.
pub const NO_TUNNEL: &[u8] = b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nRTSP is spoken here, and RTSP in HTTP by two connections with the same x-sessioncookie\n";

impl TunnelHead {
    /// Whether what a connection begins with may become one; `None` if that cannot be told yet.
    pub fn is_begun(bytes: &[u8]) -> Option<bool> {
        let begins = |method: &[u8]| {
            let known = bytes.len().min(method.len());
            (bytes[..known] == method[..known]).then_some(known == method.len())
        };
        match begins(GET).or_else(|| begins(POST)) {
            None => Some(false),
            Some(true) => Some(true),
            Some(false) => None,
        }
    }

    /// Reads it, once it is whole.
    ///
    /// # Errors
    /// [`RtspError`] if it is none.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, RtspError> {
        let wrong = |problem: &str| RtspError::Message { problem: problem.to_owned() };
        let Some(end) = bytes.windows(END.len()).position(|window| window == END) else {
            let too_large = RtspError::TooLarge { what: "head", limit: MOST_HEAD };
            return if bytes.len() < MOST_HEAD { Ok(None) } else { Err(too_large) };
        };
        if end > MOST_HEAD {
            return Err(RtspError::TooLarge { what: "head", limit: MOST_HEAD });
        }
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| wrong("a head that is no text"))?;
        let half = if bytes.starts_with(GET) { Half::Answers } else { Half::Requests };
        let cookie = text.lines().skip(1).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("x-sessioncookie").then(|| value.trim())
        });
        let cookie = cookie.filter(|cookie| (1..=MOST_COOKIE).contains(&cookie.len()));
        let cookie = cookie.ok_or_else(|| wrong("HTTP without an x-sessioncookie"))?;
        Ok(Some(Self { half, cookie: cookie.to_owned(), length: end + END.len() }))
    }
}

/// Requests out of the Base64 that they come in, whatever pieces that comes in. Each ends with padding of its own.
#[derive(Debug, Default)]
pub struct TunnelDecoder {
    /// Characters that no three bytes can be made of yet.
    pending: Vec<u8>,
}

impl TunnelDecoder {
    /// Adds what these characters say to `out`; line ends and spaces say nothing.
    ///
    /// # Errors
    /// [`RtspError::Message`] for what is no Base64. Nothing that follows can be read.
    pub fn push(&mut self, characters: &[u8], out: &mut Vec<u8>) -> Result<(), RtspError> {
        let wrong = || RtspError::Message { problem: "a tunnel with what is no Base64".to_owned() };
        for character in characters.iter().filter(|character| !character.is_ascii_whitespace()) {
            self.pending.push(*character);
            if self.pending.len() == 4 {
                STANDARD.decode_vec(&self.pending, out).map_err(|_| wrong())?;
                self.pending.clear();
            }
        }
        Ok(())
    }
}

const GET: &[u8] = b"GET ";
const POST: &[u8] = b"POST ";
const END: &[u8] = b"\r\n\r\n";
const MOST_HEAD: usize = 16 << 10;
const MOST_COOKIE: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_halves_are_known_by_their_cookie() {
        let get = b"GET /front?token=x HTTP/1.0\r\nx-sessioncookie: ab c\r\nAccept: application/x-rtsp-tunnelled\r\n\r\nrest";
        for cut in 0..get.len() - 4 {
            assert_eq!(TunnelHead::read(&get[..cut]), Ok(None));
            assert_eq!(TunnelHead::is_begun(&get[..cut]), (cut >= 4).then_some(true), "{cut}");
        }
        let cookie = "ab c".to_owned();
        let head = TunnelHead { half: Half::Answers, cookie: cookie.clone(), length: get.len() - 4 };
        assert_eq!(TunnelHead::read(get), Ok(Some(head)));
        let post = b"POST / HTTP/1.1\r\nX-SessionCookie:ab c\r\nContent-Length: 32767\r\n\r\n";
        let head = TunnelHead { half: Half::Requests, cookie, length: post.len() };
        assert_eq!(TunnelHead::read(post), Ok(Some(head)));
        assert_eq!(TunnelHead::is_begun(b"OPTIONS"), Some(false));
        assert_eq!(TunnelHead::is_begun(b"P"), None);
        assert_eq!(TunnelHead::is_begun(b"PLAY"), Some(false));
        assert!(TunnelHead::read(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").is_err());
        assert!(TunnelHead::read(b"GET / HTTP/1.1\r\nx-sessioncookie:\r\n\r\n").is_err());
        assert!(TunnelHead::read(&[b'G'; MOST_HEAD]).is_err());
    }

    #[test]
    fn what_is_no_base64_is_said() {
        for wrong in ["!!!!", "A===", "AA=A", "====", "QUI*"] {
            assert!(TunnelDecoder::default().push(wrong.as_bytes(), &mut Vec::new()).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn requests_come_out_as_they_went_in(
            requests in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..6),
            piece in 1usize..20,
        ) {
            let encoded: Vec<u8> =
                requests.iter().flat_map(|request| STANDARD.encode(request).into_bytes()).collect();
            let (mut decoder, mut out) = (TunnelDecoder::default(), Vec::new());
            encoded.chunks(piece).for_each(|piece| decoder.push(piece, &mut out).unwrap());
            prop_assert_eq!(out, requests.concat());
        }
    }
}
