//! A session description, and any packets in any order through receivers of what it describes.
//!
//! Up to the first zero byte it is text; behind it each packet follows its length in two bytes, whose top bit says RTCP.
#![no_main]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use media::TrackId;
use rtp::rtcp::Rtcp;
use rtp::sdp::SessionDescription;
use rtp::{Delivery, Receiver, align};

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == 0).unwrap_or(input.len());
    let Ok(description) = SessionDescription::parse(&String::from_utf8_lossy(&input[..end])) else { return };
    let start = Instant::now();
    let formats = description.media.iter().take(4).filter_map(|medium| medium.format(TrackId(1)).ok());
    let mut receivers: Vec<_> =
        formats.map(|format| Receiver::new(format, Delivery::AnyOrder, start)).collect();
    if receivers.is_empty() {
        return;
    }
    let mut rest = input.get(end + 1..).unwrap_or_default();
    let (mut now, mut turn) = (start, 0);
    let mut units = VecDeque::new();
    while let Some(([high, low], tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes([high & 0x0f, *low])).min(tail.len());
        let (packet, tail) = tail.split_at(length);
        rest = tail;
        now += Duration::from_millis(u64::from(high >> 4 & 7) * 20);
        turn = (turn + usize::from(low & 1)) % receivers.len();
        let receiver = &mut receivers[turn];
        if high & 0x80 == 0 {
            let _ = receiver.push(Bytes::copy_from_slice(packet), now, &mut units);
        } else if let Ok(reports) = Rtcp::parse(packet) {
            for report in reports {
                if let Rtcp::SenderReport(report, _) = report {
                    receiver.reported(report, now);
                }
            }
            let _ = receiver.reception(now);
            align(&mut receivers);
        }
        for unit in units.drain(..) {
            assert!(!unit.data.is_empty() && unit.dts <= unit.pts);
        }
    }
});
