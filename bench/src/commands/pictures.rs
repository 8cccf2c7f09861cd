//! Stills and moving JPEGs of the test pattern: how many stills a second, and what a viewer of MJPEG costs beside the first.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::error::{BenchError, Context};
use crate::lab::{Lab, READY_LIMIT};
use crate::load::{FormatKind, Group, Target};
use crate::outcome::{Outcome, short};

/// Connections that ask for stills, each for the next one as soon as it has one.
const ASKING: usize = 8;
const WATCHING: usize = 100;

/// Measures both.
pub(crate) fn run(lab: &Lab) -> Result<Outcome, BenchError> {
    let mut outcome = Outcome::default();
    let running = lab.server_with_pattern()?;
    for path in ["/bench/snapshot.jpg", "/bench/snapshot.jpg?width=320"] {
        let target = Target::parse(&running.page(path))?;
        fetch(&target, Duration::ZERO)?; // the camera is on
        let before = running.cpu_time()?;
        let start = Instant::now();
        let asking: Vec<_> = (0..ASKING)
            .map(|_| {
                let (target, span) = (target.clone(), lab.span());
                std::thread::spawn(move || fetch(&target, span))
            })
            .collect();
        let mut stills = 0;
        for thread in asking {
            stills += thread.join().map_err(|_| BenchError::Thread)??;
        }
        let cpu = running.cpu_time()?.since(&before).as_secs_f64();
        let rate = stills as f64 / start.elapsed().as_secs_f64();
        let text = format!("{} a second, {} ms CPU each", short(rate), short(cpu * 1000.0 / stills as f64));
        outcome.note(format!("stills, {path}, {ASKING} ask at once"), text);
        outcome.detail(json!({ "stills": path, "per_second": rate, "cpu_s": cpu, "count": stills }));
    }

    let target = Target::parse(&running.page("/bench/mjpeg?width=640&fps=15"))?;
    let mut cores = Vec::new();
    for viewers in [1, WATCHING] {
        let group = Group { format: FormatKind::Opaque, ..Group::healthy(&target, viewers) };
        let window = lab.window(&running, vec![group])?;
        cores.push(window.cpu.as_secs_f64() / window.seconds);
    }
    let each = (cores[1] - cores[0]) * 1000.0 / (WATCHING - 1) as f64;
    let text =
        format!("{} ms a viewer-second beside {} of a core for the first", short(each), short(cores[0]));
    outcome.note(format!("MJPEG 640 wide, 15 a second, {WATCHING} viewers"), text);
    outcome.detail(json!({ "mjpeg": { "cores_1": cores[0], "cores_many": cores[1], "viewers": WATCHING } }));
    Ok(outcome)
}

/// Asks for one still after the other on one connection until `span` is over, once at least; gives how many came.
fn fetch(target: &Target, span: Duration) -> Result<u64, BenchError> {
    let end = Instant::now() + span;
    let socket = TcpStream::connect(target.address).context("connecting")?;
    socket.set_read_timeout(Some(READY_LIMIT)).context("connecting")?;
    let mut socket = BufReader::new(socket);
    let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", target.path, target.authority);
    let mut body = Vec::new();
    let mut count = 0;
    loop {
        socket.get_mut().write_all(request.as_bytes()).context("asking for a still")?;
        let mut length = 0;
        let mut line = String::new();
        while socket.read_line(&mut line).context("reading a still")? > 2 {
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        body.resize(length, 0);
        socket.read_exact(&mut body).context("reading a still")?;
        if !body.starts_with(&[0xff, 0xd8]) {
            let said = String::from_utf8_lossy(&body[..length.min(100)]).into_owned();
            return Err(BenchError::Url { url: format!("{}: {said}", target.path), why: "no JPEG" });
        }
        count += 1;
        if Instant::now() >= end {
            return Ok(count);
        }
    }
}
