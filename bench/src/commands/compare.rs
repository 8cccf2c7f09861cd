//! Server CPU ÷ floor CPU, in turns, for both ways of sending: every unit by itself (F1), and sound riding in the next
//! picture's message (F2), on a WebSocket, as a bare HTTP body, by RTMP and by RTSP over TCP; and low-latency HLS, whose floor is a megabyte of F1.

use serde_json::json;

use crate::error::BenchError;
use crate::lab::{Lab, Running, Window};
use crate::load::{FormatKind, Group, Target};
use crate::outcome::{Outcome, median, short};
use crate::process;
use crate::schedule::Mode;

/// The stream by RTMP, and by RTSP.
const RTMP: &str = "rtmp:/bench";
const RTSP: &str = "rtsp:/bench";
const HLS: &str = "LL-HLS, parts of 200 ms";

/// One window of a server or a floor.
struct Turn {
    cpu_ms: f64,
    messages: f64,
    kbit: f64,
}

/// Compares for `viewers`, those ways of sending that have `only` in their name.
pub(crate) fn run(lab: &Lab, viewers: usize, only: &str) -> Result<Outcome, BenchError> {
    let mut outcome = Outcome::default();
    let each_by_itself =
        ("WS fMP4, every unit at once", "F1", Mode::F1, "/bench/ws?format=fmp4&group_ms=0", 1.2);
    let riding = ("WS fMP4, default", "F2", Mode::F2, "/bench/ws?format=fmp4", 1.3);
    let progressive = ("progressive MP4", "F2", Mode::F2, "/bench/stream.mp4", 1.3);
    let flv = ("HTTP-FLV", "F2", Mode::F2, "/bench/stream.flv", 1.3);
    let rtmp = ("RTMP", "F2", Mode::F2, RTMP, 1.3);
    let rtmp_at_once = ("RTMP, every unit at once", "F1", Mode::F1, "rtmp:/bench?group_ms=0", 1.2);
    let rtsp = ("RTSP over TCP", "F2", Mode::F2, RTSP, 1.3);
    let rtsp_at_once = ("RTSP over TCP, every unit at once", "F1", Mode::F1, "rtsp:/bench?group_ms=0", 1.2);
    // Each track has a port of its own, so the least is a send for each unit.
    let rtsp_udp = ("RTSP over UDP", "F1 by UDP", Mode::F1, "rtsp+udp:/bench", 1.5);
    let ways = [each_by_itself, riding, progressive, flv, rtmp, rtmp_at_once, rtsp, rtsp_at_once, rtsp_udp];
    for (what, floor_name, mode, path, limit) in ways.into_iter().filter(|way| way.0.contains(only)) {
        let (mut server, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..lab.repeats() {
            let port = process::free_port()?;
            let own = path.split([':', '+']).next().filter(|_| path.contains(':')).unwrap_or("rtmp");
            let running = lab.server_with_clip_and(&format!("[{own}]\nlisten = \"127.0.0.1:{port}\"\n"))?;
            let target = if let Some((scheme, path)) = path.split_once(":/") {
                Target::parse(&format!("{scheme}://127.0.0.1:{port}/{path}"))?
            } else if path.contains("/ws") {
                running.socket(path)?
            } else {
                Target::parse(&running.page(path))?
            };
            server.push(turn(lab, &running, &target, viewers, what, &mut outcome)?);
            drop(running);
            let running = lab.floor(mode)?;
            let address = running.address();
            let target = match path.split_once(":/") {
                Some(("rtsp+udp", _)) => Target::parse(&format!("udp://{address}"))?,
                // Those who read RTMP and RTSP only count bytes: a floor's client that did more would sleep less and be woken less, which costs the sender less.
                Some(_) => Target::parse(&format!("http://{address}/bare"))?,
                None => running.socket("/")?,
            };
            floor.push(turn(lab, &running, &target, viewers, floor_name, &mut outcome)?);
        }
        let of = |turns: &[Turn], get: fn(&Turn) -> f64| median(turns.iter().map(get).collect());
        let (ours, least) = (of(&server, |t| t.cpu_ms), of(&floor, |t| t.cpu_ms));
        outcome.at_most(format!("{what}, {viewers} viewers: CPU ÷ {floor_name}"), limit, ours / least, " ×");
        for (name, turns, cpu) in [("server", &server, ours), (floor_name, &floor, least)] {
            let (messages, kbit) = (of(turns, |t| t.messages), of(turns, |t| t.kbit));
            let text = format!("{} ms, {} messages/s, {} kbit/s", short(cpu), short(messages), short(kbit));
            outcome.note(format!("  {name}: CPU per viewer-second"), text);
        }
    }
    if HLS.contains(only) {
        hls(lab, viewers, &mut outcome)?;
    }
    Ok(outcome)
}

/// Low-latency HLS asks ten times a second and gets few, large answers: compared is what a delivered megabyte costs.
fn hls(lab: &Lab, viewers: usize, outcome: &mut Outcome) -> Result<(), BenchError> {
    let (what, floor_name) = (HLS, "F1");
    let (mut server, mut floor) = (Vec::new(), Vec::new());
    let per_megabyte = |turn: &Turn| turn.cpu_ms / (turn.kbit / 8_000.0).max(1e-6);
    for _ in 0..lab.repeats() {
        let running = lab.server_with_clip()?;
        let target = Target::parse(&running.page("/bench/live.m3u8"))?;
        server.push(turn(lab, &running, &target, viewers, what, outcome)?);
        drop(running);
        let running = lab.floor(Mode::F1)?;
        floor.push(turn(lab, &running, &running.socket("/")?, viewers, floor_name, outcome)?);
    }
    let of = |turns: &[Turn]| median(turns.iter().map(per_megabyte).collect());
    let (ours, least) = (of(&server), of(&floor));
    outcome.at_most(format!("{what}, {viewers} viewers: CPU a MB ÷ {floor_name}"), 0.5, ours / least, " ×");
    outcome.note("  server, floor: CPU a MB", format!("{} ms, {} ms", short(ours), short(least)));
    Ok(())
}

fn turn(
    lab: &Lab,
    running: &Running,
    target: &Target,
    viewers: usize,
    what: &str,
    outcome: &mut Outcome,
) -> Result<Turn, BenchError> {
    // A bare body is cut anywhere: nothing of it is looked at.
    let healthy = Group::healthy(target, viewers);
    let format = if what.starts_with("WS") { healthy.format } else { FormatKind::Opaque };
    let window: Window = lab.window(running, vec![Group { format, ..healthy }])?;
    let viewer_seconds = viewers as f64 * window.seconds;
    let report = &window.groups[0];
    let counted = viewers as f64 * report.seconds;
    let turn = Turn {
        cpu_ms: window.cpu.as_secs_f64() * 1000.0 / viewer_seconds,
        messages: report.messages as f64 / counted,
        kbit: report.bytes as f64 * 8.0 / 1000.0 / counted,
    };
    eprintln!("{what}: {} ms per viewer-second, {} messages/s", short(turn.cpu_ms), short(turn.messages));
    outcome.detail(json!({ "compare": what, "cpu_ms_per_viewer_second": turn.cpu_ms, "report": report }));
    Ok(turn)
}
