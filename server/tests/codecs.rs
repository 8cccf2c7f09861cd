//! `docs/ref/codecs.md` says of every way out what its packaging says itself.

#![allow(clippy::unwrap_used)] // a test may

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use container::{Format, FormatOptions, Grouping};
use firstlight::transcode::Sound;
use media::{
    AacParameters, Av1Parameters, Av1Profile, CodecParameters, G711Law, G711Parameters, H264Parameters,
    H265Parameters, JpegParameters, MpegAudioParameters, MpegVideoParameters, Muxer, OpusParameters,
    ProfileTierLevel, Timescale, Track, TrackId, Vp8Parameters, Vp9Parameters, Vp9Profile,
};

/// A track of each codec, as good as any for this.
fn tracks() -> Vec<Arc<Track>> {
    let nal = |bytes: &'static [u8]| Bytes::from_static(bytes);
    let h264 = H264Parameters::new(nal(&[0x67, 66, 0, 30]), vec![nal(&[0x68, 1])], (640, 480), Some(0));
    let sets = (nal(&[0x40, 1, 1]), nal(&[0x42, 1, 1]), vec![nal(&[0x44, 1, 1])]);
    let h265 = H265Parameters::new(sets, ProfileTierLevel([1; 12]), (640, 480), 0);
    let profile = Av1Profile {
        profile: 0,
        level: 0,
        is_high_tier: false,
        bit_depth: 8,
        is_monochrome: false,
        subsampling: (true, true),
        chroma_sample_position: 0,
    };
    let av1 = Av1Parameters::new(nal(&[0x0a, 2, 0, 0]), profile, (640, 480));
    let profile = Vp9Profile { profile: 0, bit_depth: 8, subsampling: (true, true), is_full_range: false };
    let vp9 = Vp9Parameters::new(profile, (640, 480));
    let mpeg = MpegVideoParameters::new(nal(&[0, 0, 1, 0xb3, 0, 0, 0, 0, 0, 0, 0, 0]), (640, 480));
    let all = [
        CodecParameters::H264(h264.unwrap()),
        CodecParameters::H265(h265.unwrap()),
        CodecParameters::Av1(av1.unwrap()),
        CodecParameters::Vp8(Vp8Parameters::new((640, 480)).unwrap()),
        CodecParameters::Vp9(vp9.unwrap()),
        CodecParameters::Jpeg(JpegParameters::new((640, 480)).unwrap()),
        CodecParameters::MpegVideo(mpeg.unwrap()),
        CodecParameters::Aac(AacParameters::new(nal(&[0x12, 0x10]), 2, 44_100, 2).unwrap()),
        CodecParameters::Opus(OpusParameters::new(2, 312).unwrap()),
        CodecParameters::G711(G711Parameters::new(G711Law::A, 8_000, 1).unwrap()),
        CodecParameters::MpegAudio(MpegAudioParameters::new(2, 48_000, 2).unwrap()),
    ];
    let timescale = Timescale::VIDEO_90K;
    all.into_iter().map(|parameters| Arc::new(Track { id: TrackId::VIDEO, timescale, parameters })).collect()
}

/// The table under a heading: its first column to the others, by the heads of those.
fn table(page: &str, heading: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let cells = |line: &str| -> Vec<String> {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let mut lines =
        rest.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let heads = cells(lines.next().unwrap());
    lines
        .skip(1)
        .map(|line| {
            let cells = cells(line);
            (cells[0].clone(), heads.iter().cloned().zip(cells).collect())
        })
        .collect()
}

#[test]
fn the_page_of_codecs_says_of_every_way_out_what_it_carries() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ref/codecs.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = table(&page, "Out");
    let rtmp = |opus| {
        rtmp::muxer(rtmp::Packaging { stream: 1, publishes: false, opus, grouping: Grouping::default() })
    };
    let (knows, does_not) = (rtmp(true), rtmp(false));
    // What goes by WebRTC each browser's offer says.
    for (way, row) in rows.iter().filter(|(way, _)| *way != "webrtc") {
        let format: Option<Format> = way.parse().ok();
        let muxer: Option<Box<dyn Muxer>> = format.map(|format| format.muxer(&FormatOptions::default()));
        for track in tracks() {
            // What can be decoded to make something else of it, where there is a place for that.
            let made = matches!(track.parameters, CodecParameters::Opus(_) | CodecParameters::G711(_))
                && format.is_none_or(|format| Sound::of(format).is_some());
            let says = match (way.as_str(), &muxer) {
                (_, Some(muxer)) if muxer.accepts(&track) => "yes",
                ("rtsp", None) if rtp::sdp::carries(&track.parameters) => "yes",
                ("rtmp", None) if does_not.accepts(&track) => "yes",
                ("rtmp", None) if knows.accepts(&track) => "if they know it, else as AAC",
                (_, Some(_)) | ("rtmp", None) if made => "as AAC",
                (_, Some(_)) | ("rtsp" | "rtmp", None) => "–",
                (other, None) => panic!("{other} is no way out"),
            };
            let codec = track.parameters.codec().name();
            assert_eq!(row.get(codec).map(String::as_str), Some(says), "{way}: {codec}");
        }
    }
    for format in Format::ALL {
        assert!(rows.contains_key(format.name()), "{} is not in the table", format.name());
    }
    for way in table(&page, "In").values() {
        assert!(tracks().iter().all(|track| way.contains_key(track.parameters.codec().name())), "{way:?}");
    }
}
