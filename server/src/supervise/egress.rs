//! Sends a stream on to other servers, and again when that fails.
//!
//! A push is somebody who watches: it keeps the source on, unless it is to go along with others only (`on_demand`). The other server is
//! called when there is something to send, and left when nothing comes any more. All retry of pushes lives here, as that of sources in
//! `source`; who else watches notices nothing of either.
//!
//! Not here: what is said to the other server (see the endpoint), the keys (see `config::push`).

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hub::{Hold, LagPolicy, Next};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::backoff::{Backoff, random};
use super::cameras::{Camera, Cameras, Trouble};
use super::source::caught;
use super::tasks::Tasks;
use crate::endpoint::{Egress, Outgoing};
use crate::error::EgressError;
use crate::telemetry::{Throttle, unix_micros};

/// One address that a stream is sent to.
#[derive(Clone)]
pub struct Destination {
    /// What was written, secrets and all: equal texts make equal pushes.
    pub written: String,
    /// Only while somebody else watches.
    pub on_demand: bool,
    /// What sends it.
    pub egress: Arc<dyn Egress>,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("on_demand", &self.on_demand)
            .field("egress", &self.egress)
            .finish_non_exhaustive()
    }
}

/// Where one stream is sent to.
#[derive(Debug, Default)]
pub struct Pushes {
    running: Mutex<Vec<Running>>,
    /// Those that send now without being anybody who watches.
    followers: AtomicUsize,
}

#[derive(Debug)]
struct Running {
    /// As it was written: a push that is written the same is not touched.
    written: String,
    push: Arc<Push>,
    _over: DropGuard,
}

/// One address that a stream is sent to, and how that is going.
#[derive(Debug)]
pub struct Push {
    label: String,
    status: Mutex<Status>,
    failures: AtomicU64,
}

/// How a push is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PushState {
    /// There is nothing to send.
    #[default]
    Idle,
    /// The other server is called.
    Connecting,
    /// It takes what it is sent.
    Sending,
    /// It failed, and is called again soon.
    Reconnecting,
}

#[derive(Debug, Default)]
struct Status {
    state: PushState,
    trouble: Option<Trouble>,
    /// What of the stream the other server goes without.
    lacks: Option<String>,
}

/// The waits after failures: nobody sits before the screen, and other people's servers are asked.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);
/// A server that does not take the stream as it is will hardly take it soon.
const SLOWLY: Duration = Duration::from_secs(60);
/// What comes and goes, as the room on a way, is not told of again within this time.
const BETWEEN_LINES: Duration = Duration::from_secs(60);
/// A server that took the stream this long was a good one: the next failure starts the back-off over.
const GOOD_RUN: Duration = Duration::from_secs(5);
/// A push that is over may say goodbye this long; then it is dropped.
const GOODBYE: Duration = Duration::from_secs(2);

impl PushState {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Sending => "sending",
            Self::Reconnecting => "reconnecting",
        }
    }
}

impl Push {
    /// Where to, for people.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How it is doing.
    pub fn state(&self) -> PushState {
        self.lock().state
    }

    /// The last failure; stays to be seen when it sends again.
    pub fn trouble(&self) -> Option<Trouble> {
        self.lock().trouble.clone()
    }

    /// What of the stream the other server goes without at present, and why.
    pub fn lacks(&self) -> Option<String> {
        self.lock().lacks.clone()
    }

    /// How often it failed.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn enter(&self, state: PushState) {
        let mut status = self.lock();
        status.state = state;
        if state != PushState::Sending {
            status.lacks = None;
        }
    }

    /// Whether that is news.
    fn lack(&self, lacks: Option<&str>) -> bool {
        let mut status = self.lock();
        let is_news = status.lacks.as_deref() != lacks;
        status.lacks = lacks.map(str::to_owned);
        is_news
    }

    fn fail(&self, reason: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let trouble = Some(Trouble { reason, at: unix_micros() });
        *self.lock() = Status { state: PushState::Reconnecting, trouble, lacks: None };
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pushes {
    /// What there is, in the order of the configuration.
    pub fn list(&self) -> Vec<Arc<Push>> {
        self.lock().iter().map(|running| Arc::clone(&running.push)).collect()
    }

    /// Makes these the pushes of a camera: what is written as before goes on, what is not any more says goodbye.
    pub(crate) fn turn_into(
        &self,
        camera: &Arc<Camera>,
        plans: Vec<Destination>,
        cameras: &Arc<Cameras>,
        tasks: &Tasks,
    ) {
        let mut running = self.lock();
        let mut before = std::mem::take(&mut *running);
        for plan in plans {
            let known = before.iter().position(|known| known.written == plan.written);
            running.push(
                known.map_or_else(|| start(camera, plan, cameras, tasks), |known| before.swap_remove(known)),
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start(camera: &Arc<Camera>, plan: Destination, cameras: &Arc<Cameras>, tasks: &Tasks) -> Running {
    let stop = camera.stop().child_token();
    let push =
        Arc::new(Push { label: plan.egress.label(), status: Mutex::default(), failures: AtomicU64::new(0) });
    let (watched, shown, over) = (Arc::clone(camera), Arc::clone(&push), stop.clone());
    let among = (Arc::clone(cameras), tasks.clone());
    tasks.spawn(
        "push",
        async move { keep(&watched, &shown, plan.egress, plan.on_demand, &among, &over).await },
    );
    Running { written: plan.written, push, _over: stop.drop_guard() }
}

/// Why a run ended.
enum Ended {
    /// There is nothing to send any more.
    Over,
    /// Nobody else watches any more.
    Unwanted,
    Stopped,
    /// After it went well for a while, or not; whether it is to be tried again soon.
    Failed {
        reason: String,
        good: bool,
        soon: bool,
    },
}

async fn keep(
    camera: &Arc<Camera>,
    push: &Arc<Push>,
    egress: Arc<dyn Egress>,
    on_demand: bool,
    among: &(Arc<Cameras>, Tasks),
    stop: &CancellationToken,
) {
    let mut backoff = Backoff::between(FIRST, LONGEST);
    // What is left of something that has fallen silent is not sent again.
    let mut fresh = false;
    let stream = camera.stream().name();
    loop {
        push.enter(PushState::Idle);
        let hold = tokio::select! {
            () = stop.cancelled() => return,
            hold = something(camera, on_demand, fresh) => match hold {
                Some(hold) => hold,
                None => return,
            },
        };
        push.enter(PushState::Connecting);
        let ended = run_once(camera, push, egress.as_ref(), (on_demand, hold), among, stop).await;
        fresh = false;
        match ended {
            Ended::Stopped => return,
            Ended::Over => fresh = true,
            Ended::Unwanted => info!(%stream, to = push.label(), "nobody watches any more: push stopped"),
            Ended::Failed { reason, good, soon } => {
                if good {
                    backoff.reset();
                }
                let wait = backoff.next(random());
                let wait = if soon { wait } else { SLOWLY };
                if backoff.is_news() {
                    let failures = backoff.failures();
                    warn!(%stream, to = push.label(), %reason, failures, retry_in_ms = wait.as_millis() as u64, "push failed");
                }
                push.fail(reason);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
    }
}

/// Waits until there is something to send, and somebody else to see it where that is asked for; `None` if the stream is over.
async fn something(camera: &Arc<Camera>, on_demand: bool, fresh: bool) -> Option<Hold> {
    if on_demand {
        others(camera, true).await;
    }
    let follower = on_demand.then(|| Follower::new(camera));
    let mut units = camera.stream().subscribe(LagPolicy::default());
    if fresh {
        units.start_fresh();
    }
    loop {
        match units.next().await {
            Next::Item(_) => break,
            Next::Skipped { .. } => {}
            Next::Closed(_) => return None,
        }
    }
    drop(follower);
    Some(camera.stream().hold())
}

async fn run_once(
    camera: &Arc<Camera>,
    push: &Arc<Push>,
    egress: &dyn Egress,
    (on_demand, hold): (bool, Hold),
    (cameras, tasks): &(Arc<Cameras>, Tasks),
    stop: &CancellationToken,
) -> Ended {
    let _follower = on_demand.then(|| Follower::new(camera));
    let end = stop.child_token();
    let begun = Arc::new(OnceLock::new());
    let taken = {
        let (push, begun, stream) = (Arc::clone(push), Arc::clone(&begun), camera.stream().name().clone());
        Box::new(move || {
            info!(%stream, to = push.label(), "push begins");
            push.enter(PushState::Sending);
            begun.get_or_init(Instant::now);
        })
    };
    let lacks = {
        let (push, stream, lines) =
            (Arc::clone(push), camera.stream().name().clone(), Throttle::new(BETWEEN_LINES));
        Box::new(move |lacks: Option<String>| {
            if push.lack(lacks.as_deref())
                && let (Some(why), Some(held)) = (lacks, lines.allow())
            {
                warn!(%stream, to = push.label(), %why, held, "not all of the stream is sent on");
            }
        })
    };
    let outgoing = Outgoing {
        stream: Arc::clone(camera.stream()),
        camera: Arc::clone(camera),
        cameras: Arc::clone(cameras),
        tasks: tasks.clone(),
        hold,
        taken,
        lacks,
        stop: end.clone(),
    };
    let mut run = caught(egress.run(outgoing), EgressError::Ended);
    let ended = tokio::select! {
        result = &mut run => return match result {
            _ if stop.is_cancelled() => Ended::Stopped,
            Ok(()) => Ended::Over,
            Err(error) => {
                let good = begun.get().is_some_and(|begun| begun.elapsed() >= GOOD_RUN);
                let soon = !matches!(error, EgressError::Refused(_));
                Ended::Failed { reason: error.to_string(), good, soon }
            }
        },
        () = others(camera, false), if on_demand => Ended::Unwanted,
        () = stop.cancelled() => Ended::Stopped,
    };
    end.cancel();
    // Whether it said goodbye or not, it is over.
    let _ = tokio::time::timeout(GOODBYE, &mut run).await;
    ended
}

/// Until somebody watches who is no push of this kind, or until none has for the linger.
async fn others(camera: &Camera, some: bool) {
    let (mut viewers, demand) = (camera.stream().demand(), camera.demand());
    loop {
        let there = |viewers: &usize| *viewers > camera.pushes().followers.load(Ordering::Relaxed);
        // The sender lives in the stream, which the camera holds.
        if viewers.wait_for(|viewers| there(viewers) == some).await.is_err() {
            std::future::pending::<()>().await;
        }
        if some {
            return;
        }
        let linger = demand.borrow().linger;
        if tokio::time::timeout(linger, viewers.wait_for(|viewers| there(viewers))).await.is_err() {
            return;
        }
    }
}

/// Counts as nobody for other pushes that only go along.
struct Follower<'c>(&'c Camera);

impl<'c> Follower<'c> {
    fn new(camera: &'c Camera) -> Self {
        camera.pushes().followers.fetch_add(1, Ordering::Relaxed);
        Self(camera)
    }
}

impl Drop for Follower<'_> {
    fn drop(&mut self) {
        self.0.pushes().followers.fetch_sub(1, Ordering::Relaxed);
    }
}
