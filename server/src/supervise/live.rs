//! Waiting for a stream to begin, as a player does who cannot be told anything before it has.

use std::sync::Arc;
use std::time::Duration;

use hub::{Hold, LagPolicy, Next, Stream};

use super::cameras::Camera;

/// Waits for the first picture of a stream that comes from this camera, which is kept on by what this gives.
///
/// # Errors
/// Why there is none, in words.
pub async fn live(camera: &Camera, stream: &Arc<Stream>, patience: Duration) -> Result<Hold, String> {
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
    match tokio::time::timeout(patience, live).await {
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
