//! Every output format against ffmpeg: it must decode all of what we write, and say nothing.
//!
//! The input is made by ffmpeg too, when the test runs, and comes in through our own demuxer; what goes out in a format
//! that we also read must come back as it was.

#![allow(clippy::unwrap_used)] // a test's helpers are tests

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use container::demux::Demuxer;
use container::{Ending, Format, FormatOptions, Grouping};
use media::{AccessUnit, Chunk, MediaKind, MediaTime, Timescale, Track};

const PICTURES: usize = 60;

const GROUPINGS: [Grouping; 3] =
    [Grouping::RideOnVideo, Grouping::EveryUnit, Grouping::Window(Duration::from_millis(200))];

/// Nothing behind the pictures.
const PLAIN: FormatOptions =
    FormatOptions { grouping: Grouping::RideOnVideo, video: true, audio: true, ending: Ending::None };

/// Runs a program with `input` on its stdin; gives stdout. It must succeed and print no complaint.
fn run(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} must be installed for this test: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::Builder::new().spawn(move || stdin.write_all(&input)).unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let complaints = std::thread::Builder::new().spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).map(|_| text)
    });
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    let complaints = complaints.unwrap().join().unwrap().unwrap();
    let status = child.wait().unwrap();
    writer.join().unwrap().unwrap();
    assert!(status.success() && complaints.is_empty(), "{program} {arguments:?}: {status}: {complaints}");
    output
}

/// Two seconds of a pattern and a tone as MPEG-TS.
fn transport_stream(video: &[&str], audio: &[&str]) -> Vec<u8> {
    let mut arguments = vec!["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=30:duration=2"];
    arguments.extend(["-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=48000:duration=2"]);
    arguments.extend(["-c:v", "libx264", "-threads", "1", "-pix_fmt", "yuv420p"]);
    arguments.extend(video);
    arguments.extend(audio);
    arguments.extend(["-f", "mpegts", "-"]);
    run("ffmpeg", &arguments, &[])
}

const LOW_LATENCY: &[&str] = &["-preset", "ultrafast", "-tune", "zerolatency", "-g", "15"];
const REORDERED: &[&str] = &["-preset", "medium", "-bf", "2", "-g", "15"];
const INTRA_ONLY: &[&str] =
    &["-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline", "-g", "1"];
/// H.265 with B-frames, and later random access points that are no IDR pictures.
const H265: &[&str] = &[
    "-c:v",
    "libx265",
    "-preset",
    "ultrafast",
    "-x265-params",
    "log-level=none:bframes=2:keyint=15:min-keyint=15",
];
const AAC: &[&str] = &["-c:a", "aac"];
const OPUS: &[&str] = &["-c:a", "libopus"];

#[derive(Debug)]
struct Input {
    tracks: Vec<Arc<Track>>,
    units: Vec<AccessUnit>,
}

fn demux(bytes: &[u8]) -> Input {
    let mut demuxer = Demuxer::new(None);
    let mut units = VecDeque::new();
    let start = start();
    for chunk in bytes.chunks(1_316) {
        demuxer.push(chunk, start, None, &mut units).unwrap();
    }
    demuxer.finish(&mut units).unwrap();
    let mut units: Vec<_> = units.into();
    // As a stream gives them to a new reader: from a random access point, and at their pace.
    let from = units
        .iter()
        .position(|unit| unit.track.kind() == MediaKind::Video && unit.random_access)
        .unwrap_or(0);
    units.drain(..from);
    for unit in &mut units {
        unit.arrival = start + unit.dts.to_duration();
    }
    Input { tracks: demuxer.tracks().to_vec(), units }
}

#[allow(clippy::disallowed_methods)] // an `Instant` comes from nowhere else
fn start() -> Instant {
    Instant::now()
}

fn mux(format: Format, options: &FormatOptions, input: &Input) -> Vec<Chunk> {
    let mut muxer = format.muxer(options);
    muxer.tracks(&input.tracks);
    let mut out = VecDeque::new();
    for unit in &input.units {
        muxer.push(unit, &mut out).unwrap();
    }
    out.into()
}

/// What a viewer gets who watches from the start.
fn received(chunks: &[Chunk]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sent = None;
    for chunk in chunks {
        if let Some(init) =
            chunk.init.as_ref().filter(|init| sent.is_none_or(|sent| !Arc::ptr_eq(sent, *init)))
        {
            if sent.is_none() && init.mime == "video/x-flv" {
                bytes.extend(container::flv::file_header(&init.bytes));
            }
            bytes.extend(&init.bytes);
            sent = Some(init);
        }
        bytes.extend(&chunk.bytes);
    }
    bytes
}

fn decode(input_options: &[&str], bytes: &[u8]) {
    let arguments = [&["-v", "error", "-xerror"], input_options, &["-i", "-", "-f", "null", "-"]].concat();
    run("ffmpeg", &arguments, bytes);
}

fn count(input_options: &[&str], kind: &str, bytes: &[u8]) -> usize {
    let show =
        ["-v", "error", "-count_frames", "-select_streams", kind, "-show_entries", "stream=nb_read_frames"];
    let arguments = [&show, input_options, &["-of", "default=nw=1:nk=1", "-i", "-"]].concat();
    let text = String::from_utf8(run("ffprobe", &arguments, bytes)).unwrap();
    // One line a program and one a stream in transport streams: all say the same.
    text.lines().next().unwrap_or("0").trim().parse().unwrap()
}

fn grouped(grouping: Grouping) -> FormatOptions {
    FormatOptions { grouping, ..FormatOptions::default() }
}

/// What must come back of `input` from a round trip whose time begins at the first unit.
fn essence(units: &[AccessUnit], kind: MediaKind) -> Vec<(i64, i64, bool, bytes::Bytes)> {
    let origin = units[0].dts;
    let of_kind = units.iter().filter(|unit| unit.track.kind() == kind && unit.dts >= origin);
    let first = of_kind.clone().next().map_or(MediaTime::zero(Timescale::MICROS), |unit| unit.dts);
    of_kind
        .map(|unit| {
            let since = unit.dts.saturating_sub(first).ticks();
            (since, unit.composition_offset().ticks(), unit.random_access, unit.data.clone())
        })
        .collect()
}

/// How far the first sound is from the first picture, in 90 kHz ticks.
fn offset(units: &[AccessUnit]) -> i64 {
    let first = |kind| {
        let mut of_kind = units.iter().filter(|unit| unit.track.kind() == kind && unit.dts >= units[0].dts);
        of_kind.next().unwrap().dts
    };
    first(MediaKind::Audio).saturating_sub(first(MediaKind::Video)).ticks_in(Timescale::VIDEO_90K)
}

#[test]
fn ffmpeg_decodes_movie_fragments() {
    for (video, audio) in [(LOW_LATENCY, AAC), (REORDERED, AAC), (LOW_LATENCY, OPUS), (H265, AAC)] {
        let input = demux(&transport_stream(video, audio));
        for grouping in GROUPINGS {
            let bytes = received(&mux(Format::Fmp4, &grouped(grouping), &input));
            decode(&[], &bytes);
            let counted = count(&[], "v:0", &bytes);
            // The window that is open at the end of the test is not written.
            let open = if matches!(grouping, Grouping::Window(_)) { 8 } else { 0 };
            assert!((PICTURES - open..=PICTURES).contains(&counted), "{counted} pictures, {grouping:?}");
        }
    }
}

#[test]
fn ffmpeg_decodes_the_transport_stream() {
    for (video, audio) in [(LOW_LATENCY, AAC), (REORDERED, AAC), (LOW_LATENCY, OPUS), (H265, AAC)] {
        let input = demux(&transport_stream(video, audio));
        for grouping in [Grouping::RideOnVideo, Grouping::EveryUnit] {
            let bytes = received(&mux(Format::Mpegts, &grouped(grouping), &input));
            decode(&[], &bytes);
            assert_eq!(count(&[], "v:0", &bytes), PICTURES, "{grouping:?}");
        }
    }
}

#[test]
fn ffmpeg_decodes_flv_and_it_is_read_back_unchanged_but_for_whole_milliseconds() {
    for (video, audio) in [(LOW_LATENCY, AAC), (REORDERED, AAC), (LOW_LATENCY, OPUS), (H265, AAC)] {
        let input = demux(&transport_stream(video, audio));
        for grouping in [Grouping::RideOnVideo, Grouping::EveryUnit] {
            let bytes = received(&mux(Format::Flv, &grouped(grouping), &input));
            // ffmpeg reads the other codecs in FLV from version 6 and 7 on.
            if audio != OPUS && video != H265 {
                decode(&[], &bytes);
                assert_eq!(count(&[], "v:0", &bytes), PICTURES, "{grouping:?}");
            }
            let back = demux(&bytes);
            for kind in [MediaKind::Video, MediaKind::Audio] {
                let (read, written) = (essence(&back.units, kind), essence(&input.units, kind));
                assert!(written.len() - read.len() < 10, "{kind:?}: {} of {}", read.len(), written.len());
                for (read, written) in read.iter().zip(&written) {
                    // Each time is off by a millisecond at most, and these are differences.
                    assert!((read.0 - written.0).abs() <= 180, "{kind:?}: {} {}", read.0, written.0);
                    assert!((read.1 - written.1).abs() <= 180, "{kind:?}: {} {}", read.1, written.1);
                    assert_eq!((read.2, &read.3), (written.2, &written.3), "{kind:?}");
                }
            }
        }
    }
}

#[test]
fn ffmpeg_decodes_the_byte_stream_with_any_ending() {
    let input = demux(&transport_stream(LOW_LATENCY, AAC));
    let [plain, delimited] = [Ending::None, Ending::Delimited].map(|ending| {
        let options = FormatOptions { ending, ..FormatOptions::default() };
        mux(Format::Annexb, &options, &input)
    });
    // Behind the last picture the ending is a unit without one, and ffmpeg says so.
    let last = delimited[PICTURES - 1].bytes.len() - plain[PICTURES - 1].bytes.len();
    for (chunks, unfinished) in [(plain, 0), (delimited, last)] {
        assert_eq!(chunks.len(), PICTURES);
        let mut bytes = received(&chunks);
        bytes.truncate(bytes.len() - unfinished);
        decode(&["-f", "h264"], &bytes);
        assert_eq!(count(&["-f", "h264"], "v:0", &bytes), PICTURES);
    }
}

#[test]
fn ffmpeg_decodes_what_is_in_the_envelope() {
    let input = demux(&transport_stream(LOW_LATENCY, AAC));
    let (mut sound, mut pictures, mut played) = (Vec::new(), Vec::new(), 0);
    for chunk in mux(Format::Av, &PLAIN, &input) {
        let length = usize::from(u16::from_le_bytes([chunk.bytes[2], chunk.bytes[3]]));
        let (now, rest) = chunk.bytes[4..].split_at(length);
        assert!(!now.is_empty(), "jmuxer loses a picture without sound");
        sound.extend_from_slice(now);
        // Parameter sets between delimiters stand in for a picture.
        if !rest.starts_with(&[0, 0, 0, 1, 9]) {
            pictures.extend_from_slice(rest);
            played += u32::from(u16::from_le_bytes([chunk.bytes[0], chunk.bytes[1]]));
        }
    }
    decode(&["-f", "aac"], &sound);
    decode(&["-f", "h264"], &pictures);
    // The last pictures wait for sound.
    let counted = count(&["-f", "h264"], "v:0", &pictures);
    assert!((PICTURES - 9..=PICTURES).contains(&counted), "{counted} pictures");
    let true_millis = u32::try_from(counted * 1_000 / 30).unwrap();
    assert!(played.abs_diff(true_millis) <= 1, "{played} ms for {counted} pictures");
}

#[test]
fn ffmpeg_decodes_robopipes_fragments_as_key_frames_at_the_frame_rate() {
    let input = demux(&transport_stream(INTRA_ONLY, AAC));
    let format = Format::Robopipe { frame_rate: NonZeroU32::new(30).unwrap() };
    let chunks = mux(format, &FormatOptions::default(), &input);
    assert_eq!(chunks.len(), PICTURES);
    assert!(chunks.iter().all(|chunk| chunk.random_access));
    let bytes = received(&chunks);
    decode(&[], &bytes);
    let show = ["-v", "error", "-show_entries", "packet=pts,flags", "-of", "csv=p=0", "-i", "-"];
    let packets = String::from_utf8(run("ffprobe", &show, &bytes)).unwrap();
    let expected: Vec<_> = (0..PICTURES).map(|n| format!("{},K_", n * 512)).collect();
    assert_eq!(packets.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_viewer_may_begin_at_any_random_access_chunk() {
    let input = demux(&transport_stream(LOW_LATENCY, AAC));
    for (format, options) in [
        (Format::Fmp4, &[][..]),
        (Format::Mpegts, &[]),
        (Format::Flv, &[]),
        (Format::Annexb, &["-f", "h264"]),
    ] {
        let chunks = mux(format, &PLAIN, &input);
        let starts: Vec<_> = (0..chunks.len()).filter(|&n| chunks[n].random_access).collect();
        assert_eq!(starts.len(), 4, "{format:?}");
        for start in starts {
            decode(options, &received(&chunks[start..]));
        }
    }
}

#[test]
fn what_we_write_we_read_back_unchanged() {
    for (video, audio) in [(LOW_LATENCY, AAC), (REORDERED, AAC), (LOW_LATENCY, OPUS), (H265, AAC)] {
        let input = demux(&transport_stream(video, audio));
        for format in [Format::Fmp4, Format::Mpegts] {
            for grouping in [Grouping::RideOnVideo, Grouping::EveryUnit] {
                let back = demux(&received(&mux(format, &grouped(grouping), &input)));
                assert_eq!(
                    essence(&back.units, MediaKind::Video),
                    essence(&input.units, MediaKind::Video),
                    "{format:?} {grouping:?}"
                );
                let (sound, original) =
                    (essence(&back.units, MediaKind::Audio), essence(&input.units, MediaKind::Audio));
                // Sound behind the last picture waits for the next.
                assert!(
                    original.len() - sound.len() < 10,
                    "{format:?}: {} of {}",
                    sound.len(),
                    original.len()
                );
                for (sound, original) in sound.iter().zip(&original) {
                    assert!(
                        (sound.0 - original.0).abs() <= 1,
                        "{format:?} {grouping:?}: {} {}",
                        sound.0,
                        original.0
                    );
                    assert_eq!(sound.3, original.3, "{format:?} {grouping:?}");
                }
                let shifted = offset(&back.units) - offset(&input.units);
                assert!(shifted.abs() <= 2, "{format:?} {grouping:?}: sound moved by {shifted} ticks");
            }
        }
    }
}
