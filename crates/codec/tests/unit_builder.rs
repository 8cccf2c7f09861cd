//! Access units that a container has already framed.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test needs an instant to begin with, and may panic"
)]

use std::sync::Arc;
use std::time::Instant;

use codec::CodecError;
use codec::h264::{DecoderConfigurationRecord, UnitBuilder, parse_parameters};
use codec::nal::{Stamp, annexb, length_prefixed};
use media::{MediaTime, Timescale, TrackId};

const SLICES: &[u8] = include_bytes!("../testdata/slices.h264");
const BFRAMES: &[u8] = include_bytes!("../testdata/bframes.h264");

fn stamp(dts: i64, pts: i64) -> Stamp {
    let at = |ticks| MediaTime::new(ticks, Timescale::VIDEO_90K);
    Stamp { dts: at(dts), pts: at(pts), lost_before: 0, captured: None, arrival: Instant::now() }
}

/// The NAL units up to and including the first picture's slices.
fn first_picture(bytes: &[u8]) -> Vec<&[u8]> {
    let nals = annexb::split(bytes);
    nals.take_while(|nal| nal[0] & 0x1f != 1).collect()
}

fn joined(nals: &[&[u8]], write: fn(&[u8], &mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    nals.iter().for_each(|nal| write(nal, &mut bytes));
    bytes
}

#[test]
fn both_framings_give_the_same_unit_with_the_containers_times() {
    let nals = first_picture(SLICES);
    let mut builder = UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
    let from_annexb = builder.annexb(&joined(&nals, annexb::write), stamp(10, 20)).unwrap().unwrap();
    let from_lengths =
        builder.length_prefixed(&joined(&nals, length_prefixed::write), 4, stamp(30, 30)).unwrap().unwrap();
    assert_eq!(from_annexb.data, from_lengths.data);
    assert_eq!((from_annexb.dts.ticks(), from_annexb.pts.ticks()), (10, 20));
    assert!(from_annexb.random_access && !from_annexb.disposable);
    assert!(Arc::ptr_eq(&from_annexb.track, &from_lengths.track));
}

#[test]
fn parameters_out_of_band_are_enough() {
    let nals = first_picture(SLICES);
    let (sets, slices): (Vec<&[u8]>, Vec<&[u8]>) =
        nals.into_iter().partition(|nal| matches!(nal[0] & 0x1f, 7 | 8));
    let mut builder = UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
    let bytes = joined(&slices, length_prefixed::write);
    assert!(builder.length_prefixed(&bytes, 4, stamp(0, 0)).unwrap().is_none());
    let record = DecoderConfigurationRecord::write(&parse_parameters(sets).unwrap()).unwrap();
    let record = DecoderConfigurationRecord::parse(&record).unwrap();
    builder.set_parameters(&record.parameters().unwrap()).unwrap();
    let unit = builder.length_prefixed(&bytes, record.length_size(), stamp(0, 0)).unwrap().unwrap();
    assert_eq!(unit.data[..], bytes[..]);
}

#[test]
fn times_are_counted_in_the_tracks_timescale() {
    let mut builder = UnitBuilder::new(TrackId::VIDEO, Timescale::MILLIS);
    let unit =
        builder.annexb(&joined(&first_picture(SLICES), annexb::write), stamp(90, 180)).unwrap().unwrap();
    assert_eq!((unit.dts.ticks(), unit.pts.ticks()), (1, 2));
}

#[test]
fn a_unit_that_brings_new_parameter_sets_brings_a_new_track() {
    let mut builder = UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
    let old = builder.annexb(&joined(&first_picture(SLICES), annexb::write), stamp(0, 0)).unwrap().unwrap();
    let new = builder.annexb(&joined(&first_picture(BFRAMES), annexb::write), stamp(1, 1)).unwrap().unwrap();
    assert_eq!(old.track.parameters.rfc6381(), "avc1.42c00b");
    assert_eq!(new.track.parameters.rfc6381(), "avc1.64000b");
}

#[test]
fn parameter_sets_alone_make_a_track_but_no_unit() {
    let mut builder = UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
    assert!(
        builder.annexb(&joined(&first_picture(SLICES)[..2], annexb::write), stamp(0, 0)).unwrap().is_none()
    );
    assert!(builder.track().is_some());
}

#[test]
fn a_length_that_does_not_fit_is_told_with_its_place() {
    let mut builder = UnitBuilder::new(TrackId::VIDEO, Timescale::VIDEO_90K);
    let error = builder.length_prefixed(&[0, 0, 0, 9, 0x65], 4, stamp(0, 0)).unwrap_err();
    assert_eq!(error, CodecError::Length { position: 0, length: 9, available: 1 });
}
