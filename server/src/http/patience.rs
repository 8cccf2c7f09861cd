//! A request's body that has to keep coming.
//!
//! A head that comes slowly is cut off by hyper; a body that stops coming would hold its connection, and whoever reads it, for ever.
//! Not here: how long a body may be (see `[limits]`), how fast it may come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// Fails as soon as nothing has come for too long.
pub(super) struct Patient<B> {
    body: B,
    patience: Duration,
    /// Runs while something is waited for.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<B> Patient<B> {
    /// A body that may pause so long.
    pub(super) fn new(body: B, patience: Duration) -> Self {
        Self { body, patience, waiting: None }
    }
}

impl<B> Body for Patient<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let patience = self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        waiting.as_mut().poll(context).map(|()| {
            let words = format!("nothing of the request's body came for {} s", patience.as_secs());
            Some(Err(io::Error::new(io::ErrorKind::TimedOut, words).into()))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// Gives a piece each `every`, so many.
    struct Slow {
        every: Duration,
        left: usize,
        next: Pin<Box<Sleep>>,
    }

    impl Slow {
        fn new(every: Duration, left: usize) -> Self {
            Self { every, left, next: Box::pin(tokio::time::sleep(every)) }
        }
    }

    impl Body for Slow {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            if self.next.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.left -= 1;
            self.next = Box::pin(tokio::time::sleep(self.every));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    async fn read(every: Duration, patience: Duration) -> Result<usize, String> {
        let body = axum::body::Body::new(Patient::new(Slow::new(every, 5), patience));
        axum::body::to_bytes(body, 100).await.map(|bytes| bytes.len()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_body_that_stops_coming_fails_and_a_slow_one_does_not() {
        assert_eq!(read(Duration::from_millis(20), Duration::from_secs(20)).await, Ok(5));
        let error = read(Duration::from_secs(60), Duration::from_millis(50)).await.unwrap_err();
        assert!(error.contains("nothing of the request's body came"), "{error}");
    }
}
