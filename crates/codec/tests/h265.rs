//! Access units of H.265 that something else has already framed.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test needs an instant to begin with, and may panic"
)]

use std::sync::Arc;
use std::time::Instant;

use codec::h265::{NalUnit, NalUnitType, UnitBuilder, parse_parameters};
use codec::nal::{Stamp, annexb, length_prefixed};
use media::{AccessUnit, CodecParameters, MediaTime, Timescale, TrackId};

const BFRAMES: &[u8] = include_bytes!("../testdata/bframes.h265");

fn stamp(dts: i64) -> Stamp {
    let at = MediaTime::new(dts, Timescale::VIDEO_90K);
    Stamp { dts: at, pts: at, lost_before: 0, captured: None, arrival: Instant::now() }
}

fn kind(nal: &[u8]) -> NalUnitType {
    NalUnit::new(nal).unwrap().unit_type()
}

fn builder() -> UnitBuilder {
    UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K)
}

/// The NAL units of each picture: a picture has one slice in this file.
fn pictures() -> Vec<Vec<&'static [u8]>> {
    let mut pictures = vec![Vec::new()];
    for nal in annexb::split(BFRAMES) {
        pictures.last_mut().unwrap().push(nal);
        if kind(nal).is_slice() {
            pictures.push(Vec::new());
        }
    }
    pictures.retain(|picture| !picture.is_empty());
    pictures
}

fn units() -> Vec<AccessUnit> {
    let mut builder = builder();
    let picture = |(at, nals): (usize, Vec<&'static [u8]>)| {
        builder.nals(nals, stamp(i64::try_from(at).unwrap() * 3_600)).unwrap()
    };
    pictures().into_iter().enumerate().filter_map(picture).collect()
}

#[test]
fn random_access_pictures_and_those_nothing_refers_to_are_told() {
    let units = units();
    assert_eq!(units.len(), 24);
    let at = |wanted: fn(&AccessUnit) -> bool| -> Vec<usize> {
        units.iter().enumerate().filter(|(_, unit)| wanted(unit)).map(|(at, _)| at).collect()
    };
    assert_eq!(at(|unit| unit.random_access), [0, 10]);
    assert_eq!(at(|unit| unit.disposable), [3, 5, 8, 9, 12, 15, 16, 19, 20, 23]);
    assert!(units.iter().all(|unit| Arc::ptr_eq(&unit.track, &units[0].track)));
}

#[test]
fn a_unit_holds_slices_and_sei_and_no_parameter_sets() {
    for unit in units() {
        let kinds: Vec<_> = length_prefixed::split(&unit.data, 4).map(|nal| kind(nal.unwrap())).collect();
        assert!(kinds.iter().all(|kind| kind.is_payload()), "{kinds:?}");
    }
}

#[test]
fn the_framings_give_the_same_unit() {
    let first = &pictures()[0];
    let (mut byte_stream, mut prefixed) = (Vec::new(), Vec::new());
    first.iter().for_each(|nal| annexb::write(nal, &mut byte_stream));
    first.iter().for_each(|nal| length_prefixed::write(nal, &mut prefixed));
    let one = builder().annexb(&byte_stream, stamp(0)).unwrap().unwrap();
    let other = builder().length_prefixed(&prefixed, 4, stamp(0)).unwrap().unwrap();
    assert_eq!((&one.data, one.random_access), (&other.data, true));
}

#[test]
fn nothing_comes_out_before_the_parameters_are_known() {
    let (sets, slices): (Vec<&[u8]>, Vec<&[u8]>) =
        pictures()[0].iter().partition(|nal| matches!(nal[0] >> 1 & 0x3f, 32..=34));
    let mut builder = builder();
    assert!(builder.nals(slices.clone(), stamp(0)).unwrap().is_none());
    assert!(builder.track().is_none());
    builder.set_parameters(&parse_parameters(sets).unwrap()).unwrap();
    let unit = builder.nals(slices, stamp(0)).unwrap().unwrap();
    let CodecParameters::H265(parameters) = &unit.track.parameters else { panic!("not H.265") };
    assert_eq!((parameters.width(), parameters.height(), parameters.max_reorder()), (160, 120, 2));
}

#[test]
fn enhancement_layers_are_left_out() {
    let mut builder = builder();
    let mut nals: Vec<Vec<u8>> = pictures()[0].iter().map(|nal| nal.to_vec()).collect();
    let plain = builder.nals(nals.iter().map(|nal| &nal[..]), stamp(0)).unwrap().unwrap();
    let mut second_layer = nals.last().unwrap().clone();
    second_layer[1] |= 1 << 3;
    nals.push(second_layer);
    let with_layer = builder.nals(nals.iter().map(|nal| &nal[..]), stamp(0)).unwrap().unwrap();
    assert_eq!(plain.data, with_layer.data);
}
