//! Somebody who watches: an offer for a stream, answered with what of it their browser takes.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::exchange::{self, Refusal};
use super::purpose;
use crate::endpoint::Context;
use crate::supervise::cameras::Camera;
use crate::viewers::by_webrtc::watchable;
use crate::webrtc::{Part, Wants};

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
    let watchable = watchable(context, camera, offer.asked()).await?;
    let wants = Wants { show: Some(watchable.feed()), takes: false };
    let answered = context.webrtc.answer(offer, wants)?;
    let format = watchable.format(&answered)?;
    let admission = match context.audience.admit(camera, format, &extensions) {
        Ok(admission) => admission,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let show = Some((watchable.feed().clone(), admission));
    let part = Part { purpose: purpose(camera, false), show, take: None, heard: None };
    let mut response = exchange::created(&answered, context.webrtc.ice_servers());
    let session = answered.begin(part).await;
    exchange::located(&mut response, &path, session.id());
    Ok(response)
}
