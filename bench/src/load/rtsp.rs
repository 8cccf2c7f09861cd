//! The viewer's side of RTSP: it sets every track up, over TCP or UDP, plays, and then only reads.
//!
//! Interleaved packets are not looked at: each read counts as a message, and the first one as decodable, since the server begins
//! with a picture that is.

use std::net::UdpSocket;

use super::protocol::{Ended, Protocol, header, status_line, take_head};
use super::seen::{Moment, Seen};
use super::target::Target;

/// One session.
pub(crate) struct Rtsp {
    url: String,
    head: Vec<u8>,
    /// What of a body is still to come, and what has come of it.
    body: (usize, Vec<u8>),
    /// Where control names are put behind.
    base: String,
    session: String,
    tracks: usize,
    set_up: usize,
    asked: u32,
    state: State,
    /// By UDP: a pair of ports for each track, packets first.
    ports: Vec<[UdpSocket; 2]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Describing,
    SettingUp,
    Starting,
    Playing,
}

impl Rtsp {
    pub(crate) fn new(target: &Target) -> Self {
        Self {
            url: format!("rtsp://{}{}", target.authority, target.path),
            head: Vec::new(),
            body: (0, Vec::new()),
            base: String::new(),
            session: String::new(),
            tracks: 0,
            set_up: 0,
            asked: 1,
            state: State::Describing,
            ports: Vec::new(),
        }
    }

    /// The same with packets by UDP.
    pub(crate) fn by_udp(target: &Target) -> Self {
        Self { ports: (0..TRACKS).filter_map(|_| pair()).collect(), ..Self::new(target) }
    }

    /// What an answer that is whole leads to.
    fn answered(&mut self, reply: &mut Vec<u8>) -> Result<(), Ended> {
        let head = String::from_utf8_lossy(&self.head).into_owned();
        if head.split(' ').nth(1) != Some("200") {
            return Err(Ended::Refused(status_line(&self.head)));
        }
        if let Some(session) = header(&head, "session") {
            session.split(';').next().unwrap_or_default().clone_into(&mut self.session);
        }
        match self.state {
            State::Describing => {
                self.base = header(&head, "content-base").unwrap_or(&self.url).to_owned();
                let text = String::from_utf8_lossy(&self.body.1);
                self.tracks = text.matches("a=control:trackID=").count();
                self.state = State::SettingUp;
                self.ask_next(reply);
            }
            State::SettingUp => {
                self.set_up += 1;
                self.ask_next(reply);
            }
            State::Starting | State::Playing => self.state = State::Playing,
        }
        self.head.clear();
        self.body = (0, Vec::new());
        Ok(())
    }

    fn ask_next(&mut self, reply: &mut Vec<u8>) {
        self.asked += 1;
        let (asked, track) = (self.asked, self.set_up);
        let text = if track < self.tracks {
            let port = self.ports.get(track).and_then(|[rtp, _]| rtp.local_addr().ok());
            let transport = match port.map(|address| address.port()) {
                Some(port) => format!("RTP/AVP;unicast;client_port={port}-{}", port + 1),
                None => format!("RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * track, 2 * track + 1),
            };
            let base = &self.base;
            format!("SETUP {base}trackID={track} RTSP/1.0\r\nCSeq: {asked}\r\nTransport: {transport}\r\n\r\n")
        } else {
            self.state = State::Starting;
            format!("PLAY {} RTSP/1.0\r\nCSeq: {asked}\r\nSession: {}\r\n\r\n", self.base, self.session)
        };
        reply.extend_from_slice(text.as_bytes());
    }
}

impl Protocol for Rtsp {
    fn request(&self) -> Vec<u8> {
        format!("DESCRIBE {} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n", self.url).into_bytes()
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        at: &Moment,
        seen: &mut Seen,
        reply: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        let _ = at;
        let mut rest = bytes;
        while self.state != State::Playing && !rest.is_empty() {
            if self.body.0 == 0 {
                let Some(taken) = take_head(&mut self.head, rest)? else { return Ok(()) };
                rest = &rest[taken..];
                let head = String::from_utf8_lossy(&self.head);
                let length = header(&head, "content-length").map_or(Ok(0), str::parse);
                self.body.0 = length.map_err(|_| Ended::Broken("a Content-Length that is no number"))?;
            }
            let missing = self.body.0 - self.body.1.len();
            let (part, after) = rest.split_at(missing.min(rest.len()));
            self.body.1.extend_from_slice(part);
            rest = after;
            if self.body.1.len() < self.body.0 {
                return Ok(());
            }
            self.answered(reply)?;
        }
        if !rest.is_empty() {
            seen.messages += 1;
            seen.decodable = true;
        }
        Ok(())
    }

    fn established(&self) -> bool {
        self.state == State::Playing
    }

    fn take_sockets(&mut self) -> Vec<UdpSocket> {
        // Reports are not read.
        self.ports.iter().filter_map(|[rtp, _]| rtp.try_clone().ok()).collect()
    }
}

/// Two ports side by side, the first even.
fn pair() -> Option<[UdpSocket; 2]> {
    let bind = |port| UdpSocket::bind(("127.0.0.1", port));
    (0..64).find_map(|_| {
        let first = bind(0).ok()?.local_addr().ok()?.port() & !1;
        Some([bind(first).ok()?, bind(first + 1).ok()?])
    })
}

/// Tracks of the clip.
const TRACKS: usize = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_set_up_and_played_however_the_answers_are_cut() {
        let described = "RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Base: rtsp://h/a/\r\nContent-Length: 42\r\n\r\na=control:trackID=0\r\na=control:trackID=1\r\n";
        let rest = "RTSP/1.0 200 OK\r\nSession: s;timeout=60\r\n\r\n".repeat(3);
        let all = format!("{described}{rest}$...");
        for cut in [1, 7, 1_000] {
            let target = Target::parse("rtsp://127.0.0.1:8554/a").unwrap();
            let (mut protocol, mut seen, mut reply) = (Rtsp::new(&target), Seen::default(), Vec::new());
            for piece in all.as_bytes().chunks(cut) {
                protocol.receive(piece, &Moment::now(), &mut seen, &mut reply).unwrap();
            }
            let said = String::from_utf8(reply).unwrap();
            assert_eq!(said.matches("SETUP rtsp://h/a/trackID=").count(), 2);
            assert!(said.ends_with("PLAY rtsp://h/a/ RTSP/1.0\r\nCSeq: 4\r\nSession: s\r\n\r\n"), "{said}");
            assert!(protocol.established() && seen.messages > 0);
        }
    }
}
