//! `POST /connect`, answered by the server itself: a stream is shown, what the peer sends becomes one, and its data channel drives what it
//! sees.
//!
//! What a peer may do of that is asked for here: `view` on what it is shown, `publish` on the stream of what it sends, `control` on
//! what it drives. RTCBot's pages and its Python say seldom which way a medium is to go, so of one that goes both ways what can be done is done; one that
//! goes one way is done or refused.

use std::sync::Arc;

use axum::http::{Extensions, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub::StreamName;
use peer::answer::Streams;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};

use super::incoming::Pattern;
use crate::auth::{Identity, Right};
use crate::endpoint::Context;
use crate::supervise::audience::{self, Admission};
use crate::supervise::cameras::Camera;
use crate::supervise::data::Side;
use crate::supervise::seat::{Refused, Seat};
use crate::viewers::by_webrtc::{Unwatchable, Watchable, format, watchable};
use crate::viewers::talk::{MOST_TALKERS, Talk, UNHEARD};
use crate::webrtc::{Asked, Medium, Offer, Part, Purpose, Unacceptable, Wants};

/// Who answers.
pub(super) struct Robot {
    context: Context,
    stream: Option<StreamName>,
    incoming: Pattern,
    /// Room for those who are counted nowhere else: they watch nothing.
    others: Arc<Semaphore>,
}

/// An offer as it is posted.
#[derive(Debug, Deserialize)]
struct Posted {
    #[serde(rename = "type")]
    kind: String,
    sdp: String,
}

/// Why there is no answer, in words for whoever asked.
#[derive(Debug)]
pub(super) struct Refusal(Box<Response>);

impl Refusal {
    pub(super) fn new(status: StatusCode, words: &str) -> Self {
        Self(Box::new((status, format!("{words}\n")).into_response()))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl From<Unacceptable> for Refusal {
    fn from(why: Unacceptable) -> Self {
        Self::new(why.status(), &why.to_string())
    }
}

impl From<Unwatchable> for Refusal {
    fn from(why: Unwatchable) -> Self {
        Self::new(why.status(), &why.to_string())
    }
}

impl From<audience::Refusal> for Refusal {
    fn from(why: audience::Refusal) -> Self {
        Self(Box::new(why.into_response()))
    }
}

impl From<Refused> for Refusal {
    fn from(why: Refused) -> Self {
        Self(Box::new(why.into_response()))
    }
}

/// What a peer is shown.
struct Shown {
    camera: Arc<Camera>,
    admission: Admission,
    watchable: Watchable,
}

/// What a peer would have of its media, all of them together.
#[derive(Debug, Clone, Copy)]
struct Wish {
    watches: bool,
    sends: bool,
    /// Of one medium, that and nothing else.
    only_watches: bool,
    only_sends: bool,
}

impl Wish {
    fn of(asked: &Asked) -> Self {
        let any = |is: fn(&Medium) -> bool| [&asked.video, &asked.audio].into_iter().flatten().any(is);
        Self {
            watches: any(|medium| medium.receives),
            sends: any(|medium| medium.sends),
            only_watches: any(|medium| medium.receives && !medium.sends),
            only_sends: any(|medium| medium.sends && !medium.receives),
        }
    }
}

impl Robot {
    pub(super) fn new(context: Context, stream: Option<StreamName>, incoming: Pattern) -> Self {
        Self { context, stream, incoming, others: Arc::new(Semaphore::new(MOST_TALKERS)) }
    }

    /// Answers an offer.
    pub(super) async fn answer(&self, text: &str, extensions: &Extensions) -> Result<Response, Refusal> {
        let context = &self.context;
        let offer = read(text)?;
        let (wish, data) = (Wish::of(offer.asked()), offer.asked().data);
        let identity = extensions.get::<Identity>().cloned();
        let may = |right, stream: &StreamName| identity.as_ref().is_some_and(|they| they.may(right, stream));

        let seen = if wish.watches { Some(self.shown(&may, offer.asked(), extensions).await) } else { None };
        let (shown, unseen) = match seen {
            Some(Err(why)) if wish.only_watches => return Err(why),
            Some(Err(why)) => (None, Some(why)),
            Some(Ok(shown)) => (Some(shown), None),
            None => (None, None),
        };
        let publishes = |name: &StreamName| may(Right::Publish, name);
        let takes = wish.sends && self.incoming.is_for(publishes);
        if wish.sends && !takes && (wish.only_sends || shown.is_none()) {
            let words = "what is sent here needs the right to publish";
            return Err(unseen.unwrap_or_else(|| Refusal::new(StatusCode::FORBIDDEN, words)));
        }
        // Who would only talk.
        let driven = match wish.watches || wish.sends {
            true => None,
            false if data => Some(self.pick(Right::Control, &may)?),
            false => {
                let words = "the offer would neither receive, nor send, nor say anything";
                return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, words));
            }
        };

        let feed = shown.as_ref().map(|shown| shown.watchable.feed());
        let answered = context.webrtc.answer(offer, Wants { show: feed, takes, streams: Streams::Apart })?;
        let takes = answered.takes();
        let unread = || Refusal::new(StatusCode::NOT_ACCEPTABLE, "nothing is sent that is read here");
        if wish.only_sends && !takes {
            return Err(unread());
        }
        let (driven, show) = match shown.map(|shown| (shown.watchable.check(&answered), shown)) {
            Some((Ok(()), shown)) => {
                (Some(shown.camera), Some((shown.watchable.feed().clone(), shown.admission)))
            }
            Some((Err(why), _)) if wish.only_watches || !takes => return Err(why.into()),
            Some((Err(_), _)) | None => (driven, None),
        };
        let full =
            || Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "there are as many connections as may be");
        let open = || self.incoming.open(&context.cameras, publishes).ok_or_else(full);
        let incoming = takes.then(open).transpose()?;
        let take = match &incoming {
            Some(incoming) => {
                let (publisher, seat) = Seat::take(incoming.camera(), "RTCBot", extensions)?;
                Some((publisher, seat, context.limits.now().publish_rate))
            }
            None => None,
        };
        let permit = match &show {
            Some(_) => None,
            None => Some(Arc::clone(&self.others).try_acquire_owned().map_err(|_| full())?),
        };

        // Who sees something drives it; who shows something is driven.
        let (partner, side) = match (driven, &incoming) {
            (Some(camera), _) => (camera, Side::Driver),
            (None, Some(incoming)) => (Arc::clone(incoming.camera()), Side::Robot),
            (None, None) => return Err(unseen.unwrap_or_else(unread)),
        };
        let purpose = Purpose { stream: partner.stream().name().clone(), publishes: takes };
        let with = may(side.right(), partner.stream().name()).then_some((partner, side));
        let place = incoming.as_ref().map(|incoming| format!("/{}/", incoming.camera().stream().name()));
        let (heard, hears) = mpsc::channel(UNHEARD);
        let body = json!({ "type": "answer", "sdp": answered.text() }).to_string();
        let session = answered.begin(Part { purpose, show, take, heard: Some(heard) }).await;
        let (talk, stop) = (Talk { with, identity, kept: (incoming, permit) }, context.stop.clone());
        context.tasks.spawn("rtcbot-data", async move { talk.run(session, hears, &stop).await });

        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (headers, body).into_response();
        // The stream of what they send, for whoever wants to know.
        if let Some(place) = place.and_then(|place| HeaderValue::from_str(&place).ok()) {
            response.headers_mut().insert(header::CONTENT_LOCATION, place);
        }
        Ok(response)
    }

    /// What a peer is shown, ready to be sent. Who may not watch starts no camera.
    async fn shown(
        &self,
        may: &impl Fn(Right, &StreamName) -> bool,
        asked: &Asked,
        extensions: &Extensions,
    ) -> Result<Shown, Refusal> {
        let camera = self.pick(Right::View, may)?;
        let admission = self.context.audience.admit(&camera, format(asked), extensions)?;
        let watchable = watchable(&self.context, &camera, asked).await?;
        Ok(Shown { camera, admission, watchable })
    }

    /// The stream that connections are for: the configured one; else the first, by name, that has a source, or somebody publishes.
    fn pick(&self, right: Right, may: &impl Fn(Right, &StreamName) -> bool) -> Result<Arc<Camera>, Refusal> {
        let cameras = &self.context.cameras;
        let Some(name) = &self.stream else {
            let list = cameras.list();
            let mut mine = list.iter().filter(|camera| {
                let name = camera.stream().name();
                !self.incoming.is(name) && may(right, name)
            });
            let live = |camera: &&Arc<Camera>| camera.label().is_some() || camera.seat().occupant().is_some();
            return mine.find(live).cloned().ok_or_else(|| {
                Refusal::new(
                    StatusCode::NOT_FOUND,
                    &format!("there is no stream that you may {}", right.name()),
                )
            });
        };
        if !may(right, name) {
            let words = format!("{name} needs the right to {}", right.name());
            return Err(Refusal::new(StatusCode::FORBIDDEN, &words));
        }
        cameras
            .get(name.as_str())
            .ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, &format!("there is no stream named {name}")))
    }
}

/// An offer, whatever type the body is said to have.
fn read(text: &str) -> Result<Offer, Refusal> {
    let wrong = |why: &dyn std::fmt::Display| {
        let words = format!("this is no offer: {why}; it is {{\"type\": \"offer\", \"sdp\": \"…\"}}");
        Refusal::new(StatusCode::BAD_REQUEST, &words)
    };
    let Posted { kind, sdp } = serde_json::from_str(text).map_err(|error| wrong(&error))?;
    if kind != "offer" {
        return Err(wrong(&format!("its type is {kind:?}")));
    }
    Ok(Offer::read(sdp)?)
}
