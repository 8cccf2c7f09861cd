//! What a viewer reports of what came: receiver reports (RFC 3550 §6.4.2), and for congestion control when each packet came
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::time::{Duration, Instant};

/// One sender's packets, as far as a report tells of them.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) ssrc: u32,
    /// Number of the next packet, with how often it began anew; before the first packet `None`.
    next: Option<u64>,
    first: u64,
    received: u64,
    /// As of the last report.
    reported: (u64, u64),
    /// The last report of theirs: the middle of its clock, and when it came.
    heard: Option<(u32, Instant)>,
}

impl Track {
    /// Takes a packet's number; gives it in full, and how many are missing before it.
    pub(super) fn take(&mut self, ssrc: u32, number: u16) -> (u64, u64) {
        if self.next.is_none() || self.ssrc != ssrc {
            *self = Self { ssrc, first: u64::from(number), ..Self::default() };
        }
        let next = self.next.unwrap_or(u64::from(number));
        let ahead = number.wrapping_sub(next as u16) as i16;
        let full = next.saturating_add_signed(i64::from(ahead));
        self.received += 1;
        self.next = Some(next.max(full + 1));
        (full, full.saturating_sub(next))
    }

    /// A report of theirs came.
    pub(super) fn hear(&mut self, clock: u64, now: Instant) {
        self.heard = Some(((clock >> 16) as u32, now));
    }

    fn block(&mut self, now: Instant, bytes: &mut Vec<u8>) {
        let Some(next) = self.next else { return };
        let expected = next - self.first;
        let missing = expected.saturating_sub(self.received);
        let (expected_before, missing_before) = self.reported;
        let (expected_now, missing_now) =
            (expected - expected_before, missing.saturating_sub(missing_before));
        let fraction = (missing_now * 256).checked_div(expected_now).unwrap_or(0).min(255);
        self.reported = (expected, missing);
        let (clock, since) = self.heard.map_or((0, 0), |(clock, at)| {
            let since = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
            (clock, since as u32)
        });
        let lost = (fraction as u32) << 24 | (missing as u32 & 0x00ff_ffff);
        for word in [self.ssrc, lost, (next - 1) as u32, 0, clock, since] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
    }
}

/// A receiver's report of these.
pub(super) fn report<'t>(own: u32, tracks: impl Iterator<Item = &'t mut Track>, now: Instant) -> Vec<u8> {
    let mut bytes = vec![0x80, RECEIVER_REPORT, 0, 0];
    bytes.extend_from_slice(&own.to_be_bytes());
    for track in tracks {
        let before = bytes.len();
        track.block(now, &mut bytes);
        bytes[0] += u8::from(bytes.len() > before);
    }
    finish(bytes)
}

/// When packets came, by the number that counts all of them.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Number in full, and quarters of a millisecond.
    came: Vec<(u64, u64)>,
    next: Option<u64>,
    count: u8,
}

impl Arrivals {
    /// A packet came.
    pub(super) fn note(&mut self, number: u16, at: Duration) {
        let next = self.next.unwrap_or(u64::from(number) + (1 << 16));
        let full = next.saturating_add_signed(i64::from(number.wrapping_sub(next as u16) as i16));
        // Those that come late are left out, as if lost.
        if full >= next {
            self.next = Some(full + 1);
            self.came.push((full, (at.as_micros() / 250) as u64));
        }
    }

    /// Tells of all since the last time.
    pub(super) fn report(&mut self, own: u32, of: u32) -> Option<Vec<u8>> {
        let ((first, began), (last, _)) = (*self.came.first()?, *self.came.last()?);
        let mut bytes = vec![0x80 | TRANSPORT_WIDE, TRANSPORT_FEEDBACK, 0, 0];
        bytes.extend_from_slice(&own.to_be_bytes());
        bytes.extend_from_slice(&of.to_be_bytes());
        bytes.extend_from_slice(&(first as u16).to_be_bytes());
        bytes.extend_from_slice(&((last - first + 1) as u16).to_be_bytes());
        // The beginning in 64 ms, which are 256 quarters.
        bytes.extend_from_slice(&((began / 256) as u32).to_be_bytes()[1..]);
        bytes.push(self.count);
        self.count = self.count.wrapping_add(1);
        let (mut runs, mut steps) = (Vec::<(u16, u16)>::new(), Vec::new());
        let mut run = |symbol: u16, count: u64| match runs.last_mut() {
            Some((last, length)) if *last == symbol => *length += count as u16,
            _ => runs.push((symbol, count as u16)),
        };
        let (mut expected, mut before) = (first, began / 256 * 256);
        for (number, at) in self.came.drain(..) {
            if number > expected {
                run(MISSING, number - expected);
            }
            let step = (at as i64 - before as i64).clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16;
            match u8::try_from(step) {
                Ok(step) => {
                    run(CAME, 1);
                    steps.push(step);
                }
                Err(_) => {
                    run(CAME_FAR, 1);
                    steps.extend_from_slice(&step.to_be_bytes());
                }
            }
            (expected, before) = (number + 1, at);
        }
        for (symbol, mut length) in runs {
            while length > 0 {
                let part = length.min(LONGEST_RUN);
                bytes.extend_from_slice(&(symbol << 13 | part).to_be_bytes());
                length -= part;
            }
        }
        bytes.extend_from_slice(&steps);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        Some(finish(bytes))
    }
}

/// Writes the length, in words but one.
fn finish(mut bytes: Vec<u8>) -> Vec<u8> {
    let words = (bytes.len() / 4 - 1) as u16;
    bytes[2..4].copy_from_slice(&words.to_be_bytes());
    bytes
}

/// What a sender's reports in a compound say: whose packets, its clock (NTP), and what the packets' clock was then.
pub(super) fn sender_reports(compound: &[u8]) -> impl Iterator<Item = (u32, u64, u32)> {
    parts(compound).filter_map(|part| {
        let word = |at: usize| part.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
        let clock = u64::from(word(8)?) << 32 | u64::from(word(12)?);
        (part.get(1) == Some(&SENDER_REPORT)).then_some((word(4)?, clock, word(16)?))
    })
}

/// Whether a compound says goodbye.
pub(super) fn is_goodbye(compound: &[u8]) -> bool {
    parts(compound).any(|part| part.get(1) == Some(&GOODBYE))
}

fn parts(mut compound: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let words = u16::from_be_bytes(*compound.get(2..)?.first_chunk()?);
        let (part, rest) = compound.split_at_checked(4 * (usize::from(words) + 1))?;
        compound = rest;
        Some(part)
    })
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const GOODBYE: u8 = 203;
const TRANSPORT_FEEDBACK: u8 = 205;
const TRANSPORT_WIDE: u8 = 15;
const MISSING: u16 = 0;
const CAME: u16 = 1;
/// So long after the one before, or so much before it, that the step has two bytes.
const CAME_FAR: u16 = 2;
const LONGEST_RUN: u16 = 0x1fff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_where_they_begin_anew_and_gaps_are_counted() {
        let mut track = Track::default();
        assert_eq!(track.take(5, 65_534), (65_534, 0));
        assert_eq!(track.take(5, 65_535), (65_535, 0));
        assert_eq!(track.take(5, 2), (65_538, 2));
        assert_eq!(track.take(5, 1), (65_537, 0), "late");
        assert_eq!(track.take(5, 3), (65_539, 0));
        let bytes = report(9, [&mut track].into_iter(), Instant::now());
        assert_eq!((bytes.len(), &bytes[..8]), (32, &[0x81, 201, 0, 7, 0, 0, 0, 9][..]));
        // One of six is missing, and the newest is number 3 of the second round.
        assert_eq!(bytes[12..20], [256_u32.div_euclid(6) as u8, 0, 0, 1, 0, 1, 0, 3]);
        assert_eq!(report(9, [&mut Track::default()].into_iter(), Instant::now()).len(), 8);
    }

    #[test]
    fn arrivals_are_told_in_runs_and_steps() {
        let mut arrivals = Arrivals::default();
        assert!(arrivals.report(1, 2).is_none());
        for (number, ms) in [(7, 64), (8, 65), (10, 65), (11, 265)] {
            arrivals.note(number, Duration::from_millis(ms));
        }
        arrivals.note(9, Duration::from_millis(300)); // late
        let bytes = arrivals.report(1, 2).unwrap();
        assert_eq!(bytes[..4], [0x8f, 205, 0, 8]);
        assert_eq!(bytes[12..20], [0, 7, 0, 5, 0, 0, 1, 0]);
        // Two came, one did not, one came, one came long after.
        assert_eq!(bytes[20..28], [0x20, 2, 0, 1, 0x20, 1, 0x40, 1]);
        assert_eq!(bytes[28..], [0, 4, 0, 3, 0x20, 0, 0, 0][..]);
        assert!(arrivals.report(1, 2).is_none());
    }

    #[test]
    fn a_compound_is_read_as_far_as_it_goes() {
        let report =
            [0x80, 200, 0, 6, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0];
        let compound = [&report[..], &[0x81, 203, 0, 1, 0, 0, 0, 5]].concat();
        assert_eq!(sender_reports(&compound).collect::<Vec<_>>(), [(5, 1 << 32 | 2, 3)]);
        assert!(is_goodbye(&compound));
        for end in 0..report.len() {
            assert_eq!(sender_reports(&report[..end]).count(), 0, "cut at {end}");
        }
    }
}
