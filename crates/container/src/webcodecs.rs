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
use crate::parameters::avcc;

/// Writes configurations and messages of units.
#[derive(Debug, Default)]
pub(crate) struct WebcodecsWriter {
    tracks: Tracks,
    configuration: Option<Arc<InitSegment>>,
}

impl GroupWriter for WebcodecsWriter {
    fn carries(codec: Codec) -> bool {
        match codec {
            Codec::H264 | Codec::Aac | Codec::Opus => true,
        }
    }

    fn start(&mut self, tracks: &Tracks) {
        let bytes = configuration(tracks).into();
        self.configuration = Some(Arc::new(InitSegment { mime: "application/json".to_owned(), bytes }));
        self.tracks = tracks.clone();
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
                if unit.random_access { RANDOM_ACCESS } else { 0 } | if unit.disposable { DISPOSABLE } else { 0 },
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
fn configuration(tracks: &Tracks) -> String {
    let mut text = format!("{{\"type\":\"configuration\",\"version\":{VERSION},\"tracks\":[");
    for (index, track) in tracks.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_track(track, &mut text);
    }
    text.push_str("]}");
    text
}

fn write_track(track: &Track, text: &mut String) {
    let (kind, description) = match &track.parameters {
        CodecParameters::H264(parameters) => ("video", Some(base64(&avcc(parameters)))),
        CodecParameters::Aac(parameters) => ("audio", Some(base64(parameters.config()))),
        // An OpusHead is needed for more than two channels only.
        CodecParameters::Opus(_) => ("audio", None),
    };
    let description = description.map_or_else(|| "null".to_owned(), |text| format!("\"{text}\""));
    let (id, codec) = (id_of(track.kind()), track.parameters.rfc6381());
    // Writing into a `String` cannot fail.
    let _ = write!(
        text,
        "{{\"id\":{id},\"kind\":\"{kind}\",\"codec\":\"{codec}\",\"description\":{description}"
    );
    if let Some((width, height)) = track.parameters.dimensions() {
        let _ = write!(text, ",\"width\":{width},\"height\":{height}");
    }
    if let (Some(rate), Some(channels)) = (track.parameters.sample_rate(), track.parameters.channels()) {
        let _ = write!(text, ",\"sampleRate\":{rate},\"channels\":{channels}");
    }
    text.push('}');
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
        let bits = group.iter().enumerate().fold(0u32, |bits, (i, &byte)| bits | u32::from(byte) << (16 - 8 * i));
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
