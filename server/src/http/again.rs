//! One connection on which the like is asked for again and again: a player's of HLS, ten times a second.
//!
//! hyper can do all of HTTP and pays for that with each request, in memory that is cold by then. So where an answer says that more of
//! its kind will be asked for ([`Repeated`]), the connection is taken from it. Plain heads are read here, and answers whose
//! body is known are sent here, head and body in one write. Whatever else is asked goes back to hyper, unread.
//!
//! Not here: who asks and what they may have. [`Answers`](super::answers::Answers) says that, for each request anew, as it does for all.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Version};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::head::{self, Framing};
use super::plain_head::{self, Read};
use super::server::{Asker, HEAD_TIMEOUT};
use crate::net::repeated::Repeated;
use crate::net::transport::Transport;

/// A connection, and what was read of it.
#[derive(Debug)]
pub(super) struct Again {
    io: Transport,
    buffer: BytesMut,
    /// Header lines that were read, and what they say.
    known: (Vec<u8>, HeaderMap),
    /// Of a head at most.
    most: usize,
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
        Self { io, buffer: BytesMut::from(read), known: (Vec::new(), HeaderMap::new()), most }
    }

    /// Sends an answer, and answers what follows. Gives the connection back when something else is asked; `None` if it is over.
    pub(super) async fn serve(mut self, first: Response<Body>, asker: &Asker) -> Option<(Transport, Bytes)> {
        let mut response = first;
        loop {
            self.send(response).await?;
            let Some((request, length)) = self.next().await? else { return Some(self.give_back()) };
            let answer = tokio::select! {
                biased;
                answer = asker.answer(request) => answer,
                () = gone(&mut self.io, &mut self.buffer, self.most) => return None,
            };
            let is_whole = answer.extensions().get::<Repeated>().is_some() || answer.status().as_u16() >= 400;
            if !is_whole || answer.body().size_hint().exact().is_none() {
                // It is asked for again there: a `GET` changes nothing.
                return Some(self.give_back());
            }
            self.buffer.advance(length);
            asker.count(&answer);
            response = answer;
        }
    }

    /// The next request and the length of its head; nothing if it is not for here.
    async fn next(&mut self) -> Option<Option<(Request, usize)>> {
        loop {
            let head = match plain_head::read(&self.buffer, &self.known.0, self.most) {
                Read::Plain(head) => head,
                Read::Other => return Some(None),
                Read::More => {
                    let read = timeout(HEAD_TIMEOUT, self.io.read_buf(&mut self.buffer)).await;
                    if read.ok()?.ok()? == 0 {
                        return None;
                    }
                    continue;
                }
            };
            if head.lines != self.known.0 {
                let Some(headers) = headers(head.lines) else { return Some(None) };
                self.known = (head.lines.to_vec(), headers);
            }
            let Ok(target) = head.target.parse() else { return Some(None) };
            let length = head.length;
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = target;
            request.headers_mut().clone_from(&self.known.1);
            return Some(Some((request, length)));
        }
    }

    async fn send(&mut self, response: Response<Body>) -> Option<()> {
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.ok()?;
        let mut text = Vec::with_capacity(512);
        head::write(&mut text, &head, Framing::Length(body.len()));
        let (mut head, mut body) = (&text[..], &body[..]);
        while !(head.is_empty() && body.is_empty()) {
            let sent = timeout(STALLED, send_some(&mut self.io, head, body)).await.ok()?.ok()?;
            let of_head = sent.min(head.len());
            (head, body) = (&head[of_head..], &body[sent - of_head..]);
        }
        self.io.flush().await.ok()
    }

    fn give_back(self) -> (Transport, Bytes) {
        (self.io, self.buffer.freeze())
    }
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

async fn send_some(io: &mut Transport, head: &[u8], body: &[u8]) -> io::Result<usize> {
    let slices = [IoSlice::new(head), IoSlice::new(body)];
    let sent =
        std::future::poll_fn(|context| Pin::new(&mut *io).poll_write_vectored(context, &slices)).await?;
    if sent == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(sent) }
}

/// Until the peer has gone; what it asks meanwhile is kept for later.
async fn gone(io: &mut Transport, buffer: &mut BytesMut, most: usize) {
    while buffer.len() < most {
        if !matches!(io.read_buf(buffer).await, Ok(read) if read > 0) {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// So long nothing of an answer may go out before the peer is given up.
const STALLED: Duration = Duration::from_secs(20);
