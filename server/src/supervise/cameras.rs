//! Every stream with what fills it and how that is going.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use hub::{Hub, HubError, Reason, RingLimits, Stream, StreamName};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::data::Exchange;
use super::egress::Pushes;
use super::ice_servers::IceServers;
use super::seat::Seat;
use super::source::Demand;
use crate::controls::{Control, Dial, Effect, Refused};
use crate::endpoint::Source;
use crate::metrics::{Metrics, Timings};
use crate::telemetry::unix_micros;

/// How a camera is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nobody watches; the source is off.
    Idle,
    /// The source was started and has sent nothing usable yet.
    Starting,
    /// Pictures (or sound) flow.
    Live,
    /// The source failed and is tried again; the reason in words.
    Reconnecting(String),
    /// The stream has no source of its own and waits for a publisher.
    Waiting,
    /// Somebody switched the source off; nobody's watching starts it.
    Off,
}

impl State {
    /// Every name there is.
    pub const NAMES: [&'static str; 6] = ["idle", "starting", "live", "reconnecting", "waiting", "off"];

    /// Its name in the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Reconnecting(_) => "reconnecting",
            Self::Waiting => "waiting",
            Self::Off => "off",
        }
    }
}

/// One stream, its source's label and state.
#[derive(Debug)]
pub struct Camera {
    stream: Arc<Stream>,
    label: Option<String>,
    /// The camera it is made from, as a rendition is: lists leave it out, and it goes when that one goes.
    origin: Option<Arc<Self>>,
    demand: watch::Sender<Demand>,
    /// Cancelled when it is removed, or the server ends.
    stop: CancellationToken,
    state: watch::Sender<State>,
    /// What is supervised; none before that, or without a source.
    source: RwLock<Option<Arc<dyn Source>>>,
    orders: watch::Sender<Orders>,
    /// For a publisher, where there is no source.
    seat: Seat,
    pushes: Pushes,
    data: Arc<Exchange>,
    starts: AtomicU64,
    failures: AtomicU64,
    timings: Arc<Timings>,
    house: House,
    ice_servers: IceServers,
    trouble: Mutex<Option<Trouble>>,
    meter: Mutex<Meter>,
}

/// Whether the server has anything left for a newcomer.
#[derive(Debug, Clone, Default)]
pub(crate) struct House {
    budget: Option<Arc<Budget>>,
    metrics: Arc<Metrics>,
}

impl House {
    /// Lets somebody in, and counts it if not.
    ///
    /// # Errors
    /// A sentence about what is used up.
    pub(crate) fn admit(&self) -> Result<(), String> {
        let Some(budget) = &self.budget else { return Ok(()) };
        budget.admit().map_err(|(why, words)| {
            self.metrics.refused(why);
            words
        })
    }
}

/// What a camera's supervisor is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Whether the source may run.
    pub(crate) on: bool,
    /// Counts up each time the source is to be started again.
    pub(crate) settings: u64,
}

/// A stream without a source of its own cannot be switched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} has no source of its own to switch: it shows what is published to it")]
pub struct NoSource(StreamName);

/// The last failure of a camera's source; stays to be seen when it runs again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// In words.
    pub reason: String,
    /// When: Unix microseconds.
    pub at: i64,
}

/// Rates over the last second or so.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rates {
    /// Bits per second, all tracks.
    pub bits_per_second: f64,
    /// Pictures per second.
    pub pictures_per_second: f64,
}

#[derive(Debug)]
struct Meter {
    at: Instant,
    bytes: u64,
    pictures: u64,
    rates: Rates,
}

impl Camera {
    /// The stream.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// What fills it, for people; `None` if it waits for a publisher.
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Whether lists leave it out.
    pub fn is_hidden(&self) -> bool {
        self.origin.is_some()
    }

    /// Whether it is made from that camera, and goes when that one goes.
    pub fn goes_with(&self, origin: &Arc<Self>) -> bool {
        self.origin.as_ref().is_some_and(|own| Arc::ptr_eq(own, origin))
    }

    /// Cancelled when it is removed, or the server ends: its source and whoever else works for it ends then.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// When its source runs.
    pub fn demand(&self) -> watch::Receiver<Demand> {
        self.demand.subscribe()
    }

    /// Changes when its source runs; its viewers notice nothing.
    pub fn set_demand(&self, demand: Demand) {
        self.demand.send_replace(demand);
    }

    /// The last failure of its source.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How it is doing; `Starting` becomes `Live` with the first usable unit, and so does `Reconnecting`.
    pub fn state(&self) -> State {
        let state = self.state.borrow().clone();
        match state {
            State::Starting | State::Reconnecting(_) if self.stream.snapshot().live => State::Live,
            other => other,
        }
    }

    /// How often its source was started.
    pub fn starts(&self) -> u64 {
        self.starts.load(Ordering::Relaxed)
    }

    /// How often a run of its source failed or ended.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// How long things take on it.
    pub fn timings(&self) -> &Arc<Timings> {
        &self.timings
    }

    /// The stream that its source makes it from, if it does.
    pub fn made_from(&self) -> Option<StreamName> {
        self.source()?.origin().cloned()
    }

    /// What of its source can be set, as it stands.
    pub fn dials(&self) -> Vec<Dial> {
        self.source().map(|source| source.dials()).unwrap_or_default()
    }

    /// Sets all of these, or none; the source is started again if it must be, and viewers stay.
    ///
    /// # Errors
    /// [`Refused`] with the source's reason.
    pub fn set(&self, changes: &[(Control, f64)]) -> Result<Effect, Refused> {
        let effect = match (self.source(), changes.first()) {
            (Some(source), _) => source.set(changes)?,
            (None, None) => Effect::Live,
            (None, Some((control, _))) => {
                let reason = format!("the stream shows what is published to it: it takes no {control}");
                return Err(Refused { control: *control, reason });
            }
        };
        if effect == Effect::Restart {
            self.orders.send_modify(|orders| orders.settings += 1);
        }
        Ok(effect)
    }

    /// Whom a source may ask that calls a peer.
    pub(crate) fn ice_servers(&self) -> &IceServers {
        &self.ice_servers
    }

    /// What a newcomer is let in by.
    pub(crate) fn house(&self) -> &House {
        &self.house
    }

    /// Whether its source may run.
    pub fn is_on(&self) -> bool {
        self.orders.borrow().on
    }

    /// Lets its source run, or stops it for everybody until it is let run again.
    ///
    /// # Errors
    /// [`NoSource`] if there is nothing to switch off.
    pub fn switch(&self, on: bool) -> Result<(), NoSource> {
        if !on && self.label.is_none() {
            return Err(NoSource(self.stream.name().clone()));
        }
        self.orders.send_if_modified(|orders| std::mem::replace(&mut orders.on, on) != on);
        Ok(())
    }

    /// What its supervisor is told, now and later.
    pub(crate) fn orders(&self) -> watch::Receiver<Orders> {
        self.orders.subscribe()
    }

    /// Says which source is supervised. A filler cannot be set: it is nobody's camera.
    pub(crate) fn supervised(&self, source: Arc<dyn Source>) {
        if self.label.is_none() {
            return;
        }
        *self.source.write().unwrap_or_else(PoisonError::into_inner) = Some(source);
    }

    fn source(&self) -> Option<Arc<dyn Source>> {
        self.source.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The place for a publisher, where there is no source.
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Where it is sent to.
    pub fn pushes(&self) -> &Pushes {
        &self.pushes
    }

    /// What those who drive it and its programs say to each other.
    pub fn data(&self) -> &Arc<Exchange> {
        &self.data
    }

    /// How its source is doing. A filler is none: the stream waits all the same.
    pub(crate) fn set_state(&self, state: State) {
        if let State::Reconnecting(reason) = &state {
            self.failures.fetch_add(1, Ordering::Relaxed);
            let trouble = Trouble { reason: reason.clone(), at: unix_micros() };
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
        }
        if self.label.is_some() {
            self.enter(state);
        }
    }

    /// A run of its source begins. One that follows a failure shows why the last one failed until it does better: whoever watches a
    /// camera that cannot be had sees the reason, not a start each second.
    pub(crate) fn started(&self, after_failure: bool) {
        if !after_failure {
            self.set_state(State::Starting);
        } else if self.label.is_some() {
            self.starts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether somebody publishes.
    pub(crate) fn set_published(&self, published: bool) {
        self.enter(if published { State::Starting } else { State::Waiting });
    }

    fn enter(&self, state: State) {
        if state == State::Starting {
            self.starts.fetch_add(1, Ordering::Relaxed);
        }
        self.state.send_replace(state);
    }

    /// Rates since the last time somebody asked, at least a second ago.
    pub fn rates(&self) -> Rates {
        let snapshot = self.stream.snapshot();
        let now = Instant::now();
        let mut meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.duration_since(meter.at);
        if passed >= Duration::from_secs(1) {
            let per_second = |count: u64| count as f64 / passed.as_secs_f64();
            meter.rates = Rates {
                bits_per_second: per_second(snapshot.bytes.saturating_sub(meter.bytes)) * 8.0,
                pictures_per_second: per_second(snapshot.pictures.saturating_sub(meter.pictures)),
            };
            meter.at = now;
            meter.bytes = snapshot.bytes;
            meter.pictures = snapshot.pictures;
        }
        meter.rates
    }
}

/// All cameras of the server.
#[derive(Debug, Default)]
pub struct Cameras {
    hub: Hub,
    stop: CancellationToken,
    house: House,
    ice_servers: IceServers,
    by_name: RwLock<BTreeMap<StreamName, Arc<Camera>>>,
}

impl Cameras {
    /// No camera yet; `stop` ends all that come.
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, ..Self::default() }
    }

    /// With a budget that publishers are under as well.
    #[must_use]
    pub fn within(self, budget: Arc<Budget>, metrics: Arc<Metrics>) -> Self {
        Self { house: House { budget: Some(budget), metrics }, ..self }
    }

    /// Who is asked by those of all cameras that call peers.
    pub fn ice_servers(&self) -> &IceServers {
        &self.ice_servers
    }

    /// Adds a stream.
    ///
    /// # Errors
    /// [`HubError::Exists`] if the name is taken.
    pub fn add(&self, name: StreamName, label: Option<String>) -> Result<Arc<Camera>, HubError> {
        self.create(name, label, None)
    }

    /// Adds a stream that is made from another one and goes with it. If that one is gone already, so is this one.
    ///
    /// # Errors
    /// [`HubError::Exists`] if the name is taken.
    pub fn add_made_from(
        &self,
        origin: &Arc<Camera>,
        name: StreamName,
        label: String,
    ) -> Result<Arc<Camera>, HubError> {
        self.create(name, Some(label), Some(Arc::clone(origin)))
    }

    fn create(
        &self,
        name: StreamName,
        label: Option<String>,
        origin: Option<Arc<Camera>>,
    ) -> Result<Arc<Camera>, HubError> {
        let stream = self.hub.create(name.clone(), RingLimits::default())?;
        let first = if label.is_some() { State::Idle } else { State::Waiting };
        let camera = Arc::new(Camera {
            stream,
            label,
            stop: origin.as_ref().map_or(&self.stop, |origin| &origin.stop).child_token(),
            origin,
            demand: watch::Sender::new(Demand::default()),
            trouble: Mutex::new(None),
            state: watch::Sender::new(first),
            source: RwLock::new(None),
            orders: watch::Sender::new(Orders { on: true, settings: 0 }),
            seat: Seat::default(),
            pushes: Pushes::default(),
            data: Arc::default(),
            starts: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            timings: Arc::default(),
            house: self.house.clone(),
            ice_servers: self.ice_servers.clone(),
            meter: Mutex::new(Meter { at: Instant::now(), bytes: 0, pictures: 0, rates: Rates::default() }),
        });
        let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        // Removing marks the whole family under the same lock: a late child is either found there, or sees it here.
        if camera.origin.as_ref().is_some_and(|origin| origin.stop.is_cancelled()) {
            drop(by_name);
            self.hub.remove(name.as_str(), Reason::Removed);
        } else {
            by_name.insert(name, Arc::clone(&camera));
        }
        Ok(camera)
    }

    /// Takes a camera and all that is made from it out: sources stop, and viewers are told that the stream was removed.
    pub fn remove(&self, camera: &Arc<Camera>) {
        let mut gone = vec![Arc::clone(camera)];
        {
            let mut by_name = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
            let mut next = 0;
            while let Some(origin) = gone.get(next).cloned() {
                let made = by_name
                    .values()
                    .filter(|camera| camera.origin.as_ref().is_some_and(|known| Arc::ptr_eq(known, &origin)));
                gone.extend(made.cloned());
                next += 1;
            }
            by_name.retain(|_, known| !gone.iter().any(|camera| Arc::ptr_eq(camera, known)));
            camera.stop.cancel();
        }
        for camera in gone {
            let name = camera.stream.name().as_str();
            if self.hub.get(name).is_some_and(|known| Arc::ptr_eq(&known, &camera.stream)) {
                self.hub.remove(name, Reason::Removed);
            }
        }
    }

    /// The camera of that name.
    pub fn get(&self, name: &str) -> Option<Arc<Camera>> {
        self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// All that lists show, by name.
    pub fn list(&self) -> Vec<Arc<Camera>> {
        let all = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        all.values().filter(|camera| !camera.is_hidden()).cloned().collect()
    }

    /// Ends every subscription of every stream.
    pub fn close(&self) {
        self.hub.close(Reason::Shutdown);
    }
}
