//! A stream that is published to another server by WHIP: the packets that browsers are sent, made once for all of them.
//!
//! A stream whose pictures the other server does not take is not published: nobody is served by its sound alone, and nobody would notice.
//! Where the way there does not carry everything, less is sent, and not late (`webrtc::Uplink`).
//!
//! Not here: when, and what happens after a failure (see `supervise::egress`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use hub::{Hold, Next, Stream, StreamName};
use media::{Chunk, CodecParameters, MediaKind};
use peer::agreed::Packet;
use peer::formats::codec_of;
use peer::{Connection, Event, Plan};

use super::remote::{Failed, Remote};
use crate::endpoint::{Egress, Outgoing};
use crate::error::EgressError;
use crate::ingest::SILENCE;
use crate::net::dial::{Place, Trust};
use crate::supervise::cameras::{Camera, Cameras};
use crate::supervise::live::live;
use crate::supervise::tasks::Tasks;
use crate::transcode::{Sound, with_sound_among};
use crate::webrtc::{Asked, Feed, Medium, Placed, Uplink};

/// One other server.
#[derive(Debug)]
pub(super) struct Push(Remote);

impl Push {
    /// # Errors
    /// What is wrong with the address, without its secrets.
    pub(super) fn new(place: Place, trust: &Trust) -> Result<Self, String> {
        Remote::new(place, trust, None).map(Self)
    }

    async fn publish(&self, outgoing: Outgoing) -> Result<(), EgressError> {
        let stop = outgoing.stop.clone();
        let (stream, _hold) = tokio::select! {
            sounding = sounding(&outgoing.camera, &outgoing.cameras, &outgoing.tasks) => sounding.map_err(EgressError::Ended)?,
            () = stop.cancelled() => return Ok(()),
        };
        let feed = Feed::of(&stream, &stream.snapshot().tracks);
        let sends = sendable(&stream, &feed).map_err(EgressError::Refused)?;
        let offered: Vec<_> = sends.iter().map(|parameters| parameters.codec().name()).collect();
        let plan = Plan {
            sends: sends.into_iter().filter_map(codec_of).collect(),
            listens: true,
            ..Plan::default()
        };
        let (mut connection, session) = tokio::select! {
            called = self.0.call(plan, outgoing.cameras.ice_servers()) => called.map_err(|failed| told(failed, &offered))?,
            () = stop.cancelled() => return Ok(()),
        };
        let over = match untaken(&connection, &feed, &session.answer) {
            Err(refused) => Err(EgressError::Refused(self.0.failed(&refused))),
            Ok(untaken) => {
                let sending = Sending { untaken, tells: outgoing.lacks, limited: false };
                tokio::select! {
                    over = send(&mut connection, (outgoing.hold, outgoing.taken), &feed, sending) => over,
                    () = stop.cancelled() => Ok(()),
                }
            }
        };
        connection.close();
        self.0.end(&session).await;
        over
    }
}

/// What is told of what the other server goes without.
struct Sending {
    /// Of the stream, what it does not take.
    untaken: Option<String>,
    tells: Box<dyn Fn(Option<String>) + Send + Sync>,
    /// Whether the way there carries less than the stream.
    limited: bool,
}

impl Sending {
    fn tell(&self, limit: Option<u64>) {
        let limit = limit.map(|bits| {
            format!(
                "the way there carries about {} kbit/s, less than the stream has: pictures are left out",
                bits / 1_000
            )
        });
        let all: Vec<String> = self.untaken.iter().cloned().chain(limit).collect();
        (self.tells)((!all.is_empty()).then(|| all.join("; ")));
    }

    fn hear(&mut self, limit: Option<u64>) {
        if std::mem::replace(&mut self.limited, limit.is_some()) != limit.is_some() {
            self.tell(limit);
        }
    }
}

/// Until there is nothing more to send.
async fn send(
    connection: &mut Connection,
    (hold, taken): (Hold, Box<dyn FnOnce() + Send>),
    feed: &Feed,
    mut sending: Sending,
) -> Result<(), EgressError> {
    let stream = feed.stream();
    let ended = |ended: peer::Ended| EgressError::Ended(ended.to_string());
    while !connection.is_connected() {
        connection.next().await.map_err(ended)?;
    }
    let mut chunks = feed.subscribe();
    drop(hold);
    taken();
    sending.tell(None);
    let (mut placed, mut last) = (Placed::default(), Instant::now());
    let mut uplink = Uplink::new(feed, Instant::now());
    let goes = |connection: &mut Connection, leaving: Vec<(Packet, Instant)>| {
        connection.send_packets(leaving.iter().map(|(packet, at)| (packet, *at)));
    };
    loop {
        let silent = last + SILENCE;
        let wake = uplink.deadline().map_or(silent, |deadline| deadline.min(silent));
        tokio::select! {
            event = connection.next() => match event.map_err(ended)? {
                Event::KeyframeWanted if !uplink.is_behind() => stream.request_keyframe(),
                Event::Arrived(arrival) => {
                    uplink.hear(arrival);
                    sending.hear(uplink.limit());
                }
                _ => {}
            },
            next = chunks.next() => match next {
                // What was agreed on is over; what follows is to be offered anew.
                Next::Item(Chunk { init: Some(_), .. }) | Next::Closed(_) => return Ok(()),
                Next::Item(chunk) if chunk.random_access && stream.is_reordered() => {
                    return Err(EgressError::Refused(reordered(stream.name())));
                }
                Next::Item(chunk) => {
                    let now = Instant::now();
                    goes(connection, uplink.take(&chunk, placed.place(&chunk), now));
                    if uplink.is_keyframe_wanted(now) {
                        stream.request_keyframe();
                    }
                    last = now;
                }
                Next::Skipped { .. } => {}
            },
            () = tokio::time::sleep_until(wake.into()) => {
                let now = Instant::now();
                if now >= silent {
                    return Ok(());
                }
                goes(connection, uplink.due(now));
            }
        }
    }
}

/// What of a stream is offered, pictures first.
///
/// # Errors
/// Why WebRTC cannot carry it, in words.
fn sendable<'f>(stream: &Stream, feed: &'f Feed) -> Result<Vec<&'f CodecParameters>, String> {
    let name = stream.name();
    if stream.is_reordered() {
        return Err(reordered(name));
    }
    let parameters =
        [MediaKind::Video, MediaKind::Audio].into_iter().filter_map(|kind| feed.parameters(kind));
    let sends: Vec<_> = parameters.filter(|parameters| codec_of(parameters).is_some()).collect();
    let shows = sends.iter().any(|parameters| parameters.kind() == MediaKind::Video);
    let tracks = stream.snapshot().tracks;
    let pictures = tracks.iter().find(|track| track.kind() == MediaKind::Video);
    match pictures.filter(|_| !shows) {
        Some(pictures) => Err(format!(
            "the pictures of {name} are {}, which WebRTC does not carry: a stream derived from it is H.264",
            pictures.parameters.codec().name()
        )),
        None if sends.is_empty() => Err(format!("{name} has nothing that WebRTC carries")),
        None => Ok(sends),
    }
}

fn reordered(name: &StreamName) -> String {
    format!(
        "{name} has B-frames, which WebRTC cannot carry: switch them off in the camera or encoder (\"B-frames\": 0, \"baseline\" profile, or \
         -bf 0), or push a stream derived from it, which has none"
    )
}

/// What of a stream the answer does not take, in words, where that is not all of it.
///
/// # Errors
/// That its pictures are not taken, or nothing of it is.
fn untaken(connection: &Connection, feed: &Feed, answer: &str) -> Result<Option<String>, String> {
    let Asked { video, audio, .. } = Asked::of(answer);
    let missing = |kind, medium: Option<Medium>, what| {
        let parameters = feed.parameters(kind).filter(|parameters| codec_of(parameters).is_some())?;
        let theirs = match medium.map(|medium| (medium.receives, medium.list())) {
            _ if connection.shows(kind) => return None,
            Some((true, list)) if !list.is_empty() => format!("its answer takes {list} in no form that fits"),
            Some((false, _)) => format!("its answer receives no {what}"),
            Some(_) | None => format!("its answer refuses {what}"),
        };
        Some(format!("the other server takes no {} {what}: {theirs}", parameters.codec().name()))
    };
    let sound = missing(MediaKind::Audio, audio, "sound");
    match missing(MediaKind::Video, video, "pictures") {
        Some(pictures) => Err(pictures),
        None if connection.shows(MediaKind::Video) => Ok(sound),
        None => sound.map_or(Ok(None), Err),
    }
}

/// The words of a server that refused what was offered, with what that was.
fn told(failed: Failed, offered: &[&str]) -> EgressError {
    match failed.is_refusal {
        true => EgressError::Refused(format!("{}; it was offered {}", failed.words, offered.join(" and "))),
        false => EgressError::Ended(failed.words),
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
        Box::pin(self.publish(outgoing))
    }
}

/// So long sound may take to be made into another.
const PATIENCE: Duration = Duration::from_secs(10);
