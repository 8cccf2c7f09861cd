//! How long the body of a request may be.
//!
//! What publishes has no end and is left alone; of all others, one that says it is too long is refused before it is read, and one that
//! does not say fails where it becomes too long.

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use http_body_util::Limited;

use crate::auth::{Access, Right};

/// The request, with a body that is at most so many bytes long.
///
/// # Errors
/// 413 for one that says it is longer.
#[allow(clippy::result_large_err)] // a response, made once a request
pub(super) fn bounded(access: Access, request: Request, most: u64) -> Result<Request, Response<Body>> {
    let size = request.body().size_hint();
    if access == Access::Stream(Right::Publish) || size.upper().is_some_and(|upper| upper <= most) {
        return Ok(request);
    }
    if size.lower() > most {
        let words =
            format!("the body has {} bytes, and {most} are taken here ([limits] body)\n", size.lower());
        return Err((StatusCode::PAYLOAD_TOO_LARGE, words).into_response());
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    Ok(request.map(|body| Body::new(Limited::new(body, most))))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use bytes::Bytes;
    use hyper::body::Frame;

    use super::*;

    /// So many pieces of five bytes, and no word of how many.
    struct Chunked(usize);

    impl HttpBody for Chunked {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let more = self.0.checked_sub(1);
            self.0 = more.unwrap_or(0);
            Poll::Ready(more.map(|_| Ok(Frame::data(Bytes::from_static(b"12345")))))
        }
    }

    fn request(body: Body) -> Request {
        Request::new(body)
    }

    async fn read(request: Request) -> Result<usize, String> {
        let read = axum::body::to_bytes(request.into_body(), usize::MAX).await;
        read.map(|bytes| bytes.len()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_refused_or_cut_off() {
        let view = Access::Stream(Right::View);
        let short = bounded(view, request(Body::from("x".repeat(10))), 10).unwrap();
        assert_eq!(read(short).await, Ok(10));
        let refused = bounded(view, request(Body::from("x".repeat(11))), 10).unwrap_err();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        // Chunked: nobody says how long it will be.
        let chunked = || request(Body::new(Chunked(4)));
        assert!(read(bounded(Access::Public, chunked(), 10).unwrap()).await.is_err());
        let published = bounded(Access::Stream(Right::Publish), chunked(), 10).unwrap();
        assert_eq!(read(published).await, Ok(20));
    }
}
