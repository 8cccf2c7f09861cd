//! A crowd that waits: memory of viewers of a stream that sends nothing, and what a scrape of `/metrics` costs meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::error::{BenchError, Context};
use crate::lab::{Lab, READY_LIMIT, Running};
use crate::load::{Group, Load, Manner};
use crate::outcome::{Outcome, median, short};

/// Measures with `viewers` who wait.
pub(crate) fn run(lab: &Lab, viewers: usize) -> Result<Outcome, BenchError> {
    let running = lab.server("[streams.bench]\n")?;
    scrape(&running)?;
    let before = running.memory()?.rss;
    // They have nothing to read, which the load client calls stalled.
    let waiting = Group {
        manner: Manner::Stalled,
        ..Group::healthy(&running.socket("/bench/ws?format=fmp4")?, viewers)
    };
    let load = Load::start(vec![waiting])?;
    load.wait_ready(READY_LIMIT)?;
    thread::sleep(SETTLE);
    let after = running.memory()?.rss;
    let mut millis = Vec::new();
    for _ in 0..SCRAPES {
        millis.push(scrape(&running)?);
    }
    load.stop()?;

    let mut outcome = Outcome::default();
    let kib = after.saturating_sub(before) as f64;
    outcome.at_most(format!("an idle viewer, of {viewers}"), 16.0, kib / viewers as f64, " kB");
    let most = millis.iter().copied().fold(0.0, f64::max);
    outcome.at_most(
        format!("a scrape of /metrics beside {viewers} viewers"),
        20.0,
        median(millis.clone()),
        " ms",
    );
    outcome.note("  the slowest", format!("{} ms", short(most)));
    outcome.detail(json!({ "idle_viewers": viewers, "kib": kib, "scrape_ms": millis }));
    Ok(outcome)
}

/// Milliseconds from connecting to the end of the page.
fn scrape(running: &Running) -> Result<f64, BenchError> {
    let start = Instant::now();
    let mut socket = TcpStream::connect(running.address()).context("connecting for a scrape")?;
    socket
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
        .context("asking for /metrics")?;
    let mut page = String::new();
    socket.read_to_string(&mut page).context("reading /metrics")?;
    let took = start.elapsed().as_secs_f64() * 1000.0;
    if page.starts_with("HTTP/1.1 200") { Ok(took) } else { Err(BenchError::Thread) }
}

const SETTLE: Duration = Duration::from_secs(3);
const SCRAPES: usize = 50;
