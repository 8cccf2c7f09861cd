//! A connection on which an answer is waited for, and who may write on it.
//!
//! The task of a connection reads its requests. An answer that many wait for is made by one task, which writes it to all of them in a row,
//! without waiting and without waking theirs: they wake when the next request comes. What does not go out at once, or cannot be answered
//! so, is given back to the connection's task, which can wait. So there is never more than one who writes.
//!
//! Not here: how long may be waited, which those say who answer.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use super::ready::{Ready, WriteHead};
use super::transport::Transport;

/// A connection.
pub struct Held {
    head: WriteHead,
    place: Mutex<Place>,
}

struct Place {
    /// `None` once it was taken out.
    io: Option<Transport>,
    turn: Turn,
    waker: Option<Waker>,
}

enum Turn {
    /// The connection's task does with it what it likes.
    Own,
    /// An answer is waited for.
    Waiting,
    /// It is out.
    Sent { status: u16, at: Instant },
    /// It is the task's to send, but for so many bytes of it.
    Given(Arc<Ready>, usize),
    /// There is none here.
    Back,
}

/// What became of an answer that was waited for.
#[derive(Debug)]
pub enum Waited {
    /// It was sent, with this status, at this time.
    Sent(u16, Instant),
    /// It is to be sent, but for so many bytes of it.
    Given(Arc<Ready>, usize),
    /// It must be asked for otherwise.
    Back,
    /// The peer has gone.
    Gone,
}

impl Held {
    /// Holds a connection; `head` writes heads of answers.
    pub fn new(io: Transport, head: WriteHead) -> Arc<Self> {
        let place = Place { io: Some(io), turn: Turn::Own, waker: None };
        Arc::new(Self { head, place: Mutex::new(place) })
    }

    /// Waits from here on: to be said before anybody is told to answer.
    pub fn begin(&self) {
        self.lock().turn = Turn::Waiting;
    }

    /// Whoever answers: this is it. Says whether it was waited for.
    pub fn give(&self, answer: &Arc<Ready>) -> bool {
        let mut place = self.lock();
        if !matches!(place.turn, Turn::Waiting) {
            return false;
        }
        let sent = match &place.io {
            Some(Transport::Plain(tcp)) => answer.send(tcp, 0, self.head),
            _ => Ok((0, false)),
        };
        match sent {
            Ok((_, true)) => {
                place.turn = Turn::Sent { status: answer.status().as_u16(), at: Instant::now() };
            }
            // A broken connection its task meets as well.
            sent => {
                let sent = sent.map_or(0, |(sent, _)| sent);
                place.turn = Turn::Given(Arc::clone(answer), sent);
                place.wake();
            }
        }
        true
    }

    /// Whoever answers: it must be asked for otherwise.
    pub fn give_back(&self) {
        let mut place = self.lock();
        if matches!(place.turn, Turn::Waiting) {
            place.turn = Turn::Back;
            place.wake();
        }
    }

    /// The task: until there is an answer, or the peer goes. What the peer says meanwhile is read, up to `most` bytes.
    pub fn poll_answer(&self, context: &mut Context<'_>, buffer: &mut BytesMut, most: usize) -> Poll<Waited> {
        let mut place = self.lock();
        if !matches!(place.turn, Turn::Waiting) {
            return Poll::Ready(match std::mem::replace(&mut place.turn, Turn::Own) {
                Turn::Sent { status, at } => Waited::Sent(status, at),
                Turn::Given(answer, sent) => Waited::Given(answer, sent),
                Turn::Own | Turn::Waiting | Turn::Back => Waited::Back,
            });
        }
        while buffer.len() < most {
            match place.poll_read(context, buffer) {
                Poll::Ready(Ok(read)) if read > 0 => {}
                Poll::Ready(_) => {
                    place.turn = Turn::Own;
                    return Poll::Ready(Waited::Gone);
                }
                Poll::Pending => break,
            }
        }
        if place.waker.as_ref().is_none_or(|known| !known.will_wake(context.waker())) {
            place.waker = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// The task: reads what is there behind what was read; nothing at the end.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn poll_read(&self, context: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.lock().poll_read(context, buffer)
    }

    /// The task: sends an answer, of which the first `sent` bytes have gone; `sent` is kept right if it has to be called again.
    ///
    /// # Errors
    /// The connection is broken.
    pub fn poll_send(
        &self,
        context: &mut Context<'_>,
        answer: &Ready,
        sent: &mut usize,
    ) -> Poll<io::Result<()>> {
        match &mut self.lock().io {
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            Some(Transport::Plain(tcp)) => loop {
                ready!(tcp.poll_write_ready(context))?;
                match tcp.try_io(Interest::WRITABLE, || answer.send(tcp, *sent, self.head)) {
                    Ok((_, true)) => return Poll::Ready(Ok(())),
                    Ok((now, false)) => *sent = now,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            },
            Some(io) => loop {
                let slices = answer.slices(*sent, self.head);
                if slices.iter().all(|slice| slice.is_empty()) {
                    return Pin::new(io).poll_flush(context);
                }
                match ready!(Pin::new(&mut *io).poll_write_vectored(context, &slices))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    now => *sent += now,
                }
            },
        }
    }

    /// The task: does something with the connection, if it is still here.
    pub fn with<R>(&self, act: impl FnOnce(&mut Transport) -> R) -> Option<R> {
        self.lock().io.as_mut().map(act)
    }

    /// The task: takes the connection out, for good.
    pub fn take(&self) -> Option<Transport> {
        self.lock().io.take()
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        let Some(io) = &mut self.io else { return Poll::Ready(Ok(0)) };
        let mut space = [0; AT_ONCE];
        let mut into = ReadBuf::new(&mut space);
        ready!(Pin::new(io).poll_read(context, &mut into))?;
        buffer.extend_from_slice(into.filled());
        Poll::Ready(Ok(into.filled().len()))
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

/// Bytes that are read at once: a head is a few hundred, and what stays in a connection's buffer is what was not understood yet.
const AT_ONCE: usize = 2 << 10;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use axum::http::{HeaderMap, Response, StatusCode};
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    fn head(_: StatusCode, _: HeaderMap, length: usize) -> Vec<u8> {
        format!("{length}\n").into_bytes()
    }

    async fn pair() -> (TcpStream, Arc<Held>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (io, _) = listener.accept().await.unwrap();
        (peer, Held::new(Transport::Plain(io), head))
    }

    fn answer(length: usize) -> Arc<Ready> {
        Arc::new(Ready::new(Response::new(Bytes::from(vec![7; length]))))
    }

    async fn waited(held: &Held, buffer: &mut BytesMut) -> Waited {
        poll_fn(|context| held.poll_answer(context, buffer, 1_000)).await
    }

    #[tokio::test]
    async fn an_answer_goes_out_while_nobody_looks_and_only_where_it_is_waited_for() {
        let (mut peer, held) = pair().await;
        assert!(!held.give(&answer(3)), "nothing is waited for");
        held.begin();
        assert!(held.give(&answer(3)));
        assert!(!held.give(&answer(3)), "it was answered");
        let mut read = [0; 5];
        peer.read_exact(&mut read).await.unwrap();
        assert_eq!(read, *b"3\n\x07\x07\x07");
        assert!(matches!(waited(&held, &mut BytesMut::new()).await, Waited::Sent(200, _)));
    }

    #[tokio::test]
    async fn what_does_not_go_out_at_once_is_sent_by_the_task() {
        let (mut peer, held) = pair().await;
        let large = answer(30_000_000);
        held.begin();
        held.give(&large);
        let sending = async {
            let Waited::Given(answer, mut sent) = waited(&held, &mut BytesMut::new()).await else {
                panic!("it does not fit");
            };
            poll_fn(|context| held.poll_send(context, &answer, &mut sent)).await.unwrap();
            drop(held.take());
        };
        let mut read = Vec::new();
        let ((), received) = tokio::join!(sending, peer.read_to_end(&mut read));
        received.unwrap();
        assert_eq!((read.len(), &read[..10]), (30_000_009, &b"30000000\n\x07"[..]));
    }

    #[tokio::test]
    async fn what_is_said_meanwhile_is_kept_and_who_goes_is_noticed() {
        let (mut peer, held) = pair().await;
        let mut buffer = BytesMut::new();
        held.begin();
        peer.write_all(b"next").await.unwrap();
        let answering = async {
            held.give_back();
            held.give_back();
        };
        let (waited_for, ()) = tokio::join!(waited(&held, &mut buffer), answering);
        assert!(matches!(waited_for, Waited::Back));
        held.begin();
        drop(peer);
        assert!(matches!(waited(&held, &mut buffer).await, Waited::Gone));
        assert_eq!(buffer, &b"next"[..]);
    }
}
