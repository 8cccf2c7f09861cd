//! More viewers than the budget allows: how late pictures are for those who watch, before newcomers come and while they are turned away.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::error::BenchError;
use crate::lab::{Lab, READY_LIMIT, Running};
use crate::load::{Group, Load};
use crate::outcome::{Outcome, short};

/// Lets a few hundred watch and thousands come.
pub(crate) fn run(lab: &Lab) -> Result<Outcome, BenchError> {
    let cores = thread::available_parallelism().map_or(1, usize::from) as f64;
    let running = lab.server_with_clip()?;
    let window = lab.window(&running, watching(&running)?)?;
    let before = window.groups[1].delay_ms;
    drop(running);
    // What the machine can do differs, so the budget is a multiple of what those who watch cost on it.
    let budget = (window.cpu.as_secs_f64() / window.seconds / cores * TIMES).clamp(0.02, 1.0);

    let running = lab.server_with_clip_and(&format!("[budget]\ncpu = {budget:.3}\n"))?;
    let target = running.socket("/bench/ws?format=fmp4")?;
    let load = Load::start(watching(&running)?)?;
    load.wait_ready(READY_LIMIT)?;
    let newcomers = Load::start(vec![Group { ramp: NEWCOMERS_PER_S, ..Group::healthy(&target, NEWCOMERS) }])?;
    // They come for the first part of the window and those who were let in stay for the rest.
    load.measure();
    let cpu = running.cpu_time()?;
    thread::sleep(OVERLOAD);
    let used = running.cpu_time()?.since(&cpu).as_secs_f64() / OVERLOAD.as_secs_f64();
    let came = newcomers.stop()?;
    let groups = load.stop()?;
    let during = groups[1].delay_ms;

    let mut outcome = Outcome::default();
    outcome.at_most(
        format!("those who watch, p99 while {NEWCOMERS} newcomers come"),
        10.0,
        during.p99,
        " ms",
    );
    outcome.note(
        "  p99 before, p50 before and while",
        [before.p99, before.p50, during.p50].map(short).join(", ") + " ms",
    );
    let refused = came[0].failed;
    outcome.note("  newcomers let in, turned away", format!("{}, {refused}", NEWCOMERS as u64 - refused));
    let lost = groups.iter().map(|group| group.closed + group.missing).sum::<u64>();
    outcome.note("  messages missing and viewers lost of those who watched", lost.to_string());
    outcome.note("  share of the processors, budget", [used / cores, budget].map(short).join(", "));
    outcome.detail(json!({ "overload": { "before": before, "during": during, "newcomers": came, "watching": groups, "share": used / cores } }));
    Ok(outcome)
}

/// Those who watch from the beginning: a crowd, and probes.
fn watching(running: &Running) -> Result<Vec<Group>, BenchError> {
    let group =
        |path, viewers| Ok(Group { ramp: JOINS_PER_S, ..Group::healthy(&running.socket(path)?, viewers) });
    Ok(vec![group("/bench/ws?format=fmp4", WATCHING)?, group("/bench/ws?format=webcodecs", PROBES)?])
}

/// The budget, over what those who watch cost.
const TIMES: f64 = 3.0;
const JOINS_PER_S: f64 = 50.0;
const WATCHING: usize = 200;
const PROBES: usize = 20;
const NEWCOMERS: usize = 3_000;
const NEWCOMERS_PER_S: f64 = 300.0;
const OVERLOAD: Duration = Duration::from_secs(12);
