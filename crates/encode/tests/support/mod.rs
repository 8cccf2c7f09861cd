//! What the tests share: a moving picture, and ffmpeg as the independent decoder.
#![allow(dead_code, unreachable_pub, missing_docs, clippy::disallowed_methods, clippy::unwrap_used)]

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use encode::{H264Encoder, H264EncoderConfig, Picture};
use media::{AccessUnit, CodecParameters, MediaTime, Timescale};

/// Paints frame `n` of a scene that moves all over: a textured background that pans and a bright box that bounces.
pub fn paint(picture: &mut Picture, n: usize) {
    let (width, height) = (picture.width(), picture.height());
    let planes = picture.planes_mut();
    for (y, row) in planes.y.chunks_exact_mut(width).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let (u, v) = (x + 3 * n, y + n);
            let texture = ((u / 8) * 31 + (v / 8) * 17 + (u / 8) * (v / 8) * 7) % 64;
            *pixel = (40 + texture + (x * 80 / width)) as u8;
        }
    }
    for (y, row) in planes.u.chunks_exact_mut(width / 2).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            *pixel = (100 + (x + n) % 50 + y % 3) as u8;
        }
    }
    planes.v.fill(140);
    let side = height / 4;
    let (left, top) = ((n * 7) % (width - side), (n * 5) % (height - side));
    for row in planes.y.chunks_exact_mut(width).skip(top).take(side) {
        row[left..left + side].fill(220);
    }
}

pub fn encode_scene(
    config: &H264EncoderConfig,
    frames: usize,
    mut before: impl FnMut(usize, &mut H264Encoder),
) -> Vec<AccessUnit> {
    let mut encoder = H264Encoder::new(config).unwrap();
    let mut picture = Picture::new(config.width, config.height).unwrap();
    let now = Instant::now();
    (0..frames)
        .map(|n| {
            before(n, &mut encoder);
            paint(&mut picture, n);
            let pts = frame_time(n, config.frame_rate);
            encoder.encode(&picture, pts, now, None).unwrap().expect("no picture is left out")
        })
        .collect()
}

pub fn frame_time(n: usize, frame_rate: f32) -> MediaTime {
    MediaTime::new((n as f64 * 90_000.0 / f64::from(frame_rate)).round() as i64, Timescale::VIDEO_90K)
}

/// The units as a byte stream, parameter sets before each random access point.
pub fn annexb(units: &[AccessUnit]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |nal: &[u8]| {
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(nal);
    };
    for unit in units {
        let CodecParameters::H264(parameters) = &unit.track.parameters else { panic!("not H.264") };
        if unit.random_access {
            put(parameters.sps());
            parameters.pps().iter().for_each(|pps| put(pps));
        }
        nals(unit).iter().for_each(|nal| put(nal));
    }
    out
}

/// The unit's NAL units, by its length fields, which must fit exactly.
pub fn nals(unit: &AccessUnit) -> Vec<&[u8]> {
    let mut rest = &unit.data[..];
    let mut nals = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let (nal, tail) = tail.split_at(u32::from_be_bytes(*head) as usize);
        nals.push(nal);
        rest = tail;
    }
    assert!(rest.is_empty());
    nals
}

/// ADTS frames of AAC-LC, 48 kHz, stereo.
pub fn adts(units: &[AccessUnit]) -> Vec<u8> {
    let mut out = Vec::new();
    for unit in units {
        let length = unit.data.len() + 7;
        out.extend_from_slice(&[
            0xff,
            0xf1,
            0x40 | 3 << 2,
            2 << 6 | (length >> 11) as u8,
            (length >> 3) as u8,
            (length << 5) as u8 | 0x1f,
            0xfc,
        ]);
        out.extend_from_slice(&unit.data);
    }
    out
}

/// Runs ffmpeg on `input`; gives its output and fails if it says a single word of error.
pub fn ffmpeg(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-xerror"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ffmpeg is installed");
    let mut stdin = child.stdin.take().unwrap();
    let mut output = Vec::new();
    let mut stdout = child.stdout.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input));
        stdout.read_to_end(&mut output).unwrap();
    });
    let mut words = String::new();
    child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert!(child.wait().unwrap().success() && words.is_empty(), "ffmpeg: {words}");
    output
}

pub fn psnr(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    10.0 * (255.0f64.powi(2) * a.len() as f64 / (sum as f64).max(1.0)).log10()
}
