//! What happens to the streams, as server-sent events (HTML Living Standard, §9.2).
//!
//! There is no queue: one task looks at all streams a few times a second while anybody listens, and each listener is sent the difference from
//! what it was sent last. A slow listener therefore misses what came and went meanwhile, never what is; it costs one picture of the
//! streams, shared with all others.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_core::Stream;
use hub::StreamName;
use serde::Serialize;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::stream::reason;
use super::{Api, answer};
use crate::auth::{Guard, Identity, Right};
use crate::endpoint::Context;
use crate::http::problem::Refusal;
use crate::supervise::cameras::Cameras;

/// How often the streams are looked at.
const EVERY: Duration = Duration::from_millis(250);
/// A comment after so long without an event, so that whatever stands between does not think the connection dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A listener that takes nothing for so long is let go.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// A stream, as events tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct StreamEvent {
    name: String,
    /// As in a stream's own description.
    state: &'static str,
    /// As in a stream's own description.
    reason: Option<String>,
    /// Subscriptions of all kinds.
    viewers: usize,
}

type Picture = BTreeMap<StreamName, StreamEvent>;

/// The streams as they are, for all who listen.
#[derive(Debug)]
pub(super) struct Events {
    newest: watch::Sender<Arc<Picture>>,
    wanted: Arc<Notify>,
}

impl Events {
    pub(super) fn start(context: &Context) -> Self {
        let events = Self { newest: watch::Sender::new(Arc::default()), wanted: Arc::default() };
        let (newest, wanted) = (events.newest.clone(), Arc::clone(&events.wanted));
        let (cameras, stop) = (Arc::clone(&context.cameras), context.stop.clone());
        context.tasks.spawn("events", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = look(&cameras, &newest, &wanted) => {}
            }
        });
        events
    }
}

async fn look(cameras: &Cameras, newest: &watch::Sender<Arc<Picture>>, wanted: &Notify) {
    loop {
        if newest.receiver_count() == 0 {
            wanted.notified().await;
        }
        let now = picture(cameras);
        newest.send_if_modified(|last| {
            let changed = **last != now;
            if changed {
                *last = Arc::new(now);
            }
            changed
        });
        tokio::time::sleep(EVERY).await;
    }
}

fn picture(cameras: &Cameras) -> Picture {
    let all = cameras.list();
    let streams = all.iter().map(|camera| {
        let state = camera.state();
        let name = camera.stream().name().clone();
        let viewers = *camera.stream().demand().borrow();
        let event =
            StreamEvent { name: name.to_string(), state: state.name(), reason: reason(&state), viewers };
        (name, event)
    });
    streams.collect()
}

#[utoipa::path(get, path = "/api/v1/events", operation_id = "followEvents", tag = "streams",
    summary = "What happens to the streams you may see, as server-sent events: `streams` (all, first), `stream` (new or changed), `removed`",
    responses((status = 200, content_type = "text/event-stream", body = String), Refusal))]
pub(super) async fn follow(
    State(api): State<Arc<Api>>,
    Extension(identity): Extension<Identity>,
    headers: HeaderMap,
) -> Response {
    let (sender, lines) = mpsc::channel(1);
    let newest = api.events.newest.subscribe();
    api.events.wanted.notify_one();
    let (guard, stop) = (Arc::clone(&api.context.guard), api.context.stop.clone());
    let listener = Listener { newest, identity, guard, sender, stop };
    let first = picture(&api.context.cameras);
    api.context.tasks.spawn("events-listener", listener.run(first));
    let mut response = answer(&api, &headers, Body::from_stream(Lines(lines)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // nginx holds back what it may.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

struct Listener {
    newest: watch::Receiver<Arc<Picture>>,
    identity: Identity,
    guard: Arc<Guard>,
    sender: mpsc::Sender<Bytes>,
    stop: CancellationToken,
}

impl Listener {
    async fn run(mut self, first: Picture) {
        let mut known = self.seen(&first);
        let all: Vec<&StreamEvent> = known.values().collect();
        if !self.send(event("streams", &all)).await {
            return;
        }
        // The picture may be an old one, from before anybody listened; it is looked at from the next change on.
        self.newest.mark_unchanged();
        loop {
            let text = tokio::select! {
                changed = self.newest.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let newest = Arc::clone(&self.newest.borrow_and_update());
                    let now = self.seen(&newest);
                    let text = difference(&known, &now);
                    known = now;
                    text
                }
                () = tokio::time::sleep(KEEP_ALIVE) => ": all as it was\n\n".to_owned(),
                () = self.sender.closed() => return,
                () = self.stop.cancelled() => return,
            };
            if !text.is_empty() && !self.send(text).await {
                return;
            }
        }
    }

    /// What whoever listens may see, as it is now.
    fn seen(&self, picture: &Picture) -> Picture {
        let identity = self.guard.policy().renewed(&self.identity);
        let seen = picture.iter().filter(|(name, _)| identity.may(Right::View, name));
        seen.map(|(name, event)| (name.clone(), event.clone())).collect()
    }

    /// `false` if nobody takes it.
    async fn send(&self, text: String) -> bool {
        tokio::select! {
            sent = tokio::time::timeout(SEND_TIMEOUT, self.sender.send(text.into())) => matches!(sent, Ok(Ok(()))),
            () = self.stop.cancelled() => false,
        }
    }
}

fn difference(known: &Picture, now: &Picture) -> String {
    let removed = known.keys().filter(|name| !now.contains_key(*name));
    let removed = removed.map(|name| event("removed", &serde_json::json!({ "name": name.as_str() })));
    let changed = now.iter().filter(|(name, stream)| known.get(*name) != Some(stream));
    let changed = changed.map(|(_, stream)| event("stream", stream));
    removed.chain(changed).collect()
}

/// One event; JSON has no line break but within texts, where it is escaped.
fn event(name: &str, data: &impl Serialize) -> String {
    format!("event: {name}\ndata: {}\n\n", serde_json::to_string(data).unwrap_or_default())
}

/// The body: what the listener's task gives.
struct Lines(mpsc::Receiver<Bytes>);

impl Stream for Lines {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|line| line.map(Ok))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(streams: &[(&str, &'static str, usize)]) -> Picture {
        let stream = |&(name, state, viewers): &(&str, &'static str, usize)| {
            (
                StreamName::new(name).unwrap(),
                StreamEvent { name: name.to_owned(), state, reason: None, viewers },
            )
        };
        streams.iter().map(stream).collect()
    }

    #[test]
    fn only_what_changed_is_told_and_what_is_gone_first() {
        let before = picture(&[("a", "live", 1), ("b", "idle", 0), ("c", "idle", 0)]);
        let now = picture(&[("a", "live", 1), ("b", "live", 1)]);
        let told = "event: removed\ndata: {\"name\":\"c\"}\n\n\
                    event: stream\ndata: {\"name\":\"b\",\"state\":\"live\",\"reason\":null,\"viewers\":1}\n\n";
        assert_eq!(difference(&before, &now), told);
        assert_eq!(difference(&now, &now), "");
    }
}
