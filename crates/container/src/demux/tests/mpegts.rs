//! MPEG-TS from ffmpeg.

use proptest::prelude::*;

use super::*;

fn b_frames_and_aac() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| ffmpeg(&[SOURCES, B_FRAMES, AAC, &["-f", "mpegts"]]))
}

#[test]
fn pictures_and_sound_have_the_times_that_ffprobe_reads() {
    let bytes = b_frames_and_aac();
    let demuxed = demux(bytes);
    assert_eq!(demuxed.error, None);
    assert_eq!(codecs(&demuxed), ["H.264", "AAC"]);
    assert_eq!(demuxed.tracks[0].parameters.dimensions(), Some((160, 120)));
    assert_eq!(demuxed.tracks[1].parameters.sample_rate(), Some(48_000));
    assert_eq!(demuxed.video_times(90_000), ffprobe("times.ts", bytes, "v"));
    let random_access: Vec<_> =
        demuxed.video().iter().enumerate().filter(|(_, unit)| unit.random_access).map(|(at, _)| at).collect();
    assert_eq!(random_access, [0, 25]);
    assert_eq!(demuxed.stats.errors, 0);
    assert!(demuxed.notes.iter().any(|note| note.contains("B-frames")));
}

#[test]
fn sound_is_continuous_although_several_frames_share_a_time_stamp() {
    let demuxed = demux(b_frames_and_aac());
    let ticks: Vec<_> = demuxed.audio().iter().map(|unit| unit.dts.ticks()).collect();
    assert_eq!(ticks.len(), ffprobe("sound.ts", b_frames_and_aac(), "a").len());
    assert!(ticks.windows(2).all(|pair| pair[1] - pair[0] == 1024), "{ticks:?}");
}

#[test]
fn h265_has_the_times_that_ffprobe_reads_and_its_random_access_points() {
    let bytes = ffmpeg(&[SOURCES, H265, AAC, &["-f", "mpegts"]]);
    let demuxed = demux(&bytes);
    assert_eq!(codecs(&demuxed), ["H.265", "AAC"]);
    assert_eq!(demuxed.tracks[0].parameters.dimensions(), Some((160, 120)));
    assert!(demuxed.tracks[0].parameters.rfc6381().starts_with("hvc1.1.6.L30"));
    assert_eq!(demuxed.video_times(90_000), ffprobe("h265.ts", &bytes, "v"));
    let random_access = demuxed.video().iter().filter(|unit| unit.random_access).count();
    assert_eq!((random_access, demuxed.stats.errors), (2, 0));
}

#[test]
fn the_first_unit_waits_until_both_tracks_are_known() {
    let mut demuxer = Demuxer::new(None);
    let mut out = VecDeque::new();
    for piece in b_frames_and_aac().chunks(188) {
        demuxer.push(piece, now(), None, &mut out).unwrap();
        if !out.is_empty() {
            break;
        }
    }
    assert_eq!(demuxer.tracks().len(), 2);
}

#[test]
fn opus_is_read_behind_its_control_headers() {
    let bytes = ffmpeg(&[SOURCES, NO_B_FRAMES, OPUS, &["-f", "mpegts"]]);
    let demuxed = demux(&bytes);
    assert_eq!(codecs(&demuxed), ["H.264", "Opus"]);
    let ticks: Vec<_> = demuxed.audio().iter().map(|unit| unit.dts.ticks()).collect();
    assert!(ticks.len() >= 100);
    assert!(ticks.windows(2).all(|pair| (pair[1] - pair[0] - 960).abs() <= 1), "{ticks:?}");
    assert_eq!(demuxed.stats.errors, 0);
}

#[test]
fn a_picture_comes_out_with_its_own_last_packet() {
    let bytes = ffmpeg(&[SOURCES, NO_B_FRAMES, &["-an", "-f", "mpegts"]]);
    let mut demuxer = Demuxer::new(None);
    let mut out = VecDeque::new();
    let mut before_next_start = 0;
    for packet in bytes.chunks(188) {
        let starts_picture = packet[1] & 0x5f == 0x41 && packet[2] == 0;
        if starts_picture {
            before_next_start = out.len();
        }
        demuxer.push(packet, now(), None, &mut out).unwrap();
        if starts_picture {
            // What the start of a picture brings to light is at most itself.
            assert!(out.len() <= before_next_start + 1);
        }
    }
    // Nothing was left for the end but a picture that fills its packets exactly.
    let before_end = out.len();
    demuxer.finish(&mut out).unwrap();
    assert!(before_end >= 49 && out.len() == 50, "{before_end}");
}

#[test]
fn unknown_streams_are_told_once_and_left_out() {
    let bytes = ffmpeg(&[SOURCES, NO_B_FRAMES, &["-c:a", "mp2", "-f", "mpegts"]]);
    let demuxed = demux(&bytes);
    assert_eq!(codecs(&demuxed), ["H.264"]);
    assert_eq!(demuxed.video().len(), 50);
    assert_eq!(demuxed.notes, ["PID 257 is left out: MPEG audio is not supported"]);
}

#[test]
fn time_runs_on_across_the_wrap_of_its_33_bits() {
    // 95443.7 s is 2^33 ticks of 90 kHz.
    let offset = ["-output_ts_offset", "95442", "-muxdelay", "0", "-muxpreload", "0", "-f", "mpegts"];
    let demuxed = demux(&ffmpeg(&[SOURCES, NO_B_FRAMES, AAC, &offset]));
    let times: Vec<_> = demuxed.video_times(90_000).iter().map(|(dts, _)| *dts).collect();
    assert!(times[0] < 1 << 33 && times[49] > 1 << 33);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 3600), "{times:?}");
    let sound: Vec<_> = demuxed.audio().iter().map(|unit| unit.dts.ticks()).collect();
    assert!(sound.windows(2).all(|pair| pair[1] - pair[0] == 1024), "{sound:?}");
}

#[test]
fn garbage_before_and_between_packets_is_stepped_over() {
    let bytes = b_frames_and_aac();
    let whole = demux(bytes);
    let junk = [0x12, 0x47, 0x00].repeat(60);
    let middle = 188 * 40;
    let torn = [&junk[..], &bytes[..middle], &junk, &bytes[middle..]].concat();
    let demuxed = demux_in_pieces(&torn, Some(InputFormat::MpegTs), &[1316]);
    assert_eq!(demuxed.error, None);
    assert_eq!(demuxed.units.len(), whole.units.len());
    assert_eq!(demuxed.stats.discarded_bytes, 2 * junk.len() as u64);
}

#[test]
fn lost_packets_cost_the_torn_units_and_are_told() {
    let bytes = b_frames_and_aac();
    let whole = demux(bytes);
    let lost = [&bytes[..188 * 60], &bytes[188 * 63..]].concat();
    let demuxed = demux(&lost);
    let told: u32 = demuxed.units.iter().map(|unit| u32::from(unit.lost_before)).sum();
    assert!(told >= 1, "a gap must be told");
    assert!(demuxed.stats.errors >= 1);
    assert!(demuxed.units.len() < whole.units.len() && demuxed.video().len() >= 46);
    let content = |unit: &AccessUnit| (unit.track.id, unit.dts.ticks(), unit.data.clone());
    let known: Vec<_> = whole.units.iter().map(content).collect();
    assert!(
        demuxed.units.iter().all(|unit| known.contains(&content(unit))),
        "what is left is whole and in time"
    );
}

#[test]
fn a_track_that_never_comes_is_waited_for_one_second() {
    let silent: Vec<u8> = b_frames_and_aac()
        .chunks(188)
        .filter(|packet| u16::from_be_bytes([packet[1] & 0x1f, packet[2]]) != 0x101)
        .flatten()
        .copied()
        .collect();
    let mut demuxer = Demuxer::new(None);
    let mut out = VecDeque::new();
    for packet in silent.chunks(188) {
        demuxer.push(packet, now(), None, &mut out).unwrap();
        if !out.is_empty() {
            break;
        }
    }
    assert_eq!(out.len(), 26, "25 units span less than a second");
    assert_eq!(codecs(&demux(&silent)), ["H.264"]);
    assert_eq!(demux(&silent).video().len(), 50);
}

#[test]
fn a_changed_program_map_brings_new_tracks() {
    let second = ["-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25", "-t", "1"];
    let second = ffmpeg(&[&second, NO_B_FRAMES, &["-f", "mpegts"]]);
    let demuxed = demux(&[b_frames_and_aac(), &second].concat());
    assert_eq!(demuxed.error, None);
    assert_eq!(codecs(&demuxed), ["H.264"]);
    assert_eq!(demuxed.tracks[0].parameters.dimensions(), Some((96, 64)));
    let sizes: Vec<_> = demuxed.video().iter().map(|unit| unit.track.parameters.dimensions()).collect();
    let old = sizes.iter().filter(|size| **size == Some((160, 120))).count();
    assert_eq!((old, sizes.len() - old), (50, 25));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_chunking_gives_the_same_units(sizes in proptest::collection::vec(1usize..2000, 1..8)) {
        let bytes = b_frames_and_aac();
        let demuxed = demux_in_pieces(bytes, None, &sizes);
        prop_assert_eq!(demuxed.gist(), demux(bytes).gist());
    }
}
