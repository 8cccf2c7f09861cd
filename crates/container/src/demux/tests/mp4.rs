//! MP4 from ffmpeg: movie fragments through a pipe, and files with an index.

use proptest::prelude::*;

use super::super::{BoxHeader, Mp4Index};
use super::*;

const FRAGMENTS: &[&str] = &["-movflags", "frag_keyframe+empty_moov+default_base_moof", "-f", "mp4"];

fn fragments() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| ffmpeg(&[SOURCES, B_FRAMES, AAC, FRAGMENTS]))
}

fn file() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| ffmpeg_file("progressive.mp4", &[SOURCES, B_FRAMES, AAC, &["-f", "mp4"]]))
}

/// Position and bytes of a top-level box.
fn top_level<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> (usize, &'a [u8]) {
    let mut at = 0;
    loop {
        let header = BoxHeader::parse(&bytes[at..], at as u64).unwrap().unwrap();
        let end = at + usize::try_from(header.size.unwrap()).unwrap();
        if header.kind.0 == *kind {
            return (at, &bytes[at..end]);
        }
        at = end;
    }
}

#[test]
fn fragments_have_the_times_that_ffprobe_reads() {
    let demuxed = demux(fragments());
    assert_eq!(demuxed.error, None);
    assert_eq!(codecs(&demuxed), ["H.264", "AAC"]);
    assert_eq!(demuxed.video_times(12_800), ffprobe("fragments.mp4", fragments(), "v"));
    assert_eq!(times(&demuxed.audio(), 48_000), ffprobe("fragments-sound.mp4", fragments(), "a"));
    assert_eq!(demuxed.stats.errors, 0);
}

#[test]
fn h265_is_read_whether_its_parameter_sets_stand_in_the_header_or_in_band() {
    for (name, tag) in [("hvc1.mp4", "hvc1"), ("hev1.mp4", "hev1")] {
        let bytes = ffmpeg(&[SOURCES, H265, AAC, &["-tag:v", tag], FRAGMENTS]);
        let demuxed = demux(&bytes);
        assert_eq!((demuxed.error.clone(), codecs(&demuxed)), (None, vec!["H.265", "AAC"]));
        assert_eq!(demuxed.video_times(12_800), ffprobe(name, &bytes, "v"));
    }
}

#[test]
fn a_fragment_for_each_picture_gives_the_same_pictures() {
    let flags = ["-movflags", "empty_moov+default_base_moof+frag_every_frame", "-f", "mp4"];
    let bytes = ffmpeg(&[SOURCES, NO_B_FRAMES, AAC, &flags]);
    let demuxed = demux(&bytes);
    assert_eq!(demuxed.video().len(), 50);
    assert_eq!(demuxed.video_times(12_800), ffprobe("each.mp4", &bytes, "v"));
    assert_eq!(demuxed.video().iter().filter(|unit| unit.random_access).count(), 2);
}

#[test]
fn the_old_way_to_say_where_data_is_gives_the_same_units() {
    let old = ffmpeg(&[SOURCES, B_FRAMES, AAC, &["-movflags", "frag_keyframe+empty_moov", "-f", "mp4"]]);
    assert_eq!(demux(&old).gist(), demux(fragments()).gist());
}

#[test]
fn negative_composition_offsets_put_no_picture_before_its_decoding() {
    let flags = ["-movflags", "frag_keyframe+empty_moov+negative_cts_offsets", "-f", "mp4"];
    let demuxed = demux(&ffmpeg(&[SOURCES, B_FRAMES, &["-an"], &flags]));
    assert_eq!(demuxed.video().len(), 50);
    assert!(demuxed.video().iter().all(|unit| unit.pts >= unit.dts));
    let mut shown: Vec<_> = demuxed.video_times(25).iter().map(|(_, pts)| *pts).collect();
    shown.sort_unstable();
    assert!(shown.windows(2).all(|pair| pair[1] - pair[0] == 1), "{shown:?}");
}

#[test]
fn opus_fragments_are_read() {
    let demuxed = demux(&ffmpeg(&[SOURCES, NO_B_FRAMES, OPUS, FRAGMENTS]));
    assert_eq!(codecs(&demuxed), ["H.264", "Opus"]);
    assert!(demuxed.audio().len() >= 100);
}

#[test]
fn an_index_lists_what_a_stream_would_bring() {
    let (_, moov) = top_level(file(), b"moov");
    let index = Mp4Index::parse(moov).unwrap();
    assert!(!index.is_fragmented());
    assert_eq!(index.tracks().len(), 2);
    let seconds = index.duration().as_secs_f64();
    assert!((1.9..2.2).contains(&seconds), "{seconds}");
    let (samples, mut reader) = index.into_reader();
    assert!(samples.windows(2).all(|pair| pair[0].dts <= pair[1].dts));
    let units: Vec<_> = samples
        .iter()
        .filter_map(|sample| {
            let at = usize::try_from(sample.offset).unwrap();
            reader.unit(sample, &file()[at..at + sample.size as usize], now(), None)
        })
        .collect();
    assert_eq!(units.len(), samples.len());
    let pictures: Vec<_> = units.iter().filter(|unit| unit.track.kind() == MediaKind::Video).collect();
    assert_eq!(times(&pictures, 12_800), ffprobe("index.mp4", file(), "v"));
    let sound: Vec<_> = units.iter().filter(|unit| unit.track.kind() == MediaKind::Audio).collect();
    assert_eq!(times(&sound, 48_000), ffprobe("index-sound.mp4", file(), "a"));
    assert!(units.iter().zip(&samples).all(|(unit, sample)| unit.random_access == sample.random_access));
}

#[test]
fn a_file_with_its_index_in_front_can_be_streamed() {
    let fast = ["-movflags", "faststart", "-f", "mp4"];
    let bytes = ffmpeg_file("faststart.mp4", &[SOURCES, B_FRAMES, AAC, &fast]);
    let demuxed = demux_in_pieces(&bytes, None, &[4096]);
    assert_eq!(demuxed.video_times(12_800), ffprobe("streamed.mp4", &bytes, "v"));
    assert_eq!(demuxed.stats.errors, 0);
}

#[test]
fn a_file_with_its_index_behind_is_refused_with_advice() {
    let error = demux(file()).error.unwrap().to_string();
    assert!(error.contains("media before its index (moov)") && error.contains("empty_moov"), "{error}");
}

#[test]
fn a_hostile_table_neither_panics_nor_grows() {
    let (_, moov) = top_level(file(), b"moov");
    for at in 0..moov.len() {
        for value in [0x00, 0x7f, 0x80, 0xff] {
            let mut broken = moov.to_vec();
            broken[at] = value;
            if let Ok(index) = Mp4Index::parse(&broken) {
                assert!(index.samples().len() <= 2 << 20);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_chunking_gives_the_same_units(sizes in proptest::collection::vec(1usize..3000, 1..8)) {
        let demuxed = demux_in_pieces(fragments(), None, &sizes);
        prop_assert_eq!(demuxed.gist(), demux(fragments()).gist());
    }
}

#[test]
fn a_sample_that_runs_past_its_media_is_left_out_alone() {
    let flags = ["-movflags", "frag_every_frame+empty_moov+default_base_moof", "-f", "mp4"];
    let bytes = ffmpeg(&[SOURCES, NO_B_FRAMES, &["-an"], &flags]);
    let (at, moof) = top_level(&bytes, b"moof");
    let trun = moof.windows(4).position(|kind| kind == b"trun").unwrap();
    let mut broken = bytes.clone();
    // The high byte of the first sample's size, behind version, flags, count, offset and the sample's flags.
    let flags = u32::from_be_bytes(moof[trun + 4..trun + 8].try_into().unwrap()) & 0x00ff_ffff;
    let first = trun + 12 + if flags & 1 != 0 { 4 } else { 0 } + if flags & 4 != 0 { 4 } else { 0 };
    let size_at = at + first + if flags & 0x100 != 0 { 4 } else { 0 };
    if flags & 0x200 != 0 {
        broken[size_at + 1] = 0x10;
    } else {
        let tfhd = moof.windows(4).position(|kind| kind == b"tfhd").unwrap();
        broken[at + tfhd + 12 + 4 + 1] = 0x10;
    }
    let whole = demux(&broken);
    assert_eq!((whole.error.clone(), whole.video().len()), (None, 49));
    assert_eq!(demux_in_pieces(&broken, None, &[188]).gist(), whole.gist());
}

#[test]
fn what_was_said_to_be_mp4_and_is_not_is_refused_at_its_first_bytes() {
    let webm = b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81";
    let h264 = [0, 0, 0, 1, 0x67, 0x64, 0x00, 0x1f, 0xac];
    let packet = [&[0x47, 0x40, 0x00, 0x10, 0x00][..], &[0; 183]].concat();
    for (bytes, words) in [
        (&webm[..], "this is not MP4: it looks like Matroska or WebM, which is not supported"),
        // Its first eight bytes could be a box.
        (
            b"YUV4MPEG2 W176 H144 F25:1\n",
            "this is not MP4: it looks like uncompressed video (Y4M), which is not supported",
        ),
        (&h264, "this is not MP4"),
        (&packet, "this is not MP4"),
    ] {
        for piece in [1, 5, 200] {
            let error = demux_in_pieces(bytes, Some(InputFormat::Mp4), &[piece]).error;
            assert_eq!(error.map(|error| error.to_string()).as_deref(), Some(words));
        }
    }
}
