//! What the fragments look like, box by box.

use std::time::Duration;

use media::{AccessUnit, Chunk, MediaTime};

use crate::samples::{aac, mux, opus, picture, sound, video, video_sized};
use crate::{Format, FormatOptions, Grouping};

/// A `traf` read back.
#[derive(Debug, PartialEq, Eq)]
struct Traf {
    track: u32,
    decode_time: u64,
    /// Duration, bytes, composition offset.
    samples: Vec<(u32, Vec<u8>, i32)>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn boxes(mut bytes: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (this, rest) = bytes.split_at(u32_at(bytes, 0) as usize);
        found.push((&this[4..8], &this[8..]));
        bytes = rest;
    }
    found
}

/// Reads a fragment as written here: `mfhd`'s number and the tracks.
fn read(chunk: &Chunk) -> (u32, Vec<Traf>) {
    let top = boxes(&chunk.bytes);
    assert_eq!(top.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [b"moof", b"mdat"]);
    let inner = boxes(top[0].1);
    let trafs = inner[1..].iter().map(|(_, body)| {
        let parts = boxes(body);
        let (tfhd, tfdt, trun) = (parts[0].1, parts[1].1, parts[2].1);
        let flags = u32_at(trun, 0) & 0x00ff_ffff;
        let mut data = u32_at(trun, 8) as usize;
        let mut at = 12;
        let mut next = || {
            at += 4;
            u32_at(trun, at - 4)
        };
        let samples = (0..u32_at(trun, 4)).map(|_| {
            let (duration, size) = (next(), next() as usize);
            if flags & 0x400 != 0 {
                next();
            }
            let offset = if flags & 0x800 != 0 { next().cast_signed() } else { 0 };
            data += size;
            (duration, chunk.bytes[data - size..data].to_vec(), offset)
        });
        Traf {
            track: u32_at(tfhd, 4),
            decode_time: u64::from_be_bytes(tfdt[4..12].try_into().unwrap()),
            samples: samples.collect(),
        }
    });
    (u32_at(inner[0].1, 4), trafs.collect())
}

fn fmp4(units: &[AccessUnit], grouping: Grouping) -> Vec<Chunk> {
    let options = FormatOptions { grouping, ..FormatOptions::default() };
    mux(Format::Fmp4, &options, &[video(), aac()], units)
}

#[test]
fn the_init_segment_names_both_codecs() {
    let chunks = fmp4(&[picture(&video(), 0, true, 3)], Grouping::RideOnVideo);
    let init = chunks[0].init.as_ref().unwrap();
    assert_eq!(init.mime, "video/mp4; codecs=\"avc1.42c00d,mp4a.40.2\"");
    assert_eq!(boxes(&init.bytes).iter().map(|(name, _)| *name).collect::<Vec<_>>(), [b"ftyp", b"moov"]);
    let moov = boxes(boxes(&init.bytes)[1].1);
    assert_eq!(moov.iter().map(|(name, _)| *name).collect::<Vec<_>>(), [b"mvhd", b"trak", b"trak", b"mvex"]);
}

#[test]
fn time_begins_at_0_and_keeps_the_offset_of_sound_and_picture() {
    let (v, a) = (video(), aac());
    let units =
        [picture(&v, 7_000, true, 5), sound(&a, 7_010, 4), sound(&a, 7_030, 6), picture(&v, 7_040, false, 3)];
    let chunks = fmp4(&units, Grouping::RideOnVideo);
    assert_eq!(chunks.len(), 2);
    let first = Traf { track: 1, decode_time: 0, samples: vec![(3_000, units[0].data.to_vec(), 0)] };
    assert_eq!(read(&chunks[0]), (1, vec![first]));
    let video = Traf { track: 1, decode_time: 3_600, samples: vec![(3_600, units[3].data.to_vec(), 0)] };
    let audio = Traf {
        track: 2,
        decode_time: 480,
        samples: vec![(960, units[1].data.to_vec(), 0), (960, units[2].data.to_vec(), 0)],
    };
    assert_eq!(read(&chunks[1]), (2, vec![video, audio]));
    assert!(chunks[0].random_access && !chunks[1].random_access);
}

#[test]
fn sound_from_before_the_beginning_is_left_out() {
    let (v, a) = (video(), aac());
    let units =
        [picture(&v, 1_000, true, 5), sound(&a, 900, 4), sound(&a, 1_000, 4), picture(&v, 1_040, false, 3)];
    let chunks = fmp4(&units, Grouping::EveryUnit);
    let times: Vec<_> = chunks.iter().map(|chunk| read(chunk).1[0].decode_time).collect();
    assert_eq!(times, [0, 0, 3_600]);
    assert_eq!(chunks.iter().map(|chunk| chunk.track.0).collect::<Vec<_>>(), [1, 2, 1]);
}

#[test]
fn reordered_pictures_have_composition_offsets() {
    let v = video();
    let mut units: Vec<_> = (0..3).map(|n| picture(&v, n * 40, n == 0, 3)).collect();
    units[1].pts = MediaTime::new(4 * 3_600, v.timescale);
    units[2].pts = MediaTime::new(3_600, v.timescale);
    let chunks = fmp4(&units, Grouping::Window(Duration::from_millis(40)));
    // The decoder was told that nothing is reordered; now it is told otherwise.
    assert_eq!(chunks.len(), 2);
    assert!(!std::sync::Arc::ptr_eq(chunks[0].init.as_ref().unwrap(), chunks[1].init.as_ref().unwrap()));
    let (_, trafs) = read(&chunks[1]);
    assert_eq!(trafs[0].samples.iter().map(|sample| sample.2).collect::<Vec<_>>(), [10_800, -3_600]);
}

#[test]
fn a_change_of_parameters_is_a_new_init_segment_and_time_runs_on() {
    let (small, again, large) = (video(), video(), video_sized(640, 480));
    let units = [picture(&small, 0, true, 3), picture(&again, 40, true, 3), picture(&large, 80, true, 3)];
    let chunks = fmp4(&units, Grouping::RideOnVideo);
    let inits: Vec<_> = chunks.iter().map(|chunk| chunk.init.as_ref().unwrap()).collect();
    assert!(std::sync::Arc::ptr_eq(inits[0], inits[1]), "the same parameters in a new track are no change");
    assert_ne!(inits[1].bytes, inits[2].bytes);
    let (sequence, trafs) = read(&chunks[2]);
    assert_eq!((sequence, trafs[0].decode_time), (3, 7_200));
}

#[test]
fn what_is_held_at_a_change_goes_out_with_the_old_init_segment() {
    let (v, a, o) = (video(), aac(), opus());
    let mut muxer = Format::Fmp4.muxer(&FormatOptions::default());
    let mut out = std::collections::VecDeque::new();
    muxer.tracks(&[v.clone(), a.clone()]);
    muxer.push(&picture(&v, 0, true, 3), &mut out).unwrap();
    muxer.push(&sound(&a, 0, 3), &mut out).unwrap();
    muxer.tracks(&[v.clone(), o]);
    muxer.push(&picture(&v, 40, true, 3), &mut out).unwrap();
    let mimes: Vec<_> = out.iter().map(|chunk| chunk.init.as_ref().unwrap().mime.as_str()).collect();
    let (old, new) =
        ("video/mp4; codecs=\"avc1.42c00d,mp4a.40.2\"", "video/mp4; codecs=\"avc1.42c00d,opus\"");
    assert_eq!(mimes, [old, old, new]);
}

#[test]
fn a_track_left_out_leaves_no_trace() {
    let (v, a) = (video(), aac());
    let options = FormatOptions { video: false, ..FormatOptions::default() };
    let chunks =
        mux(Format::Fmp4, &options, &[v.clone(), a.clone()], &[picture(&v, 0, true, 3), sound(&a, 5, 3)]);
    assert_eq!(chunks.len(), 1);
    assert_eq!(chunks[0].init.as_ref().unwrap().mime, "audio/mp4; codecs=\"mp4a.40.2\"");
    assert!(chunks[0].random_access);
    assert_eq!(read(&chunks[0]).1[0].decode_time, 0);
}
