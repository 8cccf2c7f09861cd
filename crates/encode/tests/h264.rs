//! The H.264 encoder and decoder against each other and against ffmpeg.
#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use encode::{EncodeError, H264Decoder, H264Encoder, H264EncoderConfig, Picture};
use media::{AccessUnit, CodecParameters, MediaTime, Timescale, Wallclock};
use support::{annexb, encode_scene, ffmpeg, frame_time, nals, paint, psnr};

fn small() -> H264EncoderConfig {
    H264EncoderConfig { width: 320, height: 240, bitrate: 500_000, gop: 1000, ..H264EncoderConfig::default() }
}

fn random_access_points(units: &[AccessUnit]) -> Vec<usize> {
    units.iter().enumerate().filter(|(_, u)| u.random_access).map(|(n, _)| n).collect()
}

#[test]
fn a_requested_keyframe_is_the_very_next_picture() {
    let units = encode_scene(&small(), 60, |n, encoder| {
        if n == 17 || n == 40 {
            encoder.request_keyframe();
        }
    });
    assert_eq!(random_access_points(&units), [0, 17, 40]);
}

#[test]
fn the_gop_is_counted_in_pictures() {
    let units = encode_scene(&H264EncoderConfig { gop: 25, ..small() }, 101, |_, _| {});
    assert_eq!(random_access_points(&units), [0, 25, 50, 75, 100]);
}

#[test]
fn intra_only_makes_every_picture_a_random_access_point() {
    let units = encode_scene(&H264EncoderConfig { intra_only: true, ..small() }, 30, |_, _| {});
    assert_eq!(random_access_points(&units), (0..30).collect::<Vec<_>>());
}

#[test]
fn units_hold_slices_only_and_share_one_track() {
    let units = encode_scene(&H264EncoderConfig { gop: 10, ..small() }, 30, |_, _| {});
    for (n, unit) in units.iter().enumerate() {
        let types: Vec<u8> = nals(unit).iter().map(|nal| nal[0] & 0x1f).collect();
        assert_eq!(types, [if n % 10 == 0 { 5 } else { 1 }]);
        assert!(Arc::ptr_eq(&unit.track, &units[0].track));
        assert_eq!((unit.pts, unit.dts), (frame_time(n, 30.0), frame_time(n, 30.0)));
        assert!(!unit.disposable);
    }
    let CodecParameters::H264(parameters) = &units[0].track.parameters else { panic!("not H.264") };
    assert_eq!((parameters.width(), parameters.height(), parameters.profile_idc()), (320, 240, 66));
    assert_eq!(parameters.max_reorder(), Some(0));
}

#[test]
fn what_the_caller_says_about_time_travels_with_the_unit() {
    let mut encoder = H264Encoder::new(&small()).unwrap();
    let picture = Picture::new(320, 240).unwrap();
    let (arrival, captured) = (Instant::now(), Some(Wallclock::from_unix_micros(77)));
    let pts = MediaTime::new(250, Timescale::MILLIS);
    let unit = encoder.encode(&picture, pts, arrival, captured).unwrap().unwrap();
    assert_eq!((unit.arrival, unit.captured), (arrival, captured));
    assert_eq!((unit.pts.ticks(), unit.pts.timescale()), (22_500, Timescale::VIDEO_90K));
}

#[test]
fn the_bitrate_is_kept_within_15_percent() {
    for (width, height, bitrate, intra_only) in
        [(1280, 720, 2_000_000, false), (640, 360, 800_000, false), (640, 360, 3_000_000, true)]
    {
        let config =
            H264EncoderConfig { width, height, bitrate, intra_only, gop: 60, ..H264EncoderConfig::default() };
        let bytes: usize = encode_scene(&config, 150, |_, _| {}).iter().map(|u| u.data.len()).sum();
        let ratio = bytes as f64 * 8.0 / 5.0 / f64::from(bitrate);
        assert!(
            (0.85..=1.15).contains(&ratio),
            "{width}x{height} intra {intra_only}: {ratio:.3} of {bitrate}"
        );
    }
}

#[test]
fn ffmpeg_decodes_every_picture_without_an_error() {
    let config = H264EncoderConfig { width: 642, height: 362, bitrate: 1_000_000, gop: 20, ..small() };
    let units = encode_scene(&config, 50, |_, _| {});
    let decoded =
        ffmpeg(&["-f", "h264", "-i", "-", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"], &annexb(&units));
    let size = 642 * 362 * 3 / 2;
    assert_eq!(decoded.len(), 50 * size);
    let mut original = Picture::new(642, 362).unwrap();
    for (n, decoded) in decoded.chunks_exact(size).enumerate() {
        paint(&mut original, n);
        let psnr = psnr(decoded, original.as_i420());
        assert!(psnr > 30.0, "picture {n}: {psnr:.1} dB");
    }
}

#[test]
fn our_decoder_gives_each_picture_back_at_once() {
    let config = H264EncoderConfig { bitrate: 1_500_000, gop: 20, ..small() };
    let units = encode_scene(&config, 50, |_, _| {});
    let mut decoder = H264Decoder::new().unwrap();
    let mut original = Picture::new(320, 240).unwrap();
    for (n, unit) in units.iter().enumerate() {
        paint(&mut original, n);
        let decoded = decoder.decode(unit).unwrap().expect("no delay");
        let psnr = psnr(decoded.as_i420(), original.as_i420());
        assert!(psnr > 30.0, "picture {n}: {psnr:.1} dB");
    }
}

#[test]
fn the_decoder_waits_for_a_random_access_point() {
    let units = encode_scene(&H264EncoderConfig { gop: 10, ..small() }, 21, |_, _| {});
    let mut decoder = H264Decoder::new().unwrap();
    let shown: Vec<bool> = units[5..].iter().map(|u| decoder.decode(u).unwrap().is_some()).collect();
    assert_eq!(shown, [[false; 5].as_slice(), &[true; 11]].concat());
}

#[test]
fn the_decoder_follows_a_change_of_size() {
    let first = encode_scene(&small(), 3, |_, _| {});
    let second = encode_scene(&H264EncoderConfig { width: 160, height: 128, ..small() }, 3, |_, _| {});
    let mut decoder = H264Decoder::new().unwrap();
    let sizes: Vec<(u32, u32)> =
        first.iter().chain(&second).map(|u| decoder.decode(u).unwrap().unwrap().size()).collect();
    assert_eq!(sizes, [(320, 240), (320, 240), (320, 240), (160, 128), (160, 128), (160, 128)]);
}

#[test]
fn broken_units_are_errors_and_decoding_goes_on_at_the_next_random_access_point() {
    let units = encode_scene(&H264EncoderConfig { gop: 1, ..small() }, 40, |_, _| {});
    let mut decoder = H264Decoder::new().unwrap();
    let mut state = 1u32;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for (n, unit) in units.iter().enumerate() {
        let mut broken = unit.clone();
        let mut bytes = unit.data.to_vec();
        match n % 4 {
            0 => bytes.truncate(random(bytes.len())),
            1 => (0..20).for_each(|_| {
                let at = 4 + random(bytes.len() - 4);
                bytes[at] ^= 1 << random(8);
            }),
            2 => (4..bytes.len()).for_each(|at| bytes[at] = random(256) as u8),
            _ => bytes[0] = 0xff,
        }
        broken.data = Bytes::from(bytes);
        let _ = decoder.decode(&broken);
        assert!(decoder.decode(unit).unwrap().is_some(), "unit {n}");
    }
}

#[test]
fn a_length_field_that_lies_is_named_with_its_place() {
    let mut unit = encode_scene(&small(), 1, |_, _| {}).remove(0);
    let mut decoder = H264Decoder::new().unwrap();
    unit.data = Bytes::from_static(&[0, 0, 0, 1, 0x65, 0, 0, 0, 9, 1]);
    let error = decoder.decode(&unit).unwrap_err();
    assert_eq!(error.to_string(), "malformed access unit at byte 5: NAL unit longer than the rest");
}

#[test]
fn impossible_configurations_are_refused_in_words() {
    let refusal = |config: H264EncoderConfig| H264Encoder::new(&config).unwrap_err().to_string();
    assert_eq!(
        refusal(H264EncoderConfig { width: 641, ..small() }),
        "picture size 641x240: width and height must be even"
    );
    assert_eq!(
        refusal(H264EncoderConfig { width: 4096, ..small() }),
        "picture size 4096x240: the encoder reaches 3840x2160 or 2160x3840"
    );
    assert_eq!(
        refusal(H264EncoderConfig { frame_rate: f32::NAN, ..small() }),
        "frame rate NaN is not possible: it must be within 0.1 and 240"
    );
    assert_eq!(
        refusal(H264EncoderConfig { gop: 0, ..small() }),
        "GOP 0 is not possible: it must be at least 1 picture"
    );
    assert_eq!(
        refusal(H264EncoderConfig { bitrate: 0, ..small() }),
        "bitrate 0 is not possible: it must be within 10 kbit/s and 240 Mbit/s"
    );
}

#[test]
fn a_picture_of_another_size_is_refused_and_the_encoder_goes_on() {
    let mut encoder = H264Encoder::new(&small()).unwrap();
    let now = Instant::now();
    let error = encoder.encode(&Picture::new(64, 64).unwrap(), frame_time(0, 30.0), now, None).unwrap_err();
    assert!(matches!(error, EncodeError::WrongPicture { width: 64, expected_width: 320, .. }));
    assert!(
        encoder.encode(&Picture::new(320, 240).unwrap(), frame_time(0, 30.0), now, None).unwrap().is_some()
    );
}
