//! The load client: many viewers of one server, on one thread a group, that only read sockets.
//!
//! It shares two cores with the server it measures, so it stays cheap: one reused buffer, one read a wake-up, payload
//! never looked at. A test of the bytes it is not.

mod datagrams;
mod format;
mod group;
mod hls;
mod http;
mod packets;
mod picture;
mod protocol;
mod rtmp;
mod rtsp;
mod seen;
mod target;
mod viewer;
mod websocket;
mod whep;
mod witness;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub(crate) use format::{Arrival, FormatKind};
pub(crate) use group::{Group, GroupReport, Manner};
pub(crate) use seen::{Percentiles, Shown};
pub(crate) use target::Target;
pub(crate) use witness::Witness;

use crate::error::{BenchError, Context};

/// A running load: its groups join at once, and leave when it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Load {
    progress: Vec<Arc<Progress>>,
    wanted: usize,
    threads: Vec<JoinHandle<Result<GroupReport, BenchError>>>,
}

/// What a group's thread tells and is told.
#[derive(Debug, Default)]
struct Progress {
    phase: AtomicU8,
    /// Viewers that are served: they have a decodable picture, or, where they read none, a handshake.
    ready: AtomicUsize,
    failed: AtomicU64,
    closed: AtomicU64,
    reason: std::sync::Mutex<String>,
}

/// The phase after warming up, which is 0: what is counted is kept.
const MEASURE: u8 = 1;
const STOP: u8 = 2;

impl Load {
    /// Starts one thread a group.
    pub(crate) fn start(groups: Vec<Group>) -> Result<Self, BenchError> {
        let wanted = groups.iter().map(|group| group.viewers).sum();
        let mut load = Self { progress: Vec::new(), wanted, threads: Vec::new() };
        for group in groups {
            let progress = Arc::new(Progress::default());
            load.progress.push(Arc::clone(&progress));
            let thread =
                thread::Builder::new().name("viewers".into()).spawn(move || group::run(&group, &progress));
            load.threads.push(thread.context("starting a thread")?);
        }
        Ok(load)
    }

    /// Waits until every viewer is served.
    pub(crate) fn wait_ready(&self, limit: Duration) -> Result<(), BenchError> {
        let start = Instant::now();
        loop {
            let ready = self.progress.iter().map(|p| p.ready.load(Ordering::Relaxed)).sum();
            if ready >= self.wanted {
                return Ok(());
            }
            if start.elapsed() > limit || self.threads.iter().any(JoinHandle::is_finished) {
                let sum = |count: fn(&Progress) -> &AtomicU64| {
                    self.progress.iter().map(|p| count(p).load(Ordering::Relaxed)).sum()
                };
                let reasons = self.progress.iter().filter_map(|p| p.reason.lock().ok().map(|r| r.clone()));
                return Err(BenchError::NotReady {
                    ready,
                    wanted: self.wanted,
                    failed: sum(|p| &p.failed),
                    closed: sum(|p| &p.closed),
                    seconds: start.elapsed().as_secs(),
                    reason: reasons.collect::<Vec<_>>().join("; "),
                });
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The measured window begins: what was counted before is forgotten (join times are kept).
    pub(crate) fn measure(&self) {
        self.set_phase(MEASURE);
    }

    /// All viewers leave. One report a group, in the order given.
    pub(crate) fn stop(mut self) -> Result<Vec<GroupReport>, BenchError> {
        self.set_phase(STOP);
        let threads = std::mem::take(&mut self.threads);
        threads.into_iter().map(|thread| thread.join().map_err(|_| BenchError::Thread)?).collect()
    }

    fn set_phase(&self, phase: u8) {
        for progress in &self.progress {
            progress.phase.store(phase, Ordering::Relaxed);
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.set_phase(STOP);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers one viewer's handshake with these frames, then waits for it to leave.
    fn serve_one(listener: TcpListener, frames: Vec<u8>) -> JoinHandle<()> {
        thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            assert!(socket.read(&mut request).unwrap() > 0);
            socket.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap();
            socket.write_all(&frames).unwrap();
            while matches!(socket.read(&mut request), Ok(1..)) {}
        })
    }

    #[test]
    fn a_viewer_is_ready_at_its_first_decodable_message_and_leaves_when_stopped() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/any", listener.local_addr().unwrap());
        let server = serve_one(listener, vec![0x82, 2, 1, 2]);
        let load = Load::start(vec![Group::healthy(&Target::parse(&url).unwrap(), 1)]).unwrap();
        load.wait_ready(Duration::from_secs(10)).unwrap();
        let reports = load.stop().unwrap();
        server.join().unwrap();
        assert_eq!(reports[0].first_decodable_ms.count, 1);
        assert_eq!((reports[0].failed, reports[0].closed), (0, 0));
    }

    #[test]
    fn a_stalled_viewer_is_ready_after_its_handshake() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/any", listener.local_addr().unwrap());
        let server = serve_one(listener, Vec::new());
        let group = Group { manner: Manner::Stalled, ..Group::healthy(&Target::parse(&url).unwrap(), 1) };
        let load = Load::start(vec![group]).unwrap();
        load.wait_ready(Duration::from_secs(10)).unwrap();
        load.stop().unwrap();
        server.join().unwrap();
    }

    #[test]
    fn a_server_that_refuses_is_named_in_the_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/any", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            assert!(socket.read(&mut request).unwrap() > 0);
            socket.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").unwrap();
        });
        let load = Load::start(vec![Group::healthy(&Target::parse(&url).unwrap(), 1)]).unwrap();
        server.join().unwrap();
        let error = load.wait_ready(Duration::from_millis(500)).unwrap_err().to_string();
        assert!(error.contains("404 Not Found"), "{error}");
    }
}
