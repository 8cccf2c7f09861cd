//! Payloads of packets that are right in all else, through the depacketizer of each payload format; the first byte says which.
//!
//! `rtp_receive` takes whole packets and has to hit on a header, a payload type and a sequence number first. Here each payload follows two
//! bytes: the marker, another time, a packet lost before it, and twelve bits of its length.
#![no_main]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::TrackId;
use rtp::sdp::SessionDescription;
use rtp::{Delivery, Receiver};

/// The payload type, and what a description says of it.
const FORMATS: [(u8, &str); 11] = [
    (
        96,
        "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n\
         a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LADdoFB+wEQAAAAwBAAAAMg8UKqA==,aM4PyA==\n",
    ),
    (96, "m=video 0 RTP/AVP 96\na=rtpmap:96 H265/90000\n"),
    (96, "m=video 0 RTP/AVP 96\na=rtpmap:96 AV1/90000\n"),
    (96, "m=video 0 RTP/AVP 96\na=rtpmap:96 VP8/90000\n"),
    (96, "m=video 0 RTP/AVP 96\na=rtpmap:96 VP9/90000\n"),
    (26, "m=video 0 RTP/AVP 26\n"),
    (32, "m=video 0 RTP/AVP 32\n"),
    (
        97,
        "m=audio 0 RTP/AVP 97\na=rtpmap:97 MPEG4-GENERIC/48000/2\n\
         a=fmtp:97 mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190\n",
    ),
    (98, "m=audio 0 RTP/AVP 98\na=rtpmap:98 opus/48000/2\n"),
    (0, "m=audio 0 RTP/AVP 0\n"),
    (14, "m=audio 0 RTP/AVP 14\n"),
];

fuzz_target!(|input: &[u8]| {
    let Some((which, mut rest)) = input.split_first() else { return };
    let (kind, text) = FORMATS[usize::from(*which) % FORMATS.len()];
    let description = SessionDescription::parse(&format!("v=0\n{text}")).expect("it is one");
    let format = description.media[0].format(TrackId(1)).expect("its format is known");
    let start = Instant::now();
    let mut receiver = Receiver::new(format, Delivery::InOrder, start);
    let (mut sequence, mut time) = (0_u16, 0_u32);
    let mut units = VecDeque::new();
    while let Some(([high, low], tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes([high & 0x0f, *low])).min(tail.len());
        let (payload, tail) = tail.split_at(length);
        rest = tail;
        sequence = sequence.wrapping_add(1 + u16::from(high >> 5 & 1));
        time = time.wrapping_add(u32::from(high >> 6 & 1) * 3_000);
        let mut packet = vec![0x80, (high & 0x80) | kind];
        packet.extend(sequence.to_be_bytes());
        packet.extend(time.to_be_bytes());
        packet.extend([0, 0, 0, 1]);
        packet.extend(payload);
        let now = start + Duration::from_millis(u64::from(sequence));
        let _ = receiver.push(Bytes::from(packet), now, &mut units);
        for unit in units.drain(..) {
            assert!(!unit.data.is_empty() && unit.dts <= unit.pts);
        }
    }
});
