//! Serves HTTP/1.1 on connections.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header, response};
use axum::response::{IntoResponse, Response};
use futures_core::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::again::{self, Again};
use super::answers::Answers;
use super::head::{self, Framing};
use super::patience::Patient;

use crate::endpoint::Context;
use crate::metrics::{Metrics, Refused};
use crate::net::connection::Connection;
use crate::net::connections::Permit;
use crate::net::peer::{Encrypted, Peer};
use crate::net::repeated::Repeated;
use crate::net::rewound::Rewound;
use crate::net::takeover::Takeover;
use crate::net::transport::Transport;
use crate::supervise::accept::Protocol;

/// A request's head must be there within this time, or the connection is closed (slow-loris).
pub(super) const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// And nothing of its body may be waited for longer than this; whoever publishes is told of 10 s of silence before.
const PAUSE: Duration = Duration::from_secs(15);
/// A connection may finish its answer this long when the server ends.
const GOODBYE: Duration = Duration::from_secs(1);
/// Whoever is turned away may take this long to ask and be told why.
const REFUSAL: Duration = Duration::from_secs(3);

/// HTTP on a listening address.
#[derive(Debug)]
pub struct Http {
    answers: Answers,
    context: Context,
}

impl Http {
    /// Answers by `answers`.
    pub fn new(answers: Answers, context: Context) -> Self {
        Self { answers, context }
    }
}

impl Protocol for Http {
    fn task(&self) -> &'static str {
        "http-connection"
    }

    fn serve(&self, stream: Transport, peer: Peer, permit: Permit) -> BoxFuture<'static, ()> {
        Box::pin(connection(stream, peer, Arc::new(permit), self.answers.clone(), self.context.clone()))
    }

    fn refuse(&self, stream: Transport, why: Refused, words: String) -> BoxFuture<'static, ()> {
        Box::pin(refuse(stream, why, words))
    }
}

/// Who asks on a connection, and who answers them.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    answers: Answers,
    metrics: Arc<Metrics>,
    peer: Peer,
    is_encrypted: bool,
    permit: Arc<Permit>,
}

impl Asker {
    /// The answer to a request of theirs.
    pub(super) async fn answer(&self, mut request: Request) -> Response {
        let about = request.extensions_mut();
        about.insert(self.peer);
        if self.is_encrypted {
            about.insert(Encrypted);
        }
        about.insert(Arc::clone(&self.permit));
        self.answers.answer(request).await
    }

    /// Counts an answer that is sent, with this status.
    pub(super) fn count(&self, status: u16) {
        self.metrics.answered(status);
    }
}

/// Why a connection is taken from hyper.
enum Taken {
    /// For media alone.
    Over(response::Parts, Takeover),
    /// The like of this answer will be asked for again.
    Again(Response),
}

async fn connection(stream: Transport, peer: Peer, permit: Arc<Permit>, answers: Answers, context: Context) {
    let Context { stop, metrics, limits, .. } = context;
    let most = usize::try_from(limits.now().head.0).unwrap_or(usize::MAX);
    let is_encrypted = stream.is_encrypted();
    let asker = Asker { answers, metrics, peer, is_encrypted, permit };
    let mut rewound = Rewound { read: Bytes::new(), io: stream };
    loop {
        let Some((taken, io, read)) = by_hyper(rewound, &asker, most, &stop).await else { return };
        match taken {
            Taken::Over(head, takeover) => return hand_over(io, asker.permit, &head, takeover).await,
            Taken::Again(answer) => {
                let serving = Again::new(io, &read, most).serve(answer, &asker);
                let given_back = tokio::select! {
                    given_back = serving => given_back,
                    () = stop.cancelled() => return,
                };
                let Some((io, read)) = given_back else { return };
                rewound = Rewound { read, io };
            }
        }
    }
}

/// Until hyper is done with a connection, or it is taken from it: then with what hyper had read.
async fn by_hyper(
    rewound: Rewound,
    asker: &Asker,
    most: usize,
    stop: &CancellationToken,
) -> Option<(Taken, Transport, Bytes)> {
    let (give, mut given) = mpsc::channel(1);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let may_follow = again::may_follow(&request);
        let request: Request = request.map(|body| Body::new(Patient::new(body, PAUSE)));
        let (asker, give) = (asker.clone(), give.clone());
        async move {
            let mut response = asker.answer(request).await;
            asker.count(response.status().as_u16());
            let taken = match response.extensions_mut().remove::<Takeover>() {
                Some(takeover) => Taken::Over(response.into_parts().0, takeover),
                None if may_follow && response.extensions().get::<Repeated>().is_some() => {
                    Taken::Again(response)
                }
                None => return Ok::<_, Infallible>(response),
            };
            let _ = give.send(taken).await;
            std::future::pending().await // the connection is taken from under this
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(most)
        .serve_connection(TokioIo::new(rewound), service)
        .with_upgrades();
    // A connection that breaks, or sends what is no HTTP, has been answered as far as it can be.
    let taken = tokio::select! {
        _ = &mut connection => return None,
        taken = given.recv() => taken,
        () = stop.cancelled() => None,
    };
    let Some(taken) = taken else {
        Pin::new(&mut connection).graceful_shutdown();
        let _ = tokio::time::timeout(GOODBYE, connection).await;
        return None;
    };
    let parts = connection.into_parts()?;
    let (io, read) = parts.io.into_inner().into_parts(&parts.read_buf);
    Some((taken, io, read))
}

/// Writes the head of an answer and hands the connection over, its body being whatever is sent from then on.
async fn hand_over(mut io: Transport, permit: Arc<Permit>, head: &response::Parts, takeover: Takeover) {
    let mut text = Vec::with_capacity(512);
    head::write(&mut text, head.status, &head.headers, Framing::Close);
    let sent = tokio::time::timeout(HEAD_TIMEOUT, io.write_all(&text)).await;
    if matches!(sent, Ok(Ok(()))) {
        takeover.take(Connection { io, read: Bytes::new(), permit: Some(permit) });
    }
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
