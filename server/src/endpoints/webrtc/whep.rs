//! Somebody who watches: an offer for a stream, answered with what of it their browser takes. On a data channel they drive what they see,
//! if they may; one who asks for a data channel alone does nothing else.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::{Semaphore, mpsc};

use super::exchange::{self, Refusal};
use super::purpose;
use crate::auth::{Identity, Right};
use crate::endpoint::Context;
use crate::supervise::cameras::Camera;
use crate::supervise::data::Side;
use crate::viewers::by_webrtc::{format, watchable};
use crate::viewers::talk::{Talk, UNHEARD};
use crate::webrtc::{Part, Wants};

pub(super) async fn answer(
    camera: &Arc<Camera>,
    context: &Context,
    talkers: &Arc<Semaphore>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let (path, extensions) = (request.uri().path().to_owned(), request.extensions().clone());
    let offer = exchange::offer(request).await?;
    let receives = [&offer.asked().video, &offer.asked().audio];
    let watches = receives.into_iter().flatten().any(|medium| medium.receives);
    let name = camera.stream().name();
    let identity = extensions.get::<Identity>().cloned();
    let may = identity.as_ref().is_some_and(|they| they.may(Right::Control, name));
    let drives = offer.asked().data && may;
    let (answered, show, permit) = if watches {
        // Before anything else: who may not watch starts no camera.
        let admission = match context.audience.admit(camera, format(offer.asked()), &extensions) {
            Ok(admission) => admission,
            Err(refusal) => return Ok(refusal.into_response()),
        };
        let watchable = watchable(context, camera, offer.asked()).await?;
        let wants = Wants { show: Some(watchable.feed()), ..Wants::default() };
        let answered = context.webrtc.answer(offer, wants)?;
        watchable.check(&answered)?;
        (answered, Some((watchable.feed().clone(), admission)), None)
    } else if drives {
        let full = |_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "as many drive as may");
        let permit = Arc::clone(talkers).try_acquire_owned().map_err(full)?;
        (context.webrtc.answer(offer, Wants::default())?, None, Some(permit))
    } else if offer.asked().data {
        let detail = format!("saying something to {name} needs the right to control it");
        return Err(Refusal::new(StatusCode::FORBIDDEN, detail));
    } else {
        let detail = "the offer would receive neither pictures nor sound, and say nothing";
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    };
    let (heard, hears) = drives.then(|| mpsc::channel(UNHEARD)).unzip();
    let part = Part { purpose: purpose(camera, false), show, take: None, heard };
    let mut response = exchange::created(&answered, context.webrtc.ice_servers());
    let session = answered.begin(part).await;
    exchange::located(&mut response, &path, session.id());
    if let Some(hears) = hears {
        let talk = Talk { with: Some((Arc::clone(camera), Side::Driver)), identity, kept: permit };
        let stop = context.stop.clone();
        context.tasks.spawn("webrtc-data", async move { talk.run(session, hears, &stop).await });
    }
    Ok(response)
}
