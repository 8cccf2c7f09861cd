//! A stream that is published to another server by WHIP: the packets that browsers are sent, made once for all of them.
//!
//! Not here: when, and what happens after a failure (see `supervise::egress`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use hub::{Hold, Next, Stream};
use media::{Chunk, MediaKind};
use peer::formats::codec_of;
use peer::{Connection, Event, Plan};

use super::remote::Remote;
use crate::endpoint::{Egress, Outgoing};
use crate::error::EgressError;
use crate::ingest::SILENCE;
use crate::net::dial::{Place, Trust};
use crate::supervise::cameras::{Camera, Cameras};
use crate::supervise::live::live;
use crate::supervise::tasks::Tasks;
use crate::transcode::{Sound, with_sound_among};
use crate::webrtc::{Feed, Placed, packets};

/// One other server.
#[derive(Debug)]
pub(super) struct Push(Remote);

impl Push {
    /// # Errors
    /// What is wrong with the address, without its secrets.
    pub(super) fn new(place: Place, trust: &Trust) -> Result<Self, String> {
        Remote::new(place, trust, None).map(Self)
    }

    async fn publish(&self, outgoing: Outgoing) -> Result<(), String> {
        let stop = outgoing.stop.clone();
        if outgoing.stream.is_reordered() {
            return Err("the stream has B-frames, which WebRTC cannot carry".to_owned());
        }
        let (stream, _hold) = tokio::select! {
            sounding = sounding(&outgoing.camera, &outgoing.cameras, &outgoing.tasks) => sounding?,
            () = stop.cancelled() => return Ok(()),
        };
        let feed = Feed::of(&stream, &stream.snapshot().tracks);
        let parameters = KINDS.into_iter().filter_map(|kind| feed.parameters(kind));
        let sends: Vec<_> = parameters.filter_map(codec_of).collect();
        if sends.is_empty() {
            return Err("the stream has nothing that WebRTC carries".to_owned());
        }
        let (mut connection, session) = tokio::select! {
            called = self.0.call(Plan { sends, ..Plan::default() }) => called?,
            () = stop.cancelled() => return Ok(()),
        };
        let over = tokio::select! {
            over = self.send(&mut connection, outgoing, &feed) => over,
            () = stop.cancelled() => Ok(()),
        };
        connection.close();
        self.0.end(&session).await;
        over
    }

    /// Until there is nothing more to send.
    async fn send(&self, connection: &mut Connection, outgoing: Outgoing, feed: &Feed) -> Result<(), String> {
        let (Outgoing { hold, taken, .. }, stream) = (outgoing, feed.stream());
        while !connection.is_connected() {
            connection.next().await.map_err(|ended| ended.to_string())?;
        }
        let mut chunks = feed.subscribe();
        drop(hold);
        taken();
        let (mut placed, mut last) = (Placed::default(), Instant::now());
        loop {
            tokio::select! {
                event = connection.next() => {
                    if let Event::KeyframeWanted = event.map_err(|ended| ended.to_string())? {
                        stream.request_keyframe();
                    }
                }
                next = chunks.next() => match next {
                    // What was agreed on is over; what follows is to be offered anew.
                    Next::Item(Chunk { init: Some(_), .. }) | Next::Closed(_) => return Ok(()),
                    Next::Item(chunk) if chunk.random_access && stream.is_reordered() => {
                        return Err("the stream has B-frames, which WebRTC cannot carry".to_owned());
                    }
                    Next::Item(chunk) => {
                        connection.send_packets(&packets(&chunk), placed.place(&chunk));
                        last = Instant::now();
                    }
                    Next::Skipped { .. } => {}
                },
                () = tokio::time::sleep_until((last + SILENCE).into()) => return Ok(()),
            }
        }
    }
}

/// The stream with sound that WebRTC carries, made in its place if it has other: once for all who need it so.
async fn sounding(
    camera: &Arc<Camera>,
    cameras: &Cameras,
    tasks: &Tasks,
) -> Result<(Arc<Stream>, Hold), String> {
    let sounding = with_sound_among(cameras, tasks, camera, Sound::OPUS, PATIENCE).await;
    let stream = Arc::clone(sounding.as_ref().map_or(camera.stream(), |sounding| &sounding.stream));
    let hold = live(camera, &stream, PATIENCE).await?;
    Ok((stream, hold))
}

impl Egress for Push {
    fn label(&self) -> String {
        self.0.label.clone()
    }

    fn run(&self, outgoing: Outgoing) -> BoxFuture<'_, Result<(), EgressError>> {
        Box::pin(async move { self.publish(outgoing).await.map_err(EgressError::Ended) })
    }
}

/// So long sound may take to be made into another.
const PATIENCE: Duration = Duration::from_secs(10);
const KINDS: [MediaKind; 2] = [MediaKind::Video, MediaKind::Audio];
