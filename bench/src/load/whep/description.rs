//! What a viewer offers, as a browser would, and what it needs to know of the answer.

use std::net::SocketAddr;

/// An offer of pictures (H.264 of any profile) and sound (Opus), to be received, with all that a browser reports back.
pub(super) fn offer(fragment: &str, password: &str, fingerprint: &[u8]) -> String {
    let fingerprint: Vec<_> = fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
    let transport = format!(
        "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{fragment}\r\na=ice-pwd:{password}\r\na=ice-options:trickle\r\n\
         a=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
         a=extmap:3 {TRANSPORT_SEQUENCE}\r\n",
        fingerprint.join(":")
    );
    let mut text = format!(
        "v=0\r\no=- 4611 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=msid-semantic: WMS\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{transport}a=mid:0\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
         a=fmtp:111 minptime=10;useinbandfec=1\r\nm=video 9 UDP/TLS/RTP/SAVPF"
    );
    for at in 0..PROFILES.len() {
        text += &format!(" {} {}", FIRST + 2 * at, FIRST + 2 * at + 1);
    }
    text += &format!("\r\n{transport}a=mid:1\r\n");
    for (at, profile) in PROFILES.iter().enumerate() {
        let pictures = FIRST + 2 * at;
        for feedback in ["transport-cc", "ccm fir", "nack", "nack pli"] {
            text += &format!("a=rtcp-fb:{pictures} {feedback}\r\n");
        }
        text += &format!(
            "a=rtpmap:{pictures} H264/90000\r\na=fmtp:{pictures} level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}\r\n\
             a=rtpmap:{again} rtx/90000\r\na=fmtp:{again} apt={pictures}\r\n",
            again = pictures + 1
        );
    }
    text
}

/// What an answer says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) fragment: String,
    pub(super) password: String,
    /// The first candidate that is reached by UDP.
    pub(super) address: Option<SocketAddr>,
    /// Of the server's certificate.
    pub(super) fingerprint: Vec<u8>,
    /// The server begins with DTLS.
    pub(super) is_active: bool,
    /// Numbers of the formats in which packets come.
    pub(super) pictures: Vec<u8>,
    pub(super) sound: Vec<u8>,
    /// Of packets that are sent again.
    pub(super) again: Vec<u8>,
    /// Where in a packet's header the number of all packets stands, if it does.
    pub(super) transport_sequence: Option<u8>,
}

impl Answer {
    /// Reads one; what is missing is seen by what does not come.
    pub(super) fn read(text: &str) -> Self {
        let mut answer = Self::default();
        for line in text.lines() {
            let Some((name, value)) = line.strip_prefix("a=").and_then(|line| line.split_once(':')) else {
                continue;
            };
            let words: Vec<&str> = value.split_ascii_whitespace().collect();
            match (name, &words[..]) {
                ("ice-ufrag", [fragment]) => (*fragment).clone_into(&mut answer.fragment),
                ("ice-pwd", [password]) => (*password).clone_into(&mut answer.password),
                ("setup", [role]) => answer.is_active = *role == "active",
                ("fingerprint", ["sha-256", hex]) => {
                    answer.fingerprint =
                        hex.split(':').filter_map(|byte| u8::from_str_radix(byte, 16).ok()).collect();
                }
                ("candidate", [_, "1", protocol, _, address, port, "typ", "host", ..])
                    if protocol.eq_ignore_ascii_case("udp") && answer.address.is_none() =>
                {
                    let address = address.parse().ok().zip(port.parse().ok());
                    answer.address = address.map(|(ip, port)| SocketAddr::new(ip, port));
                }
                ("rtpmap", [number, format]) => {
                    let Ok(number) = number.parse() else { continue };
                    match format.split('/').next().unwrap_or_default().to_ascii_lowercase().as_str() {
                        "h264" => answer.pictures.push(number),
                        "opus" => answer.sound.push(number),
                        "rtx" => answer.again.push(number),
                        _ => {}
                    }
                }
                ("extmap", [number, TRANSPORT_SEQUENCE]) => answer.transport_sequence = number.parse().ok(),
                _ => {}
            }
        }
        answer
    }
}

const TRANSPORT_SEQUENCE: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// As Chromium lists them: constrained baseline, baseline, main, high.
const PROFILES: [&str; 4] = ["42e01f", "42001f", "4d001f", "64001f"];
/// Number of the first format.
const FIRST: usize = 102;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_where_to_go_and_what_comes() {
        let text = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 106 107\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\na=setup:passive\r\n\
            a=fingerprint:sha-256 01:FF\r\na=candidate:1 1 tcp 9 127.0.0.1 9 typ host tcptype passive\r\n\
            a=candidate:2 1 udp 9 127.0.0.1 8555 typ host ufrag abcd\r\na=candidate:3 1 udp 9 192.0.2.1 8555 typ host\r\n\
            a=rtpmap:106 H264/90000\r\na=rtpmap:107 rtx/90000\r\na=rtpmap:111 opus/48000/2\r\n\
            a=extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n";
        let expected = Answer {
            fragment: "abcd".into(),
            password: "secret".into(),
            address: Some(([127, 0, 0, 1], 8_555).into()),
            fingerprint: vec![1, 255],
            is_active: false,
            pictures: vec![106],
            sound: vec![111],
            again: vec![107],
            transport_sequence: Some(5),
        };
        assert_eq!(Answer::read(text), expected);
    }

    #[test]
    fn an_offer_lists_every_format_with_its_repeats() {
        let offer = offer("abcd", "secret", &[1, 0xab]);
        assert!(offer.contains("m=video 9 UDP/TLS/RTP/SAVPF 102 103 104 105 106 107 108 109\r\n"));
        assert_eq!(offer.matches("a=fingerprint:sha-256 01:AB\r\n").count(), 2);
        assert!(offer.contains("a=fmtp:109 apt=108\r\n"));
    }
}
