//! Our own framing for WebCodecs players, version 1 of `docs/ref/websocket.md`.
//!
//! The configuration is JSON and stands where other formats have their init segment; a message is units one after
//! another, each with a 24-byte header. Times are those of the stream, in microseconds, presentation time first hand:
//! a decoder that is told when to show a picture needs no decoding time.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::BufMut;
use media::{
    AccessUnit, Chunk, Codec, CodecParameters, InitSegment, MediaKind, MuxError, Timescale, Track, Wallclock,
};

use crate::packager::{GroupWriter, Tracks};
use crate::parameters::{av1_configuration, avc_configuration, hevc_configuration};

/// Writes configurations and messages of units.
#[derive(Debug, Default)]
pub(crate) struct WebcodecsWriter {
    tracks: Tracks,
    configuration: Option<Arc<InitSegment>>,
}

impl GroupWriter for WebcodecsWriter {
    fn carries(codec: Codec) -> bool {
        match codec {
            Codec::H264 | Codec::H265 | Codec::Av1 | Codec::Vp8 | Codec::Vp9 | Codec::Aac | Codec::Opus => {
                true
            }
            Codec::Jpeg | Codec::MpegVideo | Codec::G711 | Codec::MpegAudio => false,
        }
    }

    fn start(&mut self, tracks: &Tracks) -> Result<(), MuxError> {
        let bytes = configuration(tracks)?.into();
        self.configuration = Some(Arc::new(InitSegment { mime: "application/json".to_owned(), bytes }));
        self.tracks = tracks.clone();
        Ok(())
    }

    fn write(&mut self, group: &[AccessUnit], out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        let mut bytes = Vec::with_capacity(group.iter().map(|unit| HEADER + unit.data.len()).sum());
        for unit in group {
            let Ok(length) = u32::try_from(unit.data.len()) else {
                return Err(MuxError::Malformed("unit beyond 4 GiB".into()));
            };
            bytes.put_u8(VERSION);
            bytes.put_u8(id_of(unit.track.kind()));
            bytes.put_u8(
                if unit.random_access { RANDOM_ACCESS } else { 0 }
                    | if unit.disposable { DISPOSABLE } else { 0 },
            );
            bytes.put_u8(0);
            bytes.put_u32(length);
            bytes.put_i64(unit.pts.ticks_in(Timescale::MICROS));
            bytes.put_i64(unit.captured.map_or(0, Wallclock::unix_micros));
            bytes.put_slice(&unit.data);
        }
        out.extend(self.tracks.chunk(group, self.configuration.clone(), bytes.into()));
        Ok(())
    }
}

/// The JSON text. Nothing in it needs escaping: numbers, base64 and codec strings.
fn configuration(tracks: &Tracks) -> Result<String, MuxError> {
    let mut text = format!("{{\"type\":\"configuration\",\"version\":{VERSION},\"tracks\":[");
    for (index, track) in tracks.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_track(track, &mut text)?;
    }
    text.push_str("]}");
    Ok(text)
}

fn write_track(track: &Track, text: &mut String) -> Result<(), MuxError> {
    let (kind, description) = match &track.parameters {
        CodecParameters::H264(parameters) => ("video", Some(base64(&avc_configuration(parameters)?))),
        CodecParameters::H265(parameters) => ("video", Some(base64(&hevc_configuration(parameters)?))),
        CodecParameters::Av1(parameters) => ("video", Some(base64(&av1_configuration(parameters)))),
        CodecParameters::Aac(parameters) => ("audio", Some(base64(parameters.config()))),
        CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_) => ("video", None),
        // An OpusHead is needed for more than two channels only.
        CodecParameters::Opus(_) | CodecParameters::G711(_) | CodecParameters::MpegAudio(_) => {
            ("audio", None)
        }
    };
    let description = description.map_or_else(|| "null".to_owned(), |text| format!("\"{text}\""));
    let codec = match &track.parameters {
        // Of the registry of WebCodecs, which knows no longer name.
        CodecParameters::Vp8(_) => "vp8".to_owned(),
        other => other.rfc6381(),
    };
    let id = id_of(track.kind());
    // Writing into a `String` cannot fail.
    let _ =
        write!(text, "{{\"id\":{id},\"kind\":\"{kind}\",\"codec\":\"{codec}\",\"description\":{description}");
    if let Some((width, height)) = track.parameters.dimensions() {
        let _ = write!(text, ",\"width\":{width},\"height\":{height}");
    }
    if let (Some(rate), Some(channels)) = (track.parameters.sample_rate(), track.parameters.channels()) {
        let _ = write!(text, ",\"sampleRate\":{rate},\"channels\":{channels}");
    }
    text.push('}');
    Ok(())
}

const fn id_of(kind: MediaKind) -> u8 {
    match kind {
        MediaKind::Video => 1,
        MediaKind::Audio => 2,
    }
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().enumerate().fold(0u32, |bits, (i, &byte)| bits | u32::from(byte) << (16 - 8 * i));
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit) & 0x3f) as usize;
            text.push(if digit <= group.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    text
}

const VERSION: u8 = 1;
const HEADER: usize = 24;
const RANDOM_ACCESS: u8 = 1;
const DISPOSABLE: u8 = 2;

#[cfg(test)]
mod tests {
    use media::MediaTime;

    use super::*;
    use crate::samples::{aac, mux, opus, picture, sound, video};
    use crate::{Format, FormatOptions};

    #[test]
    fn base64_is_that_of_the_rfc() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in vectors {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn the_configuration_says_what_a_decoder_must_know() {
        let unit = picture(&video(), 0, true, 3);
        let chunks = mux(Format::Webcodecs, &FormatOptions::default(), &[video(), aac()], &[unit]);
        let init = chunks[0].init.as_ref().unwrap();
        assert_eq!(init.mime, "application/json");
        let text = std::str::from_utf8(&init.bytes).unwrap();
        let expected = concat!(
            r#"{"type":"configuration","version":1,"tracks":[{"id":1,"kind":"video","codec":"avc1.42c00d","#,
            r#""description":"AULADf/hABZnQsAN2gUH7ARAAAADAEAAAAyDxQqoAQAEaM4PyA==","width":320,"height":240},"#,
            r#"{"id":2,"kind":"audio","codec":"mp4a.40.2","description":"EZA=","sampleRate":48000,"channels":2}]}"#
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn opus_needs_no_description() {
        let chunks = mux(Format::Webcodecs, &FormatOptions::default(), &[opus()], &[sound(&opus(), 0, 3)]);
        let text = std::str::from_utf8(&chunks[0].init.as_ref().unwrap().bytes).unwrap().to_owned();
        assert!(
            text.contains(r#""codec":"opus","description":null,"sampleRate":48000,"channels":2"#),
            "{text}"
        );
    }

    #[test]
    fn a_message_is_units_with_their_headers() {
        let (v, a) = (video(), aac());
        let mut picture = picture(&v, 1_000, false, 3);
        picture.pts = picture.pts.saturating_add(MediaTime::new(90, Timescale::VIDEO_90K));
        picture.disposable = true;
        let mut sound = sound(&a, 990, 2);
        sound.captured = None;
        let chunks =
            mux(Format::Webcodecs, &FormatOptions::default(), &[v, a], &[picture.clone(), sound, picture]);
        let expected: &[&[u8]] = &[
            &[1, 1, 2, 0, 0, 0, 0, 7],
            &1_001_000i64.to_be_bytes(),
            &1_000_000i64.to_be_bytes(),
            &[0, 0, 0, 3, 0x41, 1, 3],
            &[1, 2, 1, 0, 0, 0, 0, 2],
            &990_000i64.to_be_bytes(),
            &[0; 8],
            &[0x21, 0x21],
        ];
        assert_eq!(chunks[1].bytes, expected.concat());
    }
}
