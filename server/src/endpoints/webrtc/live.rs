//! A stream that is to be watched: waited for until it is live, which starts its camera; with sound that WebRTC knows, if sound is wanted.

use std::sync::Arc;
use std::time::Duration;

use hub::{Hold, LagPolicy, Next, Stream};

use crate::endpoint::Context;
use crate::supervise::cameras::Camera;
use crate::transcode::{Sound, with_sound};

/// Waits for the first picture, for as long as a player waits; the camera is kept on by what this gives.
///
/// # Errors
/// Why there is none, in words.
pub(super) async fn live(camera: &Arc<Camera>) -> Result<Hold, String> {
    await_live(camera, camera.stream()).await
}

/// The stream of a camera that is live with sound that is Opus, made in its place if it is not: once for all, and only while somebody
/// listens. A stream whose sound cannot be made to fit is the camera's own.
pub(super) async fn with_opus(
    context: &Context,
    camera: &Arc<Camera>,
) -> Result<(Arc<Stream>, Hold), String> {
    let sounding = with_sound(context, camera, Sound::OPUS, PATIENCE).await;
    let stream = sounding.as_ref().map_or(camera.stream(), |sounding| &sounding.stream);
    let hold = await_live(camera, stream).await?;
    Ok((Arc::clone(stream), hold))
}

async fn await_live(camera: &Camera, stream: &Arc<Stream>) -> Result<Hold, String> {
    let hold = stream.hold();
    let mut units = stream.subscribe(LagPolicy::default());
    let live = async {
        loop {
            match units.next().await {
                Next::Item(_) => return true,
                Next::Skipped { .. } => {}
                Next::Closed(_) => return false,
            }
        }
    };
    match tokio::time::timeout(PATIENCE, live).await {
        Ok(true) => Ok(hold),
        Ok(false) => Err(format!("{} was closed", stream.name())),
        Err(_) => {
            let trouble =
                || camera.trouble().map_or_else(String::new, |trouble| format!(": {}", trouble.reason));
            let why = camera.label().map_or_else(|| ": nobody publishes it".to_owned(), |_| trouble());
            Err(format!("{} has no picture yet{why}", stream.name()))
        }
    }
}

/// So long a player waits for a camera to start.
const PATIENCE: Duration = Duration::from_secs(10);
