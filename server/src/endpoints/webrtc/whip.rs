//! Somebody who publishes: an offer of what they send, answered with what of it is read here.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::exchange::{self, Refusal};
use super::purpose;
use crate::endpoint::Context;
use crate::supervise::cameras::Camera;
use crate::supervise::seat::Seat;
use crate::webrtc::{Part, Wants};

pub(super) async fn answer(
    camera: &Arc<Camera>,
    context: &Context,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let (path, extensions) = (request.uri().path().to_owned(), request.extensions().clone());
    let offer = exchange::offer(request).await?;
    let sends = [&offer.asked().video, &offer.asked().audio];
    if !sends.into_iter().flatten().any(|medium| medium.sends) {
        let detail = "the offer would send neither pictures nor sound";
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let answered = context.webrtc.answer(offer, Wants { takes: true, ..Wants::default() })?;
    let (publisher, seat) = match Seat::take(camera, "WebRTC", &extensions) {
        Ok(taken) => taken,
        Err(refused) => return Ok(refused.into_response()),
    };
    let rate = context.limits.now().publish_rate;
    let part =
        Part { purpose: purpose(camera, true), show: None, take: Some((publisher, seat, rate)), heard: None };
    let mut response = exchange::created(&answered, context.webrtc.ice_servers());
    let session = answered.begin(part).await;
    exchange::located(&mut response, &path, session.id());
    Ok(response)
}
