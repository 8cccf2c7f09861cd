//! Movie fragments as Robopipe's players know them: byte for byte the layout of its own server.
//!
//! Video alone, one sample a fragment, and time is a frame counter at a whole frame rate: its players append in
//! `sequence` mode and look into fixed places. Invariant: a `moof` is 104 bytes and its sample begins at byte 112.
//!
//! Not here: anything a better player could use; that is the other writer's.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;

use bytes::BufMut;
use media::{AccessUnit, Chunk, Codec, InitSegment, MuxError, Timescale, Track};

use super::boxes::{write_box, write_full_box};
use super::fragment::{NON_SYNC, SYNC};
use super::init::{MovieTrack, configuration, mime, write_ftyp, write_moov};
use crate::packager::{GroupWriter, Tracks};

/// Writes Robopipe's initialization segment and fragments.
#[derive(Debug)]
pub(crate) struct RobopipeWriter {
    frame_rate: NonZeroU32,
    tracks: Tracks,
    init: Option<Arc<InitSegment>>,
    frames: u32,
}

impl RobopipeWriter {
    pub(crate) fn new(frame_rate: NonZeroU32) -> Self {
        Self { frame_rate, tracks: Tracks::default(), init: None, frames: 0 }
    }

    fn write_fragment(&mut self, unit: &AccessUnit) -> Result<Vec<u8>, MuxError> {
        let beyond = || MuxError::Malformed("unit beyond 4 GiB".into());
        let size = u32::try_from(unit.data.len()).map_err(|_| beyond())?;
        let mdat = size.checked_add(8).ok_or_else(beyond)?;
        let duration = timescale(self.frame_rate) / self.frame_rate;
        let decode_time = u64::from(self.frames) * u64::from(duration);
        self.frames = self.frames.wrapping_add(1);

        let mut out = Vec::with_capacity(MOOF_SIZE as usize + 8 + unit.data.len());
        out.put_u32(MOOF_SIZE);
        out.put_slice(b"moof");
        out.put_u32(16);
        out.put_slice(b"mfhd");
        out.put_u32(0);
        out.put_u32(self.frames); // sequence numbers are from 1
        out.put_u32(80);
        out.put_slice(b"traf");
        out.put_u32(28);
        out.put_slice(b"tfhd");
        out.put_u32(0x0002_0038); // base is moof; default duration, size, flags
        out.put_u32(TRACK_ID);
        out.put_u32(duration);
        out.put_u32(size);
        out.put_u32(NON_SYNC);
        out.put_u32(20);
        out.put_slice(b"tfdt");
        out.put_u32(0x0100_0000);
        out.put_u64(decode_time);
        out.put_u32(24);
        out.put_slice(b"trun");
        out.put_u32(0x0000_0005); // data offset, first sample flags
        out.put_u32(1);
        out.put_u32(MOOF_SIZE + 8);
        out.put_u32(if unit.random_access { SYNC } else { NON_SYNC });
        out.put_u32(mdat);
        out.put_slice(b"mdat");
        out.put_slice(&unit.data);
        Ok(out)
    }
}

impl GroupWriter for RobopipeWriter {
    fn carries(codec: Codec) -> bool {
        match codec {
            Codec::H264 => true,
            Codec::H265
            | Codec::Av1
            | Codec::Vp8
            | Codec::Vp9
            | Codec::Jpeg
            | Codec::MpegVideo
            | Codec::Aac
            | Codec::Opus
            | Codec::G711
            | Codec::MpegAudio => false,
        }
    }

    fn start(&mut self, tracks: &Tracks) -> Result<(), MuxError> {
        let Some(track) = &tracks.video else { return Ok(()) };
        self.init = Some(Arc::new(init_segment(track, self.frame_rate)?));
        self.tracks = tracks.clone();
        Ok(())
    }

    fn write(&mut self, group: &[AccessUnit], out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        for unit in group {
            let bytes = self.write_fragment(unit)?;
            out.extend(self.tracks.chunk(std::slice::from_ref(unit), self.init.clone(), bytes.into()));
        }
        Ok(())
    }
}

fn init_segment(track: &Track, frame_rate: NonZeroU32) -> Result<InitSegment, MuxError> {
    let (width, height) = track.parameters.dimensions().unwrap_or((0, 0));
    // What Robopipe sets its encoder to: half a bit a pixel.
    let bitrate = u64::from(width) * u64::from(height) * u64::from(frame_rate.get()) / 2;
    let tracks = [MovieTrack {
        id: TRACK_ID,
        timescale: Timescale::new(timescale(frame_rate)).unwrap_or(Timescale::VIDEO_90K),
        parameters: &track.parameters,
        configuration: configuration(&track.parameters)?,
        bitrate: Some(u32::try_from(bitrate).unwrap_or(u32::MAX)),
    }];
    let mut bytes = Vec::with_capacity(1024);
    write_ftyp(&mut bytes, b"iso5", 512, &[b"iso5", b"iso6", b"mp41"]);
    write_moov(&mut bytes, &tracks, |out| {
        write_box(out, b"udta", |out| {
            write_full_box(out, b"meta", 0, 0, |out| {
                write_full_box(out, b"hdlr", 0, 0, |out| {
                    out.put_u32(0);
                    out.put_slice(b"mdirappl");
                    out.put_bytes(0, 9);
                });
                write_box(out, b"ilst", |out| {
                    write_box(out, b"\xa9too", |out| {
                        write_box(out, b"data", |out| {
                            out.put_u32(1); // UTF-8
                            out.put_u32(0);
                            out.put_slice(ENCODER);
                        });
                    });
                });
            });
        });
    });
    Ok(InitSegment { mime: mime(&tracks), bytes: bytes.into() })
}

/// The frame rate doubled until it is at least 10000, so that a frame is a whole number of ticks.
fn timescale(frame_rate: NonZeroU32) -> u32 {
    let mut timescale = frame_rate.get();
    while timescale < 10_000 {
        timescale *= 2;
    }
    timescale
}

const MOOF_SIZE: u32 = 104;
const TRACK_ID: u32 = 1;
/// As long as the original's, so that the sizes agree.
const ENCODER: &[u8; 13] = b"firstlight/v1";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{mux, picture, video, video_sized};
    use crate::{Format, FormatOptions};

    fn robopipe(frame_rate: u32) -> Format {
        Format::Robopipe { frame_rate: NonZeroU32::new(frame_rate).unwrap() }
    }

    #[test]
    fn the_timescale_is_the_frame_rate_doubled() {
        let of = |frame_rate| timescale(NonZeroU32::new(frame_rate).unwrap());
        assert_eq!(
            (of(30), of(25), of(1), of(20_000), of(u32::MAX)),
            (15_360, 12_800, 16_384, 20_000, u32::MAX)
        );
    }

    #[test]
    fn a_fragment_is_byte_for_byte_the_original_layout() {
        let track = video();
        let units = [picture(&track, 5_000, true, 3), picture(&track, 5_047, false, 3)];
        let chunks = mux(robopipe(30), &FormatOptions::default(), &[track], &units);
        let expected: &[&[u8]] = &[
            b"\x00\x00\x00\x68moof",
            b"\x00\x00\x00\x10mfhd\x00\x00\x00\x00\x00\x00\x00\x02",
            b"\x00\x00\x00\x50traf",
            b"\x00\x00\x00\x1ctfhd\x00\x02\x00\x38\x00\x00\x00\x01\x00\x00\x02\x00\x00\x00\x00\x07\x01\x01\x00\x00",
            b"\x00\x00\x00\x14tfdt\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00",
            b"\x00\x00\x00\x18trun\x00\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00\x70\x01\x01\x00\x00",
            b"\x00\x00\x00\x0fmdat\x00\x00\x00\x03\x41\x01\x03",
        ];
        assert_eq!(chunks[1].bytes, expected.concat());
        assert_eq!(chunks[0].bytes[72..80], *b"\x00\x00\x00\x00\x00\x00\x00\x00");
        assert_eq!(chunks[0].bytes[100..104], *b"\x02\x00\x00\x00");
        assert!(chunks[0].random_access && !chunks[1].random_access);
    }

    #[test]
    fn the_init_segment_has_the_original_boxes_and_size() {
        let track = video_sized(1920, 1080);
        let unit = picture(&track, 0, true, 3);
        let chunks = mux(robopipe(30), &FormatOptions::default(), &[track], &[unit]);
        let init = chunks[0].init.as_ref().unwrap();
        assert_eq!(init.bytes[..28], *b"\x00\x00\x00\x1cftypiso5\x00\x00\x02\x00iso5iso6mp41");
        // 22 bytes of SPS and 4 of PPS, as the original's.
        assert_eq!(init.bytes.len(), 774);
        assert_eq!(init.mime, "video/mp4; codecs=\"avc1.42c00d\"");
        let find = |name: &[u8]| init.bytes.windows(4).position(|window| window == name).unwrap();
        assert_eq!(init.bytes[find(b"mdhd") + 16..][..4], 15_360u32.to_be_bytes());
        assert_eq!(init.bytes[find(b"btrt") + 8..][..4], 31_104_000u32.to_be_bytes());
        assert_eq!(init.bytes[find(b"avcC") + 4..][..6], [1, 0x42, 0xc0, 0x0d, 0xff, 0xe1]);
    }

    #[test]
    fn sound_is_not_accepted_and_changes_nothing() {
        let (track, aac) = (video(), crate::samples::aac());
        let muxer = robopipe(30).muxer(&FormatOptions::default());
        assert!(muxer.accepts(&track) && !muxer.accepts(&aac));
    }
}
