//! Any RTCP datagram: what is read survives being written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
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
            Rtcp::Bye(_) | Rtcp::Other(_) => continue,
        };
        assert_eq!(Rtcp::parse(&written).expect("we wrote it").first(), Some(&expected));
    }
});
