//! Session descriptions as browsers write them (RFC 8829), as far as is not str0m's: what an offer asks for, and what an answer has to say
//! besides.

use std::fmt::Write as _;

/// What an offer asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The first medium of pictures.
    pub video: Option<Medium>,
    /// The first medium of sound.
    pub audio: Option<Medium>,
    /// Data channels.
    pub data: bool,
}

/// One medium of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Medium {
    /// They would take what we send.
    pub receives: bool,
    /// They would send.
    pub sends: bool,
    /// What they can read or write, in upper case: `H264`, `OPUS`.
    pub codecs: Vec<String>,
}

impl Asked {
    /// Reads an offer; what is not understood is passed over, since str0m judges the whole.
    pub fn of(offer: &str) -> Self {
        let mut asked = Self::default();
        let mut now: Option<(&str, Medium)> = None;
        for line in offer.lines().map(str::trim_end) {
            if let Some(medium) = line.strip_prefix("m=") {
                asked.keep(now.take());
                let mut words = medium.split(' ');
                let (kind, port) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                asked.data |= kind == "application" && port != "0";
                // Without a word about it, it goes both ways.
                let both = Medium { receives: true, sends: true, codecs: Vec::new() };
                now = (port != "0").then_some((kind, both));
            } else if let (Some(attribute), Some((_, medium))) = (line.strip_prefix("a="), &mut now) {
                match attribute {
                    "recvonly" => medium.sends = false,
                    "sendonly" => medium.receives = false,
                    "inactive" => (medium.sends, medium.receives) = (false, false),
                    _ => {
                        let mapping =
                            attribute.strip_prefix("rtpmap:").and_then(|mapping| mapping.split_once(' '));
                        let codec = mapping.and_then(|(_, codec)| codec.split('/').next());
                        if let Some(codec) = codec.filter(|_| medium.codecs.len() < MOST_CODECS) {
                            medium.codecs.push(codec.to_ascii_uppercase());
                        }
                    }
                }
            }
        }
        asked.keep(now);
        asked
    }

    fn keep(&mut self, medium: Option<(&str, Medium)>) {
        let Some((kind, medium)) = medium else { return };
        let place = match kind {
            "video" => &mut self.video,
            "audio" => &mut self.audio,
            _ => return,
        };
        place.get_or_insert(medium);
    }
}

impl Medium {
    /// Its codecs for people, each once.
    pub fn list(&self) -> String {
        let mut codecs = self.codecs.clone();
        codecs.retain(|codec| !matches!(codec.as_str(), "RTX" | "RED" | "ULPFEC" | "FLEXFEC-03"));
        codecs.sort_unstable();
        codecs.dedup();
        codecs.truncate(16);
        codecs.join(", ")
    }
}

/// What of an answer is used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    pub(super) video: bool,
    pub(super) audio: bool,
}

/// Completes an answer: what goes out is one stream, so that a page gets pictures and sound together, and a medium without a format in
/// common is refused as it has to be. Media that are not used are said to be so, and that there are no more candidates than these.
pub(super) fn complete(answer: &str, used: Used) -> String {
    let (head, media) = sections(answer);
    let mut refused: Vec<&str> = Vec::new();
    let mut rest = String::with_capacity(answer.len());
    for medium in &media {
        let first = medium.first().copied().unwrap_or_default();
        let is_used = match first.split(' ').next() {
            Some("m=video") => used.video,
            Some("m=audio") => used.audio,
            _ => true,
        };
        let has_formats = first.split_ascii_whitespace().nth(3).is_some();
        let last = medium.iter().rposition(|line| line.starts_with("a=candidate:"));
        for (at, line) in medium.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = match *line {
                _ if line.starts_with("m=") && !has_formats => {
                    let mut words = line.split_ascii_whitespace();
                    let kind = words.next().unwrap_or_default();
                    write!(rest, "{kind} 0 {} 0\r\n", words.nth(1).unwrap_or("UDP/TLS/RTP/SAVPF"))
                }
                "a=sendrecv" | "a=sendonly" | "a=recvonly" if !is_used || !has_formats => {
                    write!(rest, "a=inactive\r\n")
                }
                _ => match line.strip_prefix("a=msid:").and_then(|msid| msid.split_once(' ')) {
                    Some((_, track)) => write!(rest, "a=msid:{STREAM} {track}\r\n"),
                    None => match line.split_once(" msid:").filter(|_| line.starts_with("a=ssrc:")) {
                        Some((ssrc, msid)) => {
                            let track = msid.split_once(' ').map_or(msid, |(_, track)| track);
                            write!(rest, "{ssrc} msid:{STREAM} {track}\r\n")
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
            None if line.starts_with("a=msid-semantic:") => write!(text, "a=msid-semantic:WMS {STREAM}\r\n"),
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

/// The value of the first line that begins so.
pub(super) fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.trim_end().strip_prefix(name))
}

/// An offer of a peer that says nothing of when each packet comes.
pub(super) fn without_transport_feedback(offer: &str) -> String {
    let is_other = |line: &&str| !(line.starts_with("a=extmap:") && line.contains(TRANSPORT_FEEDBACK));
    offer.lines().map(str::trim_end).filter(is_other).fold(
        String::with_capacity(offer.len()),
        |mut text, line| {
            // Writing to a string does not fail.
            let _ = write!(text, "{line}\r\n");
            text
        },
    )
}

/// The offer of a session whose peer began ICE again with these credentials; `None` for credentials that are none (RFC 8839 §5.4).
pub(super) fn restarted(offer: &str, fragment: &str, password: &str) -> Option<String> {
    let is_word = |text: &str, least: usize| {
        (least..=256).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
    };
    if !is_word(fragment, 4) || !is_word(password, 22) {
        return None;
    }
    let mut text = String::with_capacity(offer.len() + 64);
    for line in offer.lines().map(str::trim_end) {
        // Candidates are those of the time before.
        let _ = match line {
            _ if line.starts_with("a=ice-ufrag:") => write!(text, "a=ice-ufrag:{fragment}\r\n"),
            _ if line.starts_with("a=ice-pwd:") => write!(text, "a=ice-pwd:{password}\r\n"),
            _ if line.starts_with("a=candidate:") => Ok(()),
            _ => write!(text, "{line}\r\n"),
        };
    }
    Some(text)
}

/// The extension that numbers the packets of a connection (draft-holmer-rmcat-transport-wide-cc-extensions-01).
const TRANSPORT_FEEDBACK: &str = "draft-holmer-rmcat-transport-wide-cc-extensions";
/// The stream that everything of a session belongs to.
const STREAM: &str = "firstlight";
/// Browsers list a few dozen.
const MOST_CODECS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=mid:0\r\na=recvonly\r\n\
        a=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=ice-ufrag:abcd\r\na=mid:1\r\na=sendrecv\r\na=rtpmap:96 H264/90000\r\n\
        a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=inactive\r\n";

    #[test]
    fn an_offer_says_what_it_would_take_and_send() {
        let asked = Asked::of(OFFER);
        let audio = asked.audio.unwrap();
        assert_eq!(
            (audio.receives, audio.sends, audio.codecs),
            (true, false, vec!["OPUS".to_owned(), "PCMU".to_owned()])
        );
        let video = asked.video.unwrap();
        assert_eq!((video.receives, video.sends, video.codecs), (true, true, vec!["H264".to_owned()]));
        assert!(asked.data);
        assert_eq!(Asked::of("nonsense\r\nm=\r\na=rtpmap:1\r\n"), Asked::default());
    }

    #[test]
    fn an_answer_is_one_stream_and_refuses_what_it_has_no_format_for() {
        let answer = "v=0\r\ns=-\r\na=group:BUNDLE 0 1\r\na=msid-semantic: WMS x y\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF \r\na=mid:0\r\na=sendonly\r\na=msid:x t\r\na=candidate:1\r\na=candidate:2\r\n\
            m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\na=msid:y u\r\na=ssrc:5 cname:u\r\na=ssrc:5 msid:y u\r\n";
        let complete = complete(answer, Used { video: true, audio: false });
        assert_eq!(
            complete,
            "v=0\r\ns=-\r\na=group:BUNDLE 1\r\na=msid-semantic:WMS firstlight\r\n\
            m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=inactive\r\na=msid:firstlight t\r\na=candidate:1\r\na=candidate:2\r\na=end-of-candidates\r\n\
            m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendonly\r\na=msid:firstlight u\r\na=ssrc:5 cname:u\r\na=ssrc:5 msid:firstlight u\r\n"
        );
    }

    #[test]
    fn an_offer_may_be_read_as_if_packets_were_not_numbered() {
        let numbered =
            "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n";
        let other = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n";
        assert_eq!(
            without_transport_feedback(&format!("{OFFER}{other}{numbered}")),
            format!("{OFFER}{other}")
        );
    }

    #[test]
    fn ice_that_begins_again_changes_credentials_and_nothing_else() {
        let again = restarted(OFFER, "wxyz", "abcdefghijklmnopqrstuv").unwrap();
        assert_eq!(value(&again, "a=ice-ufrag:"), Some("wxyz"));
        assert!(!again.contains("abcd\r\n") && !again.contains("a=candidate:"));
        assert_eq!(again.lines().count(), OFFER.lines().count() - 1);
        for (fragment, password) in
            [("wxy", "abcdefghijklmnopqrstuv"), ("wxyz", "short"), ("w\r\nz", "abcdefghijklmnopqrstuv")]
        {
            assert_eq!(restarted(OFFER, fragment, password), None);
        }
    }
}
