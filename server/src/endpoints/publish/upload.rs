//! A request whose body is the stream: `ffmpeg -f mpegts -method PUT http://…/front/publish`, `curl -T -`.
//!
//! The body is read as it comes and answered when it ends. What is wrong before the body is answered at once, so that a
//! client which waits for 100 (`Expect`) sends nothing in vain.
//!
//! Whoever sends more in a second than `[limits] publish_rate` is read no faster than that.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::BodyDataStream;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use container::demux::InputFormat;
use futures_core::Stream;
use serde::Serialize;

use super::feed::Feed;
use super::{input_format, status_of};
use crate::endpoint::Context;
use crate::net::rate_limit::RateLimit;
use crate::supervise::cameras::Camera;
use crate::supervise::seat::Seat;

/// What was taken, told at the end.
#[derive(Debug, Serialize)]
struct Taken {
    stream: String,
    format: Option<&'static str>,
    bytes: u64,
    /// Pictures and packets of sound.
    units: u64,
    seconds: f64,
}

/// How an upload ended.
enum End {
    /// With its body.
    Whole,
    /// The client went away in the middle; there is nobody to tell.
    Gone(String),
    /// We ended it.
    Refused(StatusCode, String),
}

/// Publishes a request's body.
pub(super) async fn upload(camera: &Arc<Camera>, context: &Context, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if !context.origins.allows(&head.headers) {
        let text = "this page may not publish: list its origin in [http] allow_origins\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    let format = match stated(&head.uri, &head.headers) {
        Ok(format) => format,
        Err((status, text)) => return (status, format!("{text}\n")).into_response(),
    };
    let (publisher, seat) = match Seat::take(camera, "HTTP", &head.extensions) {
        Ok(taken) => taken,
        Err(refused) => return refused.into_response(),
    };
    let mut feed = Feed::new(publisher, format);
    let mut rate = RateLimit::new(context.limits.now().publish_rate, Instant::now());
    let mut wait = Duration::ZERO;
    let mut body = body.into_data_stream();
    let end = loop {
        let pushed = tokio::select! {
            () = tokio::time::sleep(wait), if !wait.is_zero() => {
                wait = Duration::ZERO;
                Ok(())
            }
            piece = next(&mut body), if wait.is_zero() => match piece {
                Some(Ok(bytes)) => {
                    wait = rate.take(bytes.len(), Instant::now());
                    feed.push(&bytes)
                }
                Some(Err(error)) => break End::Gone(error.to_string()),
                None => match feed.finish() {
                    Ok(()) => break End::Whole,
                    Err(error) => Err(error),
                },
            },
            error = feed.silence() => Err(error),
            () = seat.door().cancelled() => {
                let reason = if seat.is_replaced() { "another publisher took over" } else { "closed by the operator" };
                break End::Refused(StatusCode::CONFLICT, reason.to_owned());
            }
            () = camera.stop().cancelled() => {
                break if context.stop.is_cancelled() {
                    End::Refused(StatusCode::SERVICE_UNAVAILABLE, "the server ends".to_owned())
                } else {
                    End::Refused(StatusCode::GONE, "the stream was removed".to_owned())
                };
            }
        };
        if let Err(error) = pushed {
            break End::Refused(status_of(&error, feed.units()), error.to_string());
        }
    };
    let taken = Taken {
        stream: camera.stream().name().to_string(),
        format: feed.format().map(InputFormat::name),
        bytes: feed.bytes(),
        units: feed.units(),
        seconds: (feed.lasted().as_secs_f64() * 1_000.0).round() / 1_000.0,
    };
    drop(feed); // the stream is free before the seat is
    match end {
        End::Whole => {
            seat.end("its body ended");
            Json(taken).into_response()
        }
        End::Gone(reason) => {
            seat.end(&reason);
            StatusCode::BAD_REQUEST.into_response()
        }
        End::Refused(status, reason) => {
            seat.end(&reason);
            (status, format!("{reason}\n")).into_response()
        }
    }
}

/// The next piece of a body.
async fn next(body: &mut BodyDataStream) -> Option<Result<Bytes, axum::Error>> {
    poll_fn(|context| Pin::new(&mut *body).poll_next(context)).await
}

/// What the client says its body is: `?format=` before `Content-Type`; `None` leaves it to be found by looking.
fn stated(uri: &Uri, headers: &HeaderMap) -> Result<Option<InputFormat>, (StatusCode, String)> {
    let unsupported = |text| Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    if let Some(coding) = headers.get(header::CONTENT_ENCODING).filter(|coding| *coding != "identity") {
        return unsupported(format!("the body is taken as it is, not with the coding {coding:?}"));
    }
    let query = uri.query().unwrap_or_default();
    if let Some(name) = query.split('&').find_map(|pair| pair.strip_prefix("format=")) {
        return input_format(name).map(Some).map_err(|e| (StatusCode::BAD_REQUEST, format!("format: {e}")));
    }
    let Some(content_type) = headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let text = content_type.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        // What programs say that do not know better, curl among them.
        "" | "application/octet-stream" | "application/x-www-form-urlencoded" => Ok(None),
        "video/mp2t" | "video/mpeg" | "video/mpegts" => Ok(Some(InputFormat::MpegTs)),
        "video/x-flv" | "video/flv" => Ok(Some(InputFormat::Flv)),
        "video/mp4" | "audio/mp4" | "application/mp4" => Ok(Some(InputFormat::Mp4)),
        "video/h264" | "video/x-h264" | "video/avc" => Ok(Some(InputFormat::AnnexB)),
        "audio/aac" | "audio/aacp" | "audio/x-aac" => Ok(Some(InputFormat::Adts)),
        _ => unsupported(format!(
            "a body of {essence} cannot be published; MPEG-TS (video/mp2t), MP4 in fragments (video/mp4), \
             FLV (video/x-flv), H.264 (video/h264) and AAC in ADTS (audio/aac) can"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(uri: &str, content_type: Option<&str>) -> Result<Option<InputFormat>, StatusCode> {
        let mut headers = HeaderMap::new();
        if let Some(text) = content_type {
            headers.insert(header::CONTENT_TYPE, text.parse().unwrap());
        }
        stated(&uri.parse().unwrap(), &headers).map_err(|(status, _)| status)
    }

    #[test]
    fn the_query_goes_before_the_content_type_and_silence_means_looking() {
        assert_eq!(judge("/f/publish", None), Ok(None));
        assert_eq!(judge("/f/publish", Some("application/x-www-form-urlencoded")), Ok(None));
        assert_eq!(judge("/f/publish", Some("video/MP2T; charset=x")), Ok(Some(InputFormat::MpegTs)));
        assert_eq!(judge("/f/publish?a=b&format=h264", Some("video/mp4")), Ok(Some(InputFormat::AnnexB)));
    }

    #[test]
    fn what_cannot_be_published_is_refused_before_its_body() {
        assert_eq!(judge("/f/publish", Some("video/webm")), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        assert_eq!(judge("/f/publish", Some("multipart/form-data")), Err(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        assert_eq!(judge("/f/publish?format=gif", None), Err(StatusCode::BAD_REQUEST));
    }
}
