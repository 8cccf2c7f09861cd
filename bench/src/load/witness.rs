//! One viewer on a thread of its own that notes when each picture was there, to be compared with when it was sent.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::format::{Arrival, Arrivals, WebCodecs};
use super::protocol::Protocol;
use super::seen::{Moment, Seen};
use super::target::Target;
use super::websocket::WebSocket;
use crate::error::{BenchError, Context};

/// A viewer of the `webcodecs` format; it leaves when it is dropped.
#[derive(Debug)]
pub(crate) struct Witness {
    stop: Arc<AtomicBool>,
    arrivals: Arrivals,
    thread: Option<JoinHandle<u64>>,
}

impl Witness {
    /// Joins; the stream may be waiting for its publisher.
    pub(crate) fn join(target: &Target) -> Result<Self, BenchError> {
        let arrivals = Arrivals::default();
        let mut protocol = WebSocket::new(target, Box::new(WebCodecs::noting(Arc::clone(&arrivals))));
        let mut socket = TcpStream::connect(target.address).context("connecting")?;
        socket.set_read_timeout(Some(PATIENCE)).context("connecting")?;
        socket.write_all(&protocol.request()).context("joining")?;
        let mut buffer = vec![0; 256 * 1024];
        let (mut seen, mut reply) = (Seen::default(), Vec::new());
        let mut receive = move |socket: &mut TcpStream| -> Result<(bool, u64), String> {
            let count = match socket.read(&mut buffer) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(count) => count,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
                Err(error) => return Err(error.to_string()),
            };
            let received = protocol.receive(&buffer[..count], &Moment::now(), &mut seen, &mut reply);
            received.map_err(|ended| ended.to_string())?;
            socket.write_all(&reply).map_err(|error| error.to_string())?;
            reply.clear();
            Ok((protocol.established(), seen.missing))
        };
        let begun = Instant::now();
        while !receive(&mut socket).map_err(std::io::Error::other).context("joining")?.0 {
            if begun.elapsed() > HANDSHAKE {
                return Err(std::io::Error::from(ErrorKind::TimedOut)).context("joining");
            }
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watch = move || {
            let mut missing = 0;
            while !stopped.load(Ordering::Relaxed) {
                match receive(&mut socket) {
                    Ok((_, so_far)) => missing = so_far,
                    Err(_) => break,
                }
            }
            missing
        };
        let thread = thread::Builder::new().name("witness".into()).spawn(watch);
        Ok(Self { stop, arrivals, thread: Some(thread.context("starting a thread")?) })
    }

    /// How many pictures were there so far.
    pub(crate) fn pictures(&self) -> usize {
        self.arrivals.lock().map_or(0, |arrivals| arrivals.len())
    }

    /// Leaves; gives when each picture was there, and how many items the server says it left out.
    pub(crate) fn leave(mut self) -> Result<(Vec<Arrival>, u64), BenchError> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or(BenchError::Thread)?;
        let missing = thread.join().map_err(|_| BenchError::Thread)?;
        let mut arrivals = self.arrivals.lock().map_err(|_| BenchError::Thread)?;
        Ok((std::mem::take(&mut *arrivals), missing))
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// How long a stop may go unnoticed.
const PATIENCE: Duration = Duration::from_millis(200);
const HANDSHAKE: Duration = Duration::from_secs(5);
