//! FLV from ffmpeg, and what other writers make of it.

use proptest::prelude::*;

use super::super::TagsDemuxer;
use super::*;
use crate::flv::TagKind;
use crate::flv::amf0::{Value, write_all};

const FLV: &[&str] = &["-f", "flv"];

fn file() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| ffmpeg(&[SOURCES, B_FRAMES, AAC, FLV]))
}

type Tag = (TagKind, u32, Vec<u8>);

/// The tags of a file.
fn tags(bytes: &[u8]) -> Vec<Tag> {
    let mut rest = &bytes[13..];
    let mut tags = Vec::new();
    while let [kind, s0, s1, s2, t0, t1, t2, t3, _, _, _, after @ ..] = rest {
        let size = u32::from_be_bytes([0, *s0, *s1, *s2]) as usize;
        let timestamp = u32::from_be_bytes([*t3, *t0, *t1, *t2]);
        tags.push((TagKind::from_number(*kind).unwrap(), timestamp, after[..size].to_vec()));
        rest = &after[size + 4..];
    }
    tags
}

fn push_all(tags: &[Tag]) -> (TagsDemuxer, Vec<AccessUnit>) {
    let mut demuxer = TagsDemuxer::new(now());
    let mut out = VecDeque::new();
    for (kind, timestamp, body) in tags {
        demuxer.push(*kind, *timestamp, body, now(), &mut out);
    }
    (demuxer, out.into())
}

fn pictures(units: &[AccessUnit]) -> Vec<(i64, i64)> {
    let pictures: Vec<_> = units.iter().filter(|unit| unit.track.kind() == MediaKind::Video).collect();
    times(&pictures, 1_000)
}

#[test]
fn tags_have_the_times_that_ffprobe_reads() {
    let demuxed = demux(file());
    assert_eq!((demuxed.error.clone(), demuxed.stats.errors), (None, 0));
    assert_eq!(codecs(&demuxed), ["H.264", "AAC"]);
    assert_eq!(demuxed.video_times(1_000), ffprobe("tags.flv", file(), "v"));
    let sound = demuxed.audio();
    assert_eq!(sound.len(), ffprobe("tags-sound.flv", file(), "a").len());
    assert!(
        sound.windows(2).all(|pair| pair[1].dts.ticks() - pair[0].dts.ticks() == 1_024),
        "sound is continuous"
    );
}

#[test]
fn messages_are_read_as_the_tags_of_a_file() {
    let (demuxer, units) = push_all(&tags(file()));
    assert_eq!(demuxer.stats().errors, 0);
    assert_eq!(units.iter().map(gist).collect::<Vec<_>>(), demux(file()).gist());
}

#[test]
fn time_goes_on_where_its_32_bits_end() {
    let mut late = tags(file());
    late.iter_mut().for_each(|tag| tag.1 = tag.1.wrapping_add(u32::MAX - 1_000));
    let moved = pictures(&push_all(&late).1);
    let plain = pictures(&push_all(&tags(file())).1);
    let moved_by = i64::from(u32::MAX - 1_000);
    assert_eq!(moved, plain.iter().map(|(dts, pts)| (dts + moved_by, pts + moved_by)).collect::<Vec<_>>());
}

#[test]
fn metadata_that_is_absent_or_wrong_costs_no_unit() {
    let all = tags(file());
    let without: Vec<_> = all.iter().filter(|tag| tag.0 != TagKind::Script).cloned().collect();
    let expected: Vec<_> = push_all(&all).1.iter().map(gist).collect();
    let (demuxer, units) = push_all(&without);
    assert_eq!(units.iter().map(gist).collect::<Vec<_>>(), expected);
    assert_eq!(demuxer.tracks().len(), 2);
    // It promises sound that never comes: pictures wait a second of their own time, and then go on without.
    let silent: Vec<_> = all.iter().filter(|tag| tag.0 != TagKind::Audio).cloned().collect();
    let (mut demuxer, units) = push_all(&silent);
    assert_eq!((pictures(&units).len(), demuxer.tracks().len()), (50, 1));
    assert!(demuxer.notes().iter().any(|note| note.contains("going on without it")));
    // And a garbled one is stepped over.
    let mut garbled =
        vec![(TagKind::Script, 0, vec![2, 0, 99]), (TagKind::Script, 0, write_all(&[Value::Null]))];
    garbled.extend(without);
    let (demuxer, units) = push_all(&garbled);
    assert_eq!((units.len(), demuxer.stats().errors), (expected.len(), 1));
}

#[test]
fn a_sequence_header_in_the_middle_changes_the_track_and_the_same_again_does_not() {
    let other = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25", "-t", "1"];
    let other = tags(&ffmpeg(&[&other, NO_B_FRAMES, FLV]));
    let mut both = tags(file());
    let end = both.last().unwrap().1;
    let header = both.iter().find(|tag| tag.0 == TagKind::Video).unwrap().clone();
    both.push((TagKind::Video, end, header.2));
    let before = push_all(&both).1.len();
    both.extend(other.into_iter().map(|(kind, timestamp, body)| (kind, end + 40 + timestamp, body)));
    let (_, units) = push_all(&both);
    let tracks = |units: &[AccessUnit]| {
        let mut tracks: Vec<_> = units.iter().map(|unit| Arc::as_ptr(&unit.track)).collect();
        tracks.sort_unstable();
        tracks.dedup();
        tracks.len()
    };
    assert_eq!((tracks(&units[..before]), tracks(&units)), (2, 3));
    assert_eq!(units.last().unwrap().track.parameters.dimensions(), Some((320, 240)));
}

#[test]
fn what_has_no_place_here_is_named_once_and_the_rest_goes_on() {
    let mp3 = ffmpeg(&[SOURCES, NO_B_FRAMES, &["-c:a", "libmp3lame"], FLV]);
    let demuxed = demux(&mp3);
    assert_eq!(demuxed.video().len(), 50);
    let left_out: Vec<_> = demuxed.notes.iter().filter(|note| note.contains("MP3")).collect();
    assert_eq!(left_out, ["sound in MP3 are left out"]);
    let mut short = tags(file());
    short.insert(5, (TagKind::Video, 0, vec![0x17, 1]));
    let (demuxer, units) = push_all(&short);
    assert_eq!((units.len(), demuxer.stats().errors), (demux(file()).units.len(), 1));
}

#[test]
fn a_framing_that_breaks_is_the_end_with_its_place() {
    let broken = [&file()[..13], &[1; 20]].concat();
    let error = demux(&broken).error.unwrap().to_string();
    assert_eq!(error, "broken flv at byte 13: no tag of sound, picture or script");
    let long = [&b"FLV\x01\x05"[..], &u32::MAX.to_be_bytes(), &[0; 20]].concat();
    assert!(demux(&long).error.unwrap().to_string().contains("impossible length"));
    let cut = demux(&file()[..file().len() - 10]);
    assert_eq!((cut.error, cut.stats.errors), (None, 1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_chunking_gives_the_same_units(sizes in proptest::collection::vec(1usize..3000, 1..8)) {
        let demuxed = demux_in_pieces(file(), None, &sizes);
        prop_assert_eq!(demuxed.gist(), demux(file()).gist());
    }
}
