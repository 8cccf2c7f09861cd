//! PLAY: over TCP, which hands the connection over to where everything is sent from; over UDP to this one alone, from here; or to a group.

use std::sync::Arc;
use std::time::Duration;

use hub::{LagPolicy, Next, Subscription};
use media::Chunk;
use rtsp::{Asked, Packaging, Reader, Runs, TrackPlan, rtp_info};
use tokio_util::sync::CancellationToken;

use super::{Conversation, write};
use crate::auth::Right;
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
    /// Sent from here.
    Own(Subscription<Chunk>),
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
    /// Nothing any more.
    Over,
}

impl Watching {
    /// Cancelled when it has to go.
    pub(super) fn door(&self) -> &CancellationToken {
        self.admission.door()
    }

    /// It wants nothing for now.
    pub(super) const fn pause(&mut self) {
        self.is_paused = true;
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
        let subscription = described.datagrams(&plans, policy);
        drop(described.hold());
        let feed = Feed::Own(subscription);
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
            // Closed, or what was described is over.
            Event::Next(Next::Item(_) | Next::Closed(_)) | Event::Over => return Err(()),
        };
        if let Some(asked) = watching.asked.take() {
            let begins = rtp_info(Runs::of(chunk.bytes.clone()).packets(), &watching.plans);
            let described = self.described.as_ref().ok_or(())?;
            let info = described.rtp_info(&watching.plans, &begins);
            watching.admission.served();
            let response = self.server.begin(&asked).with("RTP-Info", info);
            write(io, &response).await?;
        }
        for run in Runs::of(chunk.bytes) {
            let plan =
                watching.plans.iter().find(|plan| [plan.channels.0, plan.channels.1].contains(&run.channel));
            let way =
                plan.and_then(|plan| self.ways.iter().find(|(track, _)| *track == usize::from(plan.index)));
            if let (Some(plan), Some((_, way))) = (plan, way) {
                way.send(run.channel == plan.channels.1, &run);
            }
        }
        watching.admission.timings().delay.observe(chunk.arrival.elapsed());
        Ok(())
    }

    /// Plays over TCP until either side ends.
    pub(super) async fn play(mut self, io: Transport, asked: Asked, permit: Permit) {
        let admission = match self.admit("rtsp") {
            Ok(admission) => admission,
            Err(refused) => {
                let (mut io, response) = (io, self.refuse(&asked, refused));
                let _ = write(&mut io, &response).await;
                return;
            }
        };
        let Some(mut described) = self.described.take() else { return };
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
        drop(stream);
        drop(self.shared);
        session.await;
    }
}

/// What comes next for somebody who watches over UDP; never, if nobody does.
pub(super) async fn next(watching: &mut Option<Watching>) -> Event {
    match watching {
        Some(Watching { feed: Feed::Group(group), .. }) => {
            group.over().await;
            Event::Over
        }
        Some(Watching { feed: Feed::Own(subscription), is_paused: false, .. }) => {
            Event::Next(subscription.next().await)
        }
        _ => std::future::pending().await,
    }
}
