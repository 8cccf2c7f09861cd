//! A peer that publishes: its tags into the stream, until either side ends it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Extensions;
use rtmp::{Refusal, ServerEvent};
use tokio::io::AsyncReadExt;

use super::Shared;
use super::connection::{Connection, End, READ};
use super::intake::Intake;
use crate::net::rate_limit::RateLimit;
use crate::supervise::cameras::Camera;
use crate::supervise::seat::Seat;

/// Publishes until either side ends it.
pub(super) async fn run(
    shared: &Shared,
    connection: &mut Connection,
    camera: &Arc<Camera>,
    extensions: &Extensions,
) -> End {
    let (publisher, seat) = match Seat::take(camera, "RTMP", extensions) {
        Ok(taken) => taken,
        Err(refused) => return End::Refused(Refusal::Failed, refused.to_string()),
    };
    let mut feed = Intake::new(publisher);
    connection.server.accept();
    let rate = RateLimit::new(shared.context.limits.now().publish_rate, Instant::now());
    let end = tokio::select! {
        end = pump(connection, &mut feed, rate) => end,
        () = seat.door().cancelled() => {
            let words = if seat.is_replaced() { "another publisher took over" } else { "closed by the operator" };
            End::Refused(Refusal::Failed, words.to_owned())
        }
        () = camera.stop().cancelled() => {
            let ends = shared.context.stop.is_cancelled();
            let words = if ends { "the server ends" } else { "the stream was removed" };
            End::Refused(Refusal::Failed, words.to_owned())
        }
    };
    drop(feed); // the stream is free before the seat is
    seat.end(match &end {
        End::Refused(_, words) | End::Gone(words) => words,
        End::Done => "its publisher ended it",
    });
    end
}

async fn pump(connection: &mut Connection, feed: &mut Intake, mut rate: RateLimit) -> End {
    let mut buffer = vec![0; READ];
    let mut wait = Duration::ZERO;
    loop {
        if let Err(end) = connection.flush().await {
            return end;
        }
        tokio::select! {
            () = tokio::time::sleep(wait), if !wait.is_zero() => wait = Duration::ZERO,
            read = connection.io.read(&mut buffer), if wait.is_zero() => match read {
                Ok(0) => return End::Gone("the connection was closed".to_owned()),
                Ok(len) => {
                    wait = rate.take(len, Instant::now());
                    let received = connection.server.receive(&buffer[..len]);
                    while let Some(event) = connection.server.poll_event() {
                        match event {
                            ServerEvent::Tag { kind, timestamp, body } => {
                                if let Err(error) = feed.push(kind, timestamp, &body) {
                                    return End::Refused(Refusal::Failed, error.to_string());
                                }
                            }
                            ServerEvent::Ended => return End::Done,
                            ServerEvent::Publish(_) | ServerEvent::Play(_) => {}
                        }
                    }
                    if let Err(error) = received {
                        return error.into();
                    }
                }
                Err(error) => return error.into(),
            },
            words = feed.silence() => return End::Refused(Refusal::Failed, words),
        }
    }
}
