//! Accepts connections and serves HTTP/1.1 on them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{header, response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tower::ServiceExt;
use tracing::warn;

use crate::endpoint::Context;
use crate::net::listen;
use crate::net::peer::Peer;
use crate::net::takeover::Takeover;
use crate::telemetry::Throttle;

/// A request's head must be there within this time, or the connection is closed (slow-loris).
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection may finish its answer this long when the server ends.
const GOODBYE: Duration = Duration::from_secs(1);
/// The longest request head, in bytes.
const MAX_HEAD: usize = 16 * 1_024;

/// Serves one listener until `stop`.
pub async fn serve(listener: TcpListener, router: Router, context: Context) {
    let throttle = Throttle::new(Duration::from_secs(10));
    loop {
        let accepted = tokio::select! {
            () = context.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                listen::prepare(&stream);
                let work = connection(stream, Peer(peer), router.clone(), context.clone());
                context.tasks.spawn("http-connection", work);
            }
            Err(error) => {
                // Out of descriptors, mostly: those who watch go on, newcomers wait.
                if let Some(held) = throttle.allow() {
                    warn!(%error, held, "cannot accept connections");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: Peer, router: Router, context: Context) {
    let Context { stop, metrics, .. } = context;
    let (give, mut given) = mpsc::channel(1);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        let (answer, metrics) = (router.clone().oneshot(request), Arc::clone(&metrics));
        let give = give.clone();
        async move {
            let mut response = answer.await?;
            metrics.answered(response.status().as_u16());
            let Some(takeover) = response.extensions_mut().remove::<Takeover>() else {
                return Ok::<_, Infallible>(response);
            };
            let _ = give.send((response.into_parts().0, takeover)).await;
            std::future::pending().await // the connection is taken from under this
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // A connection that breaks, or sends what is no HTTP, has been answered as far as it can be.
    let taken = tokio::select! {
        _ = &mut connection => return,
        taken = given.recv() => taken,
        () = stop.cancelled() => None,
    };
    let Some((head, takeover)) = taken else {
        Pin::new(&mut connection).graceful_shutdown();
        let _ = tokio::time::timeout(GOODBYE, connection).await;
        return;
    };
    let Some(mut io) = connection.into_parts().map(|parts| parts.io.into_inner()) else { return };
    let sent = tokio::time::timeout(HEAD_TIMEOUT, io.write_all(&head_of(&head))).await;
    if matches!(sent, Ok(Ok(()))) {
        takeover.take(io);
    }
}

/// The head of an answer whose body ends with the connection.
fn head_of(head: &response::Parts) -> Vec<u8> {
    let date = httpdate::fmt_http_date(SystemTime::now());
    let mut bytes = format!("HTTP/1.1 {}\r\ndate: {date}\r\n", head.status).into_bytes();
    // A length that somebody set on the way is that of the empty body.
    let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::DATE];
    for (name, value) in head.headers.iter().filter(|(name, _)| !framing.contains(name)) {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"connection: close\r\n\r\n");
    bytes
}
