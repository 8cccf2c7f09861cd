//! One connection on which the like is asked for again and again: a player's of HLS, ten times a second.
//!
//! hyper can do all of HTTP and pays for that with each request, in memory that is cold by then. So where an answer says that more of
//! its kind will be asked for ([`Repeated`]), the connection is taken from it. Plain heads are read here, and answers whose
//! body is known are sent here, head and body in one write. Whatever else is asked goes back to hyper, unread.
//!
//! Who asks and what they may have says [`Answers`](super::answers::Answers), as it does for all. What it said of one request counts for
//! the next ones with the same header lines as long as the endpoint that answered says so ([`Like`]): those are looked up, not judged, and
//! where they are to wait, whoever makes the answer writes it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::head::{self, Framing};
use super::plain_head::{self, Read};
use super::security;
use super::server::{Asker, HEAD_TIMEOUT};
use crate::net::held::{Held, Waited};
use crate::net::ready::Ready;
use crate::net::repeated::{Found, Like, Repeated};
use crate::net::transport::Transport;

/// A connection, and what was read of it.
pub(super) struct Again {
    io: Arc<Held>,
    buffer: BytesMut,
    /// Header lines that were read, and what they say.
    known: (Vec<u8>, HeaderMap),
    /// Where answers to requests with those lines are found.
    like: Option<Arc<dyn Like>>,
    /// Of a head at most.
    most: usize,
    /// When something was last read or answered. One timer looks at it: one for each request costs more than the request.
    since: Instant,
    idle: Pin<Box<Sleep>>,
}

/// What a head at the beginning of the buffer leads to.
enum Asked {
    /// Something that is looked up, and the length of the head.
    Like(Found, usize),
    /// Something that is judged.
    Anew,
    /// Nothing that is read here.
    Other,
}

/// Whether what follows a request on its connection may be read here.
pub(super) fn may_follow<B: HttpBody>(request: &axum::http::Request<B>) -> bool {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    request.version() == Version::HTTP_11
        && request.method() == Method::GET
        && request.body().is_end_stream()
        && plain_head::is_plain(headers)
}

impl Again {
    /// A connection of which `read` was read.
    pub(super) fn new(io: Transport, read: &[u8], most: usize) -> Self {
        let since = Instant::now();
        Self {
            io: Held::new(io, whole_head),
            buffer: BytesMut::from(read),
            known: (Vec::new(), HeaderMap::new()),
            like: None,
            most,
            since,
            idle: Box::pin(sleep_until(since + HEAD_TIMEOUT)),
        }
    }

    /// Sends an answer, and answers what follows. Gives the connection back when something else is asked; `None` if it is over.
    pub(super) async fn serve(mut self, first: Response<Body>, asker: &Asker) -> Option<(Transport, Bytes)> {
        self.send(first).await?;
        loop {
            match self.next().await? {
                Asked::Like(Found::Ready(answer), length) => {
                    self.buffer.advance(length);
                    asker.count(answer.status().as_u16());
                    self.send_ready(&answer, 0).await?;
                }
                Asked::Like(Found::Held, length) => match self.answered().await {
                    Waited::Sent(status, at) => {
                        self.buffer.advance(length);
                        asker.count(status);
                        self.since = at.into();
                    }
                    Waited::Given(answer, sent) => {
                        self.buffer.advance(length);
                        asker.count(answer.status().as_u16());
                        self.send_ready(&answer, sent).await?;
                    }
                    Waited::Back => {
                        if !self.judged(asker).await? {
                            return self.give_back();
                        }
                    }
                    Waited::Gone => return None,
                },
                Asked::Like(Found::Unknown, _) | Asked::Anew => {
                    if !self.judged(asker).await? {
                        return self.give_back();
                    }
                }
                Asked::Other => return self.give_back(),
            }
        }
    }

    /// The next request.
    async fn next(&mut self) -> Option<Asked> {
        loop {
            match plain_head::read(&self.buffer, &self.known.0, self.most) {
                Read::Plain(head) => {
                    let like = self.like.as_ref().filter(|_| head.lines == self.known.0);
                    return Some(match like {
                        Some(like) => Asked::Like(like.find(head.target, &self.io), head.length),
                        None => Asked::Anew,
                    });
                }
                Read::Other => return Some(Asked::Other),
                Read::More => self.read().await?,
            }
        }
    }

    /// Answers the request at the beginning of the buffer as any is; `false` if it is not for here.
    async fn judged(&mut self, asker: &Asker) -> Option<bool> {
        let Some((request, length)) = self.request() else { return Some(false) };
        self.like = None;
        let mut answer = tokio::select! {
            biased;
            answer = asker.answer(request) => answer,
            () = gone(&self.io, &mut self.buffer, self.most) => return None,
        };
        let repeated = answer.extensions_mut().remove::<Repeated>();
        let is_whole = repeated.is_some() || answer.status().as_u16() >= 400;
        if !is_whole || answer.body().size_hint().exact().is_none() {
            // It is asked for again there: a `GET` changes nothing.
            return Some(false);
        }
        self.like = repeated.and_then(|repeated| repeated.like);
        self.buffer.advance(length);
        asker.count(answer.status().as_u16());
        self.send(answer).await?;
        Some(true)
    }

    /// The request at the beginning of the buffer, and the length of its head.
    fn request(&mut self) -> Option<(Request, usize)> {
        let Read::Plain(head) = plain_head::read(&self.buffer, &self.known.0, self.most) else { return None };
        if head.lines != self.known.0 {
            self.known = (head.lines.to_vec(), headers(head.lines)?);
        }
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = head.target.parse().ok()?;
        request.headers_mut().clone_from(&self.known.1);
        Some((request, head.length))
    }

    /// Until something more was read; `None` if nothing comes.
    async fn read(&mut self) -> Option<()> {
        let read = std::future::poll_fn(|context| {
            if self.is_idle(context) {
                return Poll::Ready(None);
            }
            self.io.poll_read(context, &mut self.buffer).map(Result::ok)
        });
        let read = read.await.filter(|read| *read > 0);
        self.since = Instant::now();
        read.map(|_| ())
    }

    /// Until the answer that was waited for is there.
    async fn answered(&mut self) -> Waited {
        std::future::poll_fn(|context| {
            let answered = self.io.poll_answer(context, &mut self.buffer, self.most);
            // An answer may go out without waking anybody: the timer finds that nothing follows it.
            while answered.is_pending() && self.is_idle(context) {
                self.since = Instant::now();
            }
            answered
        })
        .await
    }

    /// Whether nothing was read or answered for too long.
    fn is_idle(&mut self, context: &mut Context<'_>) -> bool {
        while self.idle.as_mut().poll(context).is_ready() {
            let until = self.since + HEAD_TIMEOUT;
            if until <= Instant::now() {
                return true;
            }
            self.idle.as_mut().reset(until);
        }
        false
    }

    async fn send_ready(&mut self, answer: &Ready, mut sent: usize) -> Option<()> {
        loop {
            let before = sent;
            let sending = std::future::poll_fn(|context| self.io.poll_send(context, answer, &mut sent));
            match timeout(STALLED, sending).await {
                Ok(done) => {
                    self.since = Instant::now();
                    return done.ok();
                }
                Err(_) if sent > before => {}
                Err(_) => return None,
            }
        }
    }

    async fn send(&mut self, response: Response<Body>) -> Option<()> {
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.ok()?;
        let mut text = Vec::with_capacity(512);
        head::write(&mut text, head.status, &head.headers, Framing::Length(body.len()));
        let (mut head, mut body) = (&text[..], &body[..]);
        while !(head.is_empty() && body.is_empty()) {
            let sent = timeout(STALLED, send_some(&self.io, head, body)).await.ok()?.ok()?;
            let of_head = sent.min(head.len());
            (head, body) = (&head[of_head..], &body[sent - of_head..]);
        }
        let flushed = std::future::poll_fn(|context| {
            self.io.with(|io| Pin::new(io).poll_flush(context)).unwrap_or(Poll::Ready(Ok(())))
        });
        flushed.await.ok()?;
        self.since = Instant::now();
        Some(())
    }

    fn give_back(self) -> Option<(Transport, Bytes)> {
        Some((self.io.take()?, self.buffer.freeze()))
    }
}

/// The head of an answer that many get, with what every answer carries.
fn whole_head(status: StatusCode, mut headers: HeaderMap, length: usize) -> Vec<u8> {
    security::add(None, status, &mut headers);
    let mut text = Vec::with_capacity(512 + length.min(16 << 10));
    head::write(&mut text, status, &headers, Framing::Length(length));
    text
}

fn headers(lines: &[u8]) -> Option<HeaderMap> {
    let read = plain_head::headers(lines)?.into_iter().map(|(name, value)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_bytes(value).ok()?))
    });
    // Lines of the same name stay apart.
    read.collect::<Option<Vec<_>>>().map(|pairs| {
        let mut headers = HeaderMap::with_capacity(pairs.len());
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    })
}

async fn send_some(io: &Held, head: &[u8], body: &[u8]) -> io::Result<usize> {
    let slices = [IoSlice::new(head), IoSlice::new(body)];
    let sent = std::future::poll_fn(|context| {
        io.with(|io| Pin::new(io).poll_write_vectored(context, &slices)).unwrap_or(Poll::Ready(Ok(0)))
    });
    match sent.await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        sent => Ok(sent),
    }
}

/// Until the peer has gone; what it asks meanwhile is kept for later.
async fn gone(io: &Held, buffer: &mut BytesMut, most: usize) {
    while buffer.len() < most {
        if !matches!(std::future::poll_fn(|context| io.poll_read(context, buffer)).await, Ok(read) if read > 0)
        {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// So long nothing of an answer may go out before the peer is given up.
const STALLED: Duration = Duration::from_secs(20);
