//! Ten viewers of the test pattern cost one encode: CPU with ten over CPU with one.

use serde_json::json;

use crate::error::BenchError;
use crate::lab::Lab;
use crate::load::Group;
use crate::outcome::{Outcome, short};

/// Compares one viewer with ten.
pub(crate) fn run(lab: &Lab) -> Result<Outcome, BenchError> {
    let running = lab.server_with_pattern()?;
    let target = running.socket("/bench/ws?format=fmp4")?;
    let mut cores = Vec::new();
    for viewers in [1, 10] {
        let window = lab.window(&running, vec![Group::healthy(&target, viewers)])?;
        cores.push(window.cpu.as_secs_f64() / window.seconds);
    }
    let mut outcome = Outcome::default();
    // Ten encodes would be ten times one; sending to nine more is a few percent.
    outcome.at_most("test pattern, CPU of 10 viewers ÷ 1", 1.3, cores[1] / cores[0], " ×");
    outcome.note("  of a core", format!("{}, {}", short(cores[1]), short(cores[0])));
    outcome.detail(json!({ "encode_once": { "cores_1": cores[0], "cores_10": cores[1] } }));
    Ok(outcome)
}
