//! One set of streams becomes another: whoever watches a stream that stays notices nothing.

#![allow(clippy::unwrap_used)] // a test may

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use firstlight::auth::{Credential, Guard, Outcome};
use firstlight::config::file::Text;
use firstlight::config::limits::{self, LiveLimits};
use firstlight::config::plan;
use firstlight::endpoints::ENDPOINTS;
use firstlight::net::connections::Connections;
use firstlight::roster::{Change, Home, Live, Refused, Roster};
use firstlight::supervise::budget::Budget;
use firstlight::supervise::cameras::Cameras;
use firstlight::supervise::tasks::Tasks;
use hub::{LagPolicy, Next, Reason, Stream, StreamName, Subscription};
use media::AccessUnit;
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(20);
const SMALL: &str = "source = { test = { width = 64, height = 64, fps = 30, audio = false } }";

struct Lab {
    cameras: Arc<Cameras>,
    tasks: Tasks,
    stop: CancellationToken,
    roster: Arc<Roster>,
    guard: Arc<Guard>,
    file: PathBuf,
}

impl Lab {
    fn with(toml: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("roster-{}-{}.toml", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let (tasks, stop) = (Tasks::default(), CancellationToken::new());
        let cameras = Arc::new(Cameras::new(stop.clone()));
        let home = Home { configuration: Some(file.clone()), streams_file: None };
        let plan = plan::plan(&Text { origin: "test".to_owned(), toml: toml.to_owned() }, ENDPOINTS).unwrap();
        let (known, work) = (Arc::clone(&cameras), tasks.clone());
        let guard = Arc::new(Guard::new(plan.auth, Arc::default()));
        let live = Live {
            guard: Arc::clone(&guard),
            origins: Arc::default(),
            limits: LiveLimits::default(),
            connections: Connections::new(100, 100),
            budget: Arc::new(Budget::new(limits::Budget::default())),
        };
        let roster = Roster::new(known, work, live, ENDPOINTS, home, plan.streams, plan.sections);
        Self { cameras, tasks, stop, roster: Arc::new(roster), guard, file }
    }

    async fn turn_into(&self, toml: &str) -> Vec<Change> {
        fs::write(&self.file, toml).unwrap();
        self.roster.reload().await.unwrap().changes
    }

    fn stream(&self, name: &str) -> Arc<Stream> {
        Arc::clone(self.cameras.get(name).unwrap().stream())
    }

    async fn end(self) {
        let _ = fs::remove_file(&self.file);
        self.stop.cancel();
        self.tasks.join(LIMIT).await.unwrap();
    }
}

async fn next(viewer: &mut Subscription<AccessUnit>) -> Next<AccessUnit> {
    tokio::time::timeout(LIMIT, viewer.next()).await.expect("something comes")
}

async fn picture(viewer: &mut Subscription<AccessUnit>) {
    assert!(matches!(next(viewer).await, Next::Item(_)));
}

/// Until the stream is closed, and why.
async fn end_of(viewer: &mut Subscription<AccessUnit>) -> Reason {
    loop {
        if let Next::Closed(reason) = next(viewer).await {
            return reason;
        }
    }
}

fn name(text: &str) -> StreamName {
    StreamName::new(text).unwrap()
}

#[tokio::test]
async fn a_stream_that_stays_goes_on_while_another_is_removed_and_a_third_comes() {
    let lab = Lab::with(&format!("[streams.stays]\n{SMALL}\n[streams.goes]\n{SMALL}\n"));
    let (stays, goes) = (lab.stream("stays"), lab.stream("goes"));
    let mut watching = stays.subscribe(LagPolicy::default());
    let mut losing = goes.subscribe(LagPolicy::default());
    picture(&mut watching).await;
    picture(&mut losing).await;

    let changes = lab.turn_into(&format!("[streams.new]\n{SMALL}\n[streams.stays]\n{SMALL}\n")).await;

    assert_eq!(changes, [Change::Remove(name("goes")), Change::Add(name("new"))]);
    assert_eq!(end_of(&mut losing).await, Reason::Removed);
    assert!(lab.cameras.get("goes").is_none());
    assert!(Arc::ptr_eq(&lab.stream("stays"), &stays));
    for _ in 0..30 {
        picture(&mut watching).await;
    }
    assert_eq!(lab.cameras.get("stays").unwrap().starts(), 1);
    picture(&mut lab.stream("new").subscribe(LagPolicy::default())).await;
    lab.end().await;
}

#[tokio::test]
async fn a_stream_with_another_source_is_another_stream_by_the_same_name() {
    let lab = Lab::with(&format!("[streams.front]\n{SMALL}\n"));
    let old = lab.stream("front");
    let mut viewer = old.subscribe(LagPolicy::default());
    picture(&mut viewer).await;

    let changes = lab.turn_into("[streams.front]\nsource = { test = { width = 128, height = 64 } }\n").await;

    assert_eq!(changes, [Change::Replace(name("front"))]);
    assert_eq!(end_of(&mut viewer).await, Reason::Removed);
    let new = lab.stream("front");
    assert!(!Arc::ptr_eq(&new, &old));
    picture(&mut new.subscribe(LagPolicy::default())).await;
    let widths: Vec<_> =
        new.snapshot().tracks.iter().filter_map(|track| track.parameters.dimensions()).collect();
    assert_eq!(widths, [(128, 64)]);
    lab.end().await;
}

#[tokio::test]
async fn only_when_a_source_runs_can_change_under_those_who_watch() {
    let lab = Lab::with(&format!("[streams.front]\n{SMALL}\nlinger = \"1h\"\n"));
    let mut viewer = lab.stream("front").subscribe(LagPolicy::default());
    picture(&mut viewer).await;

    let changes = lab.turn_into(&format!("[streams.front]\n{SMALL}\nlinger = \"10ms\"\n")).await;

    assert_eq!(changes, [Change::Retune(name("front"))]);
    picture(&mut viewer).await;
    drop(viewer);
    let camera = lab.cameras.get("front").unwrap();
    assert_eq!(camera.starts(), 1);
    let idle = async {
        while camera.state().name() != "idle" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, idle).await.expect("it stops after the new linger, not the old one");
    lab.end().await;
}

#[tokio::test]
async fn what_is_made_from_a_stream_goes_with_it() {
    let lab = Lab::with("[streams.front]\n");
    let camera = lab.cameras.get("front").unwrap();
    let made = lab.cameras.add_made_from(&camera, name("front@small"), "smaller".to_owned()).unwrap();
    let mut viewer = made.stream().subscribe(LagPolicy::default());

    lab.turn_into("").await;

    assert_eq!(end_of(&mut viewer).await, Reason::Removed);
    assert!(lab.cameras.get("front@small").is_none());
    let late = lab.cameras.add_made_from(&camera, name("front@small"), "smaller".to_owned()).unwrap();
    assert_eq!(end_of(&mut late.stream().subscribe(LagPolicy::default())).await, Reason::Removed);
    assert!(lab.cameras.get("front@small").is_none());
    lab.turn_into("[streams.front]\n").await;
    let camera = lab.cameras.get("front").unwrap();
    lab.cameras.add_made_from(&camera, name("front@small"), "smaller".to_owned()).unwrap();
    lab.end().await;
}

#[tokio::test]
async fn a_wrong_configuration_changes_nothing_and_other_sections_take_a_restart() {
    let lab = Lab::with("[http]\nlisten = [\"127.0.0.1:1\"]\n[streams.front]\n");
    fs::write(&lab.file, "[streams.front]\nzzz = 1\n[streams.back]\nsource = \"zzz:\"\n[yyy]\n").unwrap();
    let Err(Refused::Wrong(errors)) = lab.roster.reload().await else { panic!("it is taken") };
    let keys: Vec<_> = errors.iter().map(|error| (error.line, error.key.as_str())).collect();
    assert_eq!(keys, [(Some(5), "yyy"), (Some(2), "streams.front.zzz"), (Some(4), "streams.back.source")]);
    assert_eq!(lab.cameras.list().len(), 1);

    fs::write(&lab.file, "[http]\nlisten = [\"127.0.0.1:2\"]\n[streams.front]\n").unwrap();
    let reloaded = lab.roster.reload().await.unwrap();
    assert_eq!((reloaded.changes, reloaded.restart), (vec![], vec!["http".to_owned()]));
    lab.end().await;
}

fn token(name: &str, token: &str) -> String {
    format!("[tokens.{name}]\ntoken = \"{token}\"\nrights = {{ view = [\"*\"] }}\n")
}

fn is_known(guard: &Guard, token: &str) -> bool {
    let asked = guard.judge(Credential::Token(token.to_owned()), Ipv4Addr::LOCALHOST.into());
    matches!(asked, Outcome::Caller(caller) if caller.identity.name().is_some())
}

#[tokio::test]
async fn who_may_what_is_read_again_as_well() {
    const FIRST: &str = "first-token-of-the-test";
    const SECOND: &str = "second-token-of-the-test";
    let lab = Lab::with(&token("first", FIRST));
    let link = lab.guard.link(&name("front"), u64::MAX >> 1);
    fs::write(&lab.file, token("second", SECOND)).unwrap();
    assert_eq!(lab.roster.reload().await.unwrap().restart, Vec::<String>::new());
    assert!(is_known(&lab.guard, SECOND) && !is_known(&lab.guard, FIRST));
    assert_eq!(lab.guard.link(&name("front"), u64::MAX >> 1), link, "links given out hold");
    lab.end().await;
}

#[tokio::test]
async fn a_server_that_asks_does_not_become_open_while_it_runs() {
    const TOKEN: &str = "only-token-of-the-test";
    let lab = Lab::with(&token("only", TOKEN));
    fs::write(&lab.file, "").unwrap();
    assert_eq!(lab.roster.reload().await.unwrap().restart, ["tokens"]);
    assert!(!lab.guard.is_open() && is_known(&lab.guard, TOKEN));
    lab.end().await;
}
