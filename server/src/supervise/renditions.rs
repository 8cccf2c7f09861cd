//! Streams that are made from another one when somebody needs them so: hidden, shared by all who do, gone with that one.
//!
//! A rendition is a camera like any other whose source holds one subscription to its origin. It is known by its name, the origin's and a kind, so
//! whoever asks for the same kind gets the same stream.
//!
//! Not here: what is made (`transcode`), and streams that are configured to be made from others (`derived`).

use std::sync::Arc;
use std::time::Duration;

use hub::StreamName;

use super::cameras::{Camera, Cameras};
use super::source::{Demand, supervise};
use super::tasks::Tasks;
use crate::endpoint::Source;

/// A rendition costs a decoder and an encoder: it stops soon after its last viewer.
const LINGER: Duration = Duration::from_secs(1);

/// The rendition of a camera of this kind, made if there is none.
///
/// # Errors
/// Why there can be none: its name is another stream's, or no name.
pub fn rendition(
    cameras: &Cameras,
    tasks: &Tasks,
    origin: &Arc<Camera>,
    kind: &str,
    source: impl FnOnce() -> Arc<dyn Source>,
) -> Result<Arc<Camera>, String> {
    let name = StreamName::new(&format!("{}@{kind}", origin.stream().name())).map_err(|e| e.to_string())?;
    let known = || cameras.get(name.as_str()).filter(|camera| camera.goes_with(origin));
    if let Some(camera) = known() {
        return Ok(camera);
    }
    let source = source();
    let camera = match cameras.add_made_from(origin, name.clone(), source.label()) {
        Ok(camera) => camera,
        // Somebody else asked for it in this very moment.
        Err(error) => return known().ok_or_else(|| error.to_string()),
    };
    camera.set_demand(Demand { on_demand: true, linger: LINGER });
    tasks.spawn("source", supervise(Arc::clone(&camera), source));
    Ok(camera)
}
