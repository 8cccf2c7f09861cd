//! Somebody who publishes: a stream's seat, and what comes in on it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use axum::http::Extensions;
use rtp::Delivery;
use rtp::sdp::SessionDescription;
use tokio_util::sync::CancellationToken;

use super::described::Refusal;
use crate::ingest::packets::{Intake, receivers};
use crate::supervise::cameras::Camera;
use crate::supervise::seat::{Occupation, Seat};

/// Somebody who publishes.
#[derive(Debug)]
pub(super) struct Recording {
    intake: Intake,
    seat: Occupation,
}

impl Recording {
    /// Takes the seat for those tracks of an announcement that were set up.
    pub(super) fn begin(
        camera: &Arc<Camera>,
        announced: &SessionDescription,
        set_up: &[usize],
        delivery: Delivery,
        caller: &Extensions,
    ) -> Result<Self, Refusal> {
        let media = set_up.iter().filter_map(|at| announced.media.get(*at));
        let receivers = receivers(media, delivery).map_err(|error| (415, error.to_string()))?;
        let way = match delivery {
            Delivery::InOrder => "RTSP over TCP",
            Delivery::AnyOrder => "RTSP over UDP",
        };
        let (publisher, seat) = Seat::take(camera, way, caller)
            .map_err(|refused| (refused.status().as_u16(), refused.to_string()))?;
        Ok(Self { intake: Intake::new(publisher, receivers), seat })
    }

    /// Cancelled when the publisher has to go.
    pub(super) fn door(&self) -> &CancellationToken {
        self.seat.door()
    }

    /// Ends it, saying why in the log.
    pub(super) fn end(self, reason: &str) {
        drop(self.intake); // the stream is free before the seat is
        self.seat.end(reason);
    }
}

impl Deref for Recording {
    type Target = Intake;

    fn deref(&self) -> &Intake {
        &self.intake
    }
}

impl DerefMut for Recording {
    fn deref_mut(&mut self) -> &mut Intake {
        &mut self.intake
    }
}
