//! Start to listening: from the start of the process to 200 on `GET /health`.

use serde_json::json;

use crate::error::BenchError;
use crate::lab::Lab;
use crate::outcome::{Outcome, median};

/// The median of a few starts.
pub(crate) fn run(lab: &Lab) -> Result<Outcome, BenchError> {
    let mut millis = Vec::new();
    for _ in 0..STARTS {
        millis.push(lab.server_with_pattern()?.process.listening_after.as_secs_f64() * 1000.0);
    }
    let mut outcome = Outcome::default();
    outcome.detail(json!({ "startup_ms": millis }));
    outcome.at_most("start to listening", 20.0, median(millis), " ms");
    if let Ok(file) = std::fs::metadata(lab.program()) {
        outcome.note("size of the program", format!("{:.1} MB", file.len() as f64 / 1e6));
    }
    Ok(outcome)
}

const STARTS: usize = 11;
