//! Which streams there should be, and how one set of them becomes another.
//!
//! Invariant: what is not in the difference of two sets is not touched. A stream that goes takes its source, its viewers and all that is
//! made from it along; another one by the same name starts when the old one's source has let go of its camera.
//!
//! Not here: what a definition means (see `config::plan`), when a source runs (see `supervise::source`).

mod difference;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hub::StreamName;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use self::difference::{Change, Definitions, difference};
use crate::config::plan::StreamPlan;
use crate::supervise::cameras::{Camera, Cameras};
use crate::supervise::source::supervise;
use crate::supervise::tasks::Tasks;

/// The streams that run. See the module's text.
#[derive(Debug)]
pub struct Roster {
    cameras: Arc<Cameras>,
    tasks: Tasks,
    running: Mutex<BTreeMap<StreamName, Running>>,
}

#[derive(Debug)]
struct Running {
    camera: Arc<Camera>,
    definition: toml::Table,
    /// Cancelled once its source has ended for good.
    over: CancellationToken,
}

impl Roster {
    /// Starts these streams.
    pub fn new(cameras: Arc<Cameras>, tasks: Tasks, streams: Vec<StreamPlan>) -> Self {
        let roster = Self { cameras, tasks, running: Mutex::default() };
        roster.turn_into(streams);
        roster
    }

    /// Makes these the streams that run; gives what was done for it.
    pub fn turn_into(&self, streams: Vec<StreamPlan>) -> Vec<Change> {
        let mut new: BTreeMap<_, _> =
            streams.into_iter().map(|stream| (stream.name.clone(), stream)).collect();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let old = running.iter().map(|(name, stream)| (name.clone(), stream.definition.clone())).collect();
        let wanted = new.iter().map(|(name, stream)| (name.clone(), stream.definition.clone())).collect();
        let changes = difference(&old, &wanted);
        for change in &changes {
            let name = change.name();
            if let Change::Retune(_) = change {
                if let (Some(known), Some(plan)) = (running.get_mut(name), new.remove(name)) {
                    known.camera.set_demand(plan.demand);
                    known.definition = plan.definition;
                }
                continue;
            }
            let before = running.remove(name);
            if let Some(known) = &before {
                self.cameras.remove(&known.camera);
            }
            if let Some(plan) = new.remove(name) {
                let over = before.map(|known| known.over);
                running.extend(self.start(plan, over).map(|stream| (name.clone(), stream)));
            } else {
                info!(stream = %name, "stream removed");
            }
        }
        changes
    }

    /// Starts a stream, its source once `before` is over.
    fn start(&self, plan: StreamPlan, before: Option<CancellationToken>) -> Option<Running> {
        let label = plan.source.as_ref().map(|source| source.label());
        let camera = match self.cameras.add(plan.name, label) {
            Ok(camera) => camera,
            // Only something made from another stream can have the name, as a rendition.
            Err(error) => {
                warn!(%error, "a stream could not be added");
                return None;
            }
        };
        camera.set_demand(plan.demand);
        let over = CancellationToken::new();
        if let Some(source) = plan.source {
            let (camera, over) = (Arc::clone(&camera), over.clone().drop_guard());
            self.tasks.spawn("source", async move {
                let _over = over;
                if let Some(before) = before {
                    before.cancelled().await;
                }
                supervise(camera, source).await;
            });
        } else {
            over.cancel();
        }
        Some(Running { camera, definition: plan.definition, over })
    }
}
