//! Program association and program map tables, ISO/IEC 13818-1 §2.4.4, each in one packet.

use bytes::BufMut;
use media::{CodecParameters, Track};

use super::{AUDIO_PID, PACKET, PMT_PID, VIDEO_PID};
use crate::packager::Tracks;

/// Both tables as packets whose continuity counters are still 0.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) pat: Vec<u8>,
    pub(super) pmt: Vec<u8>,
}

impl Tables {
    /// `version` is to change whenever the tracks do.
    pub(super) fn new(tracks: &Tracks, version: u8) -> Self {
        Self {
            pat: packet(0, &program_association(version)),
            pmt: packet(PMT_PID, &program_map(tracks, version)),
        }
    }
}

fn program_association(version: u8) -> Vec<u8> {
    let mut body = Vec::with_capacity(4);
    body.put_u16(PROGRAM);
    body.put_u16(0xe000 | PMT_PID);
    section(0, TRANSPORT_STREAM, version, &body)
}

fn program_map(tracks: &Tracks, version: u8) -> Vec<u8> {
    let clock_pid = if tracks.video.is_some() { VIDEO_PID } else { AUDIO_PID };
    let mut body = Vec::with_capacity(64);
    body.put_u16(0xe000 | clock_pid);
    body.put_u16(0xf000); // no program descriptors
    for track in tracks.iter() {
        put_stream(&mut body, track);
    }
    section(2, PROGRAM, version, &body)
}

fn put_stream(body: &mut Vec<u8>, track: &Track) {
    let (stream_type, pid) = match &track.parameters {
        CodecParameters::H264(_) => (0x1b, VIDEO_PID),
        CodecParameters::H265(_) => (0x24, VIDEO_PID),
        CodecParameters::Aac(_) => (0x0f, AUDIO_PID),
        // Private data; of Opus named by descriptors, the others are not carried.
        CodecParameters::Av1(_)
        | CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_) => (0x06, VIDEO_PID),
        CodecParameters::Opus(_) | CodecParameters::G711(_) | CodecParameters::MpegAudio(_) => {
            (0x06, AUDIO_PID)
        }
    };
    body.put_u8(stream_type);
    body.put_u16(0xe000 | pid);
    match &track.parameters {
        CodecParameters::H264(_)
        | CodecParameters::H265(_)
        | CodecParameters::Av1(_)
        | CodecParameters::Vp8(_)
        | CodecParameters::Vp9(_)
        | CodecParameters::Jpeg(_)
        | CodecParameters::MpegVideo(_)
        | CodecParameters::Aac(_)
        | CodecParameters::G711(_)
        | CodecParameters::MpegAudio(_) => {
            body.put_u16(0xf000);
        }
        CodecParameters::Opus(parameters) => {
            body.put_u16(0xf000 | 10);
            body.put_slice(b"\x05\x04Opus"); // registration
            body.put_slice(&[0x7f, 2, 0x80, parameters.channels()]); // extension: channel configuration
        }
    }
}

/// A complete section with its CRC.
fn section(table: u8, id: u16, version: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(12 + body.len());
    out.put_u8(table);
    // A table of two tracks is far below 1021 bytes.
    out.put_u16(0xb000 | u16::try_from(5 + body.len() + 4).unwrap_or(0x0fff));
    out.put_u16(id);
    out.put_u8(0xc1 | (version & 0x1f) << 1); // current
    out.put_u16(0); // section 0 of 0
    out.put_slice(body);
    let crc = crc32(&out);
    out.put_u32(crc);
    out
}

fn packet(pid: u16, section: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PACKET);
    out.put_u8(0x47);
    out.put_u16(0x4000 | pid); // a unit starts here
    out.put_u8(0x10); // payload alone
    out.put_u8(0); // the section starts at once
    out.put_slice(section);
    out.resize(PACKET, 0xff);
    out
}

/// ISO/IEC 13818-1 annex A. Run over a whole section with its CRC it gives 0.
fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            if crc & 0x8000_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 }
        })
    })
}

const TRANSPORT_STREAM: u16 = 1;
const PROGRAM: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_that_of_the_standard() {
        // CRC-32/MPEG-2's check value.
        assert_eq!(crc32(b"123456789"), 0x0376_e6e7);
        assert_eq!(crc32(&program_association(0)), 0);
    }
}
