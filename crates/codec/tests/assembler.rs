//! Byte streams of real encoders, assembled.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test needs an instant to begin with, and may panic"
)]

use std::time::{Duration, Instant};

use codec::h264::{Assembler, IdleFlush, NalUnit};
use codec::nal::{annexb, length_prefixed};
use media::{AccessUnit, TrackId};
use proptest::prelude::*;

const BFRAMES: &[u8] = include_bytes!("../testdata/bframes.h264");
const SLICES: &[u8] = include_bytes!("../testdata/slices.h264");
const AUD: &[u8] = include_bytes!("../testdata/aud.h264");
const INTRA_REFRESH: &[u8] = include_bytes!("../testdata/intra_refresh.h264");
const OPEN_GOP: &[u8] = include_bytes!("../testdata/open_gop.h264");
const INTERLACED: &[u8] = include_bytes!("../testdata/interlaced.h264");

fn drain(assembler: &mut Assembler) -> Vec<AccessUnit> {
    std::iter::from_fn(|| assembler.pull()).collect()
}

fn assemble(bytes: &[u8]) -> Vec<AccessUnit> {
    let mut assembler = Assembler::new(TrackId::VIDEO, IdleFlush::Never);
    assembler.push(bytes, Instant::now(), None).unwrap();
    assembler.finish();
    drain(&mut assembler)
}

fn nal_types(unit: &AccessUnit) -> Vec<u8> {
    length_prefixed::split(&unit.data, 4).map(|nal| nal.unwrap()[0] & 0x1f).collect()
}

/// The byte stream cut where its pictures end, as a live encoder writes it.
fn pictures(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pictures = vec![Vec::new()];
    let mut has_slice = false;
    for nal in annexb::split(bytes) {
        let (unit_type, first) = (NalUnit::new(nal).unwrap().unit_type(), nal[1] & 0x80 != 0);
        if has_slice && (!unit_type.is_slice() || first) {
            pictures.push(Vec::new());
            has_slice = false;
        }
        has_slice |= unit_type.is_slice();
        annexb::write(nal, pictures.last_mut().unwrap());
    }
    pictures
}

#[test]
fn every_picture_becomes_one_unit_without_parameter_sets() {
    for (bytes, count) in
        [(BFRAMES, 24), (SLICES, 12), (AUD, 12), (INTRA_REFRESH, 40), (OPEN_GOP, 20), (INTERLACED, 12)]
    {
        let units = assemble(bytes);
        assert_eq!(units.len(), count);
        assert!(units[0].random_access);
        for unit in &units {
            assert!(nal_types(unit).iter().all(|t| matches!(t, 1 | 5 | 6)), "{:?}", nal_types(unit));
            assert_eq!(unit.track.parameters.dimensions(), Some((160, 120)));
            assert!(std::sync::Arc::ptr_eq(&unit.track, &units[0].track));
        }
    }
}

#[test]
fn all_slices_of_a_picture_are_in_its_unit() {
    let units = assemble(SLICES);
    assert_eq!(nal_types(&units[0]), [6, 5, 5, 5]);
    assert_eq!(nal_types(&units[1]), [1, 1, 1]);
    let random_access: Vec<usize> = (0..12).filter(|&at| units[at].random_access).collect();
    assert_eq!(random_access, [0, 6]);
}

#[test]
fn b_frames_are_decoded_in_order_and_shown_in_theirs() {
    let mut assembler = Assembler::new(TrackId::VIDEO, IdleFlush::Never);
    let start = Instant::now();
    for (at, picture) in pictures(BFRAMES).iter().enumerate() {
        let arrival = start + Duration::from_millis(40) * u32::try_from(at).unwrap();
        assembler.push(picture, arrival, None).unwrap();
    }
    assembler.finish();
    let units = drain(&mut assembler);
    let dts: Vec<i64> = units.iter().map(|unit| unit.dts.ticks()).collect();
    assert_eq!(dts, (0..24).map(|at| at * 3600).collect::<Vec<_>>());
    assert!(units.iter().all(|unit| unit.pts >= unit.dts));
    let mut pts: Vec<i64> = units.iter().map(|unit| unit.pts.ticks()).collect();
    assert_ne!(pts, dts);
    pts.sort_unstable();
    let steps: Vec<i64> = pts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(steps, [3600; 23]);
    assert!(units.iter().any(|unit| unit.disposable));
}

#[test]
fn without_reordering_a_picture_is_shown_when_decoded() {
    for bytes in [SLICES, AUD, INTRA_REFRESH] {
        assert!(assemble(bytes).iter().all(|unit| unit.pts == unit.dts));
    }
}

#[test]
fn a_stream_joined_after_its_only_idr_starts_at_a_recovery_point() {
    for (bytes, expected) in [(INTRA_REFRESH, vec![0, 10, 20]), (OPEN_GOP, vec![0])] {
        // Everything before the second SPS is missed.
        let second = bytes.windows(5).rposition(|w| w == [0, 0, 1, 0x67, 0x64]).unwrap();
        let first = (4..bytes.len()).find(|&at| bytes[at..].starts_with(&[0, 0, 1, 0x67])).unwrap();
        assert!(first <= second);
        let units = assemble(&bytes[first..]);
        let random_access: Vec<usize> = (0..units.len()).filter(|&at| units[at].random_access).collect();
        assert_eq!(random_access, expected);
    }
}

#[test]
fn silence_ends_a_picture_without_waiting_for_the_next_once_it_has_proved_itself() {
    let mut assembler = Assembler::new(TrackId::VIDEO, IdleFlush::WhenSilent);
    let start = Instant::now();
    let mut units = Vec::new();
    for (at, picture) in pictures(SLICES).iter().enumerate() {
        let arrival = start + Duration::from_millis(40) * u32::try_from(at).unwrap();
        assembler.push(picture, arrival, None).unwrap();
        assembler.flush_idle();
        units.extend(drain(&mut assembler));
        // The first two come with the pictures behind them, which show that they were whole.
        assert_eq!(units.len(), if at < 2 { at } else { at + 1 });
        assert!(at < 2 || units[at].arrival == arrival);
    }
    let whole = assemble(SLICES);
    assert_eq!(
        units.iter().map(|unit| &unit.data).collect::<Vec<_>>(),
        whole.iter().map(|u| &u.data).collect::<Vec<_>>()
    );
    assert_eq!(assembler.idle_flush_policy(), IdleFlush::WhenSilent);
}

#[test]
fn a_first_picture_cut_by_silence_is_whole_and_silence_does_not_count() {
    for cut_inside_nal in [false, true] {
        let mut assembler = Assembler::new(TrackId::VIDEO, IdleFlush::WhenSilent);
        let now = Instant::now();
        let pictures = pictures(SLICES);
        let first = &pictures[0];
        let last_slice = first.windows(5).rposition(|w| w == [0, 0, 0, 1, 0x65]).unwrap();
        let cut = if cut_inside_nal { last_slice + 20 } else { last_slice };
        assembler.push(&first[..cut], now, None).unwrap();
        assembler.flush_idle();
        assembler.push(&first[cut..], now, None).unwrap();
        for picture in &pictures[1..] {
            assembler.push(picture, now, None).unwrap();
            assembler.flush_idle();
        }
        assert_eq!(assembler.idle_flush_policy(), IdleFlush::Never);
        assembler.finish();
        let units = drain(&mut assembler);
        assert!(units.iter().all(|unit| unit.lost_before == 0));
        let data = |units: &[AccessUnit]| units.iter().map(|unit| unit.data.clone()).collect::<Vec<_>>();
        assert_eq!(data(&units), data(&assemble(SLICES)));
    }
}

#[test]
fn a_later_picture_cut_by_silence_costs_that_picture_alone_and_silence_no_longer_counts() {
    let mut assembler = Assembler::new(TrackId::VIDEO, IdleFlush::WhenSilent);
    let now = Instant::now();
    let pictures = pictures(SLICES);
    for picture in &pictures[..3] {
        assembler.push(picture, now, None).unwrap();
        assembler.flush_idle();
    }
    assert_eq!(drain(&mut assembler).len(), 3);
    let first = &pictures[0];
    let cut = first.windows(5).rposition(|w| w == [0, 0, 0, 1, 0x65]).unwrap() + 20;
    assembler.push(&first[..cut], now, None).unwrap();
    assembler.flush_idle();
    assert!(assembler.pull().is_some());
    assembler.push(&first[cut..], now, None).unwrap();
    assert!(assembler.pull().is_none());
    assert_eq!(assembler.idle_flush_policy(), IdleFlush::Never);
    for picture in &pictures[1..] {
        assembler.push(picture, now, None).unwrap();
        assembler.flush_idle();
    }
    assembler.finish();
    let rest = drain(&mut assembler);
    assert_eq!(rest.len(), 11);
    assert_eq!(rest[0].lost_before, 1);
    assert!(rest[1..].iter().all(|unit| unit.lost_before == 0));
}

#[test]
fn new_parameter_sets_make_a_new_track_and_repeated_ones_do_not() {
    let mut bytes = SLICES.to_vec();
    bytes.extend_from_slice(BFRAMES);
    bytes.extend_from_slice(BFRAMES);
    let units = assemble(&bytes);
    assert_eq!(units.len(), 60);
    let changes: Vec<usize> =
        (1..60).filter(|&at| !std::sync::Arc::ptr_eq(&units[at].track, &units[at - 1].track)).collect();
    assert_eq!(changes, [12]);
    assert!(units[12].random_access);
}

#[test]
fn an_endless_access_unit_is_given_up_and_the_next_one_tells() {
    let mut assembler = Assembler::new(TrackId::VIDEO, IdleFlush::Never);
    let now = Instant::now();
    assembler.push(&pictures(AUD)[0], now, None).unwrap();
    let errors = (0..200).filter(|_| assembler.push(&[0xaa; 65_536], now, None).is_err()).count();
    assert_eq!(errors, 1);
    for picture in &pictures(AUD)[1..] {
        assembler.push(picture, now, None).unwrap();
    }
    assembler.finish();
    let units = drain(&mut assembler);
    assert_eq!(units.len(), 11);
    assert_eq!(units[0].lost_before, 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn units_do_not_depend_on_how_the_bytes_were_cut(
        which in 0usize..6,
        cuts in proptest::collection::vec(prop_oneof![1usize..6, 1usize..200, 1usize..4000], 1..40),
        damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..6),
    ) {
        let mut bytes = [BFRAMES, SLICES, AUD, INTRA_REFRESH, OPEN_GOP, INTERLACED][which].to_vec();
        let length = bytes.len();
        for (at, value) in damage {
            bytes[usize::from(at) % length] = value;
        }
        let now = Instant::now();
        let mut whole = Assembler::new(TrackId::VIDEO, IdleFlush::Never);
        let _ = whole.push(&bytes, now, None);
        whole.finish();
        let mut pieces = Assembler::new(TrackId::VIDEO, IdleFlush::Never);
        let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            let _ = pieces.push(piece, now, None);
            rest = tail;
        }
        pieces.finish();
        let (whole, pieces) = (drain(&mut whole), drain(&mut pieces));
        prop_assert_eq!(whole.len(), pieces.len());
        for (a, b) in whole.iter().zip(&pieces) {
            prop_assert_eq!(&a.data, &b.data);
            prop_assert_eq!((a.pts, a.dts, a.random_access, a.disposable, a.lost_before), (b.pts, b.dts, b.random_access, b.disposable, b.lost_before));
            prop_assert_eq!(&a.track, &b.track);
        }
    }
}
