//! What goes out to one viewer, and what the viewer says of it: packets under its own numbers and keys, those that are asked for again, reports
//! both ways.
//!
//! str0m makes the connection and takes part in nothing here: a viewer costs a header and a cipher for each packet, and one call for each
//! picture. What it costs beside that is kept small on purpose; measure before anything is added to [`Sender::send`].
//!
//! Not here: which packets are sent (see [`super::showing`]), what a link carries (see [`super::link`]).

use std::sync::Arc;
use std::time::{Duration, Instant};

use media::{MediaKind, Wallclock};
use peer::agreed::Packet;
use rtp::feedback::Feedback;
use rtp::rtcp::{NtpTime, ReceptionReport, Rtcp};
use srtp::SrtpError;

use super::exit::Exit;
use super::flow::Flow;
use super::keys::{KeyPlace, Keys};
use super::link::Report;
use super::numbering::Numbering;
use crate::telemetry::unix_micros;

/// A viewer's pictures and sound, as far as they are bytes.
#[derive(Debug)]
pub(super) struct Sender {
    flows: Flows,
    key_place: KeyPlace,
    keys: Option<Keys>,
    numbering: Numbering,
    is_numbered: bool,
    began: Instant,
    /// When a report was sent last.
    reported: Option<Instant>,
    /// Bytes that were sent.
    sent: u64,
    /// Bytes that may be sent again.
    allowance: f64,
    /// How pictures arrive, by the last report on them (or sound, where there are no pictures).
    arrives: Option<(Duration, f32)>,
    /// When it was last heard of packet by packet.
    numbered: Option<Instant>,
}

/// Packets of one picture that follow each other.
#[derive(Debug, Clone)]
pub(super) struct Run {
    picture: Arc<[Packet]>,
    from: usize,
    to: usize,
    /// On the medium's clock, for this viewer.
    pub(super) timestamp: u32,
    /// When its media was, if it is not of the past.
    at: Option<Instant>,
}

impl Run {
    /// A whole picture.
    pub(super) fn of(picture: Arc<[Packet]>, timestamp: u32, at: Option<Instant>) -> Self {
        let to = picture.len();
        Self { picture, from: 0, to, timestamp, at }
    }

    pub(super) fn packets(&self) -> &[Packet] {
        self.picture.get(self.from..self.to).unwrap_or_default()
    }

    /// The first so many, and the others.
    pub(super) fn split(self, count: usize) -> (Self, Self) {
        let middle = (self.from + count).min(self.to);
        (Self { to: middle, ..self.clone() }, Self { from: middle, ..self })
    }

    /// Each packet by itself.
    pub(super) fn each(&self) -> impl Iterator<Item = Self> {
        (self.from..self.to).map(|at| Self { from: at, to: at + 1, ..self.clone() })
    }
}

/// Where a session's pictures and sound go.
#[derive(Debug, Default)]
pub(super) struct Flows {
    pub(super) video: Option<Flow>,
    pub(super) audio: Option<Flow>,
}

impl Flows {
    fn all(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.video.iter_mut().chain(&mut self.audio)
    }
}

impl Sender {
    pub(super) fn new(flows: Flows, key_place: KeyPlace, now: Instant) -> Self {
        Self {
            flows,
            key_place,
            keys: None,
            numbering: Numbering::default(),
            is_numbered: false,
            began: now,
            reported: None,
            sent: 0,
            allowance: AGAIN_AT_FIRST,
            arrives: None,
            numbered: None,
        }
    }

    /// Takes the keys if the handshake is over; whether there are any.
    ///
    /// # Errors
    /// What the library says.
    pub(super) fn unlock(&mut self) -> Result<bool, SrtpError> {
        if self.keys.is_none() {
            self.keys = self.key_place.keys().transpose()?;
        }
        Ok(self.keys.is_some())
    }

    pub(super) fn shows(&self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Video => self.flows.video.is_some(),
            MediaKind::Audio => self.flows.audio.is_some(),
        }
    }

    /// The timestamp of the last packet of a kind.
    pub(super) fn timestamp(&self, kind: MediaKind) -> Option<u32> {
        let flow = if kind == MediaKind::Video { &self.flows.video } else { &self.flows.audio };
        flow.as_ref().and_then(Flow::timestamp)
    }

    /// Sends packets of a picture.
    pub(super) fn send(&mut self, run: &Run, now: Instant, exit: &mut Exit<'_>) {
        let millis = self.millis(now);
        let packets = run.packets();
        if packets.is_empty() {
            return;
        }
        let (Some(keys), Some(flow)) = (&self.keys, &mut self.flows.video) else { return };
        let number = flow.can_be_numbered() && self.is_numbered;
        let number = number.then(|| self.numbering.take(packets.len(), now));
        // A key that is used up, after years, sends nothing more.
        let sent = flow.send(packets, run.timestamp, run.at, number, &keys.sealer, exit);
        let Ok(bytes) = sent else { return };
        flow.keep(run.clone(), number, millis);
        self.count(bytes, now, exit);
    }

    /// Sends packets of sound, whose media was then.
    pub(super) fn send_sound(&mut self, packets: &[Packet], at: Instant, now: Instant, exit: &mut Exit<'_>) {
        let (Some(keys), Some(flow)) = (&self.keys, &mut self.flows.audio) else { return };
        let mut bytes = 0;
        for packet in packets {
            let number = flow.can_be_numbered() && self.is_numbered;
            let number = number.then(|| self.numbering.take(1, now));
            let packets = std::slice::from_ref(packet);
            bytes += flow
                .send(packets, packet.timestamp, Some(at), number, &keys.sealer, exit)
                .unwrap_or_default();
        }
        self.count(bytes, now, exit);
    }

    fn count(&mut self, bytes: usize, now: Instant, exit: &mut Exit<'_>) {
        self.sent += bytes as u64;
        self.allowance = (self.allowance + bytes as f64 * AGAIN).min(MOST_AGAIN);
        if self.reported.is_none() && self.flows.all().all(|flow| flow.has_clock()) {
            // Pictures and sound are brought together by it.
            self.report(now, exit);
        }
    }

    /// Sends a report if it is time.
    pub(super) fn advance(&mut self, now: Instant, exit: &mut Exit<'_>) {
        if self.reported.is_some_and(|at| now >= at + BETWEEN_REPORTS)
            || self.reported.is_none() && now >= self.began + BETWEEN_REPORTS
        {
            self.report(now, exit);
        }
    }

    /// Says how far pictures and sound are, each on its clock (RFC 3550 §6.4.1).
    fn report(&mut self, now: Instant, exit: &mut Exit<'_>) {
        let Some(keys) = &mut self.keys else { return };
        let ntp = NtpTime::from_wallclock(Wallclock::from_unix_micros(unix_micros()));
        let mut packet = Vec::with_capacity(256);
        self.flows.all().for_each(|flow| flow.report(ntp, now, &mut packet));
        if packet.is_empty() || keys.sealer.seal_report(&mut packet).is_err() {
            return;
        }
        self.reported = Some(now);
        let _ = exit.send(packet.len(), |bytes| {
            bytes.extend_from_slice(&packet);
            Ok::<(), ()>(())
        });
    }

    /// Hears a report, whose bytes are opened where they lie, and sends again what it misses. Whether a picture is asked for that can be decoded
    /// by itself; `None` for what is not from the peer.
    pub(super) fn hear(&mut self, bytes: &mut [u8], now: Instant, exit: &mut Exit<'_>) -> Option<bool> {
        let packets = Rtcp::parse(self.keys.as_mut()?.opener.open(bytes).ok()?);
        let mut needs_keyframe = false;
        // One that is cut off says nothing.
        for packet in packets.into_iter().flatten() {
            match packet {
                Rtcp::ReceiverReport { reports, .. } | Rtcp::SenderReport(_, reports) => {
                    reports.iter().for_each(|report| self.hear_report(report));
                }
                Rtcp::Feedback(Feedback::Missing { ssrc, sequences }) => {
                    self.send_again(ssrc, &sequences, now, exit);
                }
                Rtcp::Feedback(Feedback::Keyframe { ssrcs }) => {
                    let pictures = self.flows.video.as_ref().map(Flow::ssrc);
                    needs_keyframe |= pictures.is_some_and(|ours| ssrcs.contains(&ours));
                }
                Rtcp::Feedback(Feedback::Arrivals { first, came }) => {
                    self.numbering.hear(first, &came, now);
                }
                Rtcp::Bye(_) | Rtcp::Other(_) => {}
            }
        }
        Some(needs_keyframe)
    }

    fn hear_report(&mut self, report: &ReceptionReport) {
        let leading = self.flows.video.as_ref().or(self.flows.audio.as_ref()).map(Flow::ssrc);
        if let Some(flow) = self.flows.all().find(|flow| flow.ssrc() == report.ssrc) {
            flow.is_heard_of();
        }
        if leading != Some(report.ssrc) || report.last_report == 0 {
            return;
        }
        let now = NtpTime::from_wallclock(Wallclock::from_unix_micros(unix_micros())).middle();
        // In 1/65536 s. Clocks tick apart a little: less than nothing is nothing.
        let there_and_back = now.wrapping_sub(report.last_report).wrapping_sub(report.delay) as i32;
        let seconds = f64::from(there_and_back.max(0)) / 65_536.0;
        self.arrives = Some((Duration::from_secs_f64(seconds), f32::from(report.fraction_lost) / 256.0));
    }

    /// Sends packets of pictures again, as far as that is not too much.
    fn send_again(&mut self, ssrc: u32, sequences: &[u16], now: Instant, exit: &mut Exit<'_>) {
        let millis = self.millis(now);
        let apart = self.arrives.map_or(APART, |(round_trip, _)| (round_trip / 2).max(APART));
        let Some(flow) = self.flows.video.as_mut().filter(|flow| flow.ssrc() == ssrc) else { return };
        let Some(keys) = &self.keys else { return };
        for sequence in sequences {
            if self.allowance <= 0.0 {
                return;
            }
            let is_numbered = self.is_numbered && flow.can_be_numbered();
            let number = || is_numbered.then(|| self.numbering.take(1, now));
            let Ok(bytes) = flow.send_again(*sequence, apart, millis, number, &keys.sealer, exit) else {
                return;
            };
            self.sent += bytes as u64;
            self.allowance -= bytes as f64;
        }
    }

    /// What there is to say of the link, if anything: of each packet while they are numbered, else what was last reported.
    pub(super) fn news(&mut self, now: Instant) -> Option<Report> {
        let numbered = self.numbering.news();
        if numbered.is_some() {
            self.numbered = Some(now);
        }
        // A report is about a second that is over.
        let is_known = self.numbered.is_some_and(|at| now < at + OLD_NEWS);
        let (round_trip, lost) = numbered.or(self.arrives.filter(|_| !is_known))?;
        Some(Report { at: now, sent: self.sent, round_trip, lost })
    }

    /// Has every packet numbered from now on, or none.
    pub(super) fn number(&mut self, is_numbered: bool) {
        if !is_numbered && self.is_numbered {
            self.numbering.rest();
        }
        self.is_numbered = is_numbered;
    }

    /// Milliseconds of the session. They start over after weeks, when nothing of before is kept.
    fn millis(&self, now: Instant) -> u32 {
        now.saturating_duration_since(self.began).as_millis() as u32
    }
}

/// Whoever watches hears this often how far the clocks are.
const BETWEEN_REPORTS: Duration = Duration::from_secs(1);
/// Of what is sent this part may be sent again: with one packet in ten lost it is more than a tenth now and then.
const AGAIN: f64 = 0.3;
/// Bytes: at the beginning, and at most.
const AGAIN_AT_FIRST: f64 = 30_000.0;
const MOST_AGAIN: f64 = 300_000.0;
/// What is asked for twice within so long is on its way.
const APART: Duration = Duration::from_millis(10);
/// So long what is said of each packet counts for more than a report.
const OLD_NEWS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
