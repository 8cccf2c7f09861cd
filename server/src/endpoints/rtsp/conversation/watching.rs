//! PLAY: over TCP, which hands the connection over to where everything is sent from; over UDP, from here until there is nothing more to send
//! and then together with others; or to a group.

use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use hub::{LagPolicy, Next, Subscription};
use media::Chunk;
use rtsp::{Asked, Channels, Packaging, Reader, Run, Runs, TrackPlan, rtp_info};
use tokio_util::sync::CancellationToken;

use super::{Conversation, write};
use crate::auth::Right;
use crate::endpoints::rtsp::cast::{self, Place};
use crate::endpoints::rtsp::datagrams::{Peer, Way};
use crate::endpoints::rtsp::described::{Refusal, origin};
use crate::endpoints::rtsp::multicast::Group;
use crate::endpoints::rtsp::playing::Playing;
use crate::net::connection::Connection;
use crate::net::connections::Permit;
use crate::net::transport::Transport;
use crate::supervise::audience::Admission;
use crate::viewers::{Form, Framing, Manners};

/// Somebody who watches over UDP.
pub(super) struct Watching {
    feed: Feed,
    admission: Admission,
    plans: Vec<TrackPlan>,
    /// A PLAY that is not answered yet.
    asked: Option<Asked>,
    is_paused: bool,
}

/// Where what is watched comes from.
enum Feed {
    /// Sent from here, or while it has a place there by a cast.
    Own { key: String, chunks: Subscription<Chunk>, place: Option<Place> },
    /// Sent to many, by the group.
    Group(Arc<Group>),
}

/// How a PLAY is answered.
pub(super) enum Begun {
    /// Where the connection goes on.
    OverTcp,
    /// Right before the first packet.
    WithTheFirst,
    /// At once.
    Now,
}

/// What comes next for who watches over UDP.
pub(super) enum Event {
    /// To be sent to it.
    Next(Next<Chunk>),
    /// It has everything before the chunk of this number.
    CaughtUp(u64),
    /// Nothing any more.
    Over,
}

impl Watching {
    /// Cancelled when it has to go.
    pub(super) fn door(&self) -> &CancellationToken {
        self.admission.door()
    }

    /// It wants nothing for now.
    pub(super) fn pause(&mut self) {
        self.is_paused = true;
        if let Feed::Own { chunks, place, .. } = &mut self.feed
            && let Some(next) = place.take().and_then(|place| place.leave())
        {
            chunks.seek(next);
        }
    }
}

impl Conversation {
    /// Begins to watch.
    pub(super) async fn begin_playing(&mut self, asked: &Asked) -> Result<Begun, Refusal> {
        self.may(asked, Right::View).await?;
        if let Some(watching) = &mut self.watching {
            watching.is_paused = false;
            if let Feed::Group(_) = watching.feed {
                return Ok(Begun::Now);
            }
            watching.asked = Some(asked.clone());
            return Ok(Begun::WithTheFirst);
        }
        if let Some(group) = self.group.clone() {
            let admission = self.admit("rtsp&multicast")?;
            let described = self.described.as_mut().ok_or((455, "nothing is set up".to_owned()))?;
            group.begin(&self.shared.context.tasks, described);
            drop(described.hold());
            admission.served();
            let feed = Feed::Group(group);
            self.watching =
                Some(Watching { feed, admission, plans: Vec::new(), asked: None, is_paused: false });
            return Ok(Begun::Now);
        }
        if self.ways.is_empty() {
            return Ok(Begun::OverTcp);
        }
        let admission = self.admit("rtsp&udp")?;
        let described = self.described.as_mut().ok_or((455, "nothing is set up".to_owned()))?;
        let plans = described.plans(self.server.tracks());
        let policy = LagPolicy { max_lag: self.shared.settings.max_lag };
        let (key, chunks) = described.datagrams(&plans, policy);
        drop(described.hold());
        let feed = Feed::Own { key, chunks, place: None };
        self.watching =
            Some(Watching { feed, admission, plans, asked: Some(asked.clone()), is_paused: false });
        Ok(Begun::WithTheFirst)
    }

    /// Sends what comes next of the stream, over UDP.
    pub(super) async fn send(&mut self, io: &mut Transport, event: Event) -> Result<(), ()> {
        let Some(watching) = &mut self.watching else { return Ok(()) };
        let chunk = match event {
            Event::Next(Next::Item(chunk)) if chunk.init.is_none() => chunk,
            Event::Next(Next::Skipped { .. }) => return Ok(()),
            Event::CaughtUp(next) => {
                if let Feed::Own { key, chunks, place } = &mut watching.feed {
                    let to = peers(&watching.plans, &self.ways);
                    let timings = watching.admission.timings();
                    *place = Some(self.shared.casts.join(key, chunks, timings, to, next));
                }
                return Ok(());
            }
            // Closed, or what was described is over.
            Event::Next(Next::Item(_) | Next::Closed(_)) | Event::Over => return Err(()),
        };
        let runs: Vec<Run> = Runs::of(chunk.bytes.clone()).collect();
        if let Some(asked) = watching.asked.take() {
            let begins = rtp_info(Runs::of(chunk.bytes).packets(), &watching.plans);
            let described = self.described.as_ref().ok_or(())?;
            let info = described.rtp_info(&watching.plans, &begins);
            watching.admission.served();
            let response = self.server.begin(&asked).with("RTP-Info", info);
            write(io, &response).await?;
        }
        cast::send(&peers(&watching.plans, &self.ways), &runs);
        watching.admission.timings().delay.observe(chunk.arrival.elapsed());
        Ok(())
    }

    /// What plays over TCP until either side ends.
    pub(super) async fn play(
        mut self,
        io: Transport,
        asked: Asked,
        permit: Permit,
    ) -> Option<BoxFuture<'static, ()>> {
        let admission = match self.admit("rtsp") {
            Ok(admission) => admission,
            Err(refused) => {
                let (mut io, response) = (io, self.refuse(&asked, refused));
                let _ = write(&mut io, &response).await;
                return None;
            }
        };
        let mut described = self.described.take()?;
        let plans = described.plans(self.server.tracks());
        let stream = Arc::clone(described.camera.stream());
        let (for_muxer, held) = (plans.clone(), described.held);
        let form = Form {
            key: Packaging::key(&plans, described.held),
            name: "rtsp",
            carries_reordering: true,
            muxer: Box::new(move || Box::new(Packaging::new(&for_muxer, held, origin()))),
        };
        let manners = Manners {
            framing: Framing::File,
            init_pause: Duration::ZERO,
            cushion: None,
            send_timeout: self.shared.settings.send_timeout,
        };
        let policy = LagPolicy { max_lag: self.shared.settings.max_lag };
        let connection = Connection { io, read: bytes::Bytes::new(), permit: Some(Arc::new(permit)) };
        // However little is in it, a reader holds on to what it once needed.
        let reader = if self.reader.is_empty() { Reader::default() } else { self.reader };
        let hold = described.hold();
        let playing =
            Playing { server: self.server, reader, described, plans, asked: Some(asked), is_paused: false };
        let session =
            self.shared.viewers.serve(connection, &stream, form, policy, manners, playing, admission);
        drop(hold);
        Some(session)
    }
}

/// What comes next for somebody who watches over UDP; never, if nobody does.
pub(super) async fn next(watching: &mut Option<Watching>) -> Event {
    match watching {
        Some(Watching { feed: Feed::Group(group), .. }) => {
            group.over().await;
            Event::Over
        }
        Some(Watching { feed: Feed::Own { place: Some(place), .. }, .. }) => {
            place.over().await;
            Event::Over
        }
        Some(Watching { feed: Feed::Own { chunks, .. }, asked, is_paused: false, .. }) => {
            if let Some(next) = chunks.try_next() {
                return Event::Next(next);
            }
            match chunks.position().filter(|_| asked.is_none()) {
                Some(next) => Event::CaughtUp(next),
                None => Event::Next(chunks.next().await),
            }
        }
        _ => std::future::pending().await,
    }
}

/// Where the packets of each track go.
fn peers(plans: &[TrackPlan], ways: &[(usize, Way)]) -> Vec<(Channels, Peer)> {
    let peer = |plan: &TrackPlan| {
        let (_, way) = ways.iter().find(|(track, _)| *track == usize::from(plan.index))?;
        Some((plan.channels, way.peer().clone()))
    };
    plans.iter().filter_map(peer).collect()
}
