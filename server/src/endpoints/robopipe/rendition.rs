//! The intra-only rendition of a stream: decoded and encoded again so that every picture stands alone.
//!
//! Shared by all of this face's players. A stream that is intra-only by itself needs none.

use std::sync::Arc;

use hub::Stream;
use tracing::warn;

use crate::endpoint::Context;
use crate::supervise::cameras::Camera;
use crate::supervise::renditions::rendition;
use crate::transcode::{Budget, Gop, Target, Transcode};

/// Every picture stands alone. Intra pictures of camera quality take about this many bits a pixel.
const INTRA_ONLY: Target = Target {
    width: None,
    height: None,
    fps: None,
    budget: Budget::PerPixel(0.3),
    gop: Gop::Intra,
    audio: false,
};

/// The intra-only rendition of a camera's stream, or the stream itself if no name is left for one.
pub(super) fn intra_only(camera: &Arc<Camera>, context: &Context) -> Arc<Stream> {
    let origin = camera.stream();
    let source = || -> Arc<dyn crate::endpoint::Source> {
        Arc::new(Transcode::new("intra-only", origin.name().clone(), INTRA_ONLY))
    };
    match rendition(&context.cameras, &context.tasks, camera, "intra", source) {
        Ok(rendition) => Arc::clone(rendition.stream()),
        Err(reason) => {
            warn!(stream = %origin.name(), reason, "no intra-only rendition could be made: the stream is passed through");
            Arc::clone(origin)
        }
    }
}
