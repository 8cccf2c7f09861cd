//! A process under test: started here, its CPU time and memory read from `/proc`, ended when dropped.
//!
//! CPU time is the sum over its threads of `/proc/PID/task/*/schedstat`, in nanoseconds; where the kernel has none,
//! user and system ticks of `/proc/PID/stat`. Threads that ended in the window are missing from the former, so the
//! latter is taken when it is more than its resolution above.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::error::{BenchError, Context};

/// A running program that listens on a port of this machine.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    program: String,
    log: PathBuf,
    /// Start to the first answer on the port.
    pub(crate) listening_after: Duration,
}

/// Resident memory in KiB.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(crate) struct Memory {
    pub(crate) rss: u64,
    /// The part not backed by a file: heap and stacks.
    pub(crate) anonymous: u64,
}

impl Process {
    /// Starts a program and waits until it answers on `address`: with a connection, or, if `health` is set, with 200 to
    /// `GET /health`.
    pub(crate) fn start(
        command: &mut Command,
        log: PathBuf,
        address: SocketAddr,
        health: bool,
    ) -> Result<Self, BenchError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let file = File::create(&log).context(format!("creating {}", log.display()))?;
        let start = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("sharing the log")?)
            .stderr(file)
            .spawn()
            .context(format!("starting {program}"))?;
        let mut process = Self { child, program, log, listening_after: Duration::ZERO };
        loop {
            if answers(address, health) {
                process.listening_after = start.elapsed();
                return Ok(process);
            }
            let ended = process.child.try_wait().context("waiting for a child")?;
            if ended.is_some() || start.elapsed() > START_LIMIT {
                let stderr = fs::read_to_string(&process.log).unwrap_or_default();
                let tail = stderr.lines().rev().take(5).collect::<Vec<_>>().join(" | ");
                let status = ended.map_or("no answer on its port".into(), |status| status.to_string());
                return Err(BenchError::Child { program: process.program.clone(), status, stderr: tail });
            }
            thread::sleep(Duration::from_micros(300));
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process(pid, Signal::TERM);
        }
        let start = Instant::now();
        while start.elapsed() < END_LIMIT {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time used so far, all threads.
pub(crate) fn cpu_time(pid: u32) -> Result<CpuTime, BenchError> {
    let stat = read(&format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the fields after it are numbered from 3.
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let ticks =
        Duration::from_millis((ticks(11) + ticks(12)) * 1000 / rustix::param::clock_ticks_per_second());
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("listing threads")?.flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        nanos += text.split_whitespace().next().and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(CpuTime { ticks, precise: Duration::from_nanos(nanos) })
}

/// Two readings of the same clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuTime {
    ticks: Duration,
    precise: Duration,
}

impl CpuTime {
    /// Time used between an earlier reading and this one.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let ticks = self.ticks.saturating_sub(earlier.ticks);
        let precise = self.precise.saturating_sub(earlier.precise);
        if ticks > precise + TICK_ERROR { ticks } else { precise }
    }
}

/// Resident memory now.
pub(crate) fn memory(pid: u32) -> Result<Memory, BenchError> {
    let text = read(&format!("/proc/{pid}/smaps_rollup"))?;
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .unwrap_or(0)
    };
    Ok(Memory { rss: field("Rss:"), anonymous: field("Anonymous:") })
}

/// A port that is free now.
pub(crate) fn free_port() -> Result<u16, BenchError> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.port())
}

/// Lets this process and its children have as many open sockets as the system allows.
pub(crate) fn raise_socket_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

fn read(path: &str) -> Result<String, BenchError> {
    fs::read_to_string(Path::new(path)).context(format!("reading {path}"))
}

fn answers(address: SocketAddr, health: bool) -> bool {
    let Ok(mut socket) = TcpStream::connect(address) else { return false };
    if !health {
        return true;
    }
    let ask = |socket: &mut TcpStream| -> io::Result<bool> {
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        socket.read_exact(&mut head)?;
        Ok(head == *b"HTTP/1.1 200")
    };
    ask(&mut socket).unwrap_or(false)
}

const START_LIMIT: Duration = Duration::from_secs(10);
const END_LIMIT: Duration = Duration::from_secs(6);
const TICK_ERROR: Duration = Duration::from_millis(40);
