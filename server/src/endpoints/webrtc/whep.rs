//! Somebody who watches: an offer for a stream, answered with what of it their browser takes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use media::MediaKind;

use super::exchange::{self, Refusal};
use super::live::{live, with_opus};
use super::purpose;
use crate::endpoint::Context;
use crate::supervise::cameras::Camera;
use crate::webrtc::{Feed, Part, Wants};

pub(super) async fn answer(
    camera: &Arc<Camera>,
    context: &Context,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let (path, extensions) = (request.uri().path().to_owned(), request.extensions().clone());
    let offer = exchange::offer(request).await?;
    let receives = [&offer.asked().video, &offer.asked().audio];
    if !receives.into_iter().flatten().any(|medium| medium.receives) {
        let detail = "the offer would receive neither pictures nor sound";
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let wanted = offer.asked().video.clone().filter(|medium| medium.receives);
    let listens = offer.asked().audio.as_ref().is_some_and(|medium| medium.receives);
    // On until there is a session, which then keeps it on itself.
    let _hold = live(camera).await.map_err(|why| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why))?;
    let stream = camera.stream();
    if stream.is_reordered() {
        let detail = format!(
            "{} has B-frames, which WebRTC cannot carry: switch them off in the camera or encoder (\"B-frames\": 0, \"baseline\" profile, or \
             -bf 0), or watch it another way",
            stream.name()
        );
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    // Here is chosen whose sound is sent, and with it whose pictures: they are the same.
    let (sounding, _sounding) = if listens {
        let sounding = with_opus(context, camera).await;
        let (stream, hold) = sounding.map_err(|why| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why))?;
        (stream, Some(hold))
    } else {
        (Arc::clone(stream), None)
    };
    let feed = Feed::of(&sounding, &sounding.snapshot().tracks);
    let answered = context.webrtc.answer(offer, Wants { show: Some(&feed), takes: false })?;
    let pictures = stream.snapshot().tracks.into_iter().find(|track| track.kind() == MediaKind::Video);
    if let (Some(pictures), Some(wanted), false) = (pictures, wanted, answered.shows(MediaKind::Video)) {
        let (codec, theirs) = (pictures.parameters.codec().name(), wanted.list());
        let detail = format!("the pictures of {} are {codec}, and the offer takes {theirs}", stream.name());
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, detail));
    }
    if !answered.shows(MediaKind::Video) && !answered.shows(MediaKind::Audio) {
        let detail = format!("{} has nothing that the offer takes", stream.name());
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, detail));
    }
    let format = if answered.shows(MediaKind::Audio) { "webrtc" } else { "webrtc without sound" };
    let admission = match context.audience.admit(camera, format, &extensions) {
        Ok(admission) => admission,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let part =
        Part { purpose: purpose(camera, false), show: Some((feed, admission)), take: None, heard: None };
    let mut response = exchange::created(&answered, context.webrtc.ice_servers());
    let session = answered.begin(part).await;
    exchange::located(&mut response, &path, session.id());
    Ok(response)
}
