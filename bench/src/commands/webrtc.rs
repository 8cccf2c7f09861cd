//! WebRTC: server CPU ÷ a floor that only encrypts and sends, how many viewers the machine holds, what one costs in memory, publish to
//! socket, and the way from an offer to the first whole picture.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::error::BenchError;
use crate::lab::{Lab, READY_LIMIT, Running};
use crate::load::{Arrival, Group, Load, Manner, Percentiles, Shown, Target, Witness};
use crate::outcome::{Outcome, median, short};

/// Measures all of it, with at most so many viewers at once.
pub(crate) fn run(lab: &Lab, viewers: usize) -> Result<Outcome, BenchError> {
    let mut outcome = Outcome::default();
    compare(lab, &mut outcome)?;
    hold(lab, viewers, &mut outcome)?;
    delay_and_memory(lab, &mut outcome)?;
    join(lab, &mut outcome)?;
    Ok(outcome)
}

/// Whom a window is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Server,
    Floor,
}

/// One window of the server or the floor.
struct Turn {
    cpu_ms: f64,
    packets: f64,
    kbit: f64,
    /// Of a core: those who serve, those who watch.
    cores: [f64; 2],
    missing: u64,
    damaged: u64,
    closed: u64,
}

impl Turn {
    fn is_clean(&self, viewers: usize, seconds: f64) -> bool {
        let packets = self.packets * viewers as f64 * seconds;
        self.closed == 0 && self.missing as f64 <= packets * MOST_LOST
    }
}

/// In turns with the floor, whose packets are read one by one as browsers do, so that the kernel cuts apart what either sends.
fn compare(lab: &Lab, outcome: &mut Outcome) -> Result<(), BenchError> {
    let (mut server, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..lab.repeats() {
        server.push(turn(lab, Who::Server, "whep", COMPARED, outcome)?);
        floor.push(turn(lab, Who::Floor, "srtp", COMPARED, outcome)?);
    }
    let of = |turns: &[Turn], get: fn(&Turn) -> f64| median(turns.iter().map(get).collect());
    let (ours, least) = (of(&server, |t| t.cpu_ms), of(&floor, |t| t.cpu_ms));
    let what = format!("WebRTC, {COMPARED} viewers: CPU ÷ AES-GCM and GSO alone");
    outcome.at_most(what, 1.5, ours / least, " ×");
    for (name, turns, cpu) in [("server", &server, ours), ("floor", &floor, least)] {
        let (packets, kbit) = (of(turns, |t| t.packets), of(turns, |t| t.kbit));
        let text = format!("{} ms, {} packets/s, {} kbit/s", short(cpu), short(packets), short(kbit));
        outcome.note(format!("  {name}: CPU per viewer-second"), text);
    }
    Ok(())
}

/// As many viewers as there are without a loss, at most so many; packets are read together.
fn hold(lab: &Lab, viewers: usize, outcome: &mut Outcome) -> Result<(), BenchError> {
    let mut held = viewers;
    let server = loop {
        match turn(lab, Who::Server, "whep+gro", held, outcome) {
            Ok(turn) if turn.is_clean(held, lab.span().as_secs_f64()) || held <= FEWEST => break turn,
            Err(error) if held <= FEWEST => return Err(error),
            Ok(turn) => eprintln!("{held} viewers: {} packets missing, {} lost", turn.missing, turn.closed),
            Err(error) => eprintln!("{held} viewers: {error}"),
        }
        held = (held * 3 / 4).max(FEWEST);
    };
    let floor = turn(lab, Who::Floor, "srtp+gro", held, outcome)?;
    outcome.at_least("WebRTC viewers at once without a loss", viewers as f64, held as f64, "");
    outcome.note("  of a core: server, load client", server.cores.map(short).join(", "));
    outcome.note(
        "  packets missing, pictures damaged, viewers lost",
        [server.missing, server.damaged, server.closed].map(|count| count.to_string()).join(", "),
    );
    let each = [server.cpu_ms, floor.cpu_ms].map(short).join(", ");
    outcome.note("  CPU per viewer-second, nothing cut apart: server, floor", each + " ms");
    Ok(())
}

fn turn(
    lab: &Lab,
    who: Who,
    scheme: &str,
    viewers: usize,
    outcome: &mut Outcome,
) -> Result<Turn, BenchError> {
    let (running, group) = match who {
        Who::Server => {
            let running = lab.server_with_opus()?;
            let group = crowd(&whep(&running, scheme)?, viewers);
            (running, group)
        }
        Who::Floor => {
            let running = lab.floor_with_opus()?;
            let target = Target::parse(&format!("{scheme}://{}", running.address()))?;
            (running, Group::healthy(&target, viewers))
        }
    };
    let window = lab.window(&running, vec![group])?;
    let report = &window.groups[0];
    let counted = viewers as f64 * report.seconds;
    let turn = Turn {
        cpu_ms: window.cpu.as_secs_f64() * 1000.0 / (viewers as f64 * window.seconds),
        packets: report.messages as f64 / counted,
        kbit: report.bytes as f64 * 8.0 / 1000.0 / counted,
        cores: [window.cpu, window.own_cpu].map(|cpu| cpu.as_secs_f64() / window.seconds),
        missing: report.missing,
        damaged: report.damaged,
        closed: report.closed,
    };
    eprintln!(
        "{who:?}, {scheme}, {viewers}: {} ms per viewer-second, {} packets/s, {} and {} of a core",
        short(turn.cpu_ms),
        short(turn.packets),
        short(turn.cores[0]),
        short(turn.cores[1])
    );
    outcome.detail(json!({ "webrtc": scheme, "cpu_ms_per_viewer_second": turn.cpu_ms, "cores": turn.cores, "report": report }));
    Ok(turn)
}

/// Publish to socket: what the kernel says of when each picture's last packet came, against when a viewer by WebSocket is told that the server
/// had it. Memory: what these viewers add to one.
fn delay_and_memory(lab: &Lab, outcome: &mut Outcome) -> Result<(), BenchError> {
    let running = lab.server_with_opus()?;
    let target = whep(&running, "whep+gro")?;
    let witness = Witness::join(&running.socket("/bench/ws?format=webcodecs&audio=0")?)?;
    let first = Load::start(vec![crowd(&target, 1)])?;
    first.wait_ready(READY_LIMIT)?;
    thread::sleep(SETTLE);
    let before = running.memory()?;
    let load = Load::start(vec![crowd(&target, WATCHING)])?;
    load.wait_ready(READY_LIMIT)?;
    thread::sleep(SETTLE);
    load.measure();
    thread::sleep(lab.span());
    let after = running.memory()?;
    let reports = load.stop()?;
    first.stop()?;
    let (pictures, _) = witness.leave()?;
    let (delays, unknown) = delays(&pictures, &reports[0].shown);
    let delay = Percentiles::of(delays);
    outcome.at_most(
        format!("publish to socket by WebRTC, p99 of {WATCHING} viewers"),
        10.0,
        delay.p99,
        " ms",
    );
    outcome.note(
        "  p50, p95, max",
        format!("{}, {}, {} ms", short(delay.p50), short(delay.p95), short(delay.max)),
    );
    outcome.note("  pictures, of them without a time", format!("{}, {unknown}", delay.count + unknown));
    let kib = after.rss.saturating_sub(before.rss) as f64;
    let each = kib / WATCHING as f64;
    outcome.at_most(format!("a viewer by WebRTC, of {WATCHING}"), 150.0, each, " kB");
    outcome.detail(json!({ "webrtc": "delay", "delay_ms": delay, "before": before, "after": after, "report": reports[0] }));
    Ok(())
}

/// Each picture's delay in microseconds, and how many belong to none that the server had.
fn delays(pictures: &[Arrival], shown: &[Shown]) -> (Vec<u32>, usize) {
    let mut captured: Vec<i64> = pictures.iter().map(|picture| picture.captured_us).collect();
    captured.sort_unstable();
    let delay = |shown: &Shown| {
        let after = captured.partition_point(|time| *time < shown.captured_us);
        let near =
            [after.checked_sub(1), Some(after)].into_iter().flatten().filter_map(|at| captured.get(at));
        let nearest = near.min_by_key(|time| (*time - shown.captured_us).abs())?;
        let is_known = (nearest - shown.captured_us).abs() < HALF_A_PICTURE_US;
        is_known.then(|| u32::try_from((shown.came_us - nearest).max(0)).unwrap_or(u32::MAX))
    };
    let known: Vec<u32> = shown.iter().filter_map(delay).collect();
    let unknown = shown.len() - known.len();
    (known, unknown)
}

/// From connecting, which an offer follows at once, to the first whole picture, while others watch.
fn join(lab: &Lab, outcome: &mut Outcome) -> Result<(), BenchError> {
    let running = lab.server_with_opus()?;
    let target = whep(&running, "whep+gro")?;
    let standing = Load::start(vec![crowd(&target, STANDING)])?;
    standing.wait_ready(READY_LIMIT)?;
    let joiners = Group { manner: Manner::Glance, ramp: JOINS_PER_S, ..crowd(&target, JOINS) };
    let load = Load::start(vec![joiners])?;
    load.wait_ready(READY_LIMIT)?;
    let report = load.stop()?.remove(0);
    let join = report.first_decodable_ms;
    outcome.at_most("warm join by WebRTC, p95 from the offer to a whole picture", 300.0, join.p95, " ms");
    outcome
        .note("  p50, p99, max", format!("{}, {}, {} ms", short(join.p50), short(join.p99), short(join.max)));
    outcome.detail(json!({ "webrtc": "join", "report": report }));
    Ok(())
}

fn whep(running: &Running, scheme: &str) -> Result<Target, BenchError> {
    Target::parse(&format!("{scheme}://{}/bench/whep", running.address()))
}

/// Viewers whose handshakes leave room for those who watch already.
fn crowd(target: &Target, viewers: usize) -> Group {
    Group { ramp: HANDSHAKES_PER_S, ..Group::healthy(target, viewers) }
}

const HANDSHAKES_PER_S: f64 = 100.0;
const COMPARED: usize = 400;
/// Not fewer are tried.
const FEWEST: usize = 100;
/// One packet in so many may be lost where the machine is said to hold its viewers.
const MOST_LOST: f64 = 1e-5;
const WATCHING: usize = 300;
const SETTLE: Duration = Duration::from_secs(3);
/// The clip has 30 a second.
const HALF_A_PICTURE_US: i64 = 16_000;
const STANDING: usize = 50;
const JOINS: usize = 100;
const JOINS_PER_S: f64 = 20.0;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_picture_has_the_delay_since_the_nearest_one_that_the_server_had() {
        let picture = |captured_us| Arrival { at: Instant::now(), captured_us };
        let pictures = [picture(133_000), picture(100_000)];
        let shown = |came_us, captured_us| Shown { came_us, captured_us };
        let all = [
            shown(102_000, 99_000),
            shown(134_500, 140_000),
            shown(134_500, 120_000),
            shown(1, 170_000),
            shown(99_000, 100_000),
        ];
        assert_eq!(delays(&pictures, &all), (vec![2_000, 1_500, 1_500, 0], 1));
    }
}
