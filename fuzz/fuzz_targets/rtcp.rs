//! Any RTCP datagram: what is read survives being written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rtp::feedback::{Feedback, MOST_ARRIVALS, MOST_MISSING};
use rtp::packet::{Packet, is_rtcp};
use rtp::rtcp::{ReceptionReport, Rtcp};

fuzz_target!(|bytes: &[u8]| {
    let _ = (Packet::parse(bytes), is_rtcp(bytes));
    for packet in Rtcp::parse(bytes).into_iter().flatten() {
        let mut written = Vec::new();
        let expected = match &packet {
            Rtcp::SenderReport(report, _) => {
                report.write("name", &mut written);
                Rtcp::SenderReport(*report, Vec::new())
            }
            Rtcp::ReceiverReport { ssrc, reports } => {
                ReceptionReport::write(reports.first(), *ssrc, "name", &mut written);
                Rtcp::ReceiverReport { ssrc: *ssrc, reports: reports.iter().take(1).copied().collect() }
            }
            Rtcp::Feedback(Feedback::Missing { sequences, .. }) => {
                assert!(sequences.len() <= MOST_MISSING);
                continue;
            }
            Rtcp::Feedback(Feedback::Arrivals { came, .. }) => {
                assert!(came.len() <= MOST_ARRIVALS);
                continue;
            }
            Rtcp::Bye(_) | Rtcp::Other(_) | Rtcp::Feedback(Feedback::Keyframe { .. }) => continue,
        };
        assert_eq!(Rtcp::parse(&written).expect("we wrote it").first(), Some(&expected));
    }
});
