//! What a player says and is told while it watches over TCP: keep-alives, PAUSE and PLAY, TEARDOWN, in between the packets.
//!
//! PLAY is answered right before the first packet, since the answer says which one that is.

use std::time::Duration;

use bytes::BytesMut;
use media::Chunk;
use rtsp::{Asked, Item, Packets, Reader, Server, Step, TrackPlan, rtp_info};

use super::described::Described;
use crate::viewers::{Dialogue, End, Tick};

/// A player that plays.
#[derive(Debug)]
pub(super) struct Playing {
    pub(super) server: Server,
    pub(super) reader: Reader,
    pub(super) described: Described,
    pub(super) plans: Vec<TrackPlan>,
    /// A PLAY that is not answered yet.
    pub(super) asked: Option<Asked>,
    pub(super) is_paused: bool,
}

impl Dialogue for Playing {
    fn hear(&mut self, bytes: &[u8], say: &mut BytesMut) -> Result<(), End> {
        self.reader.push(bytes);
        loop {
            match self.reader.pull() {
                Ok(None) => return Ok(()),
                Ok(Some(Item::Request(request))) => match self.server.handle(&request) {
                    Step::Answer(response) => response.write(say),
                    Step::Play(asked) => {
                        self.is_paused = false;
                        self.asked = Some(asked);
                    }
                    Step::Pause(asked) => {
                        self.is_paused = true;
                        self.server.pause(&asked).write(say);
                    }
                    Step::TearDown(response) => {
                        response.write(say);
                        return Err(End::Gone);
                    }
                    // A session that was played is not set up again.
                    Step::Describe(asked) | Step::Announce(asked, _) | Step::Record(asked) => {
                        self.server.answer(&asked, 455).write(say);
                    }
                    Step::SetUp(set_up) => self.server.answer(&set_up.asked, 455).write(say),
                },
                // How it is received: TCP takes care of that.
                Ok(Some(Item::Data(..) | Item::Response(_))) => {}
                Err(_) => return Err(End::Gone),
            }
        }
    }

    fn begin(&mut self, first: &Chunk, say: &mut BytesMut) {
        if let Some(asked) = self.asked.take() {
            let begins = rtp_info(Packets::of(first.bytes.clone()), &self.plans);
            let info = self.described.rtp_info(&self.plans, &begins);
            self.server.begin(&asked).with("RTP-Info", info).write(say);
        }
    }

    fn is_paused(&self) -> bool {
        self.is_paused
    }

    fn tick(&mut self, now: &Tick, _: &mut BytesMut) -> Result<(), End> {
        // Who watches takes what it is sent; who pauses has to say something now and then.
        if self.is_paused && now.unheard >= LONGEST_SILENCE { Err(End::Gone) } else { Ok(()) }
    }
}

/// A session without a sign of life for so long is over; clients are told 60 s.
pub(super) const LONGEST_SILENCE: Duration = Duration::from_secs(70);
