//! `…/video`: the socket that Robopipe's players play.
//!
//! It owns no media logic: it finds the stream, learns what the format must know before the first picture, and hands the viewer over.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use container::{Format, FormatOptions};
use hub::LagPolicy;
use tokio::net::TcpStream;

use super::Face;
use super::call::Call;
use super::errors::Failure;
use super::rendition::intra_only;
use crate::controls::Control;
use crate::supervise::cameras::Camera;
use crate::transcode::look;
use crate::viewers::{Framing, Manners, WebSocketDialogue};
use crate::ws::handshake;

/// As the list of viewers names this format.
pub(super) const FORMAT: &str = "robopipe";
/// The old player appends the init segment and drops what comes while that is digested.
const INIT_PAUSE: Duration = Duration::from_millis(20);
/// As every WebSocket output.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// A viewer of a camera that shows nothing is let go after this; players come again.
const FIRST_PICTURE: Duration = Duration::from_secs(60);

/// Opens the socket.
pub(super) async fn open(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    // As the original's: a name that cannot be is refused with no body, which no player could read.
    let camera = match call.active_stream(&face.context.cameras) {
        Ok(camera) => camera,
        Err(Failure::Invalid(_)) if call.headers().contains_key(header::UPGRADE) => {
            return Ok(StatusCode::FORBIDDEN.into_response());
        }
        Err(failure) => return Err(failure),
    };
    let admission = match face.context.audience.admit(&camera, FORMAT, call.request.extensions()) {
        Ok(admission) => admission,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let (response, upgrade) = match handshake::accept(call.request, &face.context.origins) {
        Ok(accepted) => accepted,
        Err(refusal) => return Ok(refusal),
    };
    let tasks = face.context.tasks.clone();
    tasks.spawn("robopipe-viewer", async move {
        let Some(connection) = upgrade.connection().await else { return };
        // The format counts time in pictures, so it must know how many make a second before the first.
        let seen = tokio::select! {
            seen = look(camera.stream()) => seen,
            () = gone(connection.io.tcp()) => return,
            () = admission.door().cancelled() => return,
            () = tokio::time::sleep(FIRST_PICTURE) => return,
        };
        let Some(seen) = seen else { return };
        let stream = if face.settings.intra_only && !seen.intra_only {
            intra_only(&camera, &face.context)
        } else {
            Arc::clone(camera.stream())
        };
        // What was seen may be pictures from before the pace was set anew.
        let frame_rate = face.settings.fps.or_else(|| set_pace(&camera)).unwrap_or(seen.frame_rate);
        let format = Format::Robopipe { frame_rate };
        let options = FormatOptions { audio: false, ..FormatOptions::default() };
        let manners = Manners {
            framing: Framing::Messages { text_init: false },
            init_pause: INIT_PAUSE,
            cushion: None,
            send_timeout: SEND_TIMEOUT,
        };
        let session = face.viewers.serve(
            connection,
            &stream,
            (format, options),
            LagPolicy::default(),
            manners,
            WebSocketDialogue::default(),
            admission,
        );
        drop((seen, stream, camera, face));
        session.await;
    });
    Ok(response)
}

/// Pictures a second, if the source has a dial for that.
fn set_pace(camera: &Camera) -> Option<NonZeroU32> {
    let dial = camera.dials().into_iter().find(|dial| dial.control == Control::FrameRate)?;
    NonZeroU32::new(dial.value.round() as u32)
}

/// Until the peer has closed the connection.
async fn gone(io: &TcpStream) {
    // Bytes that wait hide the end behind them; these viewers have nothing to say, so there are none, mostly.
    while !matches!(io.peek(&mut [0]).await, Ok(0) | Err(_)) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
