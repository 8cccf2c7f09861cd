//! Tracks into packets and back, with and without losses.

mod payloads;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use codec::aac;
use media::{
    AccessUnit, CodecParameters, G711Law, G711Parameters, H264Parameters, MediaTime, OpusParameters,
    Timescale, Track, TrackId, Wallclock,
};
use proptest::prelude::*;

use crate::packet::{Header, Packet};
use crate::rtcp::NtpTime;
use crate::sdp::{self, SessionDescription};
use crate::{Delivery, Packetizer, Receiver, RtpError, align, next_sequence};

/// x264's for 320x240 at 25, Constrained Baseline.
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00,
    0x0c, 0x83, 0xc5, 0x0a, 0xa8,
];
const PPS: &[u8] = &[0x68, 0xce, 0x0f, 0xc8];

#[allow(clippy::disallowed_methods)] // an `Instant` comes from nowhere else
fn moment(millis: u64) -> Instant {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *START.get_or_init(Instant::now) + Duration::from_millis(millis)
}

fn track(id: TrackId, timescale: Timescale, parameters: CodecParameters) -> Arc<Track> {
    Arc::new(Track { id, timescale, parameters })
}

fn video() -> Arc<Track> {
    let (sps, pps) = (Bytes::from_static(SPS), vec![Bytes::from_static(PPS)]);
    let parameters = H264Parameters::new(sps, pps, (320, 240), Some(0)).unwrap();
    track(TrackId::VIDEO, Timescale::VIDEO_90K, CodecParameters::H264(parameters))
}

/// x265, Main, level 1, 160x120.
fn hevc() -> Arc<Track> {
    let vps: &[u8] = &[
        0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00,
        0x00, 0x03, 0x00, 0x1e, 0x95, 0x94, 0x09,
    ];
    let sps: &[u8] = &[
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
        0x1e, 0xa0, 0x14, 0x20, 0x79, 0x65, 0x95, 0x96, 0x49, 0x32, 0xbc, 0x05, 0xa0, 0x20, 0x00, 0x00, 0x03,
        0x00, 0x20, 0x00, 0x00, 0x03, 0x03, 0x21,
    ];
    let pps: &[u8] = &[0x44, 0x01, 0xc1, 0x72, 0xb4, 0x62, 0x40];
    let parameters = CodecParameters::H265(codec::h265::parse_parameters([vps, sps, pps]).unwrap());
    track(TrackId::VIDEO, Timescale::VIDEO_90K, parameters)
}

fn sound() -> Vec<Arc<Track>> {
    let g711 = |law| CodecParameters::G711(G711Parameters::new(law, 8_000, 1).unwrap());
    let aac = CodecParameters::Aac(aac::lc_parameters(44_100, 2).unwrap());
    let opus = CodecParameters::Opus(OpusParameters::new(2, 0).unwrap());
    vec![
        track(TrackId::AUDIO, Timescale::new(44_100).unwrap(), aac),
        track(TrackId::AUDIO, Timescale::AUDIO_48K, opus),
        track(TrackId::AUDIO, Timescale::new(8_000).unwrap(), g711(G711Law::Mu)),
        track(TrackId::AUDIO, Timescale::new(8_000).unwrap(), g711(G711Law::A)),
    ]
}

fn unit(track: &Arc<Track>, millis: u64, random_access: bool, data: Vec<u8>) -> AccessUnit {
    let at = MediaTime::from_duration(Duration::from_millis(millis), track.timescale);
    AccessUnit {
        track: Arc::clone(track),
        dts: at,
        pts: at,
        random_access,
        disposable: false,
        lost_before: 0,
        data: data.into(),
        captured: None,
        arrival: moment(millis),
    }
}

/// A picture of slices of these sizes; the first of them begins it.
fn picture(track: &Arc<Track>, number: u64, random_access: bool, slices: &[usize]) -> AccessUnit {
    let mut data = Vec::new();
    for (index, &size) in slices.iter().enumerate() {
        let mut nal = match &track.parameters {
            // IDR_W_RADL, or TRAIL_R; the first segment of a picture is the bit 1.
            CodecParameters::H265(_) => {
                let (kind, slice) = if random_access { (0x26, 0x20) } else { (0x02, 0x40) };
                vec![kind, 1, slice | if index == 0 { 0x80 } else { 0 }, number as u8]
            }
            // first_mb_in_slice 0 is the bit 1; behind it slice type 7 (I), and PPS 0.
            _ => {
                let first = if random_access { 0x65 } else { 0x41 };
                vec![first, if index == 0 { 0x88 } else { 0x44 }, 0x84, number as u8]
            }
        };
        nal.resize(size.max(4), 0x55 + index as u8);
        data.extend((nal.len() as u32).to_be_bytes());
        data.extend(nal);
    }
    unit(track, number * 40, random_access, data)
}

/// The packets of each unit.
fn packets(track: &Track, units: &[AccessUnit], size: usize) -> Vec<Vec<Bytes>> {
    let mut packetizer = Packetizer::new(track, sdp::payload_type(track, 0), 0xfeed_fff0, size).unwrap();
    let of = |unit| {
        let mut packets = Vec::new();
        packetizer
            .push(unit, |header, payload| packets.push([&header[..], &payload.concat()].concat().into()))
            .unwrap();
        packets
    };
    units.iter().map(of).collect()
}

/// A receiver of the track as a session description says it.
fn receiver(track: &Arc<Track>, delivery: Delivery) -> Receiver {
    let text = sdp::describe("front", &[Arc::clone(track)]);
    let description = SessionDescription::parse(&text).unwrap();
    Receiver::new(description.media[0].format(track.id).unwrap(), delivery, moment(0))
}

fn received(receiver: &mut Receiver, packets: impl IntoIterator<Item = Bytes>) -> Vec<AccessUnit> {
    let mut units = VecDeque::new();
    for packet in packets {
        receiver.push(packet, moment(0), &mut units).unwrap();
    }
    receiver.advance(moment(1_000), &mut units).unwrap();
    units.into()
}

fn payloads(units: &[AccessUnit]) -> Vec<&[u8]> {
    units.iter().map(|unit| &unit.data[..]).collect()
}

#[test]
fn a_random_access_point_brings_its_parameter_sets() {
    let video = video();
    let packets = packets(&video, &[picture(&video, 0, true, &[20])], 1_400);
    let expected = [&[0x78, 0, 22][..], SPS, &[0, 4], PPS, &[0, 20, 0x65, 0x88]].concat();
    assert_eq!(packets[0].len(), 1);
    let packet = Packet::parse(&packets[0][0]).unwrap();
    assert!(packet.header.marker && packet.payload.starts_with(&expected));
    // So a receiver that was told of no parameter sets has a track.
    let medium = "v=0\nm=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\n";
    let format = SessionDescription::parse(medium).unwrap().media[0].format(TrackId::VIDEO).unwrap();
    let mut receiver = Receiver::new(format, Delivery::InOrder, moment(0));
    assert_eq!(receiver.track(), None);
    assert_eq!(received(&mut receiver, packets.concat()).len(), 1);
    assert_eq!(receiver.track().unwrap().parameters, video.parameters);
}

#[test]
fn after_a_loss_nothing_comes_out_up_to_the_next_random_access_point() {
    for video in [video(), hevc()] {
        let units: Vec<_> = (0..8).map(|n| picture(&video, n, n % 4 == 0, &[300, 300])).collect();
        let mut made = packets(&video, &units, 200);
        made[1].remove(1);
        let units = received(&mut receiver(&video, Delivery::InOrder), made.concat());
        let numbers: Vec<u8> = units.iter().map(|unit| unit.data[7]).collect();
        assert_eq!(numbers, [0, 4, 5, 6, 7]);
        assert_eq!(units[1].lost_before, 1);
    }
}

#[test]
fn a_random_access_point_without_its_beginning_is_none() {
    for video in [video(), hevc()] {
        let units: Vec<_> = (0..3).map(|n| picture(&video, n, n != 1, &[300, 300])).collect();
        let mut made = packets(&video, &units, 400);
        // All of the second picture and what the third begins with, lost in one go.
        made[1].clear();
        made[2].remove(0);
        assert!(!made[2].is_empty());
        let units = received(&mut receiver(&video, Delivery::InOrder), made.concat());
        assert_eq!(units.len(), 1);
    }
}

#[test]
fn a_session_that_is_joined_in_a_picture_begins_with_a_whole_one() {
    let video = video();
    let units: Vec<_> = (0..2).map(|n| picture(&video, n, true, &[300, 300])).collect();
    let made = packets(&video, &units, 200).concat();
    let units = received(&mut receiver(&video, Delivery::InOrder), made.into_iter().skip(3));
    assert_eq!(units.iter().map(|unit| unit.data[7]).collect::<Vec<_>>(), [1]);
}

#[test]
fn pictures_that_are_shown_out_of_order_keep_their_times() {
    let video = video();
    let shown = [0i64, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11];
    let units = (0..).zip(shown).map(|(n, shown)| {
        let mut unit = picture(&video, n, n == 0, &[50]);
        unit.pts = MediaTime::new(shown * 3_600, Timescale::VIDEO_90K);
        unit
    });
    let made = packets(&video, &units.collect::<Vec<_>>(), 1_400).concat();
    let units = received(&mut receiver(&video, Delivery::InOrder), made);
    assert!(units.is_sorted_by_key(|unit| unit.dts));
    assert!(units.iter().all(|unit| unit.dts <= unit.pts));
    let back: Vec<i64> = units.iter().skip(6).map(|unit| unit.pts.ticks() / 3_600).collect();
    assert_eq!(back, shown[6..]);
}

#[test]
fn the_number_of_the_next_packet_follows_from_the_report() {
    let video = video();
    let mut packetizer = Packetizer::new(&video, 96, 0xabcd_fffe, 200).unwrap();
    let mut numbers = Vec::new();
    for number in 0..3 {
        let report = packetizer.report(MediaTime::zero(Timescale::VIDEO_90K), NtpTime(0));
        let expected = next_sequence(&report);
        let mut first = None;
        let unit = picture(&video, number, true, &[500]);
        let timestamp = packetizer.timestamp(unit.pts);
        packetizer
            .push(&unit, |header, _| {
                first.get_or_insert(Packet::parse(header).unwrap().header);
            })
            .unwrap();
        let first: Header = first.unwrap();
        assert_eq!((first.sequence, first.timestamp), (expected, timestamp));
        numbers.push(first.sequence);
    }
    assert_eq!(numbers[0], 0xfffe);
    assert!(numbers[1] < 10, "they wrap");
}

#[test]
fn sound_that_was_placed_by_its_arrival_is_moved_to_where_the_reports_say() {
    let (video, sound) = (video(), sound().remove(0));
    let mut receivers = [receiver(&video, Delivery::InOrder), receiver(&sound, Delivery::InOrder)];
    let picture = packets(&video, &[picture(&video, 0, true, &[50])], 1_400).concat();
    let mut out = VecDeque::new();
    receivers[0].push(picture[0].clone(), moment(100), &mut out).unwrap();
    // Sound of the same moment comes 200 ms later.
    let units: Vec<_> = (0..2).map(|n| unit(&sound, n * 500, true, vec![1; 9])).collect();
    let made = packets(&sound, &units, 1_400).concat();
    receivers[1].push(made[0].clone(), moment(300), &mut out).unwrap();
    let now = NtpTime::from_wallclock(Wallclock::from_unix_micros(1_700_000_000_000_000));
    for (track, receiver) in [&video, &sound].iter().zip(&mut receivers) {
        let packetizer = Packetizer::new(track, 96, 0xfeed_fff0, 1_400).unwrap();
        receiver.reported(packetizer.report(MediaTime::zero(Timescale::MILLIS), now), moment(300));
    }
    align(&mut receivers);
    receivers[1].push(made[1].clone(), moment(800), &mut out).unwrap();
    let millis: Vec<i64> = out.iter().map(|unit| unit.pts.ticks_in(Timescale::MILLIS)).collect();
    assert_eq!(millis, [100, 300, 600]);
}

#[test]
fn what_is_not_taken_is_said() {
    let refused = |media: &str| {
        let description = SessionDescription::parse(&format!("v=0\n{media}")).unwrap();
        description.media[0].format(TrackId::VIDEO).unwrap_err().to_string()
    };
    assert_eq!(
        refused("m=video 0 RTP/AVP 96\na=rtpmap:96 H261/90000"),
        "video is not taken: H261 (not known here)"
    );
    assert_eq!(
        refused("m=audio 0 RTP/AVP 96\na=rtpmap:96 MPEG4-GENERIC/48000/2"),
        "audio is not taken: MPEG4-GENERIC (it has no config)"
    );
    assert_eq!(refused("m=application 0 TCP/x 1"), "application is not taken: it has no RTP format");
}

#[test]
fn a_line_that_is_none_is_named() {
    let error = |text: &str| SessionDescription::parse(text).unwrap_err();
    assert_eq!(error("hello\r\nv=0\r\n").to_string(), "session description, line 1: not of the form x=…");
    assert!(matches!(error("s=x"), RtpError::Sdp { line: 1, .. }));
    assert!(matches!(
        error(&format!("v=0\n{}", "m=a 0 RTP/AVP 0\n".repeat(17))),
        RtpError::Sdp { line: 18, .. }
    ));
    assert!(SessionDescription::parse(&"v".repeat(70_000)).is_err());
}

proptest! {
    #[test]
    fn pictures_survive_packets_of_any_size(
        is_hevc: bool,
        sizes in proptest::collection::vec(proptest::collection::vec(4usize..3_000, 1..5), 1..6),
        size in 80usize..1_500,
    ) {
        let video = if is_hevc { hevc() } else { video() };
        let units: Vec<_> =
            (0..).zip(&sizes).map(|(n, slices)| picture(&video, n, n == 0, slices)).collect();
        let made = packets(&video, &units, size);
        for packet in made.iter().flatten() {
            prop_assert!(packet.len() <= size);
        }
        let back = received(&mut receiver(&video, Delivery::AnyOrder), made.concat());
        prop_assert_eq!(payloads(&back), payloads(&units));
        for (back, unit) in back.iter().zip(&units) {
            prop_assert_eq!(back.pts, unit.pts);
            prop_assert_eq!(back.random_access, unit.random_access);
        }
    }

    #[test]
    fn sound_survives_packets_of_any_size(
        lengths in proptest::collection::vec(1usize..1_300, 1..20), size in 80usize..1_500,
    ) {
        for track in sound() {
            let units: Vec<_> = (0..)
                .zip(&lengths)
                .map(|(n, &length)| {
                    // Of Opus the first byte has to be one that begins a packet.
                    let mut data = vec![(n % 251) as u8; length];
                    data[0] = 0x08;
                    unit(&track, n * 20, true, data)
                })
                .collect();
            let whole = match &track.parameters {
                CodecParameters::Opus(_) => lengths.iter().all(|length| length + Header::LENGTH <= size),
                _ => true,
            };
            if !whole {
                continue;
            }
            let made = packets(&track, &units, size).concat();
            let back = received(&mut receiver(&track, Delivery::AnyOrder), made);
            prop_assert_eq!(payloads(&back).concat(), payloads(&units).concat());
        }
    }

    #[test]
    fn whatever_is_lost_or_late_every_picture_that_comes_out_is_whole(
        is_hevc: bool,
        sizes in proptest::collection::vec(proptest::collection::vec(4usize..900, 1..4), 4..20),
        fate in proptest::collection::vec(0u8..40, 200),
    ) {
        let video = if is_hevc { hevc() } else { video() };
        let units: Vec<_> =
            (0..).zip(&sizes).map(|(n, slices)| picture(&video, n, n % 5 == 0, slices)).collect();
        let mut made: Vec<Option<Bytes>> = packets(&video, &units, 200).concat().into_iter().map(Some).collect();
        for (at, fate) in fate.iter().enumerate().take(made.len()) {
            match fate {
                0 => made[at] = None,
                1..=4 if at + 3 < made.len() => made.swap(at, at + usize::from(*fate) % 3),
                _ => {}
            }
        }
        let lost = made.iter().any(Option::is_none);
        let back = received(&mut receiver(&video, Delivery::AnyOrder), made.into_iter().flatten());
        let mut expected = units.iter();
        let mut follows = false;
        for unit in &back {
            let skipped = expected.by_ref().take_while(|known| known.data != unit.data).count();
            prop_assert!(unit.random_access || (follows && skipped == 0), "something it refers to is missing");
            follows = true;
        }
        prop_assert!(lost || back.len() >= units.len().saturating_sub(5));
    }
}
