//! Keeps a stream going to another server, and tries again when that fails.
//!
//! All retry lives here, as that of sources does in `source`: an egress returns when it ends or fails. It watches the stream like any viewer,
//! so a source runs as long as it is sent somewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::cameras::Camera;
use crate::endpoint::Egress;

/// After the first failure, and doubled with each up to [`LONGEST`]: the other server is somebody else's.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// A run that lasted so long was a good one.
const GOOD_RUN: Duration = Duration::from_secs(30);

/// Sends a camera's stream until it is removed, or the server ends.
pub async fn keep(camera: Arc<Camera>, egress: Arc<dyn Egress>) {
    let (stream, stop) = (Arc::clone(camera.stream()), camera.stop().clone());
    let mut failures = 0_u32;
    while !stop.is_cancelled() {
        let began = Instant::now();
        let ended = egress.run(Arc::clone(&stream), stop.clone()).await;
        if stop.is_cancelled() {
            return;
        }
        failures = if began.elapsed() >= GOOD_RUN { 1 } else { failures.saturating_add(1) };
        let wait = FIRST.saturating_mul(1 << (failures - 1).min(16)).min(LONGEST);
        // The first failures are news, the hundredth of the same kind is not.
        if failures <= 5 || failures.is_power_of_two() {
            let retry_in_s = wait.as_secs();
            match ended {
                Ok(()) => info!(stream = %stream.name(), to = %egress.label(), retry_in_s, "a push ended"),
                Err(reason) => {
                    warn!(stream = %stream.name(), to = %egress.label(), %reason, failures, retry_in_s, "a push failed");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
