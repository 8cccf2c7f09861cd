//! One track as it is received: packets in any order into access units with times, and what is reported back of it.
//!
//! Media time is counted from an epoch that all tracks of a session share. A track's first packet is placed by its arrival; [`align`] corrects
//! that once the senders' reports tell exactly.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use codec::nal::Stamp;
use media::{AccessUnit, MediaKind, MediaTime, Timescale, Track};

use crate::RtpError;
use crate::decoding_time::DecodingTimes;
use crate::depacketizer::{Arrived, Depacketizer};
use crate::packet::Packet;
use crate::reorder::{Delivery, Reorder};
use crate::rtcp::{NtpTime, ReceptionReport, SenderReport};
use crate::sdp::PayloadFormat;
use crate::statistics::Statistics;

/// Receives one track.
#[derive(Debug)]
pub struct Receiver {
    payload_type: u8,
    clock_rate: Timescale,
    epoch: Instant,
    ssrc: Option<u32>,
    reorder: Reorder,
    depacketizer: Depacketizer,
    decoding: Option<DecodingTimes>,
    /// The last packet's timestamp, extended.
    timestamp: Option<i64>,
    /// The extended timestamp of media time zero.
    zero: Option<i64>,
    /// The sender's last report, its timestamp extended, and when it came.
    report: Option<(SenderReport, Instant)>,
    aligned: bool,
    statistics: Statistics,
}

impl Receiver {
    /// Receives packets of this format, which came to be counted from `epoch` on.
    pub fn new(format: PayloadFormat, delivery: Delivery, epoch: Instant) -> Self {
        let PayloadFormat { payload_type, clock_rate, kind, depacketizer } = format;
        Self {
            payload_type,
            clock_rate,
            epoch,
            ssrc: None,
            reorder: Reorder::new(delivery),
            depacketizer,
            decoding: (kind == MediaKind::Video).then(DecodingTimes::default),
            timestamp: None,
            zero: None,
            report: None,
            aligned: false,
            statistics: Statistics::default(),
        }
    }

    /// The track, once it is known.
    pub fn track(&self) -> Option<&Arc<Track>> {
        self.depacketizer.track()
    }

    /// Takes a packet in, and puts what it completes at the end of `out`.
    ///
    /// # Errors
    /// [`RtpError`] for what cannot be used; the receiver goes on with what follows.
    pub fn push(
        &mut self,
        packet: Bytes,
        arrival: Instant,
        out: &mut VecDeque<AccessUnit>,
    ) -> Result<(), RtpError> {
        let header = Packet::parse(&packet)?.header;
        if header.payload_type != self.payload_type {
            return Ok(()); // comfort noise, telephone events, padding: not what was described
        }
        if self.ssrc != Some(header.ssrc) {
            if self.ssrc.replace(header.ssrc).is_some() {
                self.restart();
            }
            self.statistics = Statistics::default();
        }
        self.statistics.received(header.sequence, header.timestamp, self.clock_rate, self.epoch, arrival);
        self.reorder.push(header.sequence, arrival, packet);
        self.advance(arrival, out)
    }

    /// Gives up on packets that are missing for too long.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn advance(&mut self, now: Instant, out: &mut VecDeque<AccessUnit>) -> Result<(), RtpError> {
        let mut result = Ok(());
        while let Some(in_turn) = self.reorder.pull(now) {
            let taken = self.take(&in_turn.packet, in_turn.arrival, in_turn.lost, out);
            result = result.and(taken);
        }
        result
    }

    /// When [`Self::advance`] is to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        self.reorder.deadline()
    }

    /// Takes the sender's report.
    pub fn reported(&mut self, report: SenderReport, arrival: Instant) {
        if self.ssrc.is_none_or(|ssrc| ssrc == report.ssrc) {
            self.report = Some((report, arrival));
        }
    }

    /// What is to be told the sender, if anybody sends.
    pub fn reception(&mut self, now: Instant) -> Option<ReceptionReport> {
        let report = self.report.map(|(report, at)| (report.ntp.middle(), now.saturating_duration_since(at)));
        Some(self.statistics.report(self.ssrc?, report))
    }

    fn take(
        &mut self,
        packet: &[u8],
        arrival: Instant,
        lost: u16,
        out: &mut VecDeque<AccessUnit>,
    ) -> Result<(), RtpError> {
        let Packet { header, payload } = Packet::parse(packet)?;
        let first = out.len();
        let (timestamp, changed) = match self.timestamp {
            Some(last) => {
                let step = header.timestamp.wrapping_sub(last as u32) as i32;
                (last + i64::from(step), step != 0)
            }
            None => (i64::from(header.timestamp), true),
        };
        self.timestamp = Some(timestamp);
        let since_epoch = arrival.saturating_duration_since(self.epoch);
        let zero = *self.zero.get_or_insert_with(|| {
            timestamp - MediaTime::from_duration(since_epoch, self.clock_rate).ticks()
        });
        let time = MediaTime::new(timestamp - zero, self.clock_rate);
        let stamp = Stamp { dts: time, pts: time, lost_before: 0, captured: None, arrival };
        let arrived = Arrived { sequence: header.sequence, marker: header.marker, stamp };
        let mut result = Ok(());
        if lost > 0 {
            self.depacketizer.lost(lost);
        }
        if changed {
            result = self.depacketizer.end(&arrived, out);
        }
        let pushed = self.depacketizer.push(payload, &arrived, out);
        if let Some(decoding) = &mut self.decoding {
            for unit in out.range_mut(first..) {
                unit.dts = MediaTime::new(decoding.next(unit.pts.ticks()), unit.pts.timescale());
                unit.pts = unit.pts.max(unit.dts);
            }
        }
        result.and(pushed)
    }

    /// Another sender: its numbers and times have nothing to do with the last one's.
    fn restart(&mut self) {
        self.reorder.restart();
        self.depacketizer.lost(1);
        (self.timestamp, self.zero, self.report, self.aligned) = (None, None, None, false);
    }

    /// Microseconds (Unix) of the sender's wallclock at media time zero.
    fn zero_on_wallclock(&self) -> Option<i64> {
        let (report, _) = self.report?;
        let (last, zero) = (self.timestamp?, self.zero?);
        let at = last + i64::from(report.rtp_timestamp.wrapping_sub(last as u32) as i32);
        let since = MediaTime::new(at - zero, self.clock_rate).ticks_in(Timescale::MICROS);
        Some(NtpTime::to_wallclock(report.ntp).unix_micros() - since)
    }
}

/// Places the tracks of one session against each other as the senders' reports say, once there is one of each.
pub fn align(receivers: &mut [Receiver]) {
    if receivers.len() < 2 || receivers.iter().all(|receiver| receiver.aligned) {
        return;
    }
    let zeros: Option<Vec<i64>> = receivers.iter().map(Receiver::zero_on_wallclock).collect();
    let Some(zeros) = zeros else { return };
    // Whoever began first stays; the others are moved.
    let reference = zeros[0];
    for (receiver, zero) in receivers.iter_mut().zip(zeros) {
        receiver.aligned = true;
        let ahead = zero - reference;
        if (MISPLACED.as_micros()..LONGEST.as_micros()).contains(&u128::from(ahead.unsigned_abs())) {
            let ticks = MediaTime::new(ahead, Timescale::MICROS).ticks_in(receiver.clock_rate);
            receiver.zero = receiver.zero.map(|zero| zero - ticks);
        }
    }
}

/// Less is heard by nobody.
const MISPLACED: Duration = Duration::from_millis(5);
/// More is no sender whose clocks agree.
const LONGEST: Duration = Duration::from_secs(10);
