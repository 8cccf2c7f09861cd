//! The byte stream format, one access unit a message: ITU-T H.264 Annex B, as jmuxer and every decoder reads it.
//!
//! SPS and PPS stand before each random access point, so a viewer may start there. The format has no times: pictures
//! come in decoding order and at the pace they are to be shown.

use std::collections::VecDeque;

use bytes::BufMut;
use media::{AccessUnit, Chunk, Codec, CodecParameters, H264Parameters, MediaKind, MuxError};

use crate::Ending;
use crate::packager::{GroupWriter, Tracks};

/// Writes messages of one picture each.
#[derive(Debug)]
pub(crate) struct AnnexbWriter {
    tracks: Tracks,
    pictures: PictureWriter,
}

impl AnnexbWriter {
    pub(crate) fn new(ending: Ending) -> Self {
        Self { tracks: Tracks::default(), pictures: PictureWriter::new(ending) }
    }
}

impl GroupWriter for AnnexbWriter {
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
        self.pictures.start(tracks);
        self.tracks = tracks.clone();
        Ok(())
    }

    fn write(&mut self, group: &[AccessUnit], out: &mut VecDeque<Chunk>) -> Result<(), MuxError> {
        let mut bytes = Vec::with_capacity(group.iter().map(|unit| self.pictures.size(unit)).sum());
        for unit in group.iter().filter(|unit| unit.track.kind() == MediaKind::Video) {
            self.pictures.write(unit, &mut bytes)?;
        }
        out.extend(self.tracks.chunk(group, None, bytes.into()));
        Ok(())
    }
}

/// Writes pictures in the byte stream format with what belongs before and behind them.
#[derive(Debug)]
pub(crate) struct PictureWriter {
    ending: Ending,
    parameter_sets: Vec<u8>,
    trailer: Vec<u8>,
}

impl PictureWriter {
    pub(crate) const fn new(ending: Ending) -> Self {
        Self { ending, parameter_sets: Vec::new(), trailer: Vec::new() }
    }

    pub(crate) fn start(&mut self, tracks: &Tracks) {
        self.parameter_sets.clear();
        if let Some(CodecParameters::H264(parameters)) = tracks.video.as_ref().map(|track| &track.parameters)
        {
            write_parameter_sets(parameters, &mut self.parameter_sets);
        }
        self.trailer.clear();
        match self.ending {
            Ending::Delimited => {
                self.trailer.put_slice(&DELIMITER);
                self.trailer.put_slice(&self.parameter_sets);
                self.trailer.put_slice(&DELIMITER);
            }
            Ending::None => (),
        }
    }

    /// Bytes that `write` will add.
    pub(crate) fn size(&self, unit: &AccessUnit) -> usize {
        let before = if unit.random_access { self.parameter_sets.len() } else { 0 };
        before + unit.data.len() + self.trailer.len()
    }

    /// The parameter sets between two delimiters, in place of a picture; nothing where the stream has none.
    pub(crate) fn write_no_picture(&self, out: &mut Vec<u8>) {
        if !self.parameter_sets.is_empty() {
            out.put_slice(&DELIMITER);
            out.put_slice(&self.parameter_sets);
            out.put_slice(&DELIMITER);
        }
    }

    /// Bytes that `write_no_picture` adds.
    pub(crate) const fn no_picture_size(&self) -> usize {
        if self.parameter_sets.is_empty() { 0 } else { self.parameter_sets.len() + 2 * DELIMITER.len() }
    }

    pub(crate) fn write(&self, unit: &AccessUnit, out: &mut Vec<u8>) -> Result<(), MuxError> {
        if unit.random_access {
            out.put_slice(&self.parameter_sets);
        }
        // A start code is as long as a length: one copy, then each length is overwritten.
        let mut at = out.len();
        out.put_slice(&unit.data);
        while at < out.len() {
            let length = nal_length(&out[at..])?;
            out[at..at + 4].copy_from_slice(&START_CODE);
            at += 4 + length;
        }
        out.put_slice(&self.trailer);
        Ok(())
    }
}

/// SPS and PPSs, each behind a start code.
pub(crate) fn write_parameter_sets(parameters: &H264Parameters, out: &mut Vec<u8>) {
    for nal in std::iter::once(parameters.sps()).chain(parameters.pps()) {
        write_start_code_before(nal, out);
    }
}

/// One NAL unit behind a start code.
pub(crate) fn write_start_code_before(nal: &[u8], out: &mut Vec<u8>) {
    out.put_slice(&START_CODE);
    out.put_slice(nal);
}

/// The length of the NAL unit at the start of `bytes`, which begin with its length field and hold all of it.
pub(crate) fn nal_length(bytes: &[u8]) -> Result<usize, MuxError> {
    let field = bytes.first_chunk::<4>();
    let length = field.and_then(|field| usize::try_from(u32::from_be_bytes(*field)).ok());
    length.filter(|&length| length <= bytes.len() - 4).ok_or_else(|| {
        MuxError::Malformed(format!("a NAL unit runs past the end, {} bytes before it", bytes.len()))
    })
}

pub(crate) const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// An access unit delimiter, any slice type.
pub(crate) const DELIMITER: [u8; 6] = [0, 0, 0, 1, 0x09, 0xf0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{PPS, SPS, mux, picture, video};
    use crate::{Format, FormatOptions};

    fn messages(ending: Ending, units: &[AccessUnit]) -> Vec<Chunk> {
        mux(Format::Annexb, &FormatOptions { ending, ..FormatOptions::default() }, &[video()], units)
    }

    #[test]
    fn a_viewer_starts_with_the_parameter_sets() {
        let v = video();
        let chunks = messages(Ending::None, &[picture(&v, 0, true, 3), picture(&v, 33, false, 2)]);
        let sets = [&START_CODE, SPS, &START_CODE, PPS].concat();
        assert_eq!(chunks[0].bytes, [&sets[..], &START_CODE, &[0x65, 1, 3]].concat());
        assert_eq!(chunks[1].bytes, [&START_CODE[..], &[0x41, 1]].concat());
        assert!(chunks[0].random_access && !chunks[1].random_access);
    }

    #[test]
    fn the_ending_shows_the_parser_that_the_picture_is_over() {
        let chunks = messages(Ending::Delimited, &[picture(&video(), 0, false, 2)]);
        let ending = [&DELIMITER[..], &START_CODE, SPS, &START_CODE, PPS, &DELIMITER].concat();
        assert_eq!(chunks[0].bytes, [&START_CODE[..], &[0x41, 1], &ending].concat());
    }

    #[test]
    fn a_length_that_runs_past_the_end_is_an_error_and_no_message() {
        let mut unit = picture(&video(), 0, false, 9);
        unit.data = unit.data.slice(..unit.data.len() - 1);
        let mut muxer = Format::Annexb.muxer(&FormatOptions::default());
        muxer.tracks(&[video()]);
        let mut out = VecDeque::new();
        assert!(matches!(muxer.push(&unit, &mut out), Err(MuxError::Malformed(_))));
        muxer.push(&picture(&video(), 0, true, 9), &mut out).unwrap();
        assert_eq!(out.len(), 1);
    }
}
