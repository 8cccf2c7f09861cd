//! RECORD, and what then comes in.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use rtp::Delivery;
use rtsp::Asked;

use super::Conversation;
use crate::auth::Right;
use crate::endpoints::rtsp::datagrams::Datagram;
use crate::endpoints::rtsp::described::Refusal;
use crate::endpoints::rtsp::recording::Recording;

impl Conversation {
    pub(super) async fn begin_recording(&mut self, asked: &Asked) -> Result<Recording, Refusal> {
        let camera = self.may(asked, Right::Publish).await?;
        if self.target.as_ref().is_none_or(|target| !Arc::ptr_eq(target, &camera)) {
            return Err((455, "something else was announced".to_owned()));
        }
        let announced = self.server.announcement().ok_or((455, "nothing was announced".to_owned()))?;
        let set_up: Vec<usize> = self.server.tracks().iter().map(|(track, _)| *track).collect();
        let delivery = if self.ways.is_empty() { Delivery::InOrder } else { Delivery::AnyOrder };
        Recording::begin(&camera, announced, &set_up, delivery, &self.extensions())
    }

    pub(super) fn take_interleaved(&mut self, channel: u8, bytes: Bytes) -> Result<(), ()> {
        let Some(recording) = &mut self.recording else { return Ok(()) };
        let track =
            self.server.tracks().iter().enumerate().find_map(|(at, (_, transport))| match transport {
                rtsp::Transport::Interleaved(Some((rtp, _))) if *rtp == channel => Some((at, false)),
                rtsp::Transport::Interleaved(Some((_, rtcp))) if *rtcp == channel => Some((at, true)),
                _ => None,
            });
        let Some((at, is_report)) = track else { return Ok(()) };
        recording.take(at, is_report, bytes, Instant::now()).map_err(drop)
    }

    pub(super) fn take_datagram(&mut self, datagram: Datagram) -> Result<(), ()> {
        self.heard = datagram.arrival;
        let Some(recording) = &mut self.recording else { return Ok(()) };
        let at = self.server.tracks().iter().position(|(track, _)| *track == datagram.track);
        let Some(at) = at else { return Ok(()) };
        recording.take(at, datagram.is_report, datagram.bytes, datagram.arrival).map_err(drop)
    }
}
