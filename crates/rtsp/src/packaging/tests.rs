//! What stands in the chunks, and in which order.

use media::{H264Parameters, OpusParameters};
use rtp::{Delivery, Receiver};

use super::*;

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

fn origin() -> Origin {
    Origin { instant: moment(0), wallclock: Wallclock::from_unix_micros(1_700_000_000_000_000), seed: 0xfffe }
}

fn video() -> Arc<Track> {
    let (sps, pps) = (Bytes::from_static(SPS), vec![Bytes::from_static(PPS)]);
    let parameters = CodecParameters::H264(H264Parameters::new(sps, pps, (320, 240), Some(0)).unwrap());
    Arc::new(Track { id: TrackId::VIDEO, timescale: Timescale::VIDEO_90K, parameters })
}

fn sound(channels: u8) -> Arc<Track> {
    let parameters = CodecParameters::Opus(OpusParameters::new(channels, 0).unwrap());
    Arc::new(Track { id: TrackId::AUDIO, timescale: Timescale::AUDIO_48K, parameters })
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

fn picture(track: &Arc<Track>, millis: u64, random_access: bool) -> AccessUnit {
    let nal = [&[if random_access { 0x65 } else { 0x41 }, 0x88, 0x84][..], &[7; 3_000]].concat();
    let data = [&u32::try_from(nal.len()).unwrap().to_be_bytes()[..], &nal].concat();
    unit(track, millis, random_access, data)
}

fn plans(tracks: &[Arc<Track>]) -> Vec<TrackPlan> {
    let plan = |(index, track): (u8, &Arc<Track>)| TrackPlan {
        track: Arc::clone(track),
        index,
        channels: (2 * index, 2 * index + 1),
    };
    (0..).zip(tracks).map(plan).collect()
}

fn chunks(plans: &[TrackPlan], units: &[AccessUnit]) -> Vec<Chunk> {
    chunks_with(100, plans, units)
}

/// Sound waits for so many milliseconds.
fn chunks_with(held: u64, plans: &[TrackPlan], units: &[AccessUnit]) -> Vec<Chunk> {
    let mut packaging = Packaging::new(plans, Duration::from_millis(held), origin());
    let mut out = VecDeque::new();
    units.iter().for_each(|unit| packaging.push(unit, &mut out).unwrap());
    out.into()
}

fn channels(chunk: &Chunk) -> Vec<u8> {
    Packets::of(chunk.bytes.clone()).map(|packet| packet.channel).collect()
}

#[test]
fn a_session_may_begin_where_the_reports_stand_before_the_picture() {
    let (v, a) = (video(), sound(2));
    let units = [
        picture(&v, 0, true),
        unit(&a, 0, true, vec![8, 1]),
        unit(&a, 20, true, vec![8, 2]),
        picture(&v, 40, false),
        unit(&a, 40, true, vec![8, 3]),
        picture(&v, 80, true),
    ];
    let chunks = chunks(&plans(&[v, a]), &units);
    let found: Vec<_> = chunks.iter().map(|chunk| (chunk.random_access, channels(chunk))).collect();
    let expected =
        [(true, vec![1, 3, 0, 0, 0, 0]), (false, vec![0, 0, 0, 2, 2]), (true, vec![1, 3, 0, 0, 0, 0, 2])];
    assert_eq!(found, expected);
}

#[test]
fn rtp_info_names_the_packets_that_come_next() {
    let (v, a) = (video(), sound(2));
    let units: Vec<_> =
        (0..9).flat_map(|n| [picture(&v, n * 40, n % 3 == 0), unit(&a, n * 40, true, vec![8, 1])]).collect();
    let plans = plans(&[v, a]);
    let chunks = chunks(&plans, &units);
    let starts: Vec<usize> = (0..chunks.len()).filter(|at| chunks[*at].random_access).collect();
    assert_eq!(starts.len(), 3);
    for start in starts {
        let info = rtp_info(Packets::of(chunks[start].bytes.clone()), &plans);
        let packets: Vec<_> =
            chunks[start..].iter().flat_map(|chunk| Packets::of(chunk.bytes.clone())).collect();
        for (plan, info) in plans.iter().zip(info) {
            let first = packets.iter().find(|packet| packet.channel == plan.channels.0).unwrap();
            let header = rtp::packet::Packet::parse(&first.bytes).unwrap().header;
            let (sequence, timestamp) = info.unwrap();
            assert_eq!(sequence, header.sequence);
            let ahead = timestamp.wrapping_sub(header.timestamp) as i32;
            assert!(ahead == 0 || plan.index == 1 && ahead.abs() <= 1_920, "{ahead}");
        }
    }
}

#[test]
fn reports_place_both_tracks_on_one_wallclock() {
    let (v, a) = (video(), sound(2));
    let plans = plans(&[v.clone(), a]);
    // The second picture arrives 50 ms late, which is jitter; the third half a second, which is not.
    let mut late = [picture(&v, 0, true), picture(&v, 1_000, true), picture(&v, 2_000, true)];
    late[1].arrival = moment(1_050);
    late[2].arrival = moment(2_500);
    let wallclocks: Vec<Vec<i64>> = chunks(&plans, &late)
        .iter()
        .map(|chunk| {
            let packets = Packets::of(chunk.bytes.clone()).filter(|packet| packet.channel % 2 == 1);
            let reports = packets.flat_map(|packet| Rtcp::parse(&packet.bytes).unwrap());
            let millis = |report| match report {
                Rtcp::SenderReport(report, _) => {
                    Some((report.ntp.to_wallclock().unix_micros() + 500) / 1_000 - 1_700_000_000_000)
                }
                _ => None,
            };
            reports.filter_map(millis).collect()
        })
        .collect();
    assert_eq!(wallclocks, [[0, 0], [1_000, 1_000], [2_500, 2_500]]);
}

#[test]
fn sound_waits_no_longer_than_it_may_and_alone_not_at_all() {
    let (v, a) = (video(), sound(2));
    let units: Vec<_> = (0..12).map(|n| unit(&a, n * 20, true, vec![8, 1])).collect();
    let sizes = |plans: &[TrackPlan], held| -> Vec<usize> {
        chunks_with(held, plans, &units).iter().map(|chunk| channels(chunk).len()).collect()
    };
    let both = plans(&[v, a.clone()]);
    assert_eq!(sizes(&both, 100), [6, 6]);
    assert_eq!(sizes(&both, 0), [1; 12]);
    assert_eq!(sizes(&plans(&[a]), 100), [2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn a_change_that_a_description_would_say_ends_it() {
    let (v, a, mono) = (video(), sound(2), sound(1));
    let units = [picture(&v, 0, true), unit(&mono, 20, true, vec![8, 1]), picture(&v, 40, true)];
    let plans = plans(&[v, a]);
    let chunks = chunks(&plans, &units);
    assert_eq!(chunks.len(), 2);
    let init = chunks[1].init.as_ref().unwrap();
    let byes: Vec<_> =
        Packets::of(init.bytes.clone()).map(|packet| Rtcp::parse(&packet.bytes).unwrap()).collect();
    assert!(byes.iter().all(|bye| matches!(bye[..], [Rtcp::Bye(_)])) && byes.len() == 2);
    let changed = [plans[0].clone(), TrackPlan { track: mono, ..plans[1].clone() }];
    let key = |plans| Packaging::key(plans, Duration::ZERO);
    assert_ne!(key(&plans), key(&changed));
    assert_ne!(key(&plans), Packaging::key(&plans, Duration::from_millis(100)));
}

#[test]
fn what_was_packaged_is_received() {
    let v = video();
    let plans = plans(std::slice::from_ref(&v));
    let units: Vec<_> = (0..5).map(|n| picture(&v, n * 40, n == 0)).collect();
    let text = sdp::describe("front", &[v]);
    let format = sdp::SessionDescription::parse(&text).unwrap().media[0].format(TrackId::VIDEO).unwrap();
    let mut receiver = Receiver::new(format, Delivery::InOrder, moment(0));
    let mut received = VecDeque::new();
    for packet in chunks(&plans, &units).iter().flat_map(|chunk| Packets::of(chunk.bytes.clone())) {
        if packet.channel == 0 {
            receiver.push(packet.bytes, moment(0), &mut received).unwrap();
        }
    }
    assert!(received.iter().map(|unit| &unit.data).eq(units.iter().map(|unit| &unit.data)));
}
