//! Truncated, flipped and invented bytes: whatever comes, nothing panics, and what can go on does.

use proptest::prelude::*;

use super::*;

fn samples() -> &'static [(InputFormat, Vec<u8>)] {
    static BYTES: OnceLock<Vec<(InputFormat, Vec<u8>)>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let short: &[&str] = &["-t", "0.4"];
        let fragments: &[&str] = &["-movflags", "frag_every_frame+empty_moov", "-f", "mp4"];
        vec![
            (InputFormat::MpegTs, ffmpeg(&[SOURCES, B_FRAMES, AAC, short, &["-f", "mpegts"]])),
            (InputFormat::MpegTs, ffmpeg(&[SOURCES, NO_B_FRAMES, OPUS, short, &["-f", "mpegts"]])),
            (InputFormat::Mp4, ffmpeg(&[SOURCES, B_FRAMES, AAC, short, fragments])),
            (InputFormat::AnnexB, ffmpeg(&[SOURCES, B_FRAMES, &["-an"], short, &["-f", "h264"]])),
            (InputFormat::Adts, ffmpeg(&[SOURCES, &["-vn"], AAC, short, &["-f", "adts"]])),
        ]
    })
}

/// Half of the time stated, half of the time looked for.
fn hint(format: InputFormat, stated: bool) -> Option<InputFormat> {
    stated.then_some(format)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn flipped_bits_never_panic(
        which in 0usize..5,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..30),
        stated: bool,
        piece in 1usize..5000,
    ) {
        let (format, bytes) = &samples()[which];
        let mut bytes = bytes.clone();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let demuxed = demux_in_pieces(&bytes, hint(*format, stated), &[piece]);
        if *format != InputFormat::Mp4 && stated {
            prop_assert_eq!(demuxed.error, None);
        }
    }

    #[test]
    fn cut_and_spliced_inputs_never_panic(
        which in 0usize..5,
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), 1usize..3000), 1..6),
        stated: bool,
    ) {
        let (format, bytes) = &samples()[which];
        let mut bytes = bytes.clone();
        for (at, len) in cuts {
            let at = at.index(bytes.len());
            let end = (at + len).min(bytes.len());
            if end - at < bytes.len() {
                bytes.drain(at..end);
            }
        }
        demux_in_pieces(&bytes, hint(*format, stated), &[1316]);
    }

    #[test]
    fn invented_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        which in 0usize..4,
    ) {
        demux_in_pieces(&bytes, Some(InputFormat::ALL[which]), &[97]);
        demux_in_pieces(&bytes, None, &[97]);
    }
}

#[test]
fn an_input_cut_anywhere_ends_without_a_panic() {
    for (format, bytes) in samples() {
        for end in (0..bytes.len()).step_by(211) {
            demux_in_pieces(&bytes[..end], Some(*format), &[end.max(1)]);
        }
    }
}

#[test]
fn a_failed_input_stays_failed() {
    let mut demuxer = Demuxer::new(Some(InputFormat::Mp4));
    let mut out = VecDeque::new();
    assert!(demuxer.push(b"\0\0\0\x01moof\0\0\0\0\0\0\0\0", now(), None, &mut out).is_err());
    assert_eq!(demuxer.push(b"x", now(), None, &mut out), Err(DemuxError::Failed));
    assert_eq!(out.len(), 0);
}
