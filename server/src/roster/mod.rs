//! Which streams there should be, and how one set of them becomes another.
//!
//! Streams are of two kinds: *fixed* ones stand in the configuration (or on the command line) and change when it is read again; *kept* ones
//! were made by the API, and live in a file of their own. A fixed one hides a kept one of the same name.
//!
//! Invariant: what is not in the difference of two sets is not touched. A stream that goes takes its source, its viewers and all that is
//! made from it along; another one by the same name starts when the old one's source has let go of its camera. And: what was answered with
//! success is on the disk.
//!
//! Not here: what a definition means (see `config::plan`), when a source runs (see `supervise::source`), who may ask (see `http::api`).

mod difference;
mod edit;
mod judge;
mod live;
mod refused;
mod store;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hub::StreamName;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use self::difference::{Change, Definitions, difference};
pub use self::edit::Edit;
use self::edit::Plans;
pub use self::live::Live;
use self::live::Sections;
pub use self::refused::Refused;
use crate::auth::Identity;
use crate::config::file::Text;
use crate::config::plan::{self, StreamPlan};
use crate::endpoint::Endpoint;
use crate::supervise::cameras::{Camera, Cameras};
use crate::supervise::seat;
use crate::supervise::source::supervise;
use crate::supervise::tasks::{self, Tasks};

/// Where a roster finds and keeps its streams.
#[derive(Debug, Clone, Default)]
pub struct Home {
    /// The configuration file; `None` if the command line named the sources.
    pub configuration: Option<PathBuf>,
    /// Where streams of the API are kept; `None` if they live as long as the server.
    pub streams_file: Option<PathBuf>,
}

/// The streams that run. See the module's text.
#[derive(Debug)]
pub struct Roster {
    cameras: Arc<Cameras>,
    tasks: Tasks,
    live: Live,
    endpoints: &'static [&'static dyn Endpoint],
    home: Home,
    /// Whoever changes the set holds it from reading the old one until the new one is on the disk and runs.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fixed: Plans,
    kept: Plans,
    /// The configuration's other sections, as they are obeyed now.
    sections: Sections,
    running: BTreeMap<StreamName, Running>,
}

#[derive(Debug)]
struct Running {
    camera: Arc<Camera>,
    definition: toml::Table,
    /// Cancelled once its source has ended for good.
    over: CancellationToken,
}

/// What reading the configuration again has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The streams that changed.
    pub changes: Vec<Change>,
    /// Sections that are different now, and are obeyed after a restart only.
    pub restart: Vec<String>,
}

/// How a stream is defined.
#[derive(Debug, Clone)]
pub struct Defined {
    /// Where, for people.
    pub place: String,
    /// By the API, so that the API may change it.
    pub by_api: bool,
    /// Changes with the definition.
    pub tag: String,
}

impl Roster {
    /// Starts the streams of a configuration, and those that the API has made before.
    pub fn new(
        cameras: Arc<Cameras>,
        tasks: Tasks,
        live: Live,
        endpoints: &'static [&'static dyn Endpoint],
        home: Home,
        streams: Vec<StreamPlan>,
        sections: Sections,
    ) -> Self {
        let kept = home.streams_file.as_deref().map(|file| store::load(file, endpoints)).unwrap_or_default();
        let state = Mutex::new(State { kept, sections, ..State::default() });
        let roster =
            Self { cameras, tasks, live, endpoints, home, turn: tokio::sync::Mutex::default(), state };
        roster.turn_into(by_name(streams), None);
        roster
    }

    /// Whether what the API changes is there after a restart.
    pub fn keeps(&self) -> bool {
        self.home.streams_file.is_some()
    }

    /// How a stream is defined; `None` if it is not by itself, as a rendition.
    pub fn defined(&self, name: &str) -> Option<Defined> {
        let state = self.lock();
        let (plan, by_api) = state
            .fixed
            .get(name)
            .map(|plan| (plan, false))
            .or_else(|| Some((state.kept.get(name)?, true)))?;
        Some(Defined { place: plan.place.clone(), by_api, tag: tag(&plan.definition) })
    }

    /// Says whether a change would be made as things are.
    ///
    /// # Errors
    /// [`Refused`], as [`Roster::change`] would.
    pub fn judge(&self, edit: Edit, by: &Identity) -> Result<(), Refused> {
        self.outcome(edit, by).map(drop)
    }

    /// Makes one change of the API's streams, whole: on the disk, and running. It is made even if nobody waits for the answer any more.
    ///
    /// # Errors
    /// [`Refused`], and nothing has changed.
    pub async fn change(self: &Arc<Self>, edit: Edit, by: &Identity) -> Result<(), Refused> {
        let (roster, by) = (Arc::clone(self), by.clone());
        self.in_turn(async move { roster.make(edit, &by).await }).await
    }

    /// Reads the configuration again: its streams become those that run, its users and tokens those that are known, and what else can
    /// be set while the server runs is set (see [`Live`]).
    ///
    /// # Errors
    /// [`Refused`], and nothing has changed.
    pub async fn reload(self: &Arc<Self>) -> Result<Reloaded, Refused> {
        let roster = Arc::clone(self);
        self.in_turn(async move { roster.read_again().await }).await
    }

    /// As a task of its own: a caller who goes away must not leave half a change.
    async fn in_turn<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T, Refused>> + Send + 'static,
    ) -> Result<T, Refused> {
        let (sender, receiver) = oneshot::channel();
        let roster = Arc::clone(self);
        self.tasks.spawn("stream-change", async move {
            let turn = roster.turn.lock().await;
            let result = work.await;
            drop(turn);
            // Nobody waits any more if the caller went away.
            let _ = sender.send(result);
        });
        receiver.await.unwrap_or(Err(Refused::Ending))
    }

    /// The API's streams and the fixed ones after a change.
    fn outcome(&self, edit: Edit, by: &Identity) -> Result<(Plans, Plans), Refused> {
        let state = self.lock();
        let name = edit.name();
        if !state.running.contains_key(name) && self.cameras.get(name.as_str()).is_some() {
            let place = "the program, which makes it from another one".to_owned();
            return Err(Refused::Exists { name: name.clone(), place });
        }
        Ok((edit.apply(&state.fixed, &state.kept, self.endpoints, by)?, state.fixed.clone()))
    }

    async fn make(&self, edit: Edit, by: &Identity) -> Result<(), Refused> {
        let (new, fixed) = self.outcome(edit, by)?;
        if let Some(file) = self.home.streams_file.clone() {
            let definitions = definitions(&new);
            let place = file.display().to_string();
            let written =
                tasks::on_thread("streams-file".to_owned(), move || store::write(&file, &definitions));
            written
                .await
                .and_then(|written| written)
                .map_err(|e| Refused::NotKept { file: place, reason: e.to_string() })?;
        }
        self.turn_into(fixed, Some(new));
        Ok(())
    }

    async fn read_again(&self) -> Result<Reloaded, Refused> {
        let file = self.home.configuration.clone().ok_or(Refused::NoConfiguration)?;
        let origin = file.display().to_string();
        let unreadable =
            |e: std::io::Error| Refused::Unreadable { file: origin.clone(), reason: e.to_string() };
        let read = tasks::on_thread("reload".to_owned(), move || std::fs::read_to_string(file));
        let toml = read.await.and_then(|read| read).map_err(unreadable)?;
        let mut plan = plan::plan(&Text { origin, toml }, self.endpoints).map_err(Refused::Wrong)?;
        let streams = by_name(std::mem::take(&mut plan.streams));
        let obeyed = std::mem::take(&mut self.lock().sections);
        let (obeyed, restart) = self.live.obey(plan, &obeyed);
        self.lock().sections = obeyed;
        let changes = self.turn_into(streams, None);
        info!(streams = changes.len(), ?restart, "configuration read again");
        Ok(Reloaded { changes, restart })
    }

    /// Makes these the streams that run; gives what was done for it.
    fn turn_into(&self, fixed: Plans, kept: Option<Plans>) -> Vec<Change> {
        let mut state = self.lock();
        let state = &mut *state;
        state.fixed = fixed;
        if let Some(kept) = kept {
            state.kept = kept;
        }
        for name in state.kept.keys().filter(|name| state.fixed.contains_key(*name)) {
            warn!(stream = %name, "the configuration's stream hides the API's of the same name");
        }
        let mut new = state.kept.clone();
        new.extend(state.fixed.clone());
        let running = &mut state.running;
        let old = running.iter().map(|(name, stream)| (name.clone(), stream.definition.clone())).collect();
        let changes = difference(&old, &definitions(&new));
        for change in &changes {
            let name = change.name();
            if let Change::Retune(_) = change {
                if let (Some(known), Some(plan)) = (running.get_mut(name), new.remove(name)) {
                    known.camera.set_demand(plan.demand);
                    known.camera.seat().set_second(plan.second_publisher);
                    known.camera.pushes().turn_into(&known.camera, plan.pushes, &self.cameras, &self.tasks);
                    known.camera.data().turn_into(&known.camera, plan.data, &self.tasks);
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
        camera.seat().set_second(plan.second_publisher);
        camera.pushes().turn_into(&camera, plan.pushes, &self.cameras, &self.tasks);
        camera.data().turn_into(&camera, plan.data, &self.tasks);
        let over = CancellationToken::new();
        let (watched, guard) = (Arc::clone(&camera), over.clone().drop_guard());
        let begin = async move {
            if let Some(before) = before {
                before.cancelled().await;
            }
            guard
        };
        match (plan.source, plan.filler) {
            (Some(source), _) => self.tasks.spawn("source", async move {
                let _over = begin.await;
                supervise(watched, source).await;
            }),
            (None, Some(filler)) => self.tasks.spawn("filler", async move {
                let _over = begin.await;
                seat::fill(watched, filler).await;
            }),
            (None, None) => drop(begin),
        }
        Some(Running { camera, definition: plan.definition, over })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn by_name(streams: Vec<StreamPlan>) -> Plans {
    streams.into_iter().map(|stream| (stream.name.clone(), stream)).collect()
}

fn definitions(plans: &Plans) -> Definitions {
    plans.iter().map(|(name, plan)| (name.clone(), plan.definition.clone())).collect()
}

/// An entity tag (RFC 9110 §8.8.3) of a definition; it says nothing of what is in it.
fn tag(definition: &toml::Table) -> String {
    use sha1::{Digest, Sha1};
    use std::fmt::Write as _;
    use std::sync::LazyLock;
    /// Without it a password in an address could be guessed and compared.
    static SALT: LazyLock<u64> = LazyLock::new(|| {
        use std::hash::{BuildHasher, Hasher};
        std::collections::hash_map::RandomState::new().build_hasher().finish()
    });
    let mut digest = Sha1::new();
    digest.update(SALT.to_le_bytes());
    digest.update(definition.to_string());
    let mut tag = String::from("\"");
    for byte in digest.finalize().iter().take(10) {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}
