//! A viewer's side of one connection: bytes in, messages to the format, replies out.
//!
//! Sans-IO, so each protocol is one small file with its own tests. Adding one: a file, a variant of `Scheme`, a line in
//! `open`. Invariant: payload is never copied but for the few bytes a format asks for; the client has to be cheap, it
//! shares the machine with the server.

use std::net::UdpSocket;
use std::time::Instant;

use super::datagrams::Datagrams;
use super::format::{Format, FormatKind};
use super::hls::Hls;
use super::http::Http;
use super::rtmp::Rtmp;
use super::rtsp::Rtsp;
use super::seen::{Moment, Seen};
use super::target::{Scheme, Target};
use super::websocket::WebSocket;
use super::whep::Whep;

/// Why a viewer's connection is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the server answered: {0}")]
    Refused(String),
    #[error("closed with code {0}")]
    Closed(u16),
    #[error("the body ended")]
    Finished,
    #[error("protocol broken: {0}")]
    Broken(&'static str),
}

/// One connection's protocol.
pub(crate) trait Protocol {
    /// What to send first.
    fn request(&self) -> Vec<u8>;

    /// Takes received bytes; appends to `reply` what has to be sent back.
    fn receive(
        &mut self,
        bytes: &[u8],
        at: &Moment,
        seen: &mut Seen,
        reply: &mut Vec<u8>,
    ) -> Result<(), Ended>;

    /// The handshake is over: media may follow.
    fn established(&self) -> bool;

    /// Sockets that media comes to besides the connection, for whoever reads them.
    fn take_sockets(&mut self) -> Vec<UdpSocket> {
        Vec::new()
    }

    /// Takes what has come to sockets that it reads itself; `None` if it leaves that to others, who only count.
    fn read_datagrams(&mut self, buffer: &mut [u8], seen: &mut Seen) -> Option<Result<(), Ended>> {
        let _ = (buffer, seen);
        None
    }

    /// Says what is to be said now and then.
    fn advance(&mut self, now: Instant) -> Result<(), Ended> {
        let _ = now;
        Ok(())
    }

    /// Goes on when the connection is closed.
    fn outlives_connection(&self) -> bool {
        false
    }
}

/// The protocol for `target`.
pub(crate) fn open(target: &Target, kind: FormatKind, joined: &Moment) -> Box<dyn Protocol> {
    let format: Box<dyn Format> = kind.reader(joined);
    match target.scheme {
        Scheme::WebSocket => Box::new(WebSocket::new(target, format)),
        Scheme::Http if target.path.ends_with(".m3u8") => Box::new(Hls::new(target)),
        Scheme::Http => Box::new(Http::new(target, format)),
        Scheme::Rtmp => Box::new(Rtmp::new(target)),
        Scheme::Rtsp => Box::new(Rtsp::new(target)),
        Scheme::RtspUdp => Box::new(Rtsp::by_udp(target)),
        Scheme::Datagrams => Box::new(Datagrams::new()),
        Scheme::SealedDatagrams { together } => Box::new(Datagrams::sealed(together)),
        Scheme::Whep { together } => Box::new(Whep::new(target, together)),
    }
}

/// Splits a response head off the front of what was received. `None`: more is needed.
///
/// Appends to `head` until the empty line is there; returns how many of `bytes` belong to the head.
pub(crate) fn take_head(head: &mut Vec<u8>, bytes: &[u8]) -> Result<Option<usize>, Ended> {
    let before = head.len();
    let from = before.saturating_sub(3);
    head.extend_from_slice(&bytes[..bytes.len().min(MAX_HEAD)]);
    if let Some(at) = head[from..].windows(4).position(|w| w == b"\r\n\r\n") {
        let end = from + at + 4;
        head.truncate(end);
        return Ok(Some(end - before));
    }
    if head.len() >= MAX_HEAD {
        return Err(Ended::Broken("the response head is too long"));
    }
    Ok(None)
}

/// The first line of a response head.
pub(crate) fn status_line(head: &[u8]) -> String {
    let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

/// The value of a header, if the head has it.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

const MAX_HEAD: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_split_anywhere_ends_at_the_empty_line() {
        let all = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody";
        for split in 0..all.len() - 4 {
            let mut head = Vec::new();
            let taken = match take_head(&mut head, &all[..split]).unwrap() {
                Some(_) => panic!("ended early"),
                None => take_head(&mut head, &all[split..]).unwrap().unwrap(),
            };
            assert_eq!(&all[split + taken..], b"body");
        }
    }

    #[test]
    fn an_endless_head_is_refused() {
        let mut head = Vec::new();
        assert!(take_head(&mut head, &[b'x'; 20_000]).is_err());
    }
}
