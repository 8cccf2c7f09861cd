//! Publish to socket under a crowd: the capture time in `webcodecs` messages against the clock at receipt, by a few
//! probes on a thread of their own beside many fMP4 viewers.

use serde_json::json;

use crate::error::BenchError;
use crate::lab::Lab;
use crate::load::Group;
use crate::outcome::{Outcome, short};

/// Measures with `viewers` in the crowd.
pub(crate) fn run(lab: &Lab, viewers: usize) -> Result<Outcome, BenchError> {
    let running = lab.server_with_clip()?;
    let crowd = Group::healthy(&running.socket("/bench/ws?format=fmp4")?, viewers);
    let probes = Group::healthy(&running.socket("/bench/ws?format=webcodecs")?, PROBES);
    let window = lab.window(&running, vec![crowd, probes])?;
    let [crowd, probes] = &window.groups[..] else { return Err(BenchError::Thread) };

    let mut outcome = Outcome::default();
    let delay = probes.delay_ms;
    outcome.at_most(format!("publish to socket, p99 of {viewers} viewers"), 10.0, delay.p99, " ms");
    outcome.note(
        "  p50, p95, max",
        format!("{}, {}, {} ms", short(delay.p50), short(delay.p95), short(delay.max)),
    );
    let lost = crowd.missing + probes.missing;
    outcome.note("  messages missing, viewers lost", format!("{lost}, {}", crowd.closed + probes.closed));
    outcome.note("  server", format!("{} of a core", short(window.cpu.as_secs_f64() / window.seconds)));
    outcome.detail(json!({ "delay": { "crowd": crowd, "probes": probes } }));
    Ok(outcome)
}

const PROBES: usize = 20;
