//! What somebody publishes: their packets into access units.

use std::time::Instant;

use peer::agreed::{Inputs, Taken};
use str0m::Rtc;
use str0m::rtp::RtpPacket;

use crate::config::values::Bitrate;
use crate::error::SourceError;
use crate::ingest::SILENCE;
use crate::ingest::packets::Intake;
use crate::net::rate_limit::RateLimit;
use crate::supervise::seat::Occupation;

/// Somebody who publishes.
#[derive(Debug)]
pub(super) struct Taking {
    intake: Intake,
    pub(super) seat: Occupation,
    inputs: Inputs,
    rate: RateLimit,
}

impl Taking {
    pub(super) fn new(
        publisher: hub::Publisher,
        seat: Occupation,
        inputs: Inputs,
        rate: Bitrate,
        now: Instant,
    ) -> Self {
        let mut publisher = publisher;
        publisher.answer_keyframe_requests();
        let intake = Intake::new(publisher, inputs.receivers(now));
        Self { intake, seat, inputs, rate: RateLimit::new(rate, now) }
    }

    /// Takes a packet.
    pub(super) fn take(
        &mut self,
        rtc: &mut Rtc,
        packet: &RtpPacket,
        now: Instant,
    ) -> Result<(), SourceError> {
        // Faster than anybody may: lost, as on a network that is too slow.
        if !self.rate.take(packet.payload.len(), now).is_zero() {
            return Ok(());
        }
        let Some(Taken { at, replacement, packet }) = self.inputs.take(rtc, packet, now) else {
            return Ok(());
        };
        if let Some(replacement) = replacement {
            self.intake.replace(at, *replacement);
        }
        self.intake.take(at, false, packet, now)?;
        if self.intake.is_keyframe_wanted(now) {
            self.inputs.request_keyframe(rtc);
        }
        Ok(())
    }

    /// Gives up on packets that are missing for too long.
    pub(super) fn advance(&mut self, now: Instant) -> Result<(), SourceError> {
        self.intake.advance(now)
    }

    /// When that is to be done next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.intake.deadline()
    }

    /// Whether nothing came for too long.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.intake.heard()) >= SILENCE
    }

    /// Ends it, saying why in the log.
    pub(super) fn end(self, reason: &str) {
        drop(self.intake); // the stream is free before the seat is
        self.seat.end(reason);
    }
}
