//! A stream for one peer by WebRTC: waited for until it is live, with sound that WebRTC knows, and held against what the peer takes.
//!
//! Not here: who may watch, packets and connections (`webrtc`), and how a refusal is written.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use hub::{Hold, Stream, StreamName};
use media::MediaKind;

use crate::endpoint::Context;
use crate::supervise::cameras::Camera;
use crate::supervise::live::live;
use crate::transcode::{Sound, with_sound};
use crate::webrtc::{Answered, Asked, Feed, Medium};

/// A stream that is ready to be sent to a peer. Its camera is kept on by this until there is a session, which does it then.
#[derive(Debug)]
pub struct Watchable {
    feed: Feed,
    /// The camera's own stream: where sound was made to fit, the feed is another.
    stream: Arc<Stream>,
    /// What pictures the peer would take, if any.
    pictures: Option<Medium>,
    _holds: (Hold, Option<Hold>),
}

/// Why a peer cannot watch a stream, in words for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwatchable {
    /// It has no picture.
    #[error("{0}")]
    NotLive(String),
    /// It is sent in another order than it is shown.
    #[error(
        "{0} has B-frames, which WebRTC cannot carry: switch them off in the camera or encoder (\"B-frames\": 0, \"baseline\" profile, or \
         -bf 0), or watch it another way"
    )]
    Reordered(StreamName),
    /// The peer knows none of its formats.
    #[error("{0}")]
    NotTaken(String),
}

impl Unwatchable {
    /// The HTTP status that says the same.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NotLive(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Reordered(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotTaken(_) => StatusCode::NOT_ACCEPTABLE,
        }
    }
}

/// How a viewer who asked so is listed: as one who is let in before a camera is started for them.
pub fn format(asked: &Asked) -> &'static str {
    let listens = asked.audio.as_ref().is_some_and(|medium| medium.receives);
    if listens { "webrtc" } else { "webrtc without sound" }
}

/// Waits for the first picture, for as long as a player waits, and chooses what of the stream a peer is sent that asked so.
///
/// # Errors
/// [`Unwatchable`].
pub async fn watchable(
    context: &Context,
    camera: &Arc<Camera>,
    asked: &Asked,
) -> Result<Watchable, Unwatchable> {
    let receives = |medium: &Option<Medium>| medium.clone().filter(|medium| medium.receives);
    let own = live(camera, camera.stream(), PATIENCE).await.map_err(Unwatchable::NotLive)?;
    let stream = Arc::clone(camera.stream());
    if stream.is_reordered() {
        return Err(Unwatchable::Reordered(stream.name().clone()));
    }
    // Here is chosen whose sound is sent, and with it whose pictures: they are the same.
    let (feed, sounding) = if receives(&asked.audio).is_some() {
        let sounding = with_sound(context, camera, Sound::OPUS, PATIENCE).await;
        // Where it cannot be made to fit, the stream is the camera's own, and goes without.
        let stream = sounding.as_ref().map_or(&stream, |sounding| &sounding.stream);
        let hold = live(camera, stream, PATIENCE).await.map_err(Unwatchable::NotLive)?;
        (Feed::of(stream, &stream.snapshot().tracks), Some(hold))
    } else {
        (Feed::of(&stream, &stream.snapshot().tracks), None)
    };
    Ok(Watchable { feed, stream, pictures: receives(&asked.video), _holds: (own, sounding) })
}

impl Watchable {
    /// What is sent.
    pub const fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Whether the answer makes sense for one who would watch.
    ///
    /// # Errors
    /// [`Unwatchable::NotTaken`].
    pub fn check(&self, answered: &Answered) -> Result<(), Unwatchable> {
        let name = self.stream.name();
        let shows = [MediaKind::Video, MediaKind::Audio].map(|kind| answered.shows(kind));
        let tracks = self.stream.snapshot().tracks;
        let pictures = tracks.into_iter().find(|track| track.kind() == MediaKind::Video);
        match (shows, pictures, &self.pictures) {
            ([false, _], Some(pictures), Some(wanted)) => {
                let (codec, theirs) = (pictures.parameters.codec().name(), wanted.list());
                let why = format!("the pictures of {name} are {codec}, and the offer takes {theirs}");
                Err(Unwatchable::NotTaken(why))
            }
            ([false, false], ..) => {
                Err(Unwatchable::NotTaken(format!("{name} has nothing that the offer takes")))
            }
            _ => Ok(()),
        }
    }
}

/// So long a player waits for a camera to start.
const PATIENCE: Duration = Duration::from_secs(10);
