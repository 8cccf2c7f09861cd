//! A stream that is published to another server (ANNOUNCE, RECORD), over TCP or TLS: the same packets that players over TCP are sent, made once
//! for all of them.
//!
//! Not here: when, and what happens after a failure (see `supervise::egress`).

use std::time::Instant;

use futures_core::future::BoxFuture;
use hub::{LagPolicy, Next, PackagingKey, Subscription};
use media::Chunk;
use rtp::sdp;
use rtsp::{Method, Packaging, TrackPlan, TransportSpec, resolve};

use super::described::{LONGEST_HELD, origin, usual_channels};
use super::remote::Remote;
use super::session::{Session, With};
use crate::endpoint::{Egress, Outgoing};
use crate::error::{EgressError, SourceError};
use crate::ingest::SILENCE;
use crate::net::dial::{Place, Trust};

/// One other server.
#[derive(Debug)]
pub(super) struct Push(Remote);

impl Push {
    /// # Errors
    /// What is wrong with the address, without its secrets.
    pub(super) fn new(place: Place, trust: &Trust) -> Result<Self, String> {
        Remote::new(place, trust).map(Self)
    }

    async fn publish(&self, outgoing: Outgoing) -> Result<(), SourceError> {
        let stop = outgoing.stop.clone();
        let mut session = tokio::select! {
            session = Session::connect(&self.0) => session?,
            () = stop.cancelled() => return Ok(()),
        };
        let work = self.send(&mut session, outgoing);
        let result = tokio::select! {
            result = work => result,
            () = stop.cancelled() => Ok(()),
        };
        session.say_goodbye().await;
        result
    }

    async fn send(&self, session: &mut Session<'_>, outgoing: Outgoing) -> Result<(), SourceError> {
        let Outgoing { stream, hold, taken, .. } = outgoing;
        let (mut tracks, is_reordered) = (stream.snapshot().tracks, stream.is_reordered());
        tracks.retain(|track| sdp::carries(&track.parameters));
        if tracks.is_empty() {
            return Err(session.wrong("the stream has nothing that RTSP carries"));
        }
        let url = self.0.url.as_str();
        let text = rtsp::describe(stream.name().as_str(), &tracks, is_reordered);
        let describing = [("Content-Type", "application/sdp".to_owned())];
        let announce = With { headers: &describing, body: Some(&text) };
        session.ask(Method::Announce, url, &announce).await?;
        let mut plans = Vec::with_capacity(tracks.len());
        for (index, track) in (0u8..).zip(tracks) {
            let Some(usual) = usual_channels(usize::from(index)) else { break };
            let offer = format!("RTP/AVP/TCP;unicast;interleaved={}-{};mode=record", usual.0, usual.1);
            let at = resolve(url, Some(&format!("trackID={index}")));
            let answer = session.ask(Method::Setup, &at, &With::headers(&[("Transport", offer)])).await?;
            let spec = answer.headers.get("Transport").and_then(|text| TransportSpec::parse(text).next());
            let channels = spec.and_then(|spec| spec.interleaved).unwrap_or(usual);
            plans.push(TrackPlan { track, index, channels });
        }
        session.begun = Some(url.to_owned());
        let range = [("Range", "npt=0.000-".to_owned())];
        session.ask(Method::Record, url, &With::headers(&range)).await?;
        let key = PackagingKey::new(Packaging::key(&plans, LONGEST_HELD));
        let chunks = stream.subscribe_packaged(&key, LagPolicy::default(), move || {
            Box::new(Packaging::new(&plans, LONGEST_HELD, origin()))
        });
        drop(hold);
        taken();
        self.go_on(session, chunks).await
    }

    /// Until there is nothing more to send.
    async fn go_on(
        &self,
        session: &mut Session<'_>,
        mut chunks: Subscription<Chunk>,
    ) -> Result<(), SourceError> {
        let (mut sent, mut said) = (Instant::now(), Instant::now());
        loop {
            // Answers to signs of life, and reports, which TCP makes needless.
            while session.pull()?.is_some() {}
            let alive = said + session.timeout() / 2;
            tokio::select! {
                read = session.read() => read?,
                next = chunks.next() => match next {
                    Next::Item(Chunk { init: None, bytes, .. }) => {
                        session.write(&bytes).await?;
                        sent = Instant::now();
                    }
                    // What was announced is over; what follows is to be announced anew.
                    Next::Item(_) | Next::Closed(_) => return Ok(()),
                    Next::Skipped { .. } => {}
                },
                () = tokio::time::sleep_until((sent + SILENCE).into()) => return Ok(()),
                () = tokio::time::sleep_until(alive.into()) => {
                    said = Instant::now();
                    session.tell(Method::Options, &self.0.url).await?;
                }
            }
        }
    }
}

impl Egress for Push {
    fn label(&self) -> String {
        self.0.label.clone()
    }

    fn run(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<(), EgressError>> {
        Box::pin(async move {
            self.publish(outgoing).await.map_err(|error| EgressError::Ended(error.to_string()))
        })
    }
}
