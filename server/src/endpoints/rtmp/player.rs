//! A peer that plays: admitted like every viewer, told that it plays with its first picture, and sent the messages all players are sent.
//!
//! A stream that is not live yet is waited for; the player learns that it plays when there is something, or after [`HOLD`] that there is not.
//! Sound that it does not know becomes AAC.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Extensions;
use bytes::{Bytes, BytesMut};
use container::Grouping;
use hub::LagPolicy;
use media::Chunk;
use rtmp::{Packaging, Refusal, Request, Server, ServerEvent};

use super::Shared;
use super::connection::{Connection, End};
use crate::net::connection::Connection as Ready;
use crate::net::connections::Permit;
use crate::supervise::audience::Admission;
use crate::supervise::cameras::Camera;
use crate::transcode::{Sound, Sounding, with_sound};
use crate::viewers::{Dialogue, End as Over, Form, Framing, Manners, Tick};

/// How long a stream may take to have a picture.
const HOLD: Duration = Duration::from_secs(10);
/// A player who has sent nothing since, and to whom nothing could be sent for as long, is gone.
const GONE_AFTER: Duration = Duration::from_secs(40);

/// Somebody who may watch.
#[derive(Debug)]
pub(super) struct Player {
    admission: Admission,
    packaging: Packaging,
}

/// Admits a player.
pub(super) fn admit(
    shared: &Shared,
    camera: &Camera,
    request: &Request,
    extensions: &Extensions,
) -> Result<Player, End> {
    let asked =
        request.query.split('&').filter_map(|pair| pair.split_once('=')).find(|pair| pair.0 == "group_ms");
    let grouping = match asked.map(|(_, value)| value.parse::<Grouping>()) {
        None => Grouping::default(),
        Some(Ok(grouping)) => grouping,
        Some(Err(words)) => return Err(End::Refused(Refusal::Failed, words)),
    };
    let packaging = Packaging { stream: 1, publishes: false, opus: request.knows_opus, grouping };
    match shared.context.audience.admit(camera, packaging.key(), extensions) {
        Ok(admission) => Ok(Player { admission, packaging }),
        Err(refusal) => Err(End::Refused(Refusal::Failed, refusal.to_string())),
    }
}

/// The stream with sound that the player knows.
pub(super) async fn sounding(
    shared: &Shared,
    camera: &Arc<Camera>,
    request: &Request,
) -> Result<Sounding, End> {
    let sound = if request.knows_opus { Sound::AAC_OR_OPUS } else { Sound::AAC };
    let sounding = with_sound(&shared.context, camera, sound, HOLD).await;
    sounding.ok_or_else(|| End::Refused(Refusal::NotFound, nothing_came()))
}

/// Plays until either side ends it, as a task of its own: what was needed to agree on it is given back.
pub(super) fn play(
    shared: &Shared,
    connection: Connection,
    sounding: &Sounding,
    Player { admission, packaging }: Player,
    permit: Permit,
) {
    let Connection { io, server } = connection;
    let form = Form {
        key: packaging.key(),
        name: "rtmp",
        carries_reordering: true,
        muxer: Box::new(move || rtmp::muxer(packaging)),
    };
    let manners = Manners {
        framing: Framing::Stream,
        init_pause: Duration::ZERO,
        cushion: None,
        send_timeout: shared.settings.send_timeout.0,
    };
    let policy = LagPolicy { max_lag: shared.settings.max_lag.0 };
    let ready = Ready { io, read: Bytes::new(), permit: Some(Arc::new(permit)) };
    let dialogue = Playing { server, begun: false };
    let session = shared.viewers.serve(ready, &sounding.stream, form, policy, manners, dialogue, admission);
    shared.context.tasks.spawn("rtmp-player", session);
}

fn nothing_came() -> String {
    format!("no picture came for {} s", HOLD.as_secs())
}

/// What a player and the server say to each other.
struct Playing {
    server: Server,
    /// It has been told that it plays.
    begun: bool,
}

impl Playing {
    fn speak(&mut self, say: &mut BytesMut) {
        say.extend_from_slice(&self.server.take_output());
    }
}

impl Dialogue for Playing {
    fn hear(&mut self, bytes: &[u8], say: &mut BytesMut) -> Result<(), Over> {
        let received = self.server.receive(bytes);
        self.speak(say);
        received.map_err(|error| Over::Close(1002, error.to_string()))?;
        while let Some(event) = self.server.poll_event() {
            if event == ServerEvent::Ended {
                return Err(Over::Gone);
            }
        }
        Ok(())
    }

    fn begin(&mut self, _first: &Chunk, say: &mut BytesMut) {
        self.begun = true;
        self.server.accept();
        self.speak(say);
    }

    fn every(&self) -> Duration {
        HOLD
    }

    fn tick(&mut self, now: &Tick, _say: &mut BytesMut) -> Result<(), Over> {
        if now.lag.is_none() {
            return Err(Over::Close(1013, nothing_came()));
        }
        if now.unsent >= GONE_AFTER && now.unheard >= GONE_AFTER {
            return Err(Over::Gone);
        }
        Ok(())
    }

    fn farewell(&mut self, _code: u16, reason: &str, say: &mut BytesMut) {
        if self.begun {
            self.server.end_play(reason);
        } else {
            self.server.refuse(Refusal::NotFound, reason);
        }
        self.speak(say);
    }
}
