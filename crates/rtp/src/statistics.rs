//! What a receiver counts for its reports (RFC 3550 appendix A.3, A.8).

use std::time::{Duration, Instant};

use media::{MediaTime, Timescale};

use crate::rtcp::ReceptionReport;

/// Counts one sender's packets.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    /// First and highest sequence number, extended by cycles.
    range: Option<(u32, u32)>,
    received: u32,
    /// Expected and received by the last report.
    last: (u32, u32),
    transit: Option<i64>,
    jitter: i64,
}

impl Statistics {
    pub(crate) fn received(
        &mut self,
        sequence: u16,
        timestamp: u32,
        clock_rate: Timescale,
        epoch: Instant,
        arrival: Instant,
    ) {
        self.received = self.received.wrapping_add(1);
        let (first, highest) = self.range.unwrap_or((u32::from(sequence), u32::from(sequence)));
        let ahead = sequence.wrapping_sub(highest as u16) as i16;
        self.range = Some((first, highest.wrapping_add(u32::try_from(ahead).unwrap_or(0))));
        let arrived = MediaTime::from_duration(arrival.saturating_duration_since(epoch), clock_rate).ticks();
        let transit = arrived - i64::from(timestamp);
        if let Some(last) = self.transit.replace(transit) {
            // Timestamps wrap; the difference of two does not matter by a multiple of that.
            let difference = i64::from((transit - last) as i32).abs();
            self.jitter += (difference - self.jitter) / 16;
        }
    }

    /// The report on `ssrc`, whose last one said this middle of NTP time so long ago.
    pub(crate) fn report(&mut self, ssrc: u32, sender: Option<(u32, Duration)>) -> ReceptionReport {
        let (first, highest) = self.range.unwrap_or_default();
        let expected = highest.wrapping_sub(first).wrapping_add(1);
        let (last_expected, last_received) = std::mem::replace(&mut self.last, (expected, self.received));
        let expected_since = expected.wrapping_sub(last_expected);
        let lost_since = i64::from(expected_since) - i64::from(self.received.wrapping_sub(last_received));
        let fraction = lost_since.max(0) * 256 / i64::from(expected_since.max(1));
        let (last_report, ago) = sender.unwrap_or_default();
        ReceptionReport {
            ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: (i64::from(expected) - i64::from(self.received)).clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: highest,
            jitter: u32::try_from(self.jitter).unwrap_or(0),
            last_report,
            delay: u32::try_from(ago.as_micros() * 65_536 / 1_000_000).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods)] // an `Instant` comes from nowhere else
    fn losses_are_counted_since_the_last_report_and_in_all() {
        let start = Instant::now();
        let mut statistics = Statistics::default();
        let receive = |statistics: &mut Statistics, sequence: u16, millis: u64| {
            let timestamp = u32::from(sequence.wrapping_sub(65_530)) * 90;
            let arrival = start + Duration::from_millis(millis);
            statistics.received(sequence, timestamp, Timescale::VIDEO_90K, start, arrival);
        };
        for (number, sequence) in [65_534, 65_535, 0, 1].into_iter().enumerate() {
            receive(&mut statistics, sequence, number as u64);
        }
        let report = statistics.report(7, None);
        assert_eq!(
            (report.lost, report.fraction_lost, report.highest_sequence, report.jitter),
            (0, 0, 65_537, 0)
        );
        for sequence in [3, 5] {
            receive(&mut statistics, sequence, u64::from(sequence) + 1);
        }
        let report = statistics.report(7, Some((5, Duration::from_millis(500))));
        assert_eq!((report.lost, report.fraction_lost, report.highest_sequence), (2, 128, 65_541));
        assert_eq!((report.last_report, report.delay), (5, 32_768));
    }
}
