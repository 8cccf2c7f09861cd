//! One connection from its first byte to what it is for.
//!
//! A peer has [`PATIENCE`] to shake hands and to say what it wants, and may send little until then; after that it is a publisher's or a
//! player's session.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Extensions;
use rtmp::{Refusal, RtmpError, Server, ServerEvent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::debug;

use super::names::{Found, find};
use super::{Shared, player, publisher, secrets};
use crate::auth::Right;
use crate::net::connections::Permit;
use crate::net::peer::Peer;
use crate::net::transport::Transport;

/// How long a peer may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// A write may take this long; what we say is short.
const SEND: Duration = Duration::from_secs(5);
/// So long we read on after our last word: a socket that is closed with unread bytes takes that word back.
const GOODBYE: Duration = Duration::from_secs(2);
/// As much as one read takes.
pub(super) const READ: usize = 64 * 1_024;

/// A connection whose peer is spoken to.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) io: Transport,
    pub(super) server: Server,
}

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum End {
    /// The peer is to be told why.
    Refused(Refusal, String),
    /// There is nobody to tell.
    Gone(String),
    /// It is over, and the peer said so.
    Done,
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Gone(error.to_string())
    }
}

impl From<RtmpError> for End {
    fn from(error: RtmpError) -> Self {
        Self::Refused(Refusal::Failed, error.to_string())
    }
}

/// Serves one connection until it ends.
pub(super) async fn serve(shared: Arc<Shared>, io: Transport, peer: Peer, permit: Permit) {
    let limit = usize::try_from(shared.context.limits.now().message.0).unwrap_or(usize::MAX);
    let mut connection = Connection { io, server: Server::new(secrets(), limit) };
    let wish = tokio::select! {
        wish = tokio::time::timeout(PATIENCE, connection.wish()) => wish,
        () = shared.context.stop.cancelled() => return,
    };
    let end = match wish {
        Ok(Ok(ServerEvent::Publish(request))) => {
            debug!(peer = %peer.0, program = ?request.program, app = request.app, "wants to publish by RTMP");
            match allowed(&shared, &request, Right::Publish, peer).await {
                Ok((camera, extensions)) => {
                    publisher::run(&shared, &mut connection, &camera, &extensions).await
                }
                Err(end) => end,
            }
        }
        Ok(Ok(ServerEvent::Play(request))) => match allowed(&shared, &request, Right::View, peer).await {
            Ok((camera, extensions)) => match player::admit(&shared, &camera, &request, &extensions) {
                Ok(player) => match player::sounding(&shared, &camera, &request).await {
                    Ok(sounding) => return player::play(&shared, connection, &sounding, player, permit),
                    Err(end) => end,
                },
                Err(end) => end,
            },
            Err(end) => end,
        },
        Ok(Ok(ServerEvent::Tag { .. } | ServerEvent::Ended)) => End::Done,
        Ok(Err(end)) => end,
        Err(_) => End::Gone("nothing was asked for in time".to_owned()),
    };
    match end {
        End::Refused(why, words) => {
            debug!(peer = %peer.0, words, "an RTMP connection is refused");
            connection.refuse(why, &words, &shared).await;
        }
        End::Gone(reason) => debug!(peer = %peer.0, reason, "an RTMP connection ended"),
        End::Done => {}
    }
    drop(permit);
}

/// The stream for a wish, and what is known about who has it.
async fn allowed(
    shared: &Shared,
    request: &rtmp::Request,
    right: Right,
    peer: Peer,
) -> Result<(Arc<crate::supervise::cameras::Camera>, Extensions), End> {
    let context = &shared.context;
    match find(&context.guard, &context.cameras, request, right, peer).await {
        Found::Stream(camera, identity) => {
            let mut extensions = Extensions::new();
            extensions.insert(peer);
            extensions.insert(identity);
            Ok((camera, extensions))
        }
        Found::Nothing(name) => {
            Err(End::Refused(Refusal::NotFound, format!("there is no stream named {name}")))
        }
        Found::Denied(words) => Err(End::Refused(Refusal::Denied, words)),
        Found::Slowed(wait) => {
            let words = format!("too many wrong credentials: try again in {} s", wait.as_secs() + 1);
            Err(End::Refused(Refusal::Denied, words))
        }
    }
}

impl Connection {
    /// Reads and answers until the peer says what it wants.
    async fn wish(&mut self) -> Result<ServerEvent, End> {
        let mut buffer = vec![0; 4 * 1_024];
        loop {
            let len = self.io.read(&mut buffer).await?;
            if len == 0 {
                return Err(End::Gone("the connection was closed".to_owned()));
            }
            let received = self.server.receive(&buffer[..len]);
            self.flush().await?;
            received?;
            if let Some(event) = self.server.poll_event() {
                return Ok(event);
            }
        }
    }

    /// Sends what is to be sent.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        let output = self.server.take_output();
        if output.is_empty() {
            return Ok(());
        }
        let sent = async {
            self.io.write_all(&output).await?;
            self.io.flush().await
        };
        match tokio::time::timeout(SEND, sent).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(End::Gone("the peer does not read".to_owned())),
        }
    }

    /// Tells the peer why, and waits until it has heard.
    async fn refuse(&mut self, why: Refusal, words: &str, shared: &Shared) {
        if !self.server.is_open() {
            return; // whatever it speaks, it is not RTMP
        }
        self.server.refuse(why, words);
        if self.flush().await.is_err() || self.io.shutdown().await.is_err() {
            return;
        }
        let rest = async {
            let mut buffer = [0; 1_024];
            while matches!(self.io.read(&mut buffer).await, Ok(1..)) {}
        };
        tokio::select! {
            _ = tokio::time::timeout(GOODBYE, rest) => {}
            () = shared.context.stop.cancelled() => {}
        }
    }
}
