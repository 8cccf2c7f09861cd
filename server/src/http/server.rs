//! Accepts connections and serves HTTP/1.1 on them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;
use tracing::warn;

use crate::endpoint::Context;
use crate::net::listen;
use crate::net::peer::Peer;
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
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        let (answer, metrics) = (router.clone().oneshot(request), Arc::clone(&metrics));
        async move {
            let answer = answer.await;
            if let Ok(response) = &answer {
                metrics.answered(response.status().as_u16());
            }
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    // A connection that breaks, or sends what is no HTTP, has been answered as far as it can be.
    tokio::select! {
        _ = &mut connection => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(GOODBYE, connection).await;
        }
    }
}
