//! The intra-only rendition of a stream: decoded and encoded again so that every picture stands alone.
//!
//! A stream like any other, but hidden and made on demand: it lives while one of this face's players watches, is shared by all of
//! them, and holds one subscription to the stream it is made from. A stream that is intra-only by itself needs none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use hub::{Stream, StreamName};
use tracing::warn;

use crate::endpoint::{Context, Source};
use crate::supervise::cameras::Camera;
use crate::supervise::source::{Demand, supervise};
use crate::transcode::{Budget, Gop, Target, Transcode};

/// A rendition costs an encoder: it stops soon after its last viewer.
const LINGER: Duration = Duration::from_secs(1);
/// Every picture stands alone. Intra pictures of camera quality take about this many bits a pixel.
const INTRA_ONLY: Target = Target {
    width: None,
    height: None,
    fps: None,
    budget: Budget::PerPixel(0.3),
    gop: Gop::Intra,
    audio: false,
};

/// The renditions that were ever asked for, by stream.
#[derive(Debug, Default)]
pub(super) struct Renditions {
    made: Mutex<HashMap<StreamName, Weak<Camera>>>,
}

impl Renditions {
    /// The intra-only rendition of a camera's stream, or the stream itself if no name is left for one.
    pub(super) fn intra_only(&self, camera: &Arc<Camera>, context: &Context) -> Arc<Stream> {
        let origin = camera.stream();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let known = made.get(origin.name()).and_then(Weak::upgrade);
        if let Some(rendition) = known.filter(|rendition| !rendition.stop().is_cancelled()) {
            return Arc::clone(rendition.stream());
        }
        let source = Transcode::new("intra-only", origin.name().clone(), INTRA_ONLY);
        let name = StreamName::new(&format!("{}@intra", origin.name()));
        let added = name.map_err(|e| e.to_string()).and_then(|name| {
            context.cameras.add_made_from(camera, name, source.label()).map_err(|e| e.to_string())
        });
        match added {
            Ok(rendition) => {
                let stream = Arc::clone(rendition.stream());
                made.retain(|_, rendition| rendition.strong_count() > 0);
                made.insert(origin.name().clone(), Arc::downgrade(&rendition));
                rendition.set_demand(Demand { on_demand: true, linger: LINGER });
                context.tasks.spawn("source", supervise(rendition, Arc::new(source)));
                stream
            }
            Err(reason) => {
                warn!(stream = %origin.name(), reason, "no intra-only rendition could be made: the stream is passed through");
                Arc::clone(origin)
            }
        }
    }
}
