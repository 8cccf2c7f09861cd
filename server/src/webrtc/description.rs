//! Session descriptions as browsers write them (RFC 8829), as far as is not str0m's: what an offer asks for, and offers changed.
//!
//! Not here: what an answer has to say (`peer::answer`).

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

/// The value of the first line that begins so.
pub(super) fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.trim_end().strip_prefix(name))
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
