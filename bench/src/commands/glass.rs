//! Glass to glass: a browser reads the clock from the picture it shows (`bench/glass`), for each of our players.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::error::{BenchError, Context};
use crate::lab::Lab;
use crate::outcome::{Outcome, short};

/// Runs the script against the test pattern.
pub(crate) fn run(lab: &Lab) -> Result<Outcome, BenchError> {
    let running = lab.server_with_pattern()?;
    let script = PathBuf::from(SCRIPT);
    let output =
        Command::new("node").arg(&script).arg(running.page("/bench/")).output().context("running node")?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        return Err(BenchError::Child {
            program: SCRIPT.into(),
            status: output.status.to_string(),
            stderr: stderr.lines().find(|line| line.contains("rror")).unwrap_or_default().to_owned(),
        });
    }
    let mut outcome = Outcome::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let result: Value = serde_json::from_str(line).context("reading the script's result")?;
        let number = |value: &Value| value.as_f64().map_or("–".into(), short);
        let player = result["transport"].as_str().unwrap_or_default();
        let age = &result["ageMs"];
        outcome.note(
            format!("glass to glass, {player}, p50, p95"),
            format!("{}, {} ms", number(&age["p50"]), number(&age["p95"])),
        );
        let dropped = result["quality"]["dropped"].as_u64().map_or("–".into(), |count| count.to_string());
        outcome.note(
            "  pictures/s, skipped, dropped by the player, first picture",
            format!(
                "{}, {}, {dropped}, {} ms",
                number(&result["fps"]),
                result["skipped"],
                number(&result["firstMs"])
            ),
        );
        outcome.detail(json!({ "glass": result }));
    }
    Ok(outcome)
}

const SCRIPT: &str = "bench/glass/glass.js";
