//! A WebSocket that publishes: `/{stream}/ws?publish=FORMAT`, a browser's encoder or recorder as a camera.
//!
//! Binary messages carry a byte stream, cut anywhere, or units; text goes both ways. A refusal is told on the open socket, since a page never
//! sees the answer to its handshake: an `error` message, and a close code that is 4000 and the HTTP status that says the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use container::demux::InputFormat;
use hub::Publisher;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::feed::Feed;
use super::units::{Said, Units};
use super::{input_format, status_of};
use crate::config::limits::Limits;
use crate::endpoint::Context;
use crate::error::SourceError;
use crate::net::connection::Connection;
use crate::net::rate_limit::RateLimit;
use crate::net::transport::Transport;
use crate::supervise::cameras::Camera;
use crate::supervise::seat::{Occupation, Refused, Seat};
use crate::telemetry::unix_micros;
use crate::ws::frame::{Frame, FrameReader, Opcode};
use crate::ws::{handshake, say};

/// A write may take this long; what we say is short.
const SEND: Duration = Duration::from_secs(5);
/// So long we read on after our last word: a socket that is closed with unread bytes takes that word back.
const GOODBYE: Duration = Duration::from_secs(2);
/// How often the number of viewers is looked at.
const TICK: Duration = Duration::from_secs(1);
/// As much as one read takes.
const READ: usize = 64 * 1_024;

/// What the messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bytes(InputFormat),
    Units,
}

/// Answers a request to publish by WebSocket.
pub(super) fn open(camera: &Arc<Camera>, context: &Context, request: Request) -> Response {
    let form = match form(request.uri().query().unwrap_or_default()) {
        Ok(form) => form,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    };
    let extensions = request.extensions().clone();
    let (response, upgrade) = match handshake::accept(request, &context.origins) {
        Ok(accepted) => accepted,
        Err(refusal) => return refusal,
    };
    let seated = Seat::take(camera, "WebSocket", &extensions);
    let (camera, limits, stop) = (Arc::clone(camera), context.limits.now(), context.stop.clone());
    context.tasks.spawn("ws-publisher", async move {
        let Some(connection) = upgrade.connection().await else { return };
        session(connection, &camera, form, seated, limits, &stop).await;
    });
    response
}

fn form(query: &str) -> Result<Form, String> {
    let name = query.split('&').find_map(|pair| pair.strip_prefix("publish=")).unwrap_or_default();
    if name == "webcodecs" {
        return Ok(Form::Units);
    }
    let known = || {
        let names = InputFormat::ALL.map(InputFormat::name).join(", ");
        format!("publish: {name:?} is none of webcodecs, {names}")
    };
    input_format(name).map(Form::Bytes).map_err(|_| known())
}

/// Where what comes goes.
enum Input {
    Bytes(Box<Feed>),
    Units(Box<Units>),
}

/// Why a session ended.
struct End {
    code: u16,
    reason: String,
    /// The peer is there to be told.
    present: bool,
}

impl End {
    fn told(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), present: true }
    }

    fn gone(reason: impl Into<String>) -> Self {
        Self { code: 1006, reason: reason.into(), present: false }
    }

    fn status(status: StatusCode, reason: impl Into<String>) -> Self {
        let code = if status == StatusCode::SERVICE_UNAVAILABLE { 1001 } else { 4_000 + status.as_u16() };
        Self::told(code, reason)
    }
}

struct Session<'s> {
    io: Transport,
    frames: FrameReader,
    input: Input,
    rate: RateLimit,
    camera: &'s Camera,
    viewers: Option<usize>,
    tick: Interval,
}

async fn session(
    connection: Connection,
    camera: &Camera,
    form: Form,
    seated: Result<(Publisher, Occupation), Refused>,
    limits: Limits,
    stop: &CancellationToken,
) {
    let Connection { mut io, read, permit: _permit } = connection;
    let (publisher, seat) = match seated {
        Ok(seated) => seated,
        Err(refused) => {
            let words = refused.to_string();
            let end = match refused {
                // 1001 would say that the server ends.
                Refused::Busy(_) => End::told(4_503, words),
                Refused::HasSource { .. } | Refused::Taken(_) | Refused::Stream(_) => {
                    End::status(refused.status(), words)
                }
            };
            return farewell(&mut io, &end, stop).await;
        }
    };
    let input = match form {
        Form::Bytes(format) => Input::Bytes(Box::new(Feed::new(publisher, Some(format)))),
        Form::Units => Input::Units(Box::new(Units::new(publisher))),
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let frames = FrameReader::with_limit(usize::try_from(limits.message.0).unwrap_or(usize::MAX));
    let rate = RateLimit::new(limits.publish_rate, Instant::now());
    let mut session = Session { io, frames, input, rate, camera, viewers: None, tick };
    let end = tokio::select! {
        end = session.run(read) => end,
        () = seat.door().cancelled() => {
            if seat.is_replaced() {
                End::status(StatusCode::CONFLICT, "another publisher took over")
            } else {
                End::told(1008, "closed by the operator")
            }
        }
        () = camera.stop().cancelled() => {
            if stop.is_cancelled() {
                End::told(1001, "the server ends")
            } else {
                End::status(StatusCode::GONE, "the stream was removed")
            }
        }
    };
    let Session { mut io, input, .. } = session;
    drop(input); // the stream is free before the seat is
    seat.end(&end.reason);
    if end.present {
        farewell(&mut io, &end, stop).await;
    }
}

impl Session<'_> {
    async fn run(&mut self, early: Bytes) -> End {
        if let Err(end) = self.say(&json!({ "type": "accepted", "version": 1 })).await {
            return end;
        }
        if let Err(end) = self.take(&early).await {
            return end;
        }
        drop(early); // however short, it holds the whole buffer that the request was read into
        let mut buffer = vec![0; READ];
        let mut wait = Duration::ZERO;
        loop {
            let done = tokio::select! {
                () = tokio::time::sleep(wait), if !wait.is_zero() => {
                    wait = Duration::ZERO;
                    Ok(())
                }
                read = self.io.read(&mut buffer), if wait.is_zero() => match read {
                    Ok(0) => return End::gone("the connection was closed"),
                    Ok(len) => {
                        wait = self.rate.take(len, Instant::now());
                        self.take(&buffer[..len]).await
                    }
                    Err(error) => return End::gone(error.to_string()),
                },
                error = silence(&mut self.input) => Err(self.failed(&error)),
                _ = self.tick.tick() => self.ticked().await,
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn take(&mut self, bytes: &[u8]) -> Result<(), End> {
        let frames = self.frames.push(bytes).map_err(|e| End::told(e.close_code(), e.to_string()))?;
        for frame in frames {
            self.obey(frame).await?;
        }
        if let Input::Units(units) = &mut self.input
            && units.take_keyframe_request()
        {
            self.say(&json!({ "type": "keyframe" })).await?;
        }
        Ok(())
    }

    async fn obey(&mut self, Frame { opcode, payload }: Frame) -> Result<(), End> {
        let pushed = match (opcode, &mut self.input) {
            (Opcode::Text, Input::Units(_)) => return self.heed(&payload).await,
            (Opcode::Binary, Input::Bytes(feed)) => feed.push(&payload),
            (Opcode::Binary, Input::Units(units)) => units.push(&payload),
            (Opcode::Ping, _) => return send(&mut self.io, Opcode::Pong, &payload).await,
            (Opcode::Close, Input::Bytes(feed)) => match feed.finish() {
                Ok(()) => return Err(End::told(1000, "its publisher ended it")),
                Err(error) => Err(error),
            },
            (Opcode::Close, Input::Units(_)) => return Err(End::told(1000, "its publisher ended it")),
            (Opcode::Text | Opcode::Pong | Opcode::Continuation, _) => Ok(()),
        };
        pushed.map_err(|error| self.failed(&error))
    }

    /// What a publisher of units says in text.
    async fn heed(&mut self, text: &[u8]) -> Result<(), End> {
        let said = serde_json::from_slice(text).map_err(|error| {
            End::status(StatusCode::BAD_REQUEST, format!("a text message that is not understood: {error}"))
        })?;
        match (said, &mut self.input) {
            (Said::Configuration(configuration), Input::Units(units)) => {
                units.configure(&configuration).map_err(|error| self.failed(&error))
            }
            (Said::Ping { t }, _) => self.say(&json!({ "type": "pong", "t": t, "now": unix_micros() })).await,
            (Said::Configuration(_) | Said::Unknown, _) => Ok(()),
        }
    }

    async fn ticked(&mut self) -> Result<(), End> {
        let viewers = self.camera.stream().snapshot().subscriptions;
        if self.viewers.replace(viewers) == Some(viewers) {
            return Ok(());
        }
        self.say(&json!({ "type": "viewers", "count": viewers })).await
    }

    async fn say(&mut self, message: &serde_json::Value) -> Result<(), End> {
        send(&mut self.io, Opcode::Text, message.to_string().as_bytes()).await
    }

    fn failed(&self, error: &SourceError) -> End {
        let units = match &self.input {
            Input::Bytes(feed) => feed.units(),
            // What is no message of units is a bad one from the first byte on.
            Input::Units(_) => 1,
        };
        End::status(status_of(error, units), error.to_string())
    }
}

/// Ends, with the reason, when nothing playable comes for too long. Cancel-safe.
async fn silence(input: &mut Input) -> SourceError {
    match input {
        Input::Bytes(feed) => feed.silence().await,
        Input::Units(units) => units.silence().await,
    }
}

async fn send(io: &mut Transport, opcode: Opcode, payload: &[u8]) -> Result<(), End> {
    say::send(io, opcode, payload, SEND).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::TimedOut => End::gone("it does not read what it is told"),
        _ => End::gone(error.to_string()),
    })
}

/// Says why, and reads on until the peer has closed too.
async fn farewell(io: &mut Transport, end: &End, stop: &CancellationToken) {
    if end.code != 1000 {
        let error = json!({ "type": "error", "code": end.code, "message": end.reason });
        if send(io, Opcode::Text, error.to_string().as_bytes()).await.is_err() {
            return;
        }
    }
    if say::close(io, end.code, &end.reason, SEND).await.is_err() {
        return;
    }
    let mut buffer = vec![0; READ];
    let drain = async { while matches!(io.read(&mut buffer).await, Ok(len) if len > 0) {} };
    tokio::select! {
        () = drain => {}
        () = tokio::time::sleep(GOODBYE) => {}
        () = stop.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_named_and_others_are_refused_with_the_list() {
        assert_eq!(form("publish=webcodecs"), Ok(Form::Units));
        assert_eq!(form("token=x&publish=mp4"), Ok(Form::Bytes(InputFormat::Mp4)));
        assert_eq!(form("publish=h264"), Ok(Form::Bytes(InputFormat::AnnexB)));
        for query in ["publish=webm", "publish=", "publish", "x=publish=mp4"] {
            let error = form(query).unwrap_err();
            assert!(error.contains("webcodecs, mpegts, mp4"), "{error}");
        }
    }
}
