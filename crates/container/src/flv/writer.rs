//! Groups of units into tags, by any framing.
//!
//! Time is counted in milliseconds from the first unit of the packaging, so that it wraps (after 49 days) for nobody who has just come.
//! Invariant: a chunk is whole tags, and its init segment has all that a decoder needs before it.

use std::collections::VecDeque;
use std::sync::Arc;

use media::{AccessUnit, Chunk, Codec, InitSegment, MediaKind, MediaTime, MuxError, Timescale};

use super::amf0::Value;
use super::{TagFraming, TagKind, body};
use crate::packager::{GroupWriter, Tracks};

/// Writes tags.
#[derive(Debug)]
pub(crate) struct TagWriter<F> {
    framing: F,
    tracks: Tracks,
    init: Option<Arc<InitSegment>>,
    /// The first unit's decoding time.
    origin: Option<MediaTime>,
}

impl<F: TagFraming> TagWriter<F> {
    pub(crate) const fn new(framing: F) -> Self {
        Self { framing, tracks: Tracks { video: None, audio: None }, init: None, origin: None }
    }

    fn write_unit(&self, unit: &AccessUnit, origin: MediaTime, out: &mut Vec<u8>) -> Result<(), MuxError> {
        // Sound from before the first picture has no time here.
        let Ok(since) = u64::try_from(unit.dts.ticks_in(Timescale::MILLIS) - origin.ticks()) else {
            return Ok(());
        };
        let head = body::head(unit)?;
        if head.as_bytes().len() + unit.data.len() > MAX_BODY {
            return Err(MuxError::Malformed(format!("a unit of {} bytes, beyond 16 MiB", unit.data.len())));
        }
        self.framing.write(kind_of(unit), timestamp(since), head.as_bytes(), &unit.data, out);
        Ok(())
    }
}

impl<F: TagFraming> GroupWriter for TagWriter<F> {
    fn carries(codec: Codec) -> bool {
        match codec {
            Codec::H264 | Codec::H265 | Codec::Av1 | Codec::Aac | Codec::Opus => true,
            Codec::Vp8 | Codec::Vp9 | Codec::Jpeg | Codec::MpegVideo | Codec::G711 | Codec::MpegAudio => {
                false
            }
        }
    }

    fn start(&mut self, tracks: &Tracks) -> Result<(), MuxError> {
        let mut bytes = Vec::with_capacity(512);
        let mut script = Vec::with_capacity(256);
        Value::from("onMetaData").write(&mut script);
        body::metadata(tracks).write(&mut script);
        self.framing.write(TagKind::Script, 0, &script, &[], &mut bytes);
        for track in tracks.iter() {
            let kind = match track.kind() {
                MediaKind::Video => TagKind::Video,
                MediaKind::Audio => TagKind::Audio,
            };
            self.framing.write(kind, 0, &body::sequence_header(track)?, &[], &mut bytes);
        }
        self.init = Some(Arc::new(InitSegment { mime: "video/x-flv".to_owned(), bytes: bytes.into() }));
        self.tracks = tracks.clone();
        Ok(())
    }

    fn write(&mut self, group: &[AccessUnit], out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        let Some(first) = group.first() else { return Ok(()) };
        let origin = *self.origin.get_or_insert(first.dts.rescale(Timescale::MILLIS));
        let size: usize = group.iter().map(|unit| unit.data.len() + OVERHEAD).sum();
        let mut bytes = Vec::with_capacity(size);
        // Sound rides behind its picture, and is older: in order again, where nobody starts at the picture.
        let earlier = |unit: &&AccessUnit| !first.random_access && unit.dts < first.dts;
        for unit in group.iter().skip(1).filter(earlier) {
            self.write_unit(unit, origin, &mut bytes)?;
        }
        self.write_unit(first, origin, &mut bytes)?;
        for unit in group.iter().skip(1).filter(|unit| !earlier(unit)) {
            self.write_unit(unit, origin, &mut bytes)?;
        }
        out.extend(self.tracks.chunk(group, self.init.clone(), bytes.into()));
        Ok(())
    }
}

fn kind_of(unit: &AccessUnit) -> TagKind {
    match unit.track.kind() {
        MediaKind::Video => TagKind::Video,
        MediaKind::Audio => TagKind::Audio,
    }
}

/// In as many bits as there are.
#[allow(clippy::cast_possible_truncation)] // it wraps, as the format has it
const fn timestamp(millis: u64) -> u32 {
    millis as u32
}

/// What a tag's length field can say.
const MAX_BODY: usize = 0xff_ffff;
/// Around a unit at most: tag header, size, head; as chunks of RTMP a byte more for every chunk.
const OVERHEAD: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flv::file_header;
    use crate::samples::{PPS, SPS, aac, mux, opus, picture, sound, video};
    use crate::{Format, FormatOptions};

    /// Type, timestamp and body of each tag.
    fn tags(bytes: &[u8]) -> Vec<(u8, u32, &[u8])> {
        let mut rest = bytes;
        let mut tags = Vec::new();
        while let [kind, s0, s1, s2, t0, t1, t2, t3, 0, 0, 0, after @ ..] = rest {
            let size = u32::from_be_bytes([0, *s0, *s1, *s2]) as usize;
            tags.push((*kind, u32::from_be_bytes([*t3, *t0, *t1, *t2]), &after[..size]));
            assert_eq!(after[size..size + 4], (11 + size as u32).to_be_bytes());
            rest = &after[size + 4..];
        }
        assert!(rest.is_empty());
        tags
    }

    #[test]
    fn a_file_begins_with_its_header_the_metadata_and_the_sequence_headers() {
        let (v, a) = (video(), aac());
        let units = [picture(&v, 5_000, true, 9)];
        let chunks = mux(Format::Flv, &FormatOptions::default(), &[v, a], &units);
        let init = &chunks[0].init.as_ref().unwrap().bytes;
        assert_eq!(file_header(init), *b"FLV\x01\x05\0\0\0\x09\0\0\0\0");
        let tags = tags(init);
        assert_eq!(tags.iter().map(|tag| (tag.0, tag.1)).collect::<Vec<_>>(), [(18, 0), (9, 0), (8, 0)]);
        let script = super::super::amf0::read_all(tags[0].2).unwrap();
        assert_eq!(script[0].as_str(), Some("onMetaData"));
        assert_eq!(script[1].get("width").and_then(Value::as_number), Some(320.0));
        assert_eq!(script[1].get("audiosamplerate").and_then(Value::as_number), Some(48_000.0));
        assert!(tags[1].2.starts_with(&[0x17, 0, 0, 0, 0, 1]));
        assert!(tags[1].2.windows(SPS.len()).any(|bytes| bytes == SPS) && tags[1].2.ends_with(PPS));
        assert_eq!(tags[2].2, [0xaf, 0, 0x11, 0x90]);
    }

    #[test]
    fn time_is_counted_from_the_first_unit_and_sound_goes_before_the_picture_it_is_older_than() {
        let (v, a) = (video(), aac());
        let later = |mut unit: AccessUnit| {
            unit.pts = MediaTime::new(unit.dts.ticks() + 80 * 90, Timescale::VIDEO_90K);
            unit
        };
        let units =
            [later(picture(&v, 5_000, true, 9)), sound(&a, 5_021, 4), later(picture(&v, 5_040, false, 9))];
        let chunks = mux(Format::Flv, &FormatOptions::default(), &[v, a], &units);
        assert_eq!(chunks.len(), 2);
        let (first, second) = (tags(&chunks[0].bytes), tags(&chunks[1].bytes));
        assert_eq!((first[0].0, first[0].1, &first[0].2[..5]), (9, 0, &[0x17, 1, 0, 0, 80][..]));
        assert_eq!(second.iter().map(|tag| (tag.0, tag.1)).collect::<Vec<_>>(), [(8, 21), (9, 40)]);
        assert_eq!(second[0].2, [0xaf, 1, 0x21, 0x21, 0x21, 0x21]);
        assert_eq!(second[1].2[..5], [0x27, 1, 0, 0, 80]);
    }

    #[test]
    fn opus_is_named_by_four_characters() {
        let a = opus();
        let units = [sound(&a, 0, 3)];
        let chunks = mux(Format::Flv, &FormatOptions::default(), &[a], &units);
        let init = &chunks[0].init.as_ref().unwrap().bytes;
        assert_eq!(file_header(init)[4], 4, "sound alone");
        let header = tags(init)[1].2;
        assert!(header.starts_with(b"\x90OpusOpusHead\x01\x02"));
        assert_eq!(codec::opus::parse_head(&header[5..]).unwrap().pre_skip(), 312);
        assert_eq!(tags(&chunks[0].bytes), [(8, 0, &b"\x91Opus\x21\x21\x21"[..])]);
    }

    #[test]
    fn time_wraps_after_the_last_millisecond_of_32_bits() {
        let v = video();
        let units = [picture(&v, 7, true, 9), picture(&v, (1 << 32) + 12, true, 9)];
        let chunks = mux(Format::Flv, &FormatOptions::default(), &[v], &units);
        assert_eq!(chunks.iter().map(|chunk| tags(&chunk.bytes)[0].1).collect::<Vec<_>>(), [0, 5]);
    }
}
