//! Warm join: from connecting to the first decodable picture, while others watch.
//!
//! By RTMP and RTSP all that is agreed on before is in it: handshake, `connect`, `play`; `DESCRIBE`, `SETUP`, `PLAY`.

use serde_json::json;

use crate::error::BenchError;
use crate::lab::{Lab, READY_LIMIT};
use crate::load::{Group, Load, Manner, Target};
use crate::outcome::{Outcome, short};
use crate::process;

/// Joins one after another beside a standing crowd, for fMP4 and webcodecs, by RTMP and by RTSP over TCP.
pub(crate) fn run(lab: &Lab) -> Result<Outcome, BenchError> {
    let (rtmp, rtsp) = (process::free_port()?, process::free_port()?);
    let running = lab.server_with_clip_and(&format!(
        "[rtmp]\nlisten = \"127.0.0.1:{rtmp}\"\n[rtsp]\nlisten = \"127.0.0.1:{rtsp}\"\n"
    ))?;
    let crowd = Load::start(vec![Group::healthy(&running.socket("/bench/ws?format=fmp4")?, CROWD)])?;
    crowd.wait_ready(READY_LIMIT)?;
    let mut outcome = Outcome::default();
    let ways = [
        ("fmp4", running.socket("/bench/ws?format=fmp4")?),
        ("webcodecs", running.socket("/bench/ws?format=webcodecs")?),
        ("RTMP", Target::parse(&format!("rtmp://127.0.0.1:{rtmp}/bench"))?),
        ("RTSP over TCP", Target::parse(&format!("rtsp://127.0.0.1:{rtsp}/bench"))?),
    ];
    for (format, target) in ways {
        let joiners = Group { manner: Manner::Glance, ramp: JOINS_PER_S, ..Group::healthy(&target, JOINS) };
        let load = Load::start(vec![joiners])?;
        load.wait_ready(READY_LIMIT)?;
        for report in load.stop()? {
            let join = report.first_decodable_ms;
            outcome.at_most(
                format!("warm join, {format}, p99 to a decodable picture"),
                40.0,
                join.p99,
                " ms",
            );
            outcome.note("  p50, max", format!("{}, {} ms", short(join.p50), short(join.max)));
            outcome.detail(json!({ "join": format, "report": report }));
        }
    }
    Ok(outcome)
}

const CROWD: usize = 100;
const JOINS: usize = 200;
const JOINS_PER_S: f64 = 40.0;
