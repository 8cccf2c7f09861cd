//! Sound of one codec made into another: what is heard, and when.
#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use encode::{
    AacEncoder, AacEncoderConfig, EncodeError, OpusEncoder, OpusEncoderConfig, Pcm, SoundConverter,
};
use media::{
    AccessUnit, Codec, CodecParameters, G711Law, G711Parameters, H264Parameters, MediaTime, Timescale, Track,
    TrackId,
};
use support::{adts, ffmpeg};

fn seconds(seconds: f64, rate: Timescale) -> MediaTime {
    MediaTime::new((seconds * f64::from(rate.hz())) as i64, rate)
}

fn rate(hz: u32) -> Timescale {
    Timescale::new(hz).unwrap()
}

/// AAC in stereo at this rate, of these samples.
fn aac(sound: &[f32], rate: u32) -> Vec<AccessUnit> {
    let config = AacEncoderConfig { sample_rate: rate, channels: 2, bitrate: (rate * 4).min(128_000) };
    let (mut encoder, mut out) = (AacEncoder::new(&config).unwrap(), Vec::new());
    let pts = MediaTime::zero(Timescale::new(rate).unwrap());
    encoder.push(Pcm { samples: sound, pts, arrival: Instant::now(), captured: None }, &mut out).unwrap();
    out
}

fn opus(sound: &[f32]) -> Vec<AccessUnit> {
    let (mut encoder, mut out) = (OpusEncoder::new(&OpusEncoderConfig::default()).unwrap(), Vec::new());
    let pts = MediaTime::zero(Timescale::AUDIO_48K);
    encoder.push(Pcm { samples: sound, pts, arrival: Instant::now(), captured: None }, &mut out).unwrap();
    out
}

/// Sound of G.711 in units of 20 ms, each at the time that `at` gives for its number.
fn g711(codes: &[u8], at: impl Fn(i64) -> MediaTime) -> Vec<AccessUnit> {
    let parameters = CodecParameters::G711(G711Parameters::new(G711Law::Mu, 8_000, 1).unwrap());
    let track = Arc::new(Track { id: TrackId::AUDIO, timescale: rate(8_000), parameters });
    let unit = |(number, codes): (usize, &[u8])| AccessUnit {
        track: Arc::clone(&track),
        dts: at(number as i64),
        pts: at(number as i64),
        random_access: true,
        disposable: false,
        lost_before: 0,
        data: Bytes::copy_from_slice(codes),
        captured: None,
        arrival: Instant::now(),
    };
    codes.chunks(160).enumerate().map(unit).collect()
}

fn converted(units: &[AccessUnit], to: Codec) -> Vec<AccessUnit> {
    let mut converter = SoundConverter::new(&units[0].track, to).unwrap();
    let mut out = Vec::new();
    for unit in units {
        converter.push(unit, &mut out).unwrap();
    }
    assert!(out.iter().all(|unit| Arc::ptr_eq(&unit.track, converter.track())));
    out
}

/// A second of silence, and a burst of 10 ms that begins there.
fn burst(rate: u32) -> Vec<f32> {
    let (rate, mut sound) = (rate as usize, vec![0.0; rate as usize * 2 * 2]);
    for n in 0..rate / 100 {
        let sample = (TAU * 1_000.0 * n as f64 / rate as f64).sin() as f32 * 0.9;
        sound[(rate + n) * 2..][..2].fill(sample);
    }
    sound
}

/// When the burst is heard, by AAC units as ffmpeg decodes them.
fn heard(units: &[AccessUnit]) -> f64 {
    let channels = usize::from(units[0].track.parameters.channels().unwrap());
    let layout = channels.to_string();
    let pcm = ffmpeg(&["-f", "aac", "-i", "-", "-f", "f32le", "-ac", &layout, "-"], &adts(units));
    let sound = pcm
        .chunks_exact(4 * channels)
        .map(|frame| f32::from_le_bytes(frame[..4].try_into().unwrap()).abs())
        .collect::<Vec<_>>();
    let loudest = sound.iter().fold(0.0f32, |most, sample| most.max(*sample));
    assert!(loudest > 0.3, "{loudest}");
    let first = sound.iter().position(|sample| *sample > loudest / 3.0).unwrap();
    units[0].pts.as_secs_f64() + first as f64 / 48_000.0
}

#[test]
fn what_was_heard_at_a_time_is_heard_then_whatever_codec_it_becomes() {
    for rate in [44_100, 48_000, 22_050] {
        let sound = aac(&burst(rate), rate);
        let as_opus = converted(&sound, Codec::Opus);
        assert_eq!(as_opus[0].track.parameters.codec(), Codec::Opus);
        let back = converted(&as_opus, Codec::Aac);
        let at = heard(&back);
        assert!((at - 1.0).abs() < 0.003, "{rate} Hz: {at}");
    }
    let at = heard(&converted(&opus(&burst(48_000)), Codec::Aac));
    assert!((at - 1.0).abs() < 0.003, "Opus that says how late it is: {at}");
    // μ-law: silence, and full scale from the first second on.
    let codes = [vec![0xff; 8_000], [vec![0x80; 4], vec![0x00; 4]].concat().repeat(500)].concat();
    let units = g711(&codes, |number| seconds(number as f64 * 0.02, rate(8_000)));
    let at = heard(&converted(&units, Codec::Aac));
    assert!((at - 1.0).abs() < 0.003, "G.711: {at}");
}

#[test]
fn units_come_without_gap_and_none_is_missing() {
    for hz in [8_000u32, 16_000, 44_100, 48_000, 96_000] {
        let sound = aac(&vec![0.1; hz as usize * 2 * 3], hz);
        for (to, length) in [(Codec::Opus, 960), (Codec::Aac, 1_024)] {
            let units = converted(&sound, to);
            for pair in units.windows(2) {
                assert_eq!(
                    pair[1].pts.saturating_sub(pair[0].pts),
                    MediaTime::new(length, Timescale::AUDIO_48K)
                );
            }
            let all = units.len() as f64 * length as f64 / 48_000.0;
            let given = sound.len() as f64 * 1_024.0 / f64::from(hz);
            assert!(given - all < 0.1 && all <= given, "{hz} Hz: {all} of {given} s");
        }
    }
}

#[test]
fn a_source_whose_clock_runs_otherwise_never_drifts_away() {
    // Units that hold 20 ms each and are said to last 20.04: two per mille, far more than any clock strays.
    let (minutes, step) = (4, 20.04);
    let time = |number: i64| MediaTime::new((number as f64 * step * 1_000.0) as i64, Timescale::MICROS);
    for step_back in [false, true] {
        let at = |number: i64| {
            if step_back { MediaTime::new(number * 19_960, Timescale::MICROS) } else { time(number) }
        };
        let units = g711(&vec![0xff; 8_000 * 60 * minutes], at);
        let mut converter = SoundConverter::new(&units[0].track, Codec::Opus).unwrap();
        let (mut out, mut last) = (Vec::new(), MediaTime::new(-20, Timescale::MILLIS));
        for unit in &units {
            converter.push(unit, &mut out).unwrap();
            for made in out.drain(..) {
                assert!(made.pts > last);
                last = made.pts;
            }
            // Up to 20 ms strayed, 20 ms that the unit lasts, less than 20 ms held for a whole one, and the filter's and encoder's 10 ms.
            let behind = unit.pts.saturating_sub(last).as_secs_f64();
            assert!((-0.021..0.07).contains(&behind), "{behind} at {:?}", unit.pts);
        }
    }
}

#[test]
fn lost_sound_is_a_gap_and_goes_on_at_its_time() {
    let lost =
        |number: i64| seconds(number as f64 * 0.02 + if number >= 50 { 5.0 } else { 0.0 }, rate(8_000));
    let units = converted(&g711(&vec![0xff; 16_000], lost), Codec::Opus);
    let gaps: Vec<_> = units
        .windows(2)
        .map(|pair| pair[1].pts.saturating_sub(pair[0].pts).as_secs_f64())
        .filter(|step| (step - 0.02).abs() > 1e-6)
        .collect();
    assert_eq!(gaps.len(), 1);
    assert!((gaps[0] - 5.02).abs() < 0.041, "{gaps:?}");
}

#[test]
fn what_cannot_be_decoded_is_an_error_and_the_next_unit_is_heard() {
    let mut units = aac(&vec![0.2; 96_000 * 2], 48_000);
    let mut converter = SoundConverter::new(&units[0].track, Codec::Opus).unwrap();
    let mut out = Vec::new();
    units[20].data = units[20].data.slice(..12);
    let wrong = units.iter().filter(|unit| converter.push(unit, &mut out).is_err()).count();
    assert_eq!(wrong, 1);
    assert!(out.len() > 85, "{}", out.len());
    let mut opus = opus(&vec![0.2; 96_000]);
    opus[3].data = Bytes::from_static(&[0xff, 0]);
    let mut converter = SoundConverter::new(&opus[0].track, Codec::Aac).unwrap();
    assert_eq!(opus.iter().filter(|unit| converter.push(unit, &mut out).is_err()).count(), 1);
}

#[test]
fn new_parameters_are_followed_and_the_track_stays_where_it_can() {
    let (first, second) = (aac(&vec![0.2; 96_000], 48_000), aac(&vec![0.2; 96_000], 32_000));
    let mut converter = SoundConverter::new(&first[0].track, Codec::Opus).unwrap();
    let mut out = Vec::new();
    let later = second.iter().map(|unit| {
        let pts = unit.pts.saturating_add(MediaTime::new(1, rate(1)));
        AccessUnit { dts: pts, pts, ..unit.clone() }
    });
    for unit in first.iter().cloned().chain(later) {
        converter.push(&unit, &mut out).unwrap();
    }
    assert!(out.iter().all(|unit| Arc::ptr_eq(&unit.track, &out[0].track)));
    assert!(out.is_sorted_by(|a, b| a.pts < b.pts));
    assert!(out.last().unwrap().pts > MediaTime::new(2_300, Timescale::MILLIS));
}

#[test]
fn pictures_and_codecs_that_nothing_is_made_into_are_refused() {
    let sps = Bytes::from_static(&[0x67, 66, 0, 30]);
    let video = H264Parameters::new(sps, vec![Bytes::from_static(&[0x68, 1])], (64, 64), None).unwrap();
    let video = Arc::new(Track {
        id: TrackId::VIDEO,
        timescale: Timescale::VIDEO_90K,
        parameters: CodecParameters::H264(video),
    });
    assert!(matches!(SoundConverter::new(&video, Codec::Opus), Err(EncodeError::NoSound { codec: "H.264" })));
    let sound = opus(&[0.0; 1_920]);
    assert!(matches!(
        SoundConverter::new(&sound[0].track, Codec::G711),
        Err(EncodeError::NoSound { codec: "G.711" })
    ));
}
