//! Glass to glass: a browser reads the clock from the picture it shows (`bench/glass`), for each of our players.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::error::{BenchError, Context};
use crate::lab::Lab;
use crate::load::Percentiles;
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
        if let Some(joins) = result["joinMs"].as_array() {
            join(joins, &mut outcome);
            outcome.detail(json!({ "glass": result }));
            continue;
        }
        let player = result["transport"].as_str().unwrap_or_default();
        let age = &result["ageMs"];
        let what = format!("glass to glass, {player}, p50, p95");
        let measured = format!("{}, {} ms", number(&age["p50"]), number(&age["p95"]));
        match (result["decodeMs"].as_f64(), age["p50"].as_f64()) {
            (Some(decode), Some(p50)) => {
                // Two pictures' time for encoding, sending and showing.
                let limit = (TWO_PICTURES_MS + decode).ceil();
                outcome.at_most(
                    format!("glass to glass, {player}, p50, with {} ms to decode", short(decode)),
                    limit,
                    p50,
                    " ms",
                );
                outcome.note("  p50, p95", measured);
            }
            _ => outcome.note(what, measured),
        }
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

/// Joins by WebRTC in a browser.
fn join(joins: &[Value], outcome: &mut Outcome) {
    let micros = |ms: &Value| ms.as_f64().map(|ms| (ms * 1000.0) as u32);
    let join = Percentiles::of(joins.iter().filter_map(micros).collect());
    let what =
        format!("warm join by WebRTC in Chromium, p95 of {} from the offer to a picture shown", join.count);
    outcome.at_most(what, 300.0, join.p95, " ms");
    outcome.note("  p50, max", format!("{}, {} ms", short(join.p50), short(join.max)));
}

/// At 30 a second.
const TWO_PICTURES_MS: f64 = 66.7;
const SCRIPT: &str = "bench/glass/glass.js";
