//! What a floor server sends: message sizes and times, over and over.
//!
//! Made from the clip that the server under test plays, so that both send the same bytes at the same times. F1 is
//! one message a unit. F2 is one message a picture, with the sound since the last one. Both are framed as fMP4; `units` are bare, each by itself.
//!
//! The file is text: `loop MICROSECONDS`, then a line `MICROSECONDS BYTES` for each message, in order of time.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{BenchError, Context};

/// Which of the floors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    F1,
    F2,
    Units,
}

impl FromStr for Mode {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "f1" => Ok(Self::F1),
            "f2" => Ok(Self::F2),
            "units" => Ok(Self::Units),
            _ => Err("f1, f2 or units"),
        }
    }
}

/// Messages of one round, then all over again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) round: Duration,
    pub(crate) messages: Vec<Message>,
}

/// One message: when in the round, how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) at: Duration,
    pub(crate) bytes: usize,
}

/// An access unit of the clip.
#[derive(Debug, Clone, Copy)]
struct Unit {
    video: bool,
    at: Duration,
    bytes: usize,
}

impl Schedule {
    /// From the units of a clip.
    pub(crate) fn of_clip(clip: &Path, mode: Mode) -> Result<Self, BenchError> {
        let output = Command::new("ffprobe")
            .args([
                "-v",
                "error",
                "-show_entries",
                "packet=codec_type,dts_time,duration_time,size",
                "-of",
                "csv=p=0",
            ])
            .arg(clip)
            .output()
            .context("running ffprobe")?;
        if !output.status.success() {
            return Err(BenchError::Child {
                program: "ffprobe".into(),
                status: output.status.to_string(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            });
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let (units, end) = parse_packets(&text, clip)?;
        Ok(Self { round: end, messages: arrange(&units, mode) })
    }

    /// Reads the file's text.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, BenchError> {
        let mut round = None;
        let mut messages: Vec<Message> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let fail = |why| BenchError::Schedule { path: path.to_owned(), line: number + 1, why };
            let (first, second) = line.split_once(' ').ok_or_else(|| fail("two words expected"))?;
            if first == "loop" {
                let micros = second.parse().map_err(|_| fail("not a number"))?;
                round = Some(Duration::from_micros(micros));
                continue;
            }
            let at = Duration::from_micros(first.parse().map_err(|_| fail("not a number"))?);
            let bytes = second.parse().map_err(|_| fail("not a number"))?;
            if bytes > MAX_MESSAGE {
                return Err(fail("the message is too long"));
            }
            if messages.last().is_some_and(|last| last.at > at) || round.is_none_or(|round| at > round) {
                return Err(fail("out of order"));
            }
            messages.push(Message { at, bytes });
        }
        match round {
            Some(round) if !messages.is_empty() && !round.is_zero() => Ok(Self { round, messages }),
            _ => Err(BenchError::Schedule { path: path.to_owned(), line: 0, why: "nothing to send" }),
        }
    }

    /// The file's text.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("loop {}\n", self.round.as_micros());
        for message in &self.messages {
            let _ = writeln!(text, "{} {}", message.at.as_micros(), message.bytes);
        }
        text
    }
}

/// Units in order of time, and the end of the longest track.
fn parse_packets(text: &str, clip: &Path) -> Result<(Vec<Unit>, Duration), BenchError> {
    let mut units = Vec::new();
    let mut end = Duration::ZERO;
    for (number, line) in text.lines().enumerate() {
        let fail = |why| BenchError::Schedule { path: clip.to_owned(), line: number + 1, why };
        // Side data is appended to the fields, and ends with an empty line of its own.
        if line.is_empty() {
            continue;
        }
        let mut fields = line.split(',');
        let mut field = || fields.next().ok_or_else(|| fail("four fields expected from ffprobe"));
        let (kind, dts, duration, size) = (field()?, field()?, field()?, field()?);
        let seconds = |text: &str| text.parse::<f64>().map_err(|_| fail("not a time"));
        // The encoder delay of AAC is a unit before zero.
        let at = Duration::from_secs_f64(seconds(dts)?.max(0.0));
        end = end.max(at + Duration::from_secs_f64(seconds(duration)?.max(0.0)));
        let bytes = size.parse().map_err(|_| fail("not a size"))?;
        units.push(Unit { video: kind == "video", at, bytes });
    }
    units.sort_by_key(|unit| unit.at);
    Ok((units, end))
}

/// One message a unit, or one a picture with the sound before it.
fn arrange(units: &[Unit], mode: Mode) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut sound = 0;
    for unit in units {
        match mode {
            Mode::F1 => messages.push(Message { at: unit.at, bytes: FRAGMENT + unit.bytes }),
            Mode::Units => messages.push(Message { at: unit.at, bytes: unit.bytes }),
            Mode::F2 if unit.video => {
                messages.push(Message { at: unit.at, bytes: FRAGMENT + unit.bytes + sound });
                sound = 0;
            }
            Mode::F2 => {
                sound += if sound == 0 { SECOND_TRACK } else { 0 } + SAMPLE + unit.bytes;
            }
        }
    }
    messages
}

/// `moof` of one sample, and the header of `mdat`.
const FRAGMENT: usize = 108;
/// `traf`, `tfhd`, `tfdt` and `trun` of the second track.
const SECOND_TRACK: usize = 72;
/// An entry of `trun`.
const SAMPLE: usize = 8;
const MAX_MESSAGE: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const PACKETS: &str = "audio,-0.021333,0.021333,10,\n\nvideo,0.000000,0.033333,1000\naudio,0.001000,0.021333,20\n\
                           audio,0.022000,0.021333,30\nvideo,0.033333,0.033333,500\n";

    fn of(mode: Mode) -> Vec<(u128, usize)> {
        let (units, _) = parse_packets(PACKETS, Path::new("x")).unwrap();
        arrange(&units, mode).iter().map(|m| (m.at.as_micros(), m.bytes)).collect()
    }

    #[test]
    fn f1_sends_every_unit_by_itself() {
        assert_eq!(of(Mode::F1), [(0, 118), (0, 1108), (1000, 128), (22000, 138), (33333, 608)]);
    }

    #[test]
    fn f2_lets_the_sound_ride_in_the_next_picture() {
        assert_eq!(of(Mode::F2), [(0, 1108 + 72 + 18), (33333, 608 + 72 + 28 + 38)]);
    }

    #[test]
    fn bare_units_have_nothing_around_them() {
        assert_eq!(of(Mode::Units), [(0, 10), (0, 1000), (1000, 20), (22000, 30), (33333, 500)]);
    }

    #[test]
    fn the_text_reads_back() {
        let (units, round) = parse_packets(PACKETS, Path::new("x")).unwrap();
        let schedule = Schedule { round, messages: arrange(&units, Mode::F1) };
        assert_eq!(Schedule::parse(&schedule.to_text(), Path::new("x")).unwrap(), schedule);
    }

    #[test]
    fn messages_out_of_order_are_refused() {
        assert!(Schedule::parse("loop 100\n50 1\n40 1\n", Path::new("x")).is_err());
        assert!(Schedule::parse("loop 100\n150 1\n", Path::new("x")).is_err());
        assert!(Schedule::parse("loop 100\n", Path::new("x")).is_err());
    }
}
