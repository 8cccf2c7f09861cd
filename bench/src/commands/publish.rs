//! Publish by HTTP to WebSocket: the clip's pictures are sent at their times in the body of one request; a viewer notes
//! when each of them is there. What lies between is ours: reading the body, finding the picture, packaging, sending.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::error::{BenchError, Context};
use crate::lab::{Lab, READY_LIMIT, Running};
use crate::load::{Arrival, Percentiles, Witness};
use crate::outcome::{Outcome, short};

/// Measures with MP4 in fragments and with MPEG-TS, the formats that ffmpeg publishes with.
pub(crate) fn run(lab: &Lab) -> Result<Outcome, BenchError> {
    let mut outcome = Outcome::default();
    for (name, arguments, cut) in FORMATS {
        let pieces = cut(&remux(lab, arguments)?);
        let running = lab.server("[streams.bench]\n")?;
        let delays = publish(lab, &running, &pieces)?;
        outcome.at_most(format!("publish by HTTP ({name}) to WebSocket, p99"), 5.0, delays.p99, " ms");
        let text = format!("{}, {}, {} ms", short(delays.p50), short(delays.p95), short(delays.max));
        outcome.note("  p50, p95, max", text);
        outcome.detail(json!({ "publish": name, "delay_ms": delays }));
    }
    Ok(outcome)
}

type Cut = fn(&[u8]) -> Vec<Vec<u8>>;
const FORMATS: [(&str, &[&str], Cut); 2] = [
    ("MP4", &["-f", "mp4", "-movflags", "empty_moov+frag_every_frame+default_base_moof"], fragments),
    ("MPEG-TS", &["-f", "mpegts"], packets),
];
/// The clip's pictures a second.
const RATE: f64 = 30.0;
/// Pictures before the measured ones.
const WARM_UP: usize = 30;

/// Sends the pieces, the first being what goes before all pictures, again and again for the lab's span.
fn publish(lab: &Lab, running: &Running, pieces: &[Vec<u8>]) -> Result<Percentiles, BenchError> {
    let witness = Witness::join(&running.socket("/bench/ws?format=webcodecs&audio=0")?)?;
    let mut socket = TcpStream::connect(running.address()).context("connecting")?;
    socket.set_nodelay(true).context("connecting")?;
    socket.set_read_timeout(Some(READY_LIMIT)).context("connecting")?;
    let head = format!(
        "POST /bench/publish HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        running.address()
    );
    socket.write_all(head.as_bytes()).context("publishing")?;
    let mut send = |bytes: &[u8]| {
        let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        let now = Instant::now();
        socket.write_all(&chunk).map(|()| now)
    };
    let (first, pictures) = pieces.split_first().ok_or(BenchError::Thread)?;
    let wanted = WARM_UP + (lab.span().as_secs_f64() * RATE) as usize;
    let mut sent = Vec::new();
    let mut outcome = if first.is_empty() { Ok(()) } else { send(first).map(drop) };
    let begun = Instant::now();
    for (count, picture) in pictures.iter().take(wanted).enumerate() {
        let due = begun + Duration::from_secs_f64(count as f64 / RATE);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        match send(picture) {
            Ok(at) => sent.push(at),
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    if outcome.is_err() {
        return Err(refused(socket, "publishing"));
    }
    // The last picture of some formats ends with the body.
    socket.write_all(b"0\r\n\r\n").context("publishing")?;
    let end = Instant::now() + Duration::from_secs(2);
    while witness.pictures() < sent.len() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    let (came, missing) = witness.leave()?;
    if came.len() != sent.len() || missing > 0 {
        return Err(refused(socket, &format!("{} pictures came of {}", came.len(), sent.len())));
    }
    let delay = |(sent, came): (&Instant, &Arrival)| {
        u32::try_from(came.at.saturating_duration_since(*sent).as_micros()).unwrap_or(u32::MAX)
    };
    Ok(Percentiles::of(sent.iter().zip(&came).skip(WARM_UP).map(delay).collect()))
}

/// With what the server answered.
fn refused(mut socket: TcpStream, what: &str) -> BenchError {
    let mut answer = String::new();
    let _ = socket.shutdown(Shutdown::Write);
    let _ = socket.read_to_string(&mut answer);
    BenchError::Io { what: what.to_owned(), source: std::io::Error::other(answer.replace("\r\n", " ")) }
}

/// The clip's pictures in another container, for as long as is measured.
fn remux(lab: &Lab, format: &[&str]) -> Result<Vec<u8>, BenchError> {
    let seconds = (lab.span().as_secs() + 3).to_string();
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-stream_loop", "-1", "-i"])
        .arg(lab.clip())
        .args(["-t", &seconds, "-an", "-c", "copy"])
        .args(format)
        .arg("pipe:1")
        .output()
        .context("running ffmpeg")?;
    if !output.status.success() {
        return Err(BenchError::Child {
            program: "ffmpeg".into(),
            status: output.status.to_string(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    Ok(output.stdout)
}

/// Boxes up to the first `moof`, then each `moof` with its `mdat`.
fn fragments(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = vec![Vec::new()];
    while let Some((head, _)) = bytes.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (whole, rest) = bytes.split_at(length.clamp(8, bytes.len()));
        match &head[4..] {
            b"mfra" => break,
            b"moof" => pieces.push(whole.to_vec()),
            _ => pieces.last_mut().into_iter().for_each(|piece| piece.extend_from_slice(whole)),
        }
        bytes = rest;
    }
    pieces
}

/// Nothing, then the packets of each picture, with the tables before it.
fn packets(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = vec![Vec::new()];
    let mut tables = Vec::new();
    for packet in bytes.chunks_exact(188) {
        let (starts, number) = (packet[1] & 0x40 != 0, u16::from_be_bytes([packet[1] & 0x1f, packet[2]]));
        match (number == PICTURES, starts) {
            (false, _) => tables.extend_from_slice(packet),
            (true, true) => pieces.push([std::mem::take(&mut tables).as_slice(), packet].concat()),
            (true, false) => pieces.last_mut().into_iter().for_each(|piece| piece.extend_from_slice(packet)),
        }
    }
    pieces
}

/// Where ffmpeg puts the first track.
const PICTURES: u16 = 0x100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_is_its_moof_and_its_mdat() {
        let part =
            |kind: &[u8; 4], body: &[u8]| [&(8 + body.len() as u32).to_be_bytes()[..], kind, body].concat();
        let file = [part(b"ftyp", b"1"), part(b"moov", b"22"), part(b"moof", b"3"), part(b"mdat", b"4")];
        let more = [part(b"moof", b"5"), part(b"mdat", b"6"), part(b"mfra", b"7")];
        let pieces = fragments(&[file.concat(), more.concat()].concat());
        assert_eq!(pieces, [file[..2].concat(), file[2..].concat(), more[..2].concat()]);
    }

    #[test]
    fn tables_go_before_the_picture_they_precede() {
        let packet = |number: u8, start: bool, mark: u8| {
            let mut packet = vec![mark; 188];
            packet[..3].copy_from_slice(&[0x47, if start { 0x40 } else { 0 } | (number >> 4), number << 4]);
            packet
        };
        let (tables, first, more, second) =
            (packet(0, true, 1), packet(0x10, true, 2), packet(0x10, false, 3), packet(0x10, true, 4));
        let file = [&tables[..], &first, &more, &tables, &second].concat();
        let pieces = packets(&file);
        assert_eq!(pieces, [vec![], [&tables[..], &first, &more].concat(), [&tables[..], &second].concat()]);
    }
}
