//! RTCP (RFC 3550 §6): the reports that tie media time to wallclock and tell a sender how it is received.
//!
//! Compound packets are read leniently: a packet of a kind we do not know is passed over, one that is cut off ends the reading.

use media::Wallclock;

use crate::RtpError;
use crate::feedback::{Feedback, PAYLOAD_FEEDBACK, TRANSPORT_FEEDBACK};
use crate::packet::VERSION;

/// One packet of a compound packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rtcp {
    /// A sender's, with the reception reports it adds.
    SenderReport(SenderReport, Vec<ReceptionReport>),
    /// A receiver's.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// On what.
        reports: Vec<ReceptionReport>,
    },
    /// These leave.
    Bye(Vec<u32>),
    /// What a receiver says between reports.
    Feedback(Feedback),
    /// Something else, by its packet type.
    Other(u8),
}

/// What a sender says of itself (§6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport {
    /// Who sends.
    pub ssrc: u32,
    /// Wallclock of the moment that `rtp_timestamp` names.
    pub ntp: NtpTime,
    /// The same moment on the media's clock.
    pub rtp_timestamp: u32,
    /// Packets sent, so far.
    pub packets: u32,
    /// Payload bytes sent, so far.
    pub octets: u32,
}

/// How a sender is received (§6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceptionReport {
    /// The sender.
    pub ssrc: u32,
    /// Of the packets since the last report, this many 256ths were lost.
    pub fraction_lost: u8,
    /// Packets lost so far; 24 bits, signed.
    pub lost: i32,
    /// The highest sequence number received, extended by its cycles.
    pub highest_sequence: u32,
    /// Jitter of the arrivals, on the media's clock.
    pub jitter: u32,
    /// The middle of the NTP time of the sender's last report; zero if there was none.
    pub last_report: u32,
    /// How long ago that came, in 1/65536 s.
    pub delay: u32,
}

/// A moment as NTP counts it: seconds since 1900 in 32.32 bits. Wraps in 2036, as RTCP's does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From wallclock.
    pub fn from_wallclock(wallclock: Wallclock) -> Self {
        let micros = wallclock.unix_micros();
        let seconds = micros.div_euclid(1_000_000).wrapping_add(UNIX_IN_NTP);
        let rest = micros.rem_euclid(1_000_000);
        // Both parts are cut to their 32 bits on purpose: NTP wraps.
        let fraction = (rest << 32) / 1_000_000;
        Self((seconds as u64) << 32 | fraction as u64)
    }

    /// As wallclock, of the era that began in 1900.
    pub fn to_wallclock(self) -> Wallclock {
        let seconds = (self.0 >> 32) as i64 - UNIX_IN_NTP;
        let micros = ((self.0 & 0xffff_ffff) * 1_000_000 + (1 << 31)) >> 32;
        Wallclock::from_unix_micros(seconds * 1_000_000 + micros as i64)
    }

    /// The middle 32 bits, as reception reports quote them.
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

impl Rtcp {
    /// The packets of a compound packet.
    ///
    /// # Errors
    /// [`RtpError::Rtcp`] if the first is none, or one is cut off.
    pub fn parse(bytes: &[u8]) -> Result<Vec<Self>, RtpError> {
        let mut packets = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let wrong = |problem| RtpError::Rtcp { problem, at };
            let rest = &bytes[at..];
            let [first, kind, high, low] = *rest.first_chunk().ok_or(wrong("shorter than its header"))?;
            if first >> 6 != VERSION {
                return Err(wrong("not version 2"));
            }
            let length = 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
            let body = rest.get(4..length).ok_or(wrong("longer than what came"))?;
            let count = usize::from(first & 0x1f);
            packets.push(Self::of(kind, count, body).ok_or(wrong("cut off"))?);
            at += length;
        }
        if packets.is_empty() { Err(RtpError::Rtcp { problem: "empty", at: 0 }) } else { Ok(packets) }
    }

    fn of(kind: u8, count: usize, body: &[u8]) -> Option<Self> {
        Some(match kind {
            SENDER_REPORT => {
                let sender = SenderReport {
                    ssrc: word(body, 0)?,
                    ntp: NtpTime(u64::from(word(body, 1)?) << 32 | u64::from(word(body, 2)?)),
                    rtp_timestamp: word(body, 3)?,
                    packets: word(body, 4)?,
                    octets: word(body, 5)?,
                };
                Self::SenderReport(sender, reports(body.get(24..)?, count)?)
            }
            RECEIVER_REPORT => {
                Self::ReceiverReport { ssrc: word(body, 0)?, reports: reports(body.get(4..)?, count)? }
            }
            BYE => Self::Bye((0..count).map(|index| word(body, index)).collect::<Option<_>>()?),
            TRANSPORT_FEEDBACK | PAYLOAD_FEEDBACK => {
                Feedback::of(kind, count, body)?.map_or(Self::Other(kind), Self::Feedback)
            }
            other => Self::Other(other),
        })
    }
}

impl SenderReport {
    /// A compound packet: this report and the sender's name.
    pub fn write(&self, name: &str, out: &mut Vec<u8>) {
        let words = [
            self.ssrc,
            (self.ntp.0 >> 32) as u32,
            self.ntp.0 as u32,
            self.rtp_timestamp,
            self.packets,
            self.octets,
        ];
        header(SENDER_REPORT, 0, words.len() * 4, out);
        words.iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
        write_name(self.ssrc, name, out);
    }
}

impl ReceptionReport {
    /// A compound packet: a receiver's report on one sender, or on none, and the receiver's name.
    pub fn write(report: Option<&Self>, receiver: u32, name: &str, out: &mut Vec<u8>) {
        header(RECEIVER_REPORT, u8::from(report.is_some()), if report.is_some() { 28 } else { 4 }, out);
        out.extend_from_slice(&receiver.to_be_bytes());
        if let Some(report) = report {
            let [_, lost @ ..] = report.lost.clamp(-0x80_0000, 0x7f_ffff).to_be_bytes();
            out.extend_from_slice(&report.ssrc.to_be_bytes());
            out.push(report.fraction_lost);
            out.extend_from_slice(&lost);
            for word in [report.highest_sequence, report.jitter, report.last_report, report.delay] {
                out.extend_from_slice(&word.to_be_bytes());
            }
        }
        write_name(receiver, name, out);
    }
}

/// A compound packet's last: this sender leaves.
pub fn write_bye(ssrc: u32, out: &mut Vec<u8>) {
    header(BYE, 1, 4, out);
    out.extend_from_slice(&ssrc.to_be_bytes());
}

/// A source description with a canonical name (§6.5.1).
fn write_name(ssrc: u32, name: &str, out: &mut Vec<u8>) {
    let name = &name.as_bytes()[..name.len().min(255)];
    // Type and length before the name, at least one zero behind it.
    let items = (2 + name.len() + 1).next_multiple_of(4);
    header(DESCRIPTION, 1, 4 + items, out);
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(&[CANONICAL_NAME, name.len() as u8]);
    out.extend_from_slice(name);
    out.resize(out.len() + items - 2 - name.len(), 0);
}

fn header(kind: u8, count: u8, body: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&[VERSION << 6 | count, kind]);
    // A body is a few dozen bytes.
    out.extend_from_slice(&((body / 4) as u16).to_be_bytes());
}

fn reports(body: &[u8], count: usize) -> Option<Vec<ReceptionReport>> {
    let blocks = body.get(..24 * count)?.as_chunks::<24>().0;
    blocks
        .iter()
        .map(|block| {
            let lost = word(block, 1)? & 0xff_ffff;
            Some(ReceptionReport {
                ssrc: word(block, 0)?,
                fraction_lost: block[4],
                // 24 bits with a sign.
                lost: (lost << 8) as i32 >> 8,
                highest_sequence: word(block, 2)?,
                jitter: word(block, 3)?,
                last_report: word(block, 4)?,
                delay: word(block, 5)?,
            })
        })
        .collect()
}

pub(crate) fn word(body: &[u8], index: usize) -> Option<u32> {
    body.get(4 * index..).and_then(<[u8]>::first_chunk).map(|word| u32::from_be_bytes(*word))
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;
const CANONICAL_NAME: u8 = 1;
/// Seconds from 1900 to 1970.
const UNIX_IN_NTP: i64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_sender_report_is_read_as_it_was_written() {
        let report = SenderReport {
            ssrc: 7,
            ntp: NtpTime(0xe5f1_2345_8000_0000),
            rtp_timestamp: 90_000,
            packets: 3,
            octets: 400,
        };
        let mut bytes = Vec::new();
        report.write("firstlight", &mut bytes);
        write_bye(7, &mut bytes);
        assert_eq!(bytes.len() % 4, 0);
        let expected = [Rtcp::SenderReport(report, Vec::new()), Rtcp::Other(DESCRIPTION), Rtcp::Bye(vec![7])];
        assert_eq!(Rtcp::parse(&bytes).unwrap(), expected);
    }

    #[test]
    fn a_reception_report_keeps_its_sign() {
        let report = ReceptionReport {
            ssrc: 9,
            fraction_lost: 64,
            lost: -5,
            highest_sequence: 0x1_0000,
            jitter: 3,
            last_report: 4,
            delay: 5,
        };
        let mut bytes = Vec::new();
        ReceptionReport::write(Some(&report), 1, "n", &mut bytes);
        let expected = Rtcp::ReceiverReport { ssrc: 1, reports: vec![report] };
        assert_eq!(Rtcp::parse(&bytes).unwrap()[0], expected);
        bytes.clear();
        ReceptionReport::write(None, 1, "n", &mut bytes);
        assert_eq!(Rtcp::parse(&bytes).unwrap()[0], Rtcp::ReceiverReport { ssrc: 1, reports: vec![] });
    }

    #[test]
    fn a_packet_that_is_cut_off_is_an_error_with_its_place() {
        let mut bytes = Vec::new();
        ReceptionReport::write(None, 1, "n", &mut bytes);
        let error = Rtcp::parse(&bytes[..bytes.len() - 1]).unwrap_err();
        assert_eq!(error, RtpError::Rtcp { problem: "longer than what came", at: 8 });
        assert!(
            Rtcp::parse(&[0x81, 201, 0, 1, 0, 0, 0, 1]).is_err(),
            "one report is promised and none is there"
        );
        assert!(Rtcp::parse(&[]).is_err());
    }

    proptest! {
        #[test]
        fn wallclock_survives_ntp(micros in 0i64..2_000_000_000_000_000) {
            let wallclock = Wallclock::from_unix_micros(micros);
            let back = NtpTime::from_wallclock(wallclock).to_wallclock();
            prop_assert!((back.unix_micros() - micros).abs() <= 1);
        }
    }
}
