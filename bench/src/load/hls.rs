//! A low-latency HLS player's side of one connection: a blocking reload, the parts it brought, the next reload.
//!
//! Requests follow each other on one kept connection, as a player's do over HTTP/1.1, playlists as delta updates. A part counts as a
//! message; the first one that begins with a picture that stands alone is decodable.

use hls::FileName;

use super::protocol::{Ended, Protocol, header, status_line, take_head};
use super::seen::{Moment, Seen};
use super::target::Target;

/// A player.
pub(crate) struct Hls {
    authority: String,
    /// The playlist's path; files are below its folder.
    playlist: String,
    folder: String,
    head: Vec<u8>,
    /// Of the body: bytes to come, once the head is there.
    left: Option<usize>,
    body: Vec<u8>,
    /// What is being read: a part's media, or a playlist.
    part: bool,
    /// Parts of the last playlist that are still to be fetched, the next one last.
    wanted: Vec<String>,
    /// Segment and part behind the newest that was fetched, or is to be.
    next: Option<(u64, u64)>,
    established: bool,
}

impl Hls {
    pub(crate) fn new(target: &Target) -> Self {
        let folder = target.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        Self {
            authority: target.authority.clone(),
            playlist: target.path.clone(),
            folder,
            head: Vec::new(),
            left: None,
            body: Vec::new(),
            part: false,
            wanted: Vec::new(),
            next: None,
            established: false,
        }
    }

    fn get(&self, path: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\n\r\n", self.authority).into_bytes()
    }

    /// The response is whole: what is asked for next.
    fn follow(&mut self, seen: &mut Seen) -> Result<Vec<u8>, Ended> {
        if self.part {
            seen.messages += 1;
            seen.decodable = true;
        } else {
            self.read_playlist()?;
        }
        self.body.clear();
        if let Some(uri) = self.wanted.pop() {
            self.part = true;
            return Ok(self.get(&format!("{}/{uri}", self.folder)));
        }
        self.part = false;
        let (segment, part) = self.next.ok_or(Ended::Broken("a playlist without a preload hint"))?;
        Ok(self.get(&format!("{}?_HLS_msn={segment}&_HLS_part={part}&_HLS_skip=YES", self.playlist)))
    }

    /// Notes the parts that are new, or of the first playlist the newest that a decoder can begin with.
    fn read_playlist(&mut self) -> Result<(), Ended> {
        let text =
            std::str::from_utf8(&self.body).map_err(|_| Ended::Broken("a playlist that is no text"))?;
        let place = |uri: &str| match FileName::parse(uri.rsplit('/').next()?.split('?').next()?)? {
            FileName::Part { number, part, .. } => Some((number, part)),
            FileName::Init { .. } | FileName::Segment { .. } => None,
        };
        let uri = |line: &str| Some(line.split_once("URI=\"")?.1.split_once('"')?.0.to_owned());
        let mut next = None;
        let mut wanted = Vec::new();
        for line in text.lines().rev() {
            if line.starts_with("#EXT-X-PRELOAD-HINT:") {
                next = uri(line).as_deref().and_then(place);
            } else if line.starts_with("#EXT-X-PART:") {
                let Some(uri) = uri(line) else { continue };
                match self.next {
                    Some(known) if place(&uri) < Some(known) => break,
                    Some(_) => wanted.push(uri),
                    None => {
                        wanted.push(uri);
                        if line.contains("INDEPENDENT=YES") {
                            break;
                        }
                    }
                }
            }
        }
        self.wanted = wanted;
        self.next = next;
        Ok(())
    }
}

impl Protocol for Hls {
    fn request(&self) -> Vec<u8> {
        self.get(&self.playlist)
    }

    fn receive(
        &mut self,
        bytes: &[u8],
        _: &Moment,
        seen: &mut Seen,
        reply: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let left = match self.left {
                Some(left) => left,
                None => {
                    let Some(taken) = take_head(&mut self.head, rest)? else { return Ok(()) };
                    rest = &rest[taken..];
                    let head = String::from_utf8_lossy(&self.head);
                    if head.split(' ').nth(1) != Some("200") {
                        return Err(Ended::Refused(status_line(&self.head)));
                    }
                    let length = header(&head, "content-length").and_then(|value| value.parse().ok());
                    let length = length.ok_or(Ended::Broken("a response without a length"))?;
                    self.head.clear();
                    self.established = true;
                    *self.left.insert(length)
                }
            };
            let (now, later) = rest.split_at(left.min(rest.len()));
            if !self.part {
                self.body.extend_from_slice(now);
            }
            rest = later;
            self.left = Some(left - now.len());
            if left == now.len() {
                self.left = None;
                reply.extend(self.follow(seen)?);
            }
        }
        Ok(())
    }

    fn established(&self) -> bool {
        self.established
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    #[test]
    fn a_player_begins_at_an_independent_part_and_reloads_for_what_comes_next() {
        let target = Target::parse("http://127.0.0.1:1/front/live.m3u8").unwrap();
        let mut hls = Hls::new(&target);
        let (mut seen, now) = (Seen::default(), Moment::now());
        let mut asked = |bytes: &[u8]| {
            let mut reply = Vec::new();
            for byte in bytes.chunks(7) {
                hls.receive(byte, &now, &mut seen, &mut reply).unwrap();
            }
            String::from_utf8(reply).unwrap().lines().next().unwrap_or_default().to_owned()
        };
        let part =
            |name: &str, more: &str| format!("#EXT-X-PART:DURATION=0.2,URI=\"hls/e-{name}.m4s\"{more}\n");
        let hint = |name: &str| format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"hls/e-{name}.m4s\"\n");
        let first =
            [part("4.0", ",INDEPENDENT=YES"), part("5.0", ",INDEPENDENT=YES"), part("5.1", ""), hint("5.2")];
        assert_eq!(asked(&answer(&first.concat())), "GET /front/hls/e-5.0.m4s HTTP/1.1");
        assert_eq!(asked(&answer("media")), "GET /front/hls/e-5.1.m4s HTTP/1.1");
        let reload = "GET /front/live.m3u8?_HLS_msn=5&_HLS_part=2&_HLS_skip=YES HTTP/1.1";
        assert_eq!(asked(&answer("media")), reload);
        let second = [part("5.1", ""), part("5.2", ""), part("6.0", ",INDEPENDENT=YES"), hint("6.1")];
        assert_eq!(asked(&answer(&second.concat())), "GET /front/hls/e-5.2.m4s HTTP/1.1");
        assert_eq!(asked(&answer("media")), "GET /front/hls/e-6.0.m4s HTTP/1.1");
        assert!(asked(&answer("media")).contains("_HLS_msn=6&_HLS_part=1"));
        assert_eq!((seen.messages, seen.decodable), (4, true));
    }
}
