//! What is said to a stream and what it answers, by WebSocket: `/{stream}/data` for whoever drives, `/{stream}/data?robot` for a program that
//! is driven (see `docs/ref/data.md`).
//!
//! One message is one JSON value, as text. Not here: who hears what ([`crate::supervise::data`]), data channels.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use crate::auth::{Access, Identity};
use crate::config::file::Section;
use crate::endpoint::{Context, Endpoint, Parts, Serve, StreamRoute};
use crate::error::ConfigError;
use crate::net::connection::Connection;
use crate::net::transport::Transport;
use crate::supervise::cameras::Camera;
use crate::supervise::data::{MESSAGE_MOST, Party, Side};
use crate::ws::frame::{Frame, FrameReader, Opcode};
use crate::ws::{handshake, say};

/// The data endpoint.
#[derive(Debug)]
pub struct Data;

impl Endpoint for Data {
    fn name(&self) -> &'static str {
        "data"
    }

    fn serve(&self, section: Option<Section<'_>>) -> Result<Serve, ConfigError> {
        if let Some(section) = section {
            return Err(section.error(
                "what is said to a stream is configured with the stream: data = { … } in [streams.NAME]",
            ));
        }
        Ok(Box::new(|context| {
            let route = |tail, side: Side| StreamRoute {
                tail,
                methods: &[Method::GET],
                access: Access::Stream(side.right()),
                needs_stream: true,
                handler: {
                    let context = context.clone();
                    Arc::new(move |camera, request| {
                        let context = context.clone();
                        Box::pin(async move {
                            match camera {
                                Some(camera) => open(&camera, side, &context, request),
                                None => StatusCode::NOT_FOUND.into_response(),
                            }
                        })
                    })
                },
            };
            let stream_routes = vec![route("data?robot", Side::Robot), route("data", Side::Driver)];
            Parts { stream_routes, ..Parts::default() }
        }))
    }
}

fn open(camera: &Arc<Camera>, side: Side, context: &Context, request: Request) -> Response {
    let identity = request.extensions().get::<Identity>().cloned();
    let (response, upgrade) = match handshake::accept(request, &context.origins) {
        Ok(accepted) => accepted,
        Err(refusal) => return refusal,
    };
    let (camera, stop) = (Arc::clone(camera), context.stop.clone());
    context.tasks.spawn("ws-data", async move {
        let Some(connection) = upgrade.connection().await else { return };
        let party = camera.data().join(side, identity);
        converse(connection, &party, camera.stop(), &stop).await;
    });
    response
}

/// Why it ended, as a close code and a reason; `None` where nobody is there to be told.
type Ended = Option<(u16, String)>;

async fn converse(
    connection: Connection,
    party: &Party,
    removed: &CancellationToken,
    stop: &CancellationToken,
) {
    let Connection { mut io, read, permit: _permit } = connection;
    let mut frames = FrameReader::with_limit(MESSAGE_MOST);
    let mut buffer = vec![0; READ];
    let mut taken = take(&mut io, party, &mut frames, &read).await;
    drop(read);
    let ended = loop {
        if let Err(ended) = taken {
            break ended;
        }
        taken = tokio::select! {
            read = io.read(&mut buffer) => match read {
                Ok(0) | Err(_) => Err(None),
                Ok(len) => take(&mut io, party, &mut frames, &buffer[..len]).await,
            },
            message = party.hear() => match message {
                Some(message) => send(&mut io, Opcode::Text, &message).await,
                None => Err(Some((1008, "too far behind, or no longer allowed".to_owned()))),
            },
            () = tokio::time::sleep(PING) => send(&mut io, Opcode::Ping, b"").await,
            () = removed.cancelled() => {
                let (code, reason) = if stop.is_cancelled() { (1001, "the server ends") } else { (1000, "the stream was removed") };
                Err(Some((code, reason.to_owned())))
            }
        };
    };
    if let Some((code, reason)) = ended {
        // They are told if they listen.
        let _ = say::close(&mut io, code, &reason, STALLED).await;
    }
}

async fn take(
    io: &mut Transport,
    party: &Party,
    frames: &mut FrameReader,
    bytes: &[u8],
) -> Result<(), Ended> {
    for Frame { opcode, payload } in frames.push(bytes).map_err(|e| Some((e.close_code(), e.to_string())))? {
        match opcode {
            Opcode::Text => {
                let text = std::str::from_utf8(&payload)
                    .map_err(|_| Some((1007, "text that is not UTF-8".to_owned())))?;
                party.say(text).map_err(|reason| Some((1009, reason)))?;
            }
            Opcode::Binary => return Err(Some((1003, "messages are text: one JSON value each".to_owned()))),
            Opcode::Ping => send(io, Opcode::Pong, &payload).await?,
            Opcode::Close => return Err(Some((1000, String::new()))),
            Opcode::Pong | Opcode::Continuation => {}
        }
    }
    Ok(())
}

async fn send(io: &mut Transport, opcode: Opcode, payload: &[u8]) -> Result<(), Ended> {
    say::send(io, opcode, payload, STALLED).await.map_err(|_| None)
}

const READ: usize = 4 * 1_024;
/// So long nothing may be said before we ask whether they are there; a connection that is gone shows by the write that fails.
const PING: Duration = Duration::from_secs(20);
/// So long a message may take to be read.
const STALLED: Duration = Duration::from_secs(10);
