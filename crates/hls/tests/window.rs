//! Windows fed with fragments of every pace, and their playlists judged by the rules.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test needs an instant, and may panic")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hls::playlist::{Kind, media};
use hls::reading::MediaPlaylist;
use hls::{FileName, Found, Reload, Settings, Skip, Snapshot, Verdict, Window};
use media::{Chunk, InitSegment, MediaTime, Timescale, TrackId, Wallclock};
use proptest::prelude::*;

const LOW_LATENCY: Kind = Kind::LowLatency(Skip::Nothing);

/// A camera's fragments in a window, and the playlist after each of them, judged.
struct Lab {
    window: Window,
    init: Arc<InitSegment>,
    /// Decoding time of the next picture, in milliseconds.
    at: i64,
    pictures: u64,
    seen: Vec<MediaPlaylist>,
    started: Instant,
}

impl Lab {
    fn new(settings: Settings) -> Self {
        let started = Instant::now();
        Self {
            window: Window::new(settings, 0xe),
            init: init("avc1"),
            at: 0,
            pictures: 0,
            seen: Vec::new(),
            started,
        }
    }

    /// A picture, and then nothing for `lasts` milliseconds.
    fn picture(&mut self, random_access: bool, lasts: i64) {
        self.chunk(TrackId::VIDEO, random_access);
        self.at += lasts;
    }

    fn chunk(&mut self, track: TrackId, random_access: bool) {
        let chunk = Chunk {
            track,
            init: Some(Arc::clone(&self.init)),
            dts: MediaTime::new(self.at, Timescale::MILLIS),
            random_access,
            bytes: Bytes::from(format!("[{}]", self.pictures)),
            captured: None,
            arrival: self.started,
        };
        self.pictures += 1;
        let changed = self.window.push(&chunk, Wallclock::from_unix_micros(self.at * 1_000));
        self.judge(changed);
    }

    fn skip(&mut self) {
        let changed = self.window.skip();
        self.judge(changed);
    }

    fn judge(&mut self, changed: bool) {
        let Some(snapshot) = self.window.snapshot() else { return };
        let playlist = read(&snapshot, LOW_LATENCY);
        if let Some(last) = self.seen.last() {
            playlist.follows(last).unwrap();
            assert_eq!(changed, playlist != *last, "what push tells");
        }
        read(&snapshot, Kind::Classic);
        read(&snapshot, Kind::LowLatency(Skip::Segments));
        self.seen.push(playlist);
    }

    /// So many GOPs of `gop` pictures that last `lasts` milliseconds each.
    fn gops(&mut self, count: u32, gop: u32, lasts: i64) {
        for _ in 0..count {
            (0..gop).for_each(|at| self.picture(at == 0, lasts));
        }
    }

    fn snapshot(&self) -> Snapshot {
        self.window.snapshot().unwrap()
    }

    fn playlist(&self) -> MediaPlaylist {
        read(&self.snapshot(), LOW_LATENCY)
    }
}

fn init(name: &str) -> Arc<InitSegment> {
    let mime = format!("video/mp4; codecs=\"{name}\"");
    Arc::new(InitSegment { mime, bytes: Bytes::copy_from_slice(name.as_bytes()) })
}

fn read(snapshot: &Snapshot, kind: Kind) -> MediaPlaylist {
    let text = media(snapshot, kind, "hls/", "");
    MediaPlaylist::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn settings(window: u64) -> Settings {
    Settings { window: Duration::from_secs(window), ..Settings::default() }
}

fn numbers(playlist: &MediaPlaylist) -> Vec<u64> {
    playlist.segments.iter().map(|segment| segment.number).collect()
}

#[test]
fn the_playlist_is_written_as_the_document_says() {
    let mut lab = Lab::new(settings(20));
    lab.gops(2, 25, 40);
    lab.picture(true, 40);
    let text = media(&lab.snapshot(), LOW_LATENCY, "hls/", "?token=x");
    let expected = "#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:1
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.66,CAN-SKIP-UNTIL=6.0
#EXT-X-PART-INF:PART-TARGET=0.22
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-MAP:URI=\"hls/e-init0.mp4?token=x\"
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z
#EXT-X-PART:DURATION=0.2,URI=\"hls/e-0.0.m4s?token=x\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.2,URI=\"hls/e-0.1.m4s?token=x\"
#EXT-X-PART:DURATION=0.2,URI=\"hls/e-0.2.m4s?token=x\"
#EXT-X-PART:DURATION=0.2,URI=\"hls/e-0.3.m4s?token=x\"
#EXT-X-PART:DURATION=0.2,URI=\"hls/e-0.4.m4s?token=x\"
#EXTINF:1.0,
hls/e-0.m4s?token=x
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:01.000Z
#EXT-X-PART:DURATION=0.2,URI=\"hls/e-1.0.m4s?token=x\",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.2,URI=\"hls/e-1.1.m4s?token=x\"
#EXT-X-PART:DURATION=0.2,URI=\"hls/e-1.2.m4s?token=x\"
#EXT-X-PART:DURATION=0.2,URI=\"hls/e-1.3.m4s?token=x\"
#EXT-X-PART:DURATION=0.2,URI=\"hls/e-1.4.m4s?token=x\"
#EXTINF:1.0,
hls/e-1.m4s?token=x
#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"hls/e-2.0.m4s?token=x\"
";
    assert_eq!(text, expected);
    let classic = "#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:1
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-MAP:URI=\"hls/e-init0.mp4\"
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z
#EXTINF:1.0,
hls/e-0.m4s
#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:01.000Z
#EXTINF:1.0,
hls/e-1.m4s
";
    assert_eq!(media(&lab.snapshot(), Kind::Classic, "hls/", ""), classic);
}

#[test]
fn segments_and_parts_are_the_fragments_one_after_another() {
    let mut lab = Lab::new(settings(20));
    lab.gops(2, 25, 40);
    lab.picture(true, 40);
    let snapshot = lab.snapshot();
    let bytes = |from: u64, to: u64| Bytes::from((from..to).map(|at| format!("[{at}]")).collect::<String>());
    let found = |name: &str| snapshot.find(FileName::parse(name).unwrap());
    assert_eq!(found("e-1.m4s"), Found::Bytes(bytes(25, 50)));
    assert_eq!(found("e-1.4.m4s"), Found::Bytes(bytes(45, 50)));
    assert_eq!(found("e-init0.mp4"), Found::Bytes(Bytes::from_static(b"avc1")));
    assert_eq!(found("e-2.0.m4s"), Found::Wait);
    assert_eq!(found("e-2.m4s"), Found::Wait);
    for gone in ["e-2.1.m4s", "e-3.m4s", "e-1.5.m4s", "f-1.m4s", "e-init1.mp4"] {
        assert_eq!(found(gone), Found::Nothing, "{gone}");
    }
}

#[test]
fn sound_goes_where_it_came_and_has_no_say_in_times() {
    let mut lab = Lab::new(settings(20));
    for at in 0..55 {
        lab.picture(at % 25 == 0, 20);
        lab.chunk(TrackId::AUDIO, false);
        lab.at += 20;
    }
    assert_eq!(lab.playlist().segments[1].duration, Duration::from_secs(1));
    let Found::Bytes(bytes) = lab.snapshot().find(FileName::parse("e-1.m4s").unwrap()) else { panic!() };
    assert!(bytes.starts_with(b"[50][51]") && bytes.ends_with(b"[99]"));
}

#[test]
fn random_access_points_closer_than_a_segment_share_one() {
    let mut lab = Lab::new(settings(20));
    lab.gops(20, 10, 40);
    let playlist = lab.playlist();
    let mut whole = playlist.segments.iter().filter(|segment| segment.uri.is_some());
    assert!(whole.clone().all(|segment| segment.duration == Duration::from_millis(1_200)), "{playlist:?}");
    let newest = whole.next_back().unwrap();
    assert_eq!(newest.parts.iter().filter(|part| part.independent).count(), 3, "{newest:?}");
}

#[test]
fn a_camera_without_a_second_random_access_point_is_shown_all_the_same() {
    let mut lab = Lab::new(settings(20));
    lab.picture(true, 40);
    for _ in 0..110 {
        lab.picture(false, 40);
    }
    assert_eq!(lab.seen.first().unwrap().target, Duration::from_secs(10));
    // Who knows no parts has a segment to begin with.
    let first = &lab.seen.first().unwrap().segments[0];
    assert!(first.uri.is_some() && first.duration == Duration::from_secs(4), "{first:?}");
    (0..400).for_each(|_| lab.picture(false, 40));
    assert!(lab.playlist().segments[1].duration > Duration::from_secs(10));
    assert!(!lab.playlist().segments[1].parts[0].independent);
}

#[test]
fn the_window_moves_on_and_what_left_it_can_be_had_for_a_while() {
    let mut lab = Lab::new(settings(5));
    lab.gops(30, 25, 40);
    let playlist = lab.playlist();
    assert_eq!(numbers(&playlist), [24, 25, 26, 27, 28, 29]);
    let found = |number: u64| lab.snapshot().find(FileName::Segment { epoch: 0xe, number });
    assert!(matches!(found(20), Found::Bytes(_)));
    assert_eq!(found(10), Found::Nothing);
}

#[test]
fn memory_is_bounded_but_three_target_durations_stay() {
    let mut lab = Lab::new(Settings { bytes: 1_000, ..settings(3_600) });
    lab.gops(100, 25, 40);
    let snapshot = lab.snapshot();
    let held: usize = snapshot.segments.iter().chain(&snapshot.retired).map(|segment| segment.size()).sum();
    assert!(held <= 1_200, "{held} bytes");
    assert!(snapshot.duration() >= Duration::from_secs(3));
    lab.window.pause();
    assert!(lab.window.snapshot().is_none());
}

#[test]
fn other_parameters_are_another_section_behind_a_discontinuity() {
    let mut lab = Lab::new(settings(20));
    lab.gops(2, 25, 40);
    lab.init = init("hvc1");
    // Until a decoder can start nothing is taken.
    lab.picture(false, 40);
    lab.gops(3, 25, 40);
    let playlist = lab.playlist();
    let second: Vec<_> = playlist.segments.iter().filter(|segment| segment.discontinuity).collect();
    assert_eq!((second.len(), second[0].number, second[0].map.as_deref()), (1, 2, Some("hls/e-init1.mp4")));
    assert!(second[0].parts[0].independent);
    let again = init("hvc1");
    lab.init = again;
    lab.gops(1, 25, 40);
    assert_eq!(lab.playlist().segments.iter().filter(|segment| segment.discontinuity).count(), 1);
}

#[test]
fn a_discontinuity_that_leaves_the_playlist_is_counted() {
    let mut lab = Lab::new(settings(5));
    lab.gops(2, 25, 40);
    lab.at += 5_000;
    lab.gops(20, 25, 40);
    assert_eq!(lab.playlist().discontinuity_sequence, 1);
    assert!(lab.playlist().segments.iter().all(|segment| !segment.discontinuity));
}

#[test]
fn a_hiccup_within_a_group_of_pictures_breaks_no_promise() {
    let mut lab = Lab::new(settings(20));
    lab.gops(2, 25, 40);
    lab.picture(true, 40);
    lab.picture(false, 700);
    (0..23).for_each(|_| lab.picture(false, 40));
    lab.gops(2, 25, 40);
    assert!(lab.playlist().segments.iter().all(|segment| !segment.discontinuity));
}

#[test]
fn chunks_that_were_lost_leave_a_discontinuity() {
    let mut lab = Lab::new(settings(20));
    lab.gops(2, 25, 40);
    lab.skip();
    lab.gops(2, 25, 40);
    assert_eq!(lab.playlist().segments.iter().filter(|segment| segment.discontinuity).count(), 1);
}

#[test]
fn numbers_go_on_after_a_pause() {
    let mut lab = Lab::new(settings(20));
    lab.gops(4, 25, 40);
    lab.window.pause();
    lab.at = 0;
    lab.gops(3, 25, 40);
    let playlist = lab.playlist();
    assert_eq!(numbers(&playlist), [4, 5, 6]);
    assert!(playlist.segments[0].discontinuity);
}

#[test]
fn a_stream_that_becomes_slow_gets_a_playlist_that_can_keep_its_promises() {
    let mut lab = Lab::new(settings(20));
    lab.gops(3, 25, 40);
    for _ in 0..40 {
        lab.chunk(TrackId::VIDEO, true);
        lab.at += 1_000;
        if lab.window.snapshot().is_none() {
            lab.seen.clear();
        }
    }
    let playlist = lab.playlist();
    assert_eq!(playlist.part_target, Some(Duration::from_millis(1_100)));
}

#[test]
fn a_reload_waits_for_what_comes_next_and_no_further() {
    let mut lab = Lab::new(settings(20));
    lab.gops(2, 25, 40);
    (0..12).for_each(|at| lab.picture(at == 0, 40));
    let snapshot = lab.snapshot();
    assert_eq!(snapshot.next, (2, 2));
    let judge = |segment, part| snapshot.judge(&Reload { until: Some((segment, part)), skip: Skip::Nothing });
    assert_eq!(snapshot.judge(&Reload::default()), Verdict::Ready);
    for (segment, part) in [(0, None), (1, None), (1, Some(4)), (1, Some(5)), (1, Some(99)), (2, Some(1))] {
        assert_eq!(judge(segment, part), Verdict::Ready, "{segment} {part:?}");
    }
    for (segment, part) in [(2, None), (2, Some(2)), (2, Some(5)), (3, None), (3, Some(0))] {
        assert_eq!(judge(segment, part), Verdict::Wait, "{segment} {part:?}");
    }
    for (segment, part) in [(4, None), (4, Some(0)), (2, Some(99)), (3, Some(99)), (u64::MAX, None)] {
        assert_eq!(judge(segment, part), Verdict::TooFar, "{segment} {part:?}");
    }
}

#[test]
fn a_delta_update_leaves_out_what_is_older_than_six_targets() {
    let mut lab = Lab::new(settings(20));
    lab.gops(12, 25, 40);
    let whole = lab.playlist();
    let delta = read(&lab.snapshot(), Kind::LowLatency(Skip::Segments));
    assert_eq!((delta.skipped, whole.segments.len()), (5, 12));
    assert_eq!(delta.segments[..], whole.segments[5..]);
    assert_eq!(delta.segments[0].map, None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_comes_the_playlists_keep_the_rules(
        pace in 15i64..400,
        gop in 1u32..120,
        steps in proptest::collection::vec((0u8..100, -20i64..20), 50..250),
    ) {
        let mut lab = Lab::new(settings(6));
        for (at, (chance, jitter)) in (0u32..).zip(steps) {
            let lasts = (pace + jitter * pace / 100).max(1);
            match chance {
                0 => lab.skip(),
                1 => lab.init = init(&format!("avc{at}")),
                2 => lab.at += 3_000,
                3 => lab.chunk(TrackId::AUDIO, false),
                4 => lab.at += pace * 3,
                _ => {}
            }
            lab.picture(at % gop == 0 || chance == 5, lasts);
            if lab.window.snapshot().is_none() {
                lab.seen.clear();
            }
        }
    }
}
