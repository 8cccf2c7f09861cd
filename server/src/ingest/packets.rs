//! Packets of a session's tracks into a stream, whoever sends them: somebody who publishes, or a camera that was asked.
//!
//! Silence is counted in units, not in packets: somebody who sends what nothing can be made of is no better than somebody who sends
//! nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hub::Publisher;
use media::{AccessUnit, TrackId};
use rtp::rtcp::{ReceptionReport, Rtcp};
use rtp::sdp::MediaDescription;
use rtp::{Delivery, Receiver, RtpError, align};
use tracing::warn;

use crate::error::SourceError;
use crate::telemetry::Throttle;

/// Receives all tracks of a session.
#[derive(Debug)]
pub struct Intake {
    publisher: Publisher,
    receivers: Vec<Receiver>,
    units: VecDeque<AccessUnit>,
    /// How many tracks the stream was told of.
    told: usize,
    began: Instant,
    /// When units last came.
    heard: Instant,
    notes: Throttle,
}

/// Receivers of these media, in their order.
///
/// # Errors
/// [`RtpError::Unsupported`] for one that is not taken.
pub fn receivers<'m>(
    media: impl IntoIterator<Item = &'m MediaDescription>,
    delivery: Delivery,
) -> Result<Vec<Receiver>, RtpError> {
    let (mut ids, now) = (Ids::default(), Instant::now());
    let receiver =
        |medium: &MediaDescription| Ok(Receiver::new(medium.format(ids.next(&medium.kind))?, delivery, now));
    media.into_iter().map(receiver).collect()
}

impl Intake {
    /// What these receive goes to this publisher.
    pub fn new(publisher: Publisher, receivers: Vec<Receiver>) -> Self {
        let now = Instant::now();
        Self {
            publisher,
            receivers,
            units: VecDeque::new(),
            told: 0,
            began: now,
            heard: now,
            notes: Throttle::new(Duration::from_secs(10)),
        }
    }

    /// Takes a packet of a track, or a report.
    pub fn take(
        &mut self,
        track: usize,
        is_report: bool,
        packet: Bytes,
        arrival: Instant,
    ) -> Result<(), SourceError> {
        let Some(receiver) = self.receivers.get_mut(track) else { return Ok(()) };
        if is_report {
            for report in Rtcp::parse(&packet).unwrap_or_default() {
                match report {
                    Rtcp::SenderReport(report, _) => receiver.reported(report, arrival),
                    Rtcp::ReceiverReport { .. } | Rtcp::Bye(_) | Rtcp::Feedback(_) | Rtcp::Other(_) => {}
                }
            }
            align(&mut self.receivers);
            return Ok(());
        }
        let taken = receiver.push(packet, arrival, &mut self.units);
        self.note(taken);
        self.publish(arrival)
    }

    /// Gives up on packets that are missing for too long.
    pub fn advance(&mut self, now: Instant) -> Result<(), SourceError> {
        for at in 0..self.receivers.len() {
            let advanced = self.receivers[at].advance(now, &mut self.units);
            self.note(advanced);
        }
        self.publish(now)
    }

    /// When [`Self::advance`] is to be called, if nothing comes before.
    pub fn deadline(&self) -> Option<Instant> {
        self.receivers.iter().filter_map(Receiver::deadline).min()
    }

    /// Another format is received for a track from now on: its sender chose another one of those it may.
    pub fn replace(&mut self, track: usize, receiver: Receiver) {
        if let Some(place) = self.receivers.get_mut(track) {
            *place = receiver;
        }
    }

    /// Whether those who watch want a random access point now; said at most once in a while.
    pub fn is_keyframe_wanted(&mut self, now: Instant) -> bool {
        self.publisher.take_keyframe_request(now)
    }

    /// When units last came.
    pub const fn heard(&self) -> Instant {
        self.heard
    }

    /// What a track's sender is told of how it is received.
    pub fn report(&mut self, track: usize, now: Instant) -> Option<Vec<u8>> {
        let report = self.receivers.get_mut(track)?.reception(now)?;
        let mut bytes = Vec::new();
        ReceptionReport::write(Some(&report), OUR_SSRC, "firstlight", &mut bytes);
        Some(bytes)
    }

    fn note(&mut self, taken: Result<(), RtpError>) {
        if let Err(error) = taken
            && let Some(held) = self.notes.allow()
        {
            warn!(stream = %self.publisher.stream().name(), %error, held, "damaged data in the input was left out");
        }
    }

    fn publish(&mut self, now: Instant) -> Result<(), SourceError> {
        if self.units.is_empty() {
            return Ok(());
        }
        let tracks: Vec<_> = self.receivers.iter().filter_map(|receiver| receiver.track().cloned()).collect();
        // Parameters that come in band come with the first picture; sound before that would begin the stream without it.
        if tracks.len() < self.receivers.len() && now.duration_since(self.began) < LONGEST_UNKNOWN {
            self.units.clear();
            return Ok(());
        }
        if tracks.len() != self.told {
            self.told = tracks.len();
            self.publisher.set_tracks(tracks);
        }
        self.heard = now;
        self.units.drain(..).try_for_each(|unit| self.publisher.publish(unit)).map_err(Into::into)
    }
}

/// Numbers tracks as other publishers' are.
#[derive(Debug, Default)]
struct Ids {
    video: u32,
    audio: u32,
}

impl Ids {
    fn next(&mut self, kind: &str) -> TrackId {
        let (count, first) = if kind == "video" {
            (&mut self.video, TrackId::VIDEO)
        } else {
            (&mut self.audio, TrackId::AUDIO)
        };
        *count += 1;
        // 1, 3, 5 for video; 2, 4, 6 for audio.
        TrackId(first.0 + 2 * (*count - 1))
    }
}

/// Who we are in our reports; nobody else receives in the same session.
const OUR_SSRC: u32 = 0x6669_7273;
/// So long a track may be without parameters before the others go on alone.
const LONGEST_UNKNOWN: Duration = Duration::from_secs(3);
