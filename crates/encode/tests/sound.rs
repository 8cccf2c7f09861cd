//! The sound encoders against ffmpeg: length, level, pitch, noise, and the place in time.
#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::f64::consts::TAU;
use std::time::Instant;

use encode::{AacEncoder, AacEncoderConfig, EncodeError, OpusEncoder, OpusEncoderConfig, Pcm};
use media::{AccessUnit, CodecParameters, MediaTime, Timescale, Wallclock};
use support::{adts, ffmpeg};

const RATE: usize = 48_000;

fn tone(seconds: f64) -> Vec<f32> {
    (0..(seconds * RATE as f64) as usize)
        .flat_map(|n| [(TAU * 1000.0 * n as f64 / RATE as f64).sin() as f32 * 0.5; 2])
        .collect()
}

fn at(samples: i64) -> MediaTime {
    MediaTime::new(samples, Timescale::AUDIO_48K)
}

/// Pushes stereo sound in blocks of an awkward length.
fn push_all(sound: &[f32], start: i64, mut push: impl FnMut(Pcm<'_>)) {
    let (arrival, block) = (Instant::now(), 2 * 777);
    for (n, samples) in sound.chunks(block).enumerate() {
        push(Pcm { samples, pts: at(start + (n * block / 2) as i64), arrival, captured: None });
    }
}

fn aac(sound: &[f32], start: i64) -> Vec<AccessUnit> {
    let (mut encoder, mut out) = (AacEncoder::new(&AacEncoderConfig::default()).unwrap(), Vec::new());
    push_all(sound, start, |pcm| encoder.push(pcm, &mut out).unwrap());
    out
}

fn opus(sound: &[f32], start: i64) -> Vec<AccessUnit> {
    let (mut encoder, mut out) = (OpusEncoder::new(&OpusEncoderConfig::default()).unwrap(), Vec::new());
    push_all(sound, start, |pcm| encoder.push(pcm, &mut out).unwrap());
    out
}

/// Left channel as ffmpeg decodes it.
fn decoded(format: &str, bytes: &[u8]) -> Vec<f32> {
    let pcm = ffmpeg(&["-f", format, "-i", "-", "-f", "f32le", "-ac", "2", "-"], bytes);
    pcm.chunks_exact(8).map(|frame| f32::from_le_bytes(frame[..4].try_into().unwrap())).collect()
}

/// Amplitude and noise ratio in dB of the 1 kHz tone in the middle of `sound`.
fn tone_quality(sound: &[f32]) -> (f64, f64) {
    let middle = &sound[RATE / 2..RATE / 2 + RATE];
    let (mut re, mut im, mut power) = (0.0, 0.0, 0.0);
    for (n, &sample) in middle.iter().enumerate() {
        let (angle, sample) = (TAU * 1000.0 * n as f64 / RATE as f64, f64::from(sample));
        re += sample * angle.cos();
        im += sample * angle.sin();
        power += sample * sample;
    }
    let amplitude = 2.0 * re.hypot(im) / RATE as f64;
    let signal = amplitude * amplitude / 2.0;
    (amplitude, 10.0 * (signal / (power / RATE as f64 - signal).max(1e-12)).log10())
}

/// A minimal Ogg Opus file (RFC 7845, RFC 3533): a page per packet.
fn ogg(units: &[AccessUnit], samples_per_unit: u64) -> Vec<u8> {
    let CodecParameters::Opus(parameters) = &units[0].track.parameters else { panic!("not Opus") };
    let mut head = b"OpusHead\x01\x02".to_vec();
    head.extend(parameters.pre_skip().to_le_bytes());
    head.extend([0x80, 0xbb, 0, 0, 0, 0, 0]);
    let tags = b"OpusTags\x04\0\0\0test\0\0\0\0".to_vec();
    let packets = [head, tags].into_iter().chain(units.iter().map(|u| u.data.to_vec()));
    let mut out = Vec::new();
    for (n, packet) in packets.enumerate() {
        let granule = (n as u64).saturating_sub(1) * samples_per_unit;
        let flags = if n == 0 {
            2
        } else if n == units.len() + 1 {
            4
        } else {
            0
        };
        let mut page = b"OggS\0".to_vec();
        page.push(flags);
        page.extend(granule.to_le_bytes());
        page.extend([7, 0, 0, 0]);
        page.extend((n as u32).to_le_bytes());
        page.extend([0; 4]);
        page.push((packet.len() / 255 + 1) as u8);
        page.extend(std::iter::repeat_n(255, packet.len() / 255));
        page.push((packet.len() % 255) as u8);
        page.extend(packet);
        let crc = page.iter().fold(0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
                crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
            })
        });
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        out.extend(page);
    }
    out
}

#[test]
fn aac_keeps_length_level_and_pitch() {
    let units = aac(&tone(3.0), 0);
    // 140 whole blocks; the unit that completes the last one would need a 141st.
    assert_eq!(units.len(), 139);
    let sound = decoded("aac", &adts(&units));
    assert_eq!(sound.len(), 139 * 1024);
    let (amplitude, ratio) = tone_quality(&sound);
    assert!((amplitude - 0.5).abs() < 0.01, "{amplitude}");
    assert!(ratio > 40.0, "{ratio:.1} dB");
}

#[test]
fn opus_keeps_length_level_and_pitch() {
    let units = opus(&tone(3.0), 0);
    assert_eq!(units.len(), 150);
    let sound = decoded("ogg", &ogg(&units, 960));
    let CodecParameters::Opus(parameters) = &units[0].track.parameters else { panic!("not Opus") };
    assert_eq!(sound.len(), 150 * 960 - usize::from(parameters.pre_skip()));
    let (amplitude, ratio) = tone_quality(&sound);
    assert!((amplitude - 0.5).abs() < 0.01, "{amplitude}");
    assert!(ratio > 30.0, "{ratio:.1} dB");
}

#[test]
fn aac_keeps_noise_at_its_level_and_the_bitrate_asked() {
    let mut state = 1u32;
    let noise: Vec<f32> = (0..RATE * 6)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        })
        .collect();
    let units = aac(&noise, 0);
    let bits = units.iter().map(|u| u.data.len() * 8).sum::<usize>() as f64;
    let rate = bits / (units.len() as f64 * 1024.0 / RATE as f64);
    assert!((0.85..=1.15).contains(&(rate / 128_000.0)), "{rate:.0} bit/s");
    let sound = decoded("aac", &adts(&units));
    let left = noise.iter().step_by(2).copied();
    let power = |sound: &mut dyn Iterator<Item = f32>| sound.map(|s| f64::from(s).powi(2)).sum::<f64>();
    let level = power(&mut sound[RATE / 2..RATE * 2].iter().copied())
        / power(&mut left.skip(RATE / 2).take(RATE + RATE / 2));
    assert!((0.5..1.5).contains(&level), "{level}");
    let error: f64 = sound[4096..RATE * 2]
        .iter()
        .zip(noise.iter().step_by(2).skip(4096))
        .map(|(a, b)| f64::from(a - b).powi(2))
        .sum();
    let signal = power(&mut noise.iter().step_by(2).skip(4096).take(RATE * 2 - 4096).copied());
    let ratio = 10.0 * (signal / error).log10();
    assert!(ratio > 3.0, "noise over quantisation noise {ratio:.1} dB");
}

#[test]
fn aac_is_heard_at_the_time_it_was_pushed() {
    let mut sound = vec![0.0; RATE * 2 * 2];
    sound[RATE * 2..RATE * 2 + 2000].iter_mut().for_each(|s| *s = 0.9);
    let units = aac(&sound, 0);
    assert_eq!(units[0].pts, at(0));
    let heard = decoded("aac", &adts(&units)).iter().position(|s| s.abs() > 0.45).unwrap();
    assert!(heard.abs_diff(RATE) < 10, "{heard}");
}

#[test]
fn units_are_stamped_by_counting_samples() {
    for (units, frame) in [(aac(&tone(2.0), 12_345), 1024), (opus(&tone(2.0), 12_345), 960)] {
        for (n, unit) in units.iter().enumerate() {
            let pts = at(12_345 + n as i64 * frame);
            assert_eq!((unit.pts, unit.dts, unit.random_access), (pts, pts, true));
        }
    }
}

#[test]
fn lost_sound_leaves_a_gap_in_time_and_repeated_sound_none() {
    let (mut encoder, mut out) = (OpusEncoder::new(&OpusEncoderConfig::default()).unwrap(), Vec::new());
    let second = vec![0.0; RATE * 2];
    let mut push = |start| {
        let pcm = Pcm { samples: &second, pts: at(start), arrival: Instant::now(), captured: None };
        encoder.push(pcm, &mut out).unwrap();
    };
    push(0);
    push(5 * 48_000);
    push(5 * 48_000 + 24_000);
    assert_eq!(out.len(), 50 + 50 + 25);
    assert_eq!((out[49].pts, out[50].pts, out[124].pts), (at(49 * 960), at(240_000), at(240_000 + 74 * 960)));
}

#[test]
fn the_wall_clock_of_a_unit_is_that_of_its_first_sample() {
    let (mut encoder, mut out) = (OpusEncoder::new(&OpusEncoderConfig::default()).unwrap(), Vec::new());
    let captured = |micros| Some(Wallclock::from_unix_micros(1_700_000_000_000_000 + micros));
    for block in 0..4 {
        let pcm = Pcm {
            samples: &[0.0; 2 * 480],
            pts: at(block * 480),
            arrival: Instant::now(),
            captured: captured(block * 10_000),
        };
        encoder.push(pcm, &mut out).unwrap();
    }
    assert_eq!(out.iter().map(|u| u.captured).collect::<Vec<_>>(), [captured(0), captured(20_000)]);
}

#[test]
fn sound_beyond_full_scale_and_no_numbers_do_not_stop_an_encoder() {
    let wild: Vec<f32> = (0..RATE).map(|n| [f32::NAN, f32::INFINITY, 3.0, -3.0][n % 4]).collect();
    assert_eq!(aac(&wild, 0).len(), 22);
    assert_eq!(opus(&wild, 0).len(), 25);
}

#[test]
fn a_block_that_is_no_whole_number_of_frames_is_refused() {
    let mut encoder = AacEncoder::new(&AacEncoderConfig::default()).unwrap();
    let pcm = Pcm { samples: &[0.0; 3], pts: at(0), arrival: Instant::now(), captured: None };
    assert!(matches!(
        encoder.push(pcm, &mut Vec::new()),
        Err(EncodeError::Samples { samples: 3, channels: 2 })
    ));
}

#[test]
fn mono_works_and_impossible_layouts_are_refused() {
    let mut out = Vec::new();
    let samples = vec![0.1; RATE];
    let pcm = Pcm { samples: &samples, pts: at(0), arrival: Instant::now(), captured: None };
    let config = AacEncoderConfig { channels: 1, bitrate: 64_000, ..AacEncoderConfig::default() };
    AacEncoder::new(&config).unwrap().push(pcm, &mut out).unwrap();
    let config = OpusEncoderConfig { channels: 1, ..OpusEncoderConfig::default() };
    OpusEncoder::new(&config).unwrap().push(pcm, &mut out).unwrap();
    assert_eq!(out.len(), 45 + 50);
    assert!(AacEncoder::new(&AacEncoderConfig { channels: 3, ..AacEncoderConfig::default() }).is_err());
    assert!(
        AacEncoder::new(&AacEncoderConfig { sample_rate: 12_345, ..AacEncoderConfig::default() }).is_err()
    );
    assert!(OpusEncoder::new(&OpusEncoderConfig { frame_ms: 7, ..OpusEncoderConfig::default() }).is_err());
}
