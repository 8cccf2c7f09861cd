//! Whether those who watch and publish still may.
//!
//! A request is judged once, before it is answered; an answer that goes on for days is judged again here, when the configuration was
//! read again and, since tokens expire, once a second. Whoever has lost the right is shown the door.
//!
//! Not here: logging out, which ends nothing that is being watched.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::audience::Audience;
use super::cameras::Cameras;
use crate::auth::{Guard, Right};

const EVERY: Duration = Duration::from_secs(1);

/// Looks at them until `stop`.
pub async fn watch(guard: Arc<Guard>, audience: Audience, cameras: Arc<Cameras>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = guard.replaced() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
        let policy = guard.policy();
        audience.recheck(|identity, stream| policy.renewed(identity).may(Right::View, stream));
        for camera in cameras.list() {
            let stream = camera.stream().name();
            camera.seat().recheck(|identity| policy.renewed(identity).may(Right::Publish, stream));
            camera.data().recheck(|identity, side| policy.renewed(identity).may(side.right(), stream));
        }
    }
}
