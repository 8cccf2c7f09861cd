//! Serves HTTP/1.1 on connections.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header, response};
use axum::response::IntoResponse;
use futures_core::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::patience::Patient;
use crate::endpoint::Context;
use crate::metrics::Refused;
use crate::net::connection::Connection;
use crate::net::connections::Permit;
use crate::net::peer::{Encrypted, Peer};
use crate::net::takeover::Takeover;
use crate::net::transport::Transport;
use crate::supervise::accept::Protocol;

/// A request's head must be there within this time, or the connection is closed (slow-loris).
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// And nothing of its body may be waited for longer than this; whoever publishes is told of 10 s of silence before.
const PAUSE: Duration = Duration::from_secs(15);
/// A connection may finish its answer this long when the server ends.
const GOODBYE: Duration = Duration::from_secs(1);
/// Whoever is turned away may take this long to ask and be told why.
const REFUSAL: Duration = Duration::from_secs(3);

/// HTTP on a listening address.
#[derive(Debug)]
pub struct Http {
    router: Router,
    context: Context,
}

impl Http {
    /// Answers by `router`.
    pub fn new(router: Router, context: Context) -> Self {
        Self { router, context }
    }
}

impl Protocol for Http {
    fn task(&self) -> &'static str {
        "http-connection"
    }

    fn serve(&self, stream: Transport, peer: Peer, permit: Permit) -> BoxFuture<'static, ()> {
        Box::pin(connection(stream, peer, Arc::new(permit), self.router.clone(), self.context.clone()))
    }

    fn refuse(&self, stream: Transport, why: Refused, words: String) -> BoxFuture<'static, ()> {
        Box::pin(refuse(stream, why, words))
    }
}

async fn connection(stream: Transport, peer: Peer, permit: Arc<Permit>, router: Router, context: Context) {
    let Context { stop, metrics, limits, .. } = context;
    let (give, mut given) = mpsc::channel(1);
    let is_encrypted = stream.is_encrypted();
    let place = Arc::clone(&permit);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(|body| Body::new(Patient::new(body, PAUSE)));
        request.extensions_mut().insert(peer);
        if is_encrypted {
            request.extensions_mut().insert(Encrypted);
        }
        request.extensions_mut().insert(Arc::clone(&permit));
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
        .max_buf_size(usize::try_from(limits.now().head.0).unwrap_or(usize::MAX))
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
        takeover.take(Connection { io, read: Bytes::new(), permit: Some(place) });
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

/// Tells a connection that is not let in why, in answer to whatever it asks.
async fn refuse(stream: Transport, why: Refused, words: String) {
    let status = match why {
        Refused::ConnectionsOfAddress => StatusCode::TOO_MANY_REQUESTS,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    let service = service_fn(move |_: hyper::Request<Incoming>| {
        let answer = (status, [(header::RETRY_AFTER, "5"), (header::CONNECTION, "close")], words.clone());
        std::future::ready(Ok::<_, Infallible>(answer.into_response()))
    });
    let connection = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service);
    // It has been told, or did not ask in time.
    let _ = tokio::time::timeout(REFUSAL, connection).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::net::connections::Connections;

    #[tokio::test]
    async fn whoever_is_turned_away_is_told_why_and_when_to_come_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connections = Connections::new(1, 7);
        for (why, status) in [(Refused::ConnectionsOfAddress, "429"), (Refused::Connections, "503")] {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let told = refuse(Transport::Plain(stream), why, connections.words(why));
            let asked = async {
                client.write_all(b"GET /front/ws HTTP/1.1\r\nHost: cam\r\n\r\n").await.unwrap();
                let mut answer = String::new();
                client.read_to_string(&mut answer).await.unwrap();
                answer
            };
            let ((), answer) = tokio::join!(told, asked);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(answer.contains("retry-after: 5\r\n"), "{answer}");
            assert!(answer.ends_with('\n') && answer.contains("connections"), "{answer}");
            assert!(why == Refused::Connections || answer.contains('7'), "{answer}");
        }
    }

    #[tokio::test]
    async fn whoever_is_turned_away_and_asks_nothing_is_let_go() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let stream = TcpStream::from_std(stream).unwrap();
        refuse(Transport::Plain(stream), Refused::Connections, String::new()).await;
        drop(client);
    }
}
