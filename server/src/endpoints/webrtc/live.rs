//! A stream that is to be watched: waited for until it is live, which starts its camera.

use std::sync::Arc;
use std::time::Duration;

use hub::{Hold, LagPolicy, Next};

use crate::supervise::cameras::Camera;

/// Waits for the first picture, for as long as a player waits; the camera is kept on by what this gives.
///
/// # Errors
/// Why there is none, in words.
pub(super) async fn live(camera: &Arc<Camera>) -> Result<Hold, String> {
    let stream = camera.stream();
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
