//! `/cameras/{mxid}/stats`: how warm and how full the machine is that the camera runs on: this one.
//!
//! Robopipe's cameras are computers; ours run here, so the memory is this machine's and the temperature the mean of its thermal zones.
//! What a machine does not tell is 0.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::Face;
use super::call::Call;
use super::errors::Failure;

#[derive(Debug, Serialize)]
struct Stats {
    chip_temperature: Temperature,
    cmx_memory_usage: Memory,
    ddr_memory_usage: Memory,
}

/// Degrees Celsius. The parts of Robopipe's chip have no counterpart here.
#[derive(Debug, Default, Serialize)]
struct Temperature {
    average: f64,
    css: f64,
    dss: f64,
    mss: f64,
    upa: f64,
}

/// Bytes.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Memory {
    total: u64,
    used: u64,
    remaining: u64,
}

/// Zones beyond these are not read.
const MAX_ZONES: usize = 32;

/// The figures of the machine.
pub(super) async fn read(face: Arc<Face>, call: Call) -> Result<Response, Failure> {
    call.sensors(&face.context.cameras)?;
    let mut degrees = Vec::new();
    for zone in 0..MAX_ZONES {
        let path = format!("/sys/class/thermal/thermal_zone{zone}/temp");
        let Ok(text) = tokio::fs::read_to_string(path).await else { continue };
        degrees.extend(text.trim().parse::<f64>().ok().map(|milli| milli / 1_000.0));
    }
    let average = degrees.iter().sum::<f64>() / degrees.len().max(1) as f64;
    let memory = tokio::fs::read_to_string("/proc/meminfo").await.unwrap_or_default();
    let stats = Stats {
        chip_temperature: Temperature { average, ..Temperature::default() },
        cmx_memory_usage: Memory::default(),
        ddr_memory_usage: memory_usage(&memory),
    };
    Ok(Json(stats).into_response())
}

/// From the lines of `/proc/meminfo`.
fn memory_usage(text: &str) -> Memory {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1_024)
    };
    match (bytes("MemTotal"), bytes("MemAvailable")) {
        (Some(total), Some(remaining)) => Memory { total, used: total.saturating_sub(remaining), remaining },
        _ => Memory::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_linux_writes_it() {
        let text = "MemTotal:        8000 kB\nMemFree:          100 kB\nMemAvailable:    6000 kB\n";
        let kib = |count: u64| count * 1_024;
        let expected = Memory { total: kib(8_000), used: kib(2_000), remaining: kib(6_000) };
        assert_eq!(memory_usage(text), expected);
        assert_eq!(memory_usage("MemTotal: many kB\n"), Memory::default());
    }
}
