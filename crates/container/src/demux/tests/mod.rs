//! Real streams, made by ffmpeg when the tests run, through the public face.

mod damage;
mod flv;
mod mp4;
mod mpegts;
mod raw;

use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use media::{AccessUnit, MediaKind, Timescale, Track};

use super::{DemuxError, DemuxStats, Demuxer, InputFormat};

/// Two seconds of picture (160x120, 25 a second) and sound (48 kHz).
const SOURCES: &[&str] = &[
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=160x120:rate=25",
    "-f",
    "lavfi",
    "-i",
    "sine=sample_rate=48000",
    "-t",
    "2",
];
const B_FRAMES: &[&str] = &[
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-x264-params",
    "bframes=2:b-adapt=0:keyint=25:scenecut=0",
    "-pix_fmt",
    "yuv420p",
    "-threads",
    "1",
];
const NO_B_FRAMES: &[&str] = &[
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-tune",
    "zerolatency",
    "-g",
    "25",
    "-pix_fmt",
    "yuv420p",
    "-threads",
    "1",
];
const H265: &[&str] = &[
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-x265-params",
    "log-level=none:bframes=2:keyint=25:min-keyint=25",
    "-pix_fmt",
    "yuv420p",
];
const AAC: &[&str] = &["-c:a", "aac", "-b:a", "64k"];
const OPUS: &[&str] = &["-c:a", "libopus", "-b:a", "64k"];

/// What ffmpeg writes to its standard output.
fn ffmpeg(parts: &[&[&str]]) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(parts.concat())
        .arg("pipe:1")
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg must be installed for the tests");
    assert!(output.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A file of a format that ffmpeg cannot write to a pipe.
fn ffmpeg_file(name: &str, parts: &[&[&str]]) -> Vec<u8> {
    let path = scratch(name);
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(parts.concat())
        .arg(&path)
        .status()
        .expect("ffmpeg must be installed for the tests");
    assert!(status.success());
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    bytes
}

/// Decoding and presentation times that ffprobe reads from the bytes, in the ticks of the container.
fn ffprobe(name: &str, bytes: &[u8], stream: &str) -> Vec<(i64, i64)> {
    let path = scratch(name);
    std::fs::write(&path, bytes).unwrap();
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream, "-show_entries", "packet=dts,pts", "-of", "csv=p=0"])
        .arg(&path)
        .output()
        .expect("ffprobe must be installed for the tests");
    std::fs::remove_file(&path).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut fields = line.split(',');
            let mut field = || fields.next().unwrap().trim().parse::<i64>().unwrap();
            let pts = field();
            (field(), pts)
        })
        .collect()
}

fn scratch(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("firstlight-demux-{}-{name}", std::process::id()))
}

#[allow(clippy::disallowed_methods)]
fn now() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// What came out of an input.
#[derive(Debug)]
struct Demuxed {
    units: Vec<AccessUnit>,
    tracks: Vec<Arc<Track>>,
    notes: Vec<String>,
    stats: DemuxStats,
    error: Option<DemuxError>,
}

impl Demuxed {
    fn of_kind(&self, kind: MediaKind) -> Vec<&AccessUnit> {
        self.units.iter().filter(|unit| unit.track.kind() == kind).collect()
    }

    fn video(&self) -> Vec<&AccessUnit> {
        self.of_kind(MediaKind::Video)
    }

    fn audio(&self) -> Vec<&AccessUnit> {
        self.of_kind(MediaKind::Audio)
    }

    /// Decoding and presentation times of the pictures in `hz`.
    fn video_times(&self, hz: u32) -> Vec<(i64, i64)> {
        times(&self.video(), hz)
    }

    /// Everything of the units but when they arrived.
    fn gist(&self) -> Vec<Gist> {
        self.units.iter().map(gist).collect()
    }
}

/// What must not depend on chunking.
#[derive(Debug, PartialEq, Eq)]
struct Gist {
    track: Track,
    times: (i64, i64),
    flags: (bool, bool, u16),
    data: bytes::Bytes,
}

fn gist(unit: &AccessUnit) -> Gist {
    Gist {
        track: (*unit.track).clone(),
        times: (unit.dts.ticks(), unit.pts.ticks()),
        flags: (unit.random_access, unit.disposable, unit.lost_before),
        data: unit.data.clone(),
    }
}

fn times(units: &[&AccessUnit], hz: u32) -> Vec<(i64, i64)> {
    let timescale = Timescale::new(hz).unwrap();
    units.iter().map(|unit| (unit.dts.ticks_in(timescale), unit.pts.ticks_in(timescale))).collect()
}

/// Pushes `bytes` in pieces of the given sizes, used in turn.
fn demux_in_pieces(bytes: &[u8], hint: Option<InputFormat>, sizes: &[usize]) -> Demuxed {
    let mut demuxer = Demuxer::new(hint);
    let mut out = VecDeque::new();
    let mut error = None;
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        let (piece, tail) = rest.split_at((*size).clamp(1, rest.len().max(1)).min(rest.len()));
        if let Err(failed) = demuxer.push(piece, now(), None, &mut out) {
            error = Some(failed);
            break;
        }
        rest = tail;
        if rest.is_empty() {
            break;
        }
    }
    if error.is_none() {
        error = demuxer.finish(&mut out).err();
    }
    let tracks = demuxer.tracks().to_vec();
    let (notes, stats) = (demuxer.notes(), demuxer.stats());
    Demuxed { units: out.into(), tracks, notes, stats, error }
}

fn demux(bytes: &[u8]) -> Demuxed {
    demux_in_pieces(bytes, None, &[bytes.len()])
}

fn codecs(demuxed: &Demuxed) -> Vec<&'static str> {
    demuxed.tracks.iter().map(|track| track.parameters.codec().name()).collect()
}
