//! Viewers of any URL; the server is somebody else's business.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::error::BenchError;
use crate::lab::READY_LIMIT;
use crate::load::{FormatKind, Group, GroupReport, Load, Manner, Target};
use crate::outcome::{Outcome, short};
use crate::process;

/// Options of `bench load`.
#[derive(Debug, clap::Args)]
pub(crate) struct LoadOptions {
    /// ws://, http:// or rtmp://
    url: String,
    /// Viewers that read at once
    #[arg(long, short = 'n', default_value_t = 1)]
    viewers: usize,
    /// Viewers that read the handshake and then never again
    #[arg(long, default_value_t = 0)]
    stalled: usize,
    /// Viewers that read `--slow-rate` bytes a second
    #[arg(long, default_value_t = 0)]
    slow_viewers: usize,
    /// Bytes a second of a slow viewer
    #[arg(long = "slow", value_name = "BYTES_PER_S", default_value_t = 50_000)]
    slow_rate: u64,
    /// Another URL for a few viewers on a thread of their own, whose delays and joins are reported apart
    #[arg(long)]
    probe: Option<String>,
    /// How many
    #[arg(long, default_value_t = 20)]
    probes: usize,
    /// Joins a second
    #[arg(long, default_value_t = 400.0)]
    ramp: f64,
    /// So many viewers a second leave and come anew
    #[arg(long, default_value_t = 0.0)]
    churn: f64,
    /// Length of the measured window
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Rest between the last viewer's first picture and the window
    #[arg(long, default_value_t = 2.0)]
    warm_up: f64,
    /// fmp4, annexb, av, mpegts, webcodecs or opaque; guessed from the URL
    #[arg(long)]
    format: Option<FormatKind>,
    /// Quote the CPU time and memory of this process too
    #[arg(long)]
    pid: Option<u32>,
    /// Also write the results as JSON
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// Runs the load and reports each group.
pub(crate) fn run(options: &LoadOptions) -> Result<Outcome, BenchError> {
    process::raise_socket_limit();
    let target = Target::parse(&options.url)?;
    let format = options.format.unwrap_or_else(|| FormatKind::guess(&target));
    let base = Group { format, ramp: options.ramp, ..Group::healthy(&target, 0) };
    let mut groups = vec![
        ("healthy", Group { viewers: options.viewers, churn: options.churn, ..base.clone() }),
        ("stalled", Group { viewers: options.stalled, manner: Manner::Stalled, ..base.clone() }),
        ("slow", Group { viewers: options.slow_viewers, manner: Manner::Slow(options.slow_rate), ..base }),
    ];
    if let Some(url) = &options.probe {
        groups.push(("probe", Group::healthy(&Target::parse(url)?, options.probes)));
    }
    groups.retain(|(_, group)| group.viewers > 0);
    let names: Vec<_> = groups.iter().map(|(name, _)| *name).collect();

    let load = Load::start(groups.into_iter().map(|(_, group)| group).collect())?;
    load.wait_ready(READY_LIMIT)?;
    thread::sleep(Duration::from_secs_f64(options.warm_up));
    let before = options.pid.map(process::cpu_time).transpose()?;
    load.measure();
    thread::sleep(Duration::from_secs_f64(options.seconds));
    let mut outcome = Outcome::default();
    if let (Some(pid), Some(before)) = (options.pid, before) {
        let cpu = process::cpu_time(pid)?.since(&before);
        let viewers = options.viewers + options.stalled + options.slow_viewers;
        let each = cpu.as_secs_f64() * 1000.0 / options.seconds / viewers.max(1) as f64;
        outcome.note("CPU per viewer-second", format!("{} ms", short(each)));
        outcome.note("resident memory", format!("{} KiB", process::memory(pid)?.rss));
    }
    for (name, report) in names.iter().zip(load.stop()?) {
        describe(name, &report, &mut outcome);
        outcome.detail(json!({ "group": name, "report": report }));
    }
    Ok(outcome)
}

/// The rows of one group.
fn describe(name: &str, report: &GroupReport, outcome: &mut Outcome) {
    let each = report.viewers as f64 * report.seconds.max(0.001);
    let mut note = |what: &str, measured: String| outcome.note(format!("{name}: {what}"), measured);
    note("viewers, refused, closed", format!("{}, {}, {}", report.viewers, report.failed, report.closed));
    if !report.last_reason.is_empty() {
        note("last reason", report.last_reason.clone());
    }
    note("kbit/s per viewer", short(report.bytes as f64 * 8.0 / 1000.0 / each));
    note("messages/s per viewer", short(report.messages as f64 / each));
    note("messages missing, pictures damaged", format!("{}, {}", report.missing, report.damaged));
    for (what, p) in [("first decodable, ms", report.first_decodable_ms), ("delay, ms", report.delay_ms)] {
        if p.count > 0 {
            let numbers = [p.p50, p.p95, p.p99, p.max].map(short).join(" / ");
            note(&format!("{what} (p50 / p95 / p99 / max)"), numbers);
        }
    }
}
