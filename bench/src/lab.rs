//! The set-up all measurements share: which server, which clip, where files go, and how each process is started.
//!
//! Server and floor are always started here, one at a time, so that a window holds one of them and the viewers.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::clip;
use crate::error::{BenchError, Context};
use crate::load::{Group, GroupReport, Load, Target};
use crate::process::{self, CpuTime, Process};
use crate::schedule::{Mode, Schedule};

/// Options of every measurement.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LabOptions {
    /// The server's program
    #[arg(long, default_value = "target/release/firstlight")]
    server: PathBuf,
    /// The clip it plays; made with ffmpeg if it is not there
    #[arg(long, default_value = "target/bench/clip.mp4")]
    clip: PathBuf,
    /// Length of a measured window
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Rest between the last viewer's first picture and the window
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
    /// Runs of which the median is taken
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Also write the results as JSON
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// A place to measure in; its files go when it is dropped.
#[derive(Debug)]
pub(crate) struct Lab {
    options: LabOptions,
    folder: PathBuf,
}

/// What one window showed.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) groups: Vec<GroupReport>,
    pub(crate) cpu: Duration,
    /// Of the viewers.
    pub(crate) own_cpu: Duration,
    pub(crate) seconds: f64,
}

impl Lab {
    /// Makes the clip if need be.
    pub(crate) fn new(options: &LabOptions) -> Result<Self, BenchError> {
        process::raise_socket_limit();
        clip::make(&options.clip)?;
        let folder = std::env::temp_dir().join(format!("firstlight-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).context(format!("creating {}", folder.display()))?;
        let clip = fs::canonicalize(&options.clip).context("finding the clip")?;
        Ok(Self { options: LabOptions { clip, ..options.clone() }, folder })
    }

    /// Runs to take the median of.
    pub(crate) fn repeats(&self) -> usize {
        self.options.repeats.max(1)
    }

    /// Length of a measured window.
    pub(crate) fn span(&self) -> Duration {
        Duration::from_secs(self.options.seconds)
    }

    /// The clip.
    pub(crate) fn clip(&self) -> &Path {
        &self.options.clip
    }

    /// Starts the server with one stream, `bench`, that plays the clip.
    pub(crate) fn server_with_clip(&self) -> Result<Running, BenchError> {
        self.server_with_clip_and("")
    }

    /// The same with more sections before it.
    pub(crate) fn server_with_clip_and(&self, sections: &str) -> Result<Running, BenchError> {
        let path = self.options.clip.display().to_string();
        self.server(&format!("{sections}[streams.bench]\nsource = {{ file = {{ path = {path:?} }} }}\n"))
    }

    /// Starts the server with one stream, `bench`, that plays the clip with Opus; WebRTC is on a port of its own.
    pub(crate) fn server_with_opus(&self) -> Result<Running, BenchError> {
        let path = clip::make_with_opus(&self.options.clip)?.display().to_string();
        self.server(&format!("{}[streams.bench]\nsource = {{ file = {{ path = {path:?} }} }}\n", webrtc()?))
    }

    /// The same with a place for a program that is driven: the path of its socket.
    pub(crate) fn server_with_robot(&self) -> Result<(Running, PathBuf), BenchError> {
        let path = clip::make_with_opus(&self.options.clip)?.display().to_string();
        let socket = self.folder.join("robot.sock");
        let data = format!("data = {{ socket = {:?} }}\n", socket.display().to_string());
        let stream = format!("[streams.bench]\nsource = {{ file = {{ path = {path:?} }} }}\n");
        Ok((self.server(&(webrtc()? + &stream + &data))?, socket))
    }

    /// Starts the server with one stream, `bench`, of the test pattern.
    pub(crate) fn server_with_pattern(&self) -> Result<Running, BenchError> {
        let pattern = "[streams.bench]\nsource = { test = { width = 1280, height = 720, fps = 30 } }\n";
        self.server(&(webrtc()? + pattern))
    }

    /// Starts the server with these streams.
    pub(crate) fn server(&self, streams: &str) -> Result<Running, BenchError> {
        let address = SocketAddr::from(([127, 0, 0, 1], process::free_port()?));
        let config = self.folder.join("firstlight.toml");
        fs::write(&config, format!("[http]\nlisten = [\"{address}\"]\n{streams}"))
            .context("writing the config")?;
        let mut command = Command::new(&self.options.server);
        command.arg("--config").arg(&config);
        let process = Process::start(&mut command, self.folder.join("server.log"), address, true)?;
        Ok(Running { process, address })
    }

    /// Starts the floor server with the clip's schedule.
    pub(crate) fn floor(&self, mode: Mode) -> Result<Running, BenchError> {
        self.floor_of(&self.options.clip, mode)
    }

    /// The same with the clip that has Opus, each unit by itself.
    pub(crate) fn floor_with_opus(&self) -> Result<Running, BenchError> {
        self.floor_of(&clip::make_with_opus(&self.options.clip)?, Mode::Units)
    }

    fn floor_of(&self, clip: &Path, mode: Mode) -> Result<Running, BenchError> {
        let schedule = self.folder.join("schedule.txt");
        let text = Schedule::of_clip(clip, mode)?.to_text();
        fs::write(&schedule, text).context("writing the schedule")?;
        let address = SocketAddr::from(([127, 0, 0, 1], process::free_port()?));
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        command.arg("floor").arg("--listen").arg(address.to_string()).arg("--schedule").arg(&schedule);
        let process = Process::start(&mut command, self.folder.join("floor.log"), address, false)?;
        Ok(Running { process, address })
    }

    /// Lets the groups join, waits until all are served and warm, and measures.
    pub(crate) fn window(&self, running: &Running, groups: Vec<Group>) -> Result<Window, BenchError> {
        let load = Load::start(groups)?;
        load.wait_ready(READY_LIMIT)?;
        std::thread::sleep(Duration::from_secs(self.options.warm_up));
        let own = process::cpu_time(std::process::id())?;
        let before = running.cpu_time()?;
        let start = std::time::Instant::now();
        load.measure();
        std::thread::sleep(Duration::from_secs(self.options.seconds));
        let cpu = running.cpu_time()?.since(&before);
        let seconds = start.elapsed().as_secs_f64();
        let own_cpu = process::cpu_time(std::process::id())?.since(&own);
        Ok(Window { groups: load.stop()?, cpu, own_cpu, seconds })
    }

    /// The server's program.
    pub(crate) fn program(&self) -> &Path {
        &self.options.server
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A server or floor that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) process: Process,
    address: SocketAddr,
}

impl Running {
    /// A WebSocket URL on it.
    pub(crate) fn socket(&self, path: &str) -> Result<Target, BenchError> {
        Target::parse(&format!("ws://{}{path}", self.address))
    }

    /// The URL of a page on it.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time used so far.
    pub(crate) fn cpu_time(&self) -> Result<CpuTime, BenchError> {
        process::cpu_time(self.process.pid())
    }

    /// Resident memory now.
    pub(crate) fn memory(&self) -> Result<process::Memory, BenchError> {
        process::memory(self.process.pid())
    }
}

/// A section that puts WebRTC on a port of its own.
fn webrtc() -> Result<String, BenchError> {
    Ok(format!("[webrtc]\nlisten = \"127.0.0.1:{}\"\n", process::free_port()?))
}

/// For the last viewer to be served.
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(30);
