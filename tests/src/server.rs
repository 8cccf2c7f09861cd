//! The program under test, running.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::http::{self, Response};
use crate::{program, within};

/// A server on a port of its own; killed when dropped. A test that ends well also fails if the server panicked.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
    mark: String,
}

/// In the environment of the server and all it starts, so that they can be found.
const MARK: &str = "FIRSTLIGHT_E2E";
static STARTED: AtomicU32 = AtomicU32::new(0);

impl Server {
    /// Starts it with a configuration (TOML, without `[http]`).
    pub fn start(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    /// The same with more in its environment.
    pub fn start_with(config: &str, environment: &[(&str, &str)]) -> Self {
        let mark = format!("{MARK}={}.{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let directory = program::scratch().join(mark.replace('=', "-"));
        fs::create_dir_all(&directory).expect("the target directory can be written to");
        fs::write(directory.join("firstlight.toml"), config).expect("the target directory can be written to");
        let child = Self::spawn(&directory, &mark, environment);
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child, address: unknown, directory, mark };
        server.await_address();
        server
    }

    /// Starts it again where it was, after it has ended; its files are as it left them.
    pub fn start_again(&mut self) {
        self.child = Self::spawn(&self.directory, &self.mark, &[]);
        self.await_address();
    }

    fn spawn(directory: &Path, mark: &str, environment: &[(&str, &str)]) -> Child {
        let file = |name| File::create(directory.join(name)).expect("the target directory can be written to");
        Command::new(program::firstlight())
            .args(["--listen", "127.0.0.1:0", "--config"])
            .arg(directory.join("firstlight.toml"))
            .env(MARK, &mark[MARK.len() + 1..])
            .env("RUST_BACKTRACE", "1")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("the server starts")
    }

    fn await_address(&mut self) {
        self.address = within(Duration::from_secs(10), "the server says where it listens", || {
            let said = self.read("stdout");
            assert!(self.is_running(), "the server ended: {}", self.log());
            let (_, rest) = said.split_once("open http://")?;
            rest.split_once("/\n")?.0.parse().ok()
        });
    }

    /// What it said on standard output.
    pub fn said(&self) -> String {
        self.read("stdout")
    }

    /// Where its configuration (`firstlight.toml`) and what it keeps are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes another configuration for it to read again.
    pub fn configure(&self, config: &str) {
        fs::write(self.directory.join("firstlight.toml"), config)
            .expect("the target directory can be written to");
    }

    /// Asks it to read its configuration again (SIGHUP).
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Sends JSON to it.
    pub fn send(&self, method: &str, path: &str, body: &Value) -> Response {
        let headers = [("Content-Type", "application/json")];
        http::request(self.address, method, path, &headers, body.to_string().as_bytes())
    }

    /// Runs the program to its end with these arguments, as for a configuration it refuses.
    pub fn refused(arguments: &[&str]) -> Output {
        let mut child = Command::new(program::firstlight())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let ended = || child.try_wait().expect("it is our child");
        within(Duration::from_secs(10), "the program ends by itself", ended);
        child.wait_with_output().expect("it is our child")
    }

    /// A stream named `front` with this source and a short linger.
    pub fn with_source(source: &str) -> Self {
        Self::start(&format!("[streams.front]\nsource = {source}\nlinger = \"500ms\"\n"))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it for a page.
    pub fn get(&self, path: &str) -> Response {
        http::get(self.address, path, &[])
    }

    /// What the API says of a stream.
    pub fn stream(&self, name: &str) -> Value {
        self.json(&format!("/api/v1/streams/{name}"))
    }

    /// State of a stream.
    pub fn state(&self, name: &str) -> String {
        self.stream(name)["state"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a stream is in this state; fails after `limit`.
    pub fn await_state(&self, name: &str, state: &str, limit: Duration) {
        within(limit, &format!("{name} is {state}"), || (self.state(name) == state).then_some(()));
    }

    /// Waits until a stream's source has failed, and gives the reason.
    pub fn await_reason(&self, name: &str) -> String {
        let reason = || self.stream(name)["reason"].as_str().map(str::to_owned);
        crate::eventually(&format!("{name} says why it does not work"), reason)
    }

    /// How many tasks of a kind live.
    pub fn tasks(&self, kind: &str) -> u64 {
        self.json("/api/v1/server")["tasks"][kind].as_u64().unwrap_or(0)
    }

    /// Memory that is resident, in bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        kib * 1_024
    }

    /// Files and sockets it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).into_iter().flatten().count()
    }

    /// How many of its threads have this name; encoders and decoders run on threads of their own.
    pub fn threads(&self, name: &str) -> usize {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten().flatten();
        threads
            .filter(|thread| {
                fs::read_to_string(thread.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
            })
            .count()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        self.read("stderr")
    }

    /// Processes that it started, theirs, and so on; also when it is gone itself.
    pub fn descendants(&self) -> Vec<u32> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| *pid != self.child.id())
            .filter(|pid| {
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|variable| variable == self.mark.as_bytes())
            })
            .collect()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Halts it (SIGSTOP): it lives and does nothing.
    pub fn halt(&self) {
        self.signal(Signal::STOP);
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends it without a word (SIGKILL).
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("it is our child");
    }

    /// Waits for its end.
    pub fn await_end(&mut self, limit: Duration) -> ExitStatus {
        within(limit, "the server ends", || self.child.try_wait().expect("it is our child"))
    }

    /// What the API answers.
    pub fn json(&self, path: &str) -> Value {
        let response = self.get(path);
        assert_eq!(response.status, 200, "{path}: {}", response.body);
        serde_json::from_str(&response.body).expect("the API answers with JSON")
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("it is our child");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended, in the tests about endings.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        if std::thread::panicking() {
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the server's log:\n{}", lines[lines.len().saturating_sub(30)..].join("\n"));
            return;
        }
        let _ = fs::remove_dir_all(&self.directory);
        assert!(!log.contains("panicked"), "the server panicked:\n{log}");
    }
}
