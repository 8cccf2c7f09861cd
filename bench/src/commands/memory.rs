//! Resident memory: idle, per healthy viewer, and what viewers that have stopped reading cost altogether.
//!
//! Only the server's own memory: the kernel's socket buffers are not in it, whatever the server does.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::error::BenchError;
use crate::lab::{Lab, READY_LIMIT, Running};
use crate::load::{Group, Load, Manner, Target};
use crate::outcome::Outcome;
use crate::process;

/// Measures idle, crowds of 400 and 1000, and 200 stalled.
pub(crate) fn run(lab: &Lab) -> Result<Outcome, BenchError> {
    let mut outcome = Outcome::default();
    let running = lab.server_with_clip()?;
    thread::sleep(Duration::from_secs(1));
    let idle = running.memory()?;
    outcome.at_most("idle, resident", 10.0, idle.rss as f64 / 1024.0, " MB");
    outcome.detail(json!({ "idle": idle }));

    let target = running.socket(SOCKET)?;
    for viewers in [400, 1000] {
        let kib = cost(&running, &target, viewers, Manner::Healthy)?;
        outcome.at_most(format!("a healthy viewer, of {viewers}"), 16.0, kib / viewers as f64, " kB");
        outcome.detail(json!({ "healthy": viewers, "kib": kib }));
    }
    drop(running);
    for what in ["WebSocket", "HTTP-FLV", "RTMP", "RTSP over TCP"] {
        let (rtmp, rtsp) = (process::free_port()?, process::free_port()?);
        let listen = |name: &str, port| format!("[{name}]\nlisten = \"127.0.0.1:{port}\"\n");
        let running = lab.server_with_clip_and(&(listen("rtmp", rtmp) + &listen("rtsp", rtsp)))?;
        let target = match what {
            "WebSocket" => running.socket(SOCKET)?,
            "HTTP-FLV" => Target::parse(&running.page("/bench/stream.flv"))?,
            "RTMP" => Target::parse(&format!("rtmp://127.0.0.1:{rtmp}/bench"))?,
            _ => Target::parse(&format!("rtsp://127.0.0.1:{rtsp}/bench"))?,
        };
        let kib = cost(&running, &target, STALLED, Manner::Stalled)?;
        outcome.at_most(format!("{STALLED} stalled viewers by {what}, in all"), 2.0, kib / 1024.0, " MB");
        outcome.detail(json!({ "stalled": STALLED, "by": what, "kib": kib }));
    }
    Ok(outcome)
}

/// Growth of resident memory, in KiB, by these viewers: the most seen, over that with one healthy viewer.
fn cost(running: &Running, target: &Target, viewers: usize, manner: Manner) -> Result<f64, BenchError> {
    let first = Load::start(vec![Group::healthy(target, 1)])?;
    first.wait_ready(READY_LIMIT)?;
    thread::sleep(SETTLE);
    let before = running.memory()?.rss;
    let rest = Load::start(vec![Group { manner, ..Group::healthy(target, viewers) }])?;
    rest.wait_ready(READY_LIMIT)?;
    let mut most = 0;
    for _ in 0..SAMPLES {
        thread::sleep(Duration::from_millis(500));
        most = most.max(running.memory()?.rss);
    }
    rest.stop()?;
    first.stop()?;
    thread::sleep(Duration::from_secs(1));
    Ok(most.saturating_sub(before) as f64)
}

const SOCKET: &str = "/bench/ws?format=fmp4";
const STALLED: usize = 200;
const SETTLE: Duration = Duration::from_secs(3);
/// Half a second apart: long enough for the kernel's buffers of a stalled viewer to fill.
const SAMPLES: usize = 16;
