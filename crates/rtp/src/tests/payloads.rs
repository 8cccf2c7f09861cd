//! The payload formats whose units stand as they come: whatever the size of packets, what goes in comes out; after a loss, what is whole.

use codec::jpeg::{Image, Layout, quantizers, write_headers};
use media::{
    Av1Parameters, Av1Profile, JpegParameters, MpegAudioParameters, MpegVideoParameters, Vp8Parameters,
    Vp9Parameters, Vp9Profile,
};

use super::*;

/// 320 × 240.
const VP8_KEY: &[u8] = &[0x10, 2, 0, 0x9d, 1, 0x2a, 0x40, 0x01, 0xf0, 0x00];
const VP9_KEY: &[u8] = &[0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0e, 0xf0, 0x00];
const SEQUENCE: &[u8] = &[0, 0, 1, 0xb3, 0x14, 0x00, 0xf0, 0x13, 0xff, 0xff, 0xe0, 0x18];
/// libaom's, 64 × 64.
const AV1_HEADER: &[u8] = &[0x0a, 10, 0, 0, 0, 2, 0xaf, 0xff, 0x9b, 0x5f, 0x30, 0x08];

fn vp8() -> Arc<Track> {
    let parameters = CodecParameters::Vp8(Vp8Parameters::new((320, 240)).unwrap());
    track(TrackId::VIDEO, Timescale::VIDEO_90K, parameters)
}

fn vp9() -> Arc<Track> {
    let profile = Vp9Profile { profile: 0, bit_depth: 8, subsampling: (true, true), is_full_range: false };
    let parameters = CodecParameters::Vp9(Vp9Parameters::new(profile, (320, 240)).unwrap());
    track(TrackId::VIDEO, Timescale::VIDEO_90K, parameters)
}

fn av1() -> Arc<Track> {
    let profile = Av1Profile {
        profile: 0,
        level: 0,
        is_high_tier: false,
        bit_depth: 8,
        is_monochrome: false,
        subsampling: (true, true),
        chroma_sample_position: 0,
    };
    let parameters = Av1Parameters::new(Bytes::from_static(AV1_HEADER), profile, (64, 64)).unwrap();
    track(TrackId::VIDEO, Timescale::VIDEO_90K, CodecParameters::Av1(parameters))
}

fn mpeg() -> Arc<Track> {
    let parameters = MpegVideoParameters::new(Bytes::from_static(SEQUENCE), (320, 240)).unwrap();
    track(TrackId::VIDEO, Timescale::VIDEO_90K, CodecParameters::MpegVideo(parameters))
}

fn jpeg((width, height): (u32, u32)) -> Arc<Track> {
    let parameters = CodecParameters::Jpeg(JpegParameters::new((width, height)).unwrap());
    track(TrackId::VIDEO, Timescale::VIDEO_90K, parameters)
}

fn mp2() -> Arc<Track> {
    let parameters = CodecParameters::MpegAudio(MpegAudioParameters::new(2, 48_000, 2).unwrap());
    track(TrackId::AUDIO, Timescale::VIDEO_90K, parameters)
}

/// A file of JPEG with a scan of so many bytes.
fn file(layout: Layout, restart_interval: u16, scan: usize, fill: u8) -> Vec<u8> {
    let mut file = Vec::new();
    write_headers(layout, &quantizers(70), restart_interval, &mut file);
    file.resize(file.len() + scan, fill);
    file.extend([0xff, 0xd9]);
    file
}

/// A unit of this codec, in pieces (slices, OBUs) of these sizes where it has any.
fn coded(track: &Arc<Track>, number: u64, random_access: bool, sizes: &[usize]) -> AccessUnit {
    let fill = 0x40 + number as u8 % 64;
    let body = |size: usize| std::iter::repeat_n(fill, size);
    let size = sizes.iter().sum();
    let mut data = Vec::new();
    match &track.parameters {
        CodecParameters::Vp8(_) => {
            data.extend_from_slice(if random_access { VP8_KEY } else { &[0x11, 0, 0] });
            data.extend(body(size));
        }
        CodecParameters::Vp9(_) => {
            data.extend_from_slice(if random_access { VP9_KEY } else { &[0x86, 0, 0] });
            data.extend(body(size));
        }
        CodecParameters::Av1(_) => {
            data.extend_from_slice(if random_access { AV1_HEADER } else { &[] });
            for (index, size) in sizes.iter().enumerate() {
                // A frame's header, and tiles behind it; sizes in two bytes.
                let frame = if random_access { 0x10 } else { 0x30 };
                let size = (size % 16_000).max(130);
                data.push(if index == 0 { 0x1a } else { 0x22 });
                data.extend([(size & 0x7f) as u8 | 0x80, (size >> 7) as u8]);
                data.push(frame);
                data.extend(body(size - 1));
            }
        }
        CodecParameters::MpegVideo(_) => {
            data.extend_from_slice(if random_access { SEQUENCE } else { &[] });
            let kind = if random_access { 0x0f } else { 0x17 };
            data.extend([0, 0, 1, 0, 0, kind, 0xff, 0xf8, 0x80]);
            for (index, size) in sizes.iter().enumerate() {
                data.extend([0, 0, 1, 1 + index as u8]);
                data.extend(body(*size));
            }
        }
        _ => {
            let layout = Layout { width: 320, height: 240, is_420: number.is_multiple_of(2) };
            data = file(layout, if number.is_multiple_of(3) { 4 } else { 0 }, size.max(1), fill);
        }
    }
    unit(track, number * 40, random_access, data)
}

fn video_tracks() -> [Arc<Track>; 5] {
    [vp8(), vp9(), av1(), mpeg(), jpeg((320, 240))]
}

/// What of a unit is to come out: JPEG's headers are written anew.
fn essence(unit: &AccessUnit) -> Vec<u8> {
    match &unit.track.parameters {
        CodecParameters::Jpeg(_) => {
            let image = Image::parse(&unit.data).unwrap();
            let layout = image.layout;
            let mut essence = vec![u8::from(layout.is_420), image.restart_interval as u8];
            essence.extend(layout.width.to_be_bytes().into_iter().chain(layout.height.to_be_bytes()));
            essence.extend(image.quantizers.concat());
            essence.extend_from_slice(image.scan);
            essence
        }
        _ => unit.data.to_vec(),
    }
}

#[test]
fn a_picture_of_jpeg_that_is_too_large_is_refused_with_its_size() {
    let track = jpeg((2_048, 480));
    let data = file(Layout { width: 2_048, height: 480, is_420: true }, 0, 9, 1);
    let mut packetizer = Packetizer::new(&track, 26, 1, 1_400).unwrap();
    let error = packetizer.push(&unit(&track, 0, true, data), |_, _| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "JPEG cannot carry this unit: it is 2048x480, and 2040 pixels a side are the most"
    );
    assert!(!sdp::carries(&track.parameters) && sdp::carries(&jpeg((2_040, 480)).parameters));
}

#[test]
fn tables_of_jpeg_come_by_quality_and_are_remembered_by_q() {
    let (track, mut units) = (jpeg((16, 16)), VecDeque::new());
    let mut receiver = receiver(&track, Delivery::InOrder);
    let mut push = |number: u16, payload: &[&[u8]]| {
        let header = Header {
            marker: true,
            payload_type: 26,
            sequence: number,
            timestamp: u32::from(number) * 3_000,
            ssrc: 7,
        };
        let packet = [&header.to_bytes()[..], &payload.concat()].concat();
        receiver.push(packet.into(), moment(0), &mut units).map_err(|error| error.to_string())
    };
    push(1, &[&[0, 0, 0, 0, 1, 50, 2, 2], b"scan"]).unwrap();
    let tables = [&[0, 0, 0, 128][..], &[9; 64], &[8; 64]].concat();
    push(2, &[&[0, 0, 0, 0, 0, 200, 2, 2], &tables, b"scan"]).unwrap();
    push(3, &[&[0, 0, 0, 0, 0, 200, 2, 2], &[0; 4], b"scan"]).unwrap();
    let missing = push(4, &[&[0, 0, 0, 0, 0, 201, 2, 2], &[0; 4], b"scan"]).unwrap_err();
    assert_eq!(missing, "JPEG payload in packet 4: no tables of Q 201 have come");
    assert!(push(5, &[&[0, 0, 0, 0, 5, 50, 2, 2], b"scan"]).unwrap_err().contains("type 5"));
    let tables: Vec<_> = units.iter().map(|unit| Image::parse(&unit.data).unwrap().quantizers).collect();
    assert_eq!(tables, [quantizers(50), [[9; 64], [8; 64]], [[9; 64], [8; 64]]]);
}

#[test]
fn several_frames_of_sound_in_a_packet_have_times_of_their_own() {
    let mut receiver = receiver(&mp2(), Delivery::InOrder);
    let frame = [&[0xff, 0xfd, 0xa4, 0][..], &[1; 572]].concat();
    let header = Header { marker: false, payload_type: 14, sequence: 1, timestamp: 0, ssrc: 7 };
    let packet = [&header.to_bytes()[..], &[0; 4], &frame, &frame].concat();
    let units = received(&mut receiver, [packet.into()]);
    assert_eq!(payloads(&units), [&frame[..], &frame[..]]);
    assert_eq!(units[1].pts.saturating_sub(units[0].pts), MediaTime::new(2_160, Timescale::VIDEO_90K));
}

proptest! {
    #[test]
    fn units_of_any_codec_survive_packets_of_any_size(
        sizes in proptest::collection::vec(proptest::collection::vec(1usize..3_000, 1..5), 1..6),
        size in 320usize..1_500,
    ) {
        for track in video_tracks() {
            let units: Vec<_> = (0..).zip(&sizes).map(|(n, sizes)| coded(&track, n, n == 0, sizes)).collect();
            let made = packets(&track, &units, size);
            for packet in made.iter().flatten() {
                prop_assert!(packet.len() <= size, "{} of {size}", packet.len());
            }
            let back = received(&mut receiver(&track, Delivery::AnyOrder), made.concat());
            prop_assert_eq!(back.len(), units.len(), "{:?}", track.parameters.codec());
            let is_jpeg = matches!(track.parameters, CodecParameters::Jpeg(_));
            for (back, unit) in back.iter().zip(&units) {
                prop_assert_eq!(essence(back), essence(unit));
                prop_assert_eq!(back.pts, unit.pts);
                prop_assert_eq!(back.random_access, unit.random_access || is_jpeg);
            }
        }
    }

    #[test]
    fn whatever_is_lost_or_late_every_unit_that_comes_out_is_whole(
        sizes in proptest::collection::vec(proptest::collection::vec(4usize..900, 1..4), 4..20),
        fate in proptest::collection::vec(0u8..40, 200),
    ) {
        for track in video_tracks() {
            let units: Vec<_> = (0..).zip(&sizes).map(|(n, sizes)| coded(&track, n, n % 5 == 0, sizes)).collect();
            let mut made: Vec<Option<Bytes>> =
                packets(&track, &units, 400).concat().into_iter().map(Some).collect();
            for (at, fate) in fate.iter().enumerate().take(made.len()) {
                match fate {
                    0 => made[at] = None,
                    1..=4 if at + 3 < made.len() => made.swap(at, at + usize::from(*fate) % 3),
                    _ => {}
                }
            }
            let mut receiver = receiver(&track, Delivery::AnyOrder);
            let mut back = VecDeque::new();
            for packet in made.into_iter().flatten() {
                let _ = receiver.push(packet, moment(0), &mut back);
            }
            let _ = receiver.advance(moment(1_000), &mut back);
            let mut expected = units.iter();
            let mut follows = false;
            for unit in &back {
                let essence = essence(unit);
                let skipped = expected.by_ref().take_while(|known| self::essence(known) != essence).count();
                prop_assert!(unit.random_access || (follows && skipped == 0), "something it refers to is missing");
                follows = true;
            }
        }
    }

    #[test]
    fn frames_of_mpeg_audio_survive_packets_of_any_size(count in 1u64..20, size in 80usize..1_500) {
        let track = mp2();
        let frame = |n: u64| [&[0xff, 0xfd, 0xa4, 0][..], &[n as u8; 572]].concat();
        let units: Vec<_> = (0..count).map(|n| unit(&track, n * 24, true, frame(n))).collect();
        let back = received(&mut receiver(&track, Delivery::AnyOrder), packets(&track, &units, size).concat());
        prop_assert_eq!(payloads(&back), payloads(&units));
    }

    #[test]
    fn no_payload_makes_a_receiver_panic(
        payloads in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..40)), 1..12,
        ),
    ) {
        for track in video_tracks().into_iter().chain([mp2()]) {
            let mut receiver = receiver(&track, Delivery::InOrder);
            let mut units = VecDeque::new();
            for (number, (marker, payload)) in (0u16..).zip(&payloads) {
                let payload_type = sdp::payload_type(&track, 0);
                let timestamp = u32::from(number / 3);
                let header = Header { marker: *marker, payload_type, sequence: number, timestamp, ssrc: 1 };
                let packet = [&header.to_bytes()[..], payload].concat();
                let _ = receiver.push(packet.into(), moment(0), &mut units);
            }
        }
    }
}
