//! Streams without a container.

use super::*;

#[test]
fn a_raw_byte_stream_is_cut_into_pictures() {
    let bytes = ffmpeg(&[SOURCES, NO_B_FRAMES, &["-an", "-f", "h264"]]);
    let demuxed = demux_in_pieces(&bytes, None, &[1000]);
    assert_eq!(codecs(&demuxed), ["H.264"]);
    assert_eq!(demuxed.video().len(), 50);
    assert_eq!(demuxed.stats.errors, 0);
}

#[test]
fn silence_gives_out_the_last_picture_once_it_has_proved_itself() {
    let picture = ffmpeg(&[SOURCES, NO_B_FRAMES, &["-an", "-frames:v", "1", "-f", "h264"]]);
    let mut demuxer = Demuxer::new(None);
    let mut out = VecDeque::new();
    for expected in [0, 1, 3, 4] {
        demuxer.push(&picture, now(), None, &mut out).unwrap();
        demuxer.flush_idle(&mut out).unwrap();
        assert_eq!(out.len(), expected);
    }
}

#[test]
fn adts_alone_is_sound_at_an_even_pace() {
    let bytes = ffmpeg(&[SOURCES, &["-vn"], AAC, &["-f", "adts"]]);
    let demuxed = demux_in_pieces(&bytes, None, &[333]);
    assert_eq!(codecs(&demuxed), ["AAC"]);
    let ticks: Vec<_> = demuxed.audio().iter().map(|unit| unit.dts.ticks()).collect();
    assert!(ticks.len() >= 94);
    assert!(ticks.windows(2).all(|pair| pair[1] - pair[0] == 1024), "{ticks:?}");
}

#[test]
fn a_stated_format_is_not_looked_for() {
    let bytes = ffmpeg(&[SOURCES, NO_B_FRAMES, &["-an", "-f", "h264"]]);
    let demuxed = demux_in_pieces(&bytes, Some(InputFormat::MpegTs), &[1000]);
    assert_eq!((demuxed.units.len(), demuxed.error), (0, None));
    assert_eq!(demuxed.stats.discarded_bytes, bytes.len() as u64);
}

#[test]
fn formats_are_written_as_they_are_read() {
    for format in InputFormat::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    assert_eq!(
        "mkv".parse::<InputFormat>().unwrap_err(),
        "unknown input format \"mkv\", expected one of mpegts, mp4, flv, annexb, adts"
    );
}

#[test]
fn a_few_bytes_and_silence_are_looked_at_again() {
    let bytes = ffmpeg(&[SOURCES, NO_B_FRAMES, &["-an", "-frames:v", "1", "-f", "h264"]]);
    let mut demuxer = Demuxer::new(None);
    let mut out = VecDeque::new();
    demuxer.push(&bytes[..4], now(), None, &mut out).unwrap();
    demuxer.push(&bytes[4..], now(), None, &mut out).unwrap();
    demuxer.flush_idle(&mut out).unwrap();
    assert_eq!(demuxer.format(), Some(InputFormat::AnnexB));
    demuxer.finish(&mut out).unwrap();
    assert_eq!(out.len(), 1);
}
