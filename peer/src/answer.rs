//! What an answer has to say besides what str0m makes of it (RFC 8829).

use std::fmt::Write as _;

/// What of a kind of media is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Something is sent.
    pub sends: bool,
    /// What comes is taken.
    pub takes: bool,
}

impl Used {
    /// Whether it is used at all.
    pub const fn is_any(self) -> bool {
        self.sends || self.takes
    }

    /// Says so, where this much was agreed on.
    fn within(self, agreed: &str) -> &'static str {
        match (self.sends && agreed != "a=recvonly", self.takes && agreed != "a=sendonly") {
            (true, true) => "a=sendrecv",
            (true, false) => "a=sendonly",
            (false, true) => "a=recvonly",
            (false, false) => "a=inactive",
        }
    }
}

/// Whether pictures and sound that go out belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Streams {
    /// To one stream: a page gets both with it, and a browser holds pictures back until its loudspeaker has caught up, by 50 ms and more.
    #[default]
    One,
    /// Each is a stream by itself, and waits for nothing: whoever steers by a picture must not wait.
    Apart,
}

impl Streams {
    /// The name of the stream that a kind of media belongs to.
    pub const fn of(self, is_sound: bool) -> &'static str {
        match self {
            Self::Apart if is_sound => "firstlight-sound",
            Self::One | Self::Apart => "firstlight",
        }
    }
}

/// Completes an answer: what goes out has streams, by which a page gets it, and a medium without a format in common is refused as it has to be.
/// Of each kind the first medium is used, and it is said how; and that there are no more candidates than these.
pub fn complete(answer: &str, video: Used, audio: Used, streams: Streams) -> String {
    let (mut video, mut audio) = (video, audio);
    let (head, media) = sections(answer);
    let mut refused: Vec<&str> = Vec::new();
    let mut rest = String::with_capacity(answer.len());
    for medium in &media {
        let first = medium.first().copied().unwrap_or_default();
        let used = match first.split(' ').next() {
            Some("m=video") => Some(std::mem::take(&mut video)),
            Some("m=audio") => Some(std::mem::take(&mut audio)),
            _ => None,
        };
        let stream = streams.of(first.starts_with("m=audio "));
        let has_formats = first.split_ascii_whitespace().nth(3).is_some();
        let used = if has_formats { used } else { Some(Used::default()) };
        let last = medium.iter().rposition(|line| line.starts_with("a=candidate:"));
        for (at, line) in medium.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = match *line {
                _ if line.starts_with("m=") && !has_formats => {
                    let mut words = line.split_ascii_whitespace();
                    let kind = words.next().unwrap_or_default();
                    write!(rest, "{kind} 0 {} 0\r\n", words.nth(1).unwrap_or("UDP/TLS/RTP/SAVPF"))
                }
                "a=sendrecv" | "a=sendonly" | "a=recvonly" => {
                    write!(rest, "{}\r\n", used.map_or(*line, |used| used.within(line)))
                }
                _ => match line.strip_prefix("a=msid:").and_then(|msid| msid.split_once(' ')) {
                    Some((_, track)) => write!(rest, "a=msid:{stream} {track}\r\n"),
                    None => match line.split_once(" msid:").filter(|_| line.starts_with("a=ssrc:")) {
                        Some((ssrc, msid)) => {
                            let track = msid.split_once(' ').map_or(msid, |(_, track)| track);
                            write!(rest, "{ssrc} msid:{stream} {track}\r\n")
                        }
                        None => write!(rest, "{line}\r\n"),
                    },
                },
            };
            if let Some(mid) = line.strip_prefix("a=mid:").filter(|_| !has_formats) {
                refused.push(mid);
            }
            if last == Some(at) {
                rest.push_str("a=end-of-candidates\r\n");
            }
        }
    }
    let mut text = String::with_capacity(answer.len());
    for line in head {
        let _ = match line.strip_prefix("a=group:BUNDLE") {
            Some(mids) => {
                let kept = mids.split_ascii_whitespace().filter(|mid| !refused.contains(mid));
                write!(text, "a=group:BUNDLE{}\r\n", kept.fold(String::new(), |all, mid| all + " " + mid))
            }
            // Any: each medium says itself which it belongs to.
            None if line.starts_with("a=msid-semantic:") => write!(text, "a=msid-semantic:WMS *\r\n"),
            None => write!(text, "{line}\r\n"),
        };
    }
    text + &rest
}

/// The lines before the first medium, and those of each.
fn sections(text: &str) -> (Vec<&str>, Vec<Vec<&str>>) {
    let (mut head, mut media) = (Vec::new(), Vec::<Vec<&str>>::new());
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        match media.last_mut() {
            _ if line.starts_with("m=") => media.push(vec![line]),
            Some(medium) => medium.push(line),
            None => head.push(line),
        }
    }
    (head, media)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_streams_and_refuses_what_it_has_no_format_for() {
        let answer = "v=0\r\ns=-\r\na=group:BUNDLE 0 1 2\r\na=msid-semantic: WMS x y\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF \r\na=mid:0\r\na=sendonly\r\na=msid:x t\r\na=candidate:1\r\na=candidate:2\r\n\
            m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendrecv\r\na=msid:y u\r\na=ssrc:5 cname:u\r\na=ssrc:5 msid:y u\r\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";
        let (video, audio) = (Used { sends: false, takes: true }, Used { sends: true, takes: false });
        assert_eq!(
            complete(answer, video, audio, Streams::One),
            "v=0\r\ns=-\r\na=group:BUNDLE 1 2\r\na=msid-semantic:WMS *\r\n\
            m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=inactive\r\na=msid:firstlight t\r\na=candidate:1\r\na=candidate:2\r\na=end-of-candidates\r\n\
            m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=recvonly\r\na=msid:firstlight u\r\na=ssrc:5 cname:u\r\na=ssrc:5 msid:firstlight u\r\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n"
        );
    }

    #[test]
    fn pictures_and_sound_can_be_streams_by_themselves() {
        let answer = "m=audio 9 X 111\r\na=msid:x t\r\nm=video 9 X 96\r\na=msid:x u\r\na=ssrc:5 msid:x u\r\n";
        assert_eq!(
            complete(answer, Used::default(), Used::default(), Streams::Apart),
            "m=audio 9 X 111\r\na=msid:firstlight-sound t\r\nm=video 9 X 96\r\na=msid:firstlight u\r\na=ssrc:5 msid:firstlight u\r\n"
        );
    }

    #[test]
    fn the_first_of_a_kind_is_used_as_far_as_was_agreed() {
        let both = Used { sends: true, takes: true };
        let ways = |used: Used, agreed: [&str; 2]| {
            let [first, second] = agreed.map(|way| format!("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na={way}\r\n"));
            let complete = complete(&(first + &second), used, Used::default(), Streams::One);
            let ways = complete.lines().filter_map(|line| line.strip_prefix("a="));
            ways.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(ways(both, ["sendrecv", "sendrecv"]), ["sendrecv", "inactive"]);
        assert_eq!(ways(both, ["sendonly", "inactive"]), ["sendonly", "inactive"]);
        assert_eq!(
            ways(Used { sends: true, takes: false }, ["sendrecv", "recvonly"]),
            ["sendonly", "inactive"]
        );
        assert_eq!(
            ways(Used { sends: true, takes: false }, ["recvonly", "recvonly"]),
            ["inactive", "inactive"]
        );
    }
}
